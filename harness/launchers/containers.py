"""Runs programs of a run in containers, and lets none outlive it.

    client ---> 127.0.0.1:PUBLISHED | 172.x.0.3:8080 ---> 172.x.0.2:8080 (the emitter)
                     this machine   |  a bridge network of the run's own

Rules:
- A container cannot reach this machine's loopback, on some engines not this machine at all: what it asks has to run in
  a container too, in the network of the run. What this machine asks is published on 127.0.0.1, at a port that the
  engine chooses.
- What a program is given lies where it lies here, mounted read-only; only its own folder can be written, and /tmp.
- It runs as the user that we are, or as nobody where we are root; without capabilities, without a way to new
  privileges, on a root file system that it cannot write, with a limit for memory and processes.
- It is written down what the engine will owe before it is asked for anything (leftovers.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, ProxyError, Unavailable
from harness.launchers.base import Box, ContainerRunner, Program
from harness.launchers.commands import to_its_end
from harness.launchers.engine import Engine, connected, told
from harness.launchers.leftovers import Debt, remove
from harness.launchers.words import written

if TYPE_CHECKING:
    from docker.models.containers import Container

EMITTER_IMAGE = "token-stream-backend"
"""The image that compose.yaml builds: the emitter runs in it."""
PORT = 8080
"""Where a hop listens in its container, which has all ports for itself; no privilege is needed above 1023."""
MEMORY, PROCESSES = "1g", 512
NOBODY = "65534:65534"
LOST = 125
"""The status of a container whose engine does not tell it any more: the one that docker's own tools end with then."""
HEARS_S = 2.0
"""How long it may take to hear how a container ended that was removed: of an engine that is stopped, never."""
SIGNALS = frozenset(map(int, signal.Signals))
LEFTOVERS = (sys.executable, "-P", "-m", "harness.launchers.leftovers")

_TAKEN = re.compile("address already in use|port is already allocated")

logger = logging.getLogger(__name__)


class Contained(Program):
    """A program that runs in a container. Its log is followed by a thread, which also hears how it ends."""

    def __init__(self, name: str, container: Container, engine: Engine, log: Path) -> None:
        self.name = name
        self.container = container
        self._engine = engine
        self._log = log
        self._kept = log.open("ab", buffering=0)
        self._others_bytes = self._kept.tell()  # of who wrote to the same log before it
        self._status: int | None = None
        self._lost = ""
        self._following = threading.Thread(target=self._follow, name=f"log of {name}", daemon=True)
        self._following.start()

    @property
    def returncode(self) -> int | None:
        return self._status

    def words(self) -> str:
        return written(self._log, self._others_bytes)

    def death(self) -> str | None:
        return f"{self.name}: its container was lost: {self._lost}" if self._lost else super().death()

    async def stop(self) -> None:
        """Remove its container: there is nothing else that it could leave, so nothing to be polite about."""
        await to_its_end(self._remove)

    def heard_out(self) -> None:
        """Wait until its end was heard of, if somebody tells of it. Blocks."""
        self._following.join(HEARS_S)

    def _remove(self) -> None:
        try:
            with told(f"the container of {self.name} cannot be removed"):
                remove(self.container)
        except ProxyError as error:
            logger.warning("%s: that is left to a later start", error)
        self.heard_out()

    def _follow(self) -> None:
        from docker.errors import NotFound

        lost, status = "nobody follows it any more", LOST  # if this thread should die
        try:
            with told("the engine does not answer any more"):
                followed = self._engine.client.containers.get(str(self.container.id))
                self._write(followed.logs(stream=True, follow=True))
                lost, status = "", _as_ours(int(followed.wait(timeout=None)["StatusCode"]))
        except ProxyError as error:
            lost = "it was removed" if isinstance(error.__cause__, NotFound) else str(error)
        finally:
            self._lost, self._status = lost, status

    def _write(self, words: Iterator[bytes]) -> None:
        """Write what it says for as long as there is room: how it ends is to be heard all the same."""
        with self._kept:
            for some in words:
                try:
                    self._kept.write(some)
                except OSError as error:
                    logger.warning("what %s says is not kept any more: %s", self.name, error.strerror)
                    return


class Containers(ContainerRunner):
    """The containers of one run and the network that they are in. Nothing is asked of an engine before it is needed."""

    def __init__(self, at_last: Callable[[Sequence[str]], object]) -> None:
        self._at_last = at_last
        self._beginning = asyncio.Lock()
        self._begun: _Begun | None = None
        self._inside: dict[int, tuple[str, int]] = {}
        self._programs: list[Contained] = []

    @property
    def shares_our_clock(self) -> bool:
        """Whether instants of a container can be compared with ours: known once one was run."""
        return bool(self._begun and self._begun.shares_our_clock)

    def inside(self, port: int) -> tuple[str, int]:
        try:
            return self._inside[port]
        except KeyError:
            why = f"what runs in a container cannot reach port {port} of this machine's loopback"
            raise Unavailable(why, "have all that stands behind a container run in one, too") from None

    async def run(self, name: str, box: Box, log: Path) -> tuple[Contained, list[int]]:
        async with self._beginning:
            if not self._begun:
                self._at_last(LEFTOVERS)
                await to_its_end(self._begin)
        assert self._begun
        container, address, published = await to_its_end(self._begun.start, name, box)
        self._inside |= dict(zip(published, ((address, port) for port in box.ports), strict=True))
        program = Contained(name, container, self._begun.following, log)
        self._programs.append(program)
        return program, published

    def _begin(self) -> None:
        self._begun = _Begun()

    async def close(self) -> None:
        """Remove all of it. What cannot be removed now is left to a later start."""
        if self._begun:
            begun, self._begun = self._begun, None
            await to_its_end(begun.end)
            for program in self._programs:
                await to_its_end(program.heard_out)
            begun.hang_up()


class _Begun:
    """An engine that is in use by a run, and its network. All of it blocks."""

    def __init__(self) -> None:
        self._engine = connected()
        self.following = connected(self._engine.address, timeout_s=None)
        with told("the engine does not tell of itself"):
            self._user = "0:0" if self._engine.is_rootless else _user()
            self.shares_our_clock = self._engine.shares_our_clock
        self._debt = Debt(self._engine.address)
        try:
            with self._debt.asking("no network can be made for the run"):
                self._engine.client.networks.create(
                    self._debt.name, driver="bridge", labels=self._debt.labels, check_duplicate=True
                )
        except ProxyError:
            self.end()
            self.hang_up()
            raise

    def start(self, name: str, box: Box) -> tuple[Container, str, list[int]]:
        """Run a container; return it, its address in the network, and where its ports are published."""
        from docker.types import Mount

        mounts = [Mount(at or str(here), str(here), "bind", read_only=True) for here, at in box.reads.items()]
        if box.writes:
            mounts.append(Mount(str(box.writes), str(box.writes), "bind"))
        if self._user == NOBODY:
            _open_up([here for here, at in box.reads.items() if not at], box.writes)  # of the run, and nothing else
            _check_open([here for here, at in box.reads.items() if at])
        with self._debt.asking(f"{name} cannot be run in a container"):
            container = self._engine.client.containers.create(
                box.image,
                entrypoint=[box.argv[0]],
                command=[*box.argv[1:]],
                environment=dict(box.env or {}),
                use_config_proxy=False,  # or ~/.docker/config.json says by which proxy it asks the emitter
                labels=self._debt.labels,
                network=self._debt.name,
                ports={f"{port}/tcp": ("127.0.0.1", 0) for port in box.ports},
                mounts=mounts,
                user=self._user,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                read_only=True,
                tmpfs={"/tmp": ""},
                mem_limit=MEMORY,
                pids_limit=PROCESSES,
                working_dir="/tmp",
            )
            _start(container)
            container.reload()
            settings = container.attrs["NetworkSettings"]
            published = settings["Ports"] or {}
            address = str(settings["Networks"][self._debt.name]["IPAddress"])
        # one that has ended already has no ports any more: who waits for it hears of its end
        return container, address, [_published(published.get(f"{port}/tcp")) for port in box.ports]

    def end(self) -> None:
        try:
            self._debt.pay(self._engine)
        except HarnessError as error:
            logger.warning("%s: that is left to a later start", error)

    def hang_up(self) -> None:
        self._engine.close()
        self.following.close()


def _start(container: Container) -> None:
    """Start a container: at other ports, if others had all that the engine has tried. Raises what the SDK does."""
    from docker.errors import APIError

    for others in (2, 1, 0):
        try:
            container.start()
            return
        except APIError as error:
            if not others or not _TAKEN.search(str(error.explanation)):
                raise


def _published(bound: Sequence[Mapping[str, str]] | None) -> int:
    return int(bound[0]["HostPort"]) if bound else 0


def _user() -> str:
    return f"{os.getuid()}:{os.getgid()}" if os.getuid() else NOBODY


def _open_up(reads: Sequence[Path], writes: Path | None) -> None:
    """Let nobody read what root has written for it, and have its own folder: what they lie in stays root's alone."""
    for top in reads:
        for path in [top, *top.rglob("*")] if top.is_dir() else [top]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    for path in [writes, *writes.rglob("*")] if writes else []:
        os.chown(path, *map(int, NOBODY.split(":")), follow_symlinks=False)


def _check_open(reads: Sequence[Path]) -> None:
    """Raise Unavailable if nobody can read what is no folder of the run's, and is not ours to open up."""
    for top in reads:
        for path in [top, *top.rglob("*")]:
            wanted = 0o005 if path.is_dir() else 0o004
            if not path.is_symlink() and path.stat().st_mode & wanted != wanted:
                why = f"nobody can read {path}, as which root's containers run"
                raise Unavailable(why, f"chmod -R go+rX {top}")


def _as_ours(status: int) -> int:
    """Return an exit status as our own programs have it: negative for a signal, if there is one of that number."""
    return 128 - status if status - 128 in SIGNALS else status
