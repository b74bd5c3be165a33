"""A container engine for tests: the one that answers here, with the images that they run; else they skip, and say why.

    python -m tests.engines      prints why they do, and ends with 1

Where ENGINE_REQUIRED says that there is one (.ci/with_engine), they fail instead. Tests that have it run one at a
time, so that each can tell what it has left there.
"""

from __future__ import annotations

import contextlib
import fcntl
import operator
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import pytest
import yaml

from harness.errors import Unavailable
from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.engine import Engine, connected
from harness.launchers.leftovers import LABEL
from tests.waiting import wait_for

PINNED: dict[str, str] = yaml.safe_load((Path(__file__).parent.parent / "compose.yaml").read_text())["x-images"]
PROGRAMS = ("nginx", "haproxy", "traefik", "caddy", "envoy")
"""What the tests run. Where no registry can be reached, `python -m tests.stand_in_images` makes images of them."""
IMAGES = (EMITTER_IMAGE, *(PINNED[name] for name in PROGRAMS))


def contained(hop: str) -> str:
    """Return a hop in a container of the image that compose.yaml pins: `nginx:http10@docker:1.30-alpine`."""
    return f"{hop}@docker:{PINNED[hop.partition(':')[0]].rpartition(':')[2]}"


def lacking(engine: Engine) -> str | None:
    """Return which of the images an engine lacks, in words. Nothing is pulled here."""
    return next((f"the engine has no image {image}" for image in IMAGES if not engine.image(image)), None)


def engine_with_images() -> Engine:
    """Return an engine that has the images; where there is none, the test skips, or fails where there has to be one."""
    try:
        engine = connected()
    except Unavailable as error:
        cannot_run(error.reason)
    if why := lacking(engine):
        engine.close()
        cannot_run(why)
    return engine


def cannot_run(why: str, unless: Sequence[str] = ("here", "made")) -> NoReturn:
    """Skip a test, unless ENGINE_REQUIRED says that it has to be able to run: then it fails."""
    if os.environ.get("ENGINE_REQUIRED") in unless:
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """The engine, in which nothing that the test makes may be left: neither a container nor a network."""
    lock = Path(tempfile.gettempdir(), "harness-tests-of-containers.lock")
    with contextlib.closing(engine_with_images()) as engine, lock.open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        before = set(labelled(engine))
        yield engine
        wait_for(lambda: set(labelled(engine)) - before, operator.not_)


class OwnEngine:
    """An engine of a test's own, to be stopped, or put on a small disk: all that it has lies in a folder.

    It has a network namespace to itself, for engines take each other's bridges and rules away: who asks for what it
    publishes is run with a `prefix`. Entering it skips the test where none can be started. With `room_mb`, it lies on a
    disk of that size.
    """

    def __init__(self, room_mb: int | None = None) -> None:
        self._room_mb = room_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if os.geteuid() or not all(map(shutil.which, ("dockerd", "ip", "unshare", "nsenter"))):
            cannot_run("only root can start an engine of its own, where dockerd and ip are installed", unless=["made"])
        with contextlib.ExitStack() as unless_started:
            short = tempfile.TemporaryDirectory(prefix="engine-")  # as the path of a socket has to be
            self._folder = Path(unless_started.enter_context(short))
            unless_started.callback(self._unmount)
            unless_started.callback(self.stop)
            self.address = f"unix://{self._folder}/engine.sock"
            self.data = self._folder / "data"
            self.data.mkdir()
            if self._room_mb:
                disk = ["mount", "-t", "tmpfs", "-o", f"size={self._room_mb}m", "engine", str(self.data)]
                subprocess.run(disk, check=True)
            self.start()
            self._leaving = unless_started.pop_all()
        return self

    def __exit__(self, *ignored: object) -> None:
        self._leaving.close()

    def _unmount(self) -> None:
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if (place := line.split()[4]).startswith(f"{self._folder}/"):
                subprocess.run(["umount", "--lazy", place], check=True)

    def start(self) -> None:
        """Start it, again if it was stopped."""
        places = [f"--data-root={self.data}", f"--exec-root={self._folder}/exec", f"--pidfile={self._folder}/pid"]
        dockerd = ["dockerd", *places, "--host", self.address]
        argv = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *dockerd]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_for(self.answers)

    @property
    def prefix(self) -> Sequence[str]:
        assert self._process
        return "nsenter", f"--net=/proc/{self._process.pid}/ns/net"

    def stop(self) -> None:
        """Stop it, which ends what runs in it and keeps what is known of that."""
        if self._process:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def fill(self) -> None:
        """Leave no room on its disk."""
        with contextlib.suppress(OSError), (self.data / "full").open("wb", buffering=0) as full:
            while full.write(bytes(2**16)):
                pass

    def answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            connected(self.address).close()
        except Unavailable:
            return False
        return True

    def take(self, engine: Engine, *images: str) -> None:
        """Take images from another engine."""
        with contextlib.closing(connected(self.address)) as own:
            for image in images:
                named = image if ":" in image else f"{image}:latest"
                own.client.images.load(b"".join(engine.client.images.get(image).save(named=named)))


def labelled(engine: Engine) -> list[str]:
    """Return the names of all that has our label."""
    filters: Any = {"label": LABEL}
    found = engine.client.containers.list(all=True, filters=filters, ignore_removed=True)
    return [str(one.attrs["Name"]) for one in (*found, *engine.client.networks.list(filters=filters))]


def main() -> str | None:
    """Return why tests that have an engine skip here; None if they run."""
    try:
        with contextlib.closing(connected()) as engine:
            return lacking(engine)
    except Unavailable as error:
        return error.reason


if __name__ == "__main__":
    sys.exit(main())
