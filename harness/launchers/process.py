"""Starts local programs and makes sure that none outlives the harness.

Rules: programs are started by the janitor, which therefore knows of each before it exists, and of a folder before it
is made; how they end with us is told there. Every program leads its own process group, so that Ctrl-C reaches only us;
its output goes to a log file, or to us. Leaving the launcher ends all. No wait holds up the event loop, and each has a
bound: whoever is to answer may have been stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tenacity import AsyncRetrying, RetryError, retry_if_not_result, stop_after_delay
from tenacity.wait import wait_exponential

from harness.errors import ProxyError
from harness.launchers import janitor, leftovers
from harness.launchers.base import Program
from harness.launchers.commands import to_its_end
from harness.launchers.containers import Containers
from harness.launchers.janitors import Janitors
from harness.launchers.words import written

POLL = wait_exponential(multiplier=0.005, max=0.1)
START_S = 20.0
TERM_S = 2.0
KILL_S = 2 * janitor.ENDS_S

logger = logging.getLogger(__name__)


class Process(Program):
    """One started program, the lifeline it hangs on, and the pipes to it. `ended` is told when all of it is gone."""

    def __init__(
        self,
        name: str,
        pid: int,
        lifeline: socket.socket,
        log: Path,
        others_bytes: int,
        pipes: Sequence[IO[bytes]],
        ended: Callable[[Process], object],
    ) -> None:
        self.name = name
        self.pid = pid
        self._lifeline = lifeline
        self._status: int | None = None
        self._log = log
        self._others_bytes = others_bytes  # of who wrote to the same log before it
        self._pipes = pipes
        self._ended = ended
        self._gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(lifeline, self._hear)

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """What it writes to its standard output and to its standard error, if it was launched without a log."""
        output, errors = self._pipes
        return output, errors

    @property
    def returncode(self) -> int | None:
        self._hear()
        return self._status

    def words(self) -> str:
        return written(self._log, self._others_bytes)

    def signal_group(self, number: int) -> None:
        """Send a signal to the program and its group; nothing happens if they are gone."""
        with contextlib.suppress(OSError):
            self._lifeline.send(bytes([number]))

    async def stop(self) -> None:
        self.signal_group(signal.SIGTERM)
        try:
            await until(lambda: self.returncode is not None, TERM_S)
        finally:  # whoever is in a hurry does not leave it behind
            await self.kill()

    async def kill(self) -> None:
        """End whatever is left of the program and of all that it has started, at once.

        What is in the way of that, as when its keeper was stopped, is left to the janitor: till then it may live.
        """
        with contextlib.suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)
        try:
            async with asyncio.timeout(KILL_S):
                await self._gone.wait()
        except TimeoutError:
            logger.warning("%s could not be ended within %g s: that is left to the janitor", self.name, KILL_S)

    def _hear(self) -> None:
        """Hear what its keeper has said by now: how the program ended, and then that all of it is gone."""
        while not self._gone.is_set():
            try:
                heard = janitor.receive(self._lifeline)
            except BlockingIOError:
                return
            except OSError:
                heard = None
            if heard:
                self._status = heard[0]["status"]
            else:
                if self._status is None:  # somebody killed the keeper, and the program with it
                    self._status = -signal.SIGKILL
                self._loop.remove_reader(self._lifeline)
                self._lifeline.close()
                self._gone.set()
                self._ended(self)


class Launcher:
    """Owns all programs and temporary folders of one run. `keep` is told of each folder, which then stays."""

    def __init__(self, keep: Callable[[Path], object] | None = None) -> None:
        self._keep = keep
        self._processes: list[Process] = []
        self._janitors = Janitors()
        self.containers = Containers(self._janitors.at_last)

    async def __aenter__(self) -> Self:
        self._janitors.start()
        try:
            await to_its_end(leftovers.reap_once)
        except BaseException:
            await self._janitors.end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        async with contextlib.AsyncExitStack() as whatever_happens:
            whatever_happens.push_async_callback(self._janitors.end)
            whatever_happens.callback(self._remove_folders)
            whatever_happens.push_async_callback(self._kill)
            whatever_happens.push_async_callback(self.containers.close)
            processes = [*self._processes]
            for process in processes:
                process.signal_group(signal.SIGTERM)
            # one polite wait for all
            await until(lambda: all(process.returncode is not None for process in processes), TERM_S)

    async def _kill(self) -> None:
        await asyncio.gather(*(process.kill() for process in self._processes))

    def _remove_folders(self) -> None:
        for folder in [*self._janitors.folders]:
            janitor.remove(folder)
            if not os.path.lexists(folder):  # else somebody who is dying still writes to it: the janitor stays for that
                self._janitors.forgive(folder)

    def folder(self, name: str, parent: Path | None = None) -> Path:
        """Make a temporary folder, this user's alone, that goes with the run unless it is to be kept."""
        path = Path(parent or tempfile.gettempdir(), f"harness-{name}-{secrets.token_hex(8)}").absolute()
        if self._keep:
            self._keep(path)
        else:
            self._janitors.owe(str(path))
        path.mkdir(mode=0o700)
        return path

    def leaves(self, file: Path) -> None:
        """Have a file that a program may leave, one elsewhere than in its folder, go with the run."""
        self._janitors.owe(str(file))

    async def launch(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path | None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        hold_fds: Sequence[int] = (),
        stdin: IO[bytes] | None = None,
    ) -> Process:
        """Start a program; `env` is added to ours. Raises ProxyError if it cannot be executed.

        Its limits and priority are ours of when the launcher was entered. Without a log, whoever starts it reads its
        `pipes`. It reads `stdin`, which may be what another one writes to, or nothing. `hold_fds` are not for it: they
        stay open, as a lock, until all that it has started is gone.
        """
        order = {
            "argv": list(argv),
            "cwd": str(cwd or _here()),
            "env": {**os.environ, **(env or {})},
            "pass_fds": list(pass_fds),
        }
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            (source, *sinks), pipes = _opened(log, stdin, theirs, ours)
            others_bytes = sinks[0].tell() if log else 0
            files = [file.fileno() for file in (source, *sinks)]
            try:
                lifeline, answer = await self._order(order, [*files, *pass_fds, *hold_fds])
            except OSError as error:
                raise ProxyError(f"{name}: cannot have {argv[0]} started: {error.strerror or error}") from error
            if "error" in answer:
                lifeline.close()
                raise ProxyError(f"{name}: cannot run {argv[0]}: {answer['error']}")
            ours.pop_all()
        process = Process(name, answer["pid"], lifeline, log or Path(os.devnull), others_bytes, pipes, self._forget)
        self._processes.append(process)
        return process

    async def _order(self, order: janitor.Message, files: Sequence[int]) -> tuple[socket.socket, janitor.Message]:
        """Have a program started; return the lifeline it hangs on, and what its keeper said first."""
        for _ in range(2):  # somebody may have killed the janitor
            with contextlib.ExitStack() as unless_answered:
                lifeline, theirs = socket.socketpair()
                unless_answered.callback(lifeline.close)
                with theirs:
                    try:
                        self._janitors.order(order, [theirs.fileno(), *files])
                    except (BrokenPipeError, ConnectionResetError):  # whoever took its place is dead already, too
                        continue
                lifeline.setblocking(False)
                try:
                    answer = await _answer(lifeline)
                except asyncio.CancelledError:
                    await _over(lifeline)
                    raise
                if answer:
                    unless_answered.pop_all()
                    return lifeline, answer
        raise ProxyError(
            f"cannot start programs: who starts them was killed twice. {self._janitors.now.said()}".strip()
        )

    def _forget(self, process: Process) -> None:
        if process in self._processes:
            self._processes.remove(process)


def _opened(
    log: Path | None, stdin: IO[bytes] | None, theirs: contextlib.ExitStack, ours: contextlib.ExitStack
) -> tuple[list[IO[bytes]], list[IO[bytes]]]:
    """Open what a program reads, writes and complains to; also return our ends of the pipes among that."""
    source = stdin or theirs.enter_context(Path(os.devnull).open("rb"))  # noqa: SIM115
    if log:
        return [source, *[theirs.enter_context(log.open("ab"))] * 2], []
    ends = [[os.fdopen(fd, mode) for fd, mode in zip(os.pipe(), ("rb", "wb"), strict=True)] for _ in range(2)]
    for readable, writable in ends:
        ours.enter_context(readable)
        theirs.enter_context(writable)
    return [source, *(writable for _, writable in ends)], [readable for readable, _ in ends]


async def _answer(lifeline: socket.socket) -> janitor.Message | None:
    """Return what a keeper says first; None if it died. Raises TimeoutError if that takes too long."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(lifeline, readable.set)
    try:
        async with asyncio.timeout(START_S):
            await readable.wait()
        heard = janitor.receive(lifeline)
    except TimeoutError:
        raise TimeoutError(f"who is to start it has not answered for {START_S:g} s") from None
    except OSError:
        return None
    finally:
        loop.remove_reader(lifeline)
    return heard and heard[0]


async def _over(lifeline: socket.socket) -> None:
    """Have what hangs on a lifeline ended, and wait until it is gone, but not for ever."""
    with contextlib.suppress(OSError, TimeoutError):
        lifeline.shutdown(socket.SHUT_WR)
        while await _answer(lifeline):
            pass


def _here() -> str:
    """Return the folder that we are in, though it may have been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return f"/proc/{os.getpid()}/cwd"


async def until(condition: Callable[[], object], within_s: float) -> bool:
    """Wait until `condition()` is true; return whether it came true in time."""

    async def look() -> bool:
        return bool(condition())

    polling = AsyncRetrying(retry=retry_if_not_result(bool), stop=stop_after_delay(within_s), wait=POLL)
    try:
        return await polling(look)
    except RetryError:
        return False
