"""What runs owe an engine: all that bears a run's label goes, also when the run was killed, and no living run's does.

    python -m harness.launchers.leftovers      what the janitor runs for a harness that is gone

Rules: before anything of a run is made, a file in the cache tells which engine will have it; the run holds a lock on
that file, which the system lets go when the process is gone, however. Whoever gets the lock may remove what bears the
file's name as a label: only the dead, and only one remover at a time. The file goes last, and not before a request that
was under way when its run was killed must have come to its end: a later start looks again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

from harness import resources
from harness.errors import HarnessError, ProxyError
from harness.launchers.engine import ANSWERS_S, Engine, connected, shown_address, told

if TYPE_CHECKING:
    from docker.models.containers import Container

LABEL = "token-stream-harness.run"
OWED = ".owed"
DRAFT = ".draft"
AT_ONCE = 8
_TRIED: set[Path] = set()


class Debt:
    """What one run owes: the name that it labels everything with, for as long as it is entered."""

    def __init__(self, address: str) -> None:
        self.name = f"harness-{secrets.token_hex(8)}"
        self._lock, self._file = _promised(self.name, address)
        self._is_unsure = False

    @property
    def labels(self) -> dict[str, str]:
        return {LABEL: self.name}

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Ask for something that cannot be done if that raises ProxyError: what was under way may still come to be."""
        os.utime(self._file)
        try:
            with told(what):
                yield
        except ProxyError:
            self._is_unsure = True
            raise

    def pay(self, engine: Engine) -> None:
        """Have all of it removed. Blocks. Raises ProxyError if the engine does not do it: then it is left to others."""
        with self._lock:
            removed(engine, self.name)
            if not self._is_unsure:
                self._file.unlink(missing_ok=True)


def place() -> Path:
    """Return the folder of what is owed."""
    return resources.cache().absolute() / "containers"


def reap(forgetting: bool = False) -> list[str]:
    """Remove what dead runs have left; return what that was, in words. Blocks. What cannot be removed now stays owed.

    Where nothing is owed, no engine is asked. `forgetting` also forgets, and tells, what is owed an engine that does
    not answer: it may never again.
    """
    silent: set[str] = set()
    return [what for file in sorted(place().glob("*.*")) for what in _reaped(file, silent, forgetting)]


def reap_once() -> None:
    """Remove likewise, unless this process has tried: an engine that hangs takes long to be known as one."""
    if (here := place()) not in _TRIED:
        _TRIED.add(here)
        reap()


def removed(engine: Engine, name: str) -> list[str]:
    """Remove all containers, networks and volumes with a run's label; return their names. Raises ProxyError.

    Containers go side by side, for each takes the engine some tenths of a second.
    """
    from docker.errors import NotFound

    filters: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={name}"}
    with told(f"what is left of {name} cannot be removed"):
        containers = engine.client.containers.list(all=True, filters=filters, ignore_removed=True)
        with ThreadPoolExecutor(AT_ONCE) as side_by_side:
            gone = [f"container {one.name}" for one in containers]
            list(side_by_side.map(remove, containers))
        for network in engine.client.networks.list(filters=filters):
            with contextlib.suppress(NotFound):
                network.remove()
            gone.append(f"network {network.attrs['Name']}")
        for volume in engine.client.volumes.list(filters=filters):
            with contextlib.suppress(NotFound):
                volume.remove(force=True)
            gone.append(f"volume {volume.id}")
    return gone


def remove(container: Container) -> None:
    """Remove a container, unless it is gone. Raises what the SDK does."""
    from docker.errors import APIError

    try:
        container.remove(force=True, v=True)
    except APIError as error:
        if error.status_code not in (404, 409):  # gone, or somebody else is about it
            raise


def _promised(name: str, address: str) -> tuple[IO[str], Path]:
    """Write who is owed what under a lock, and only then where others look."""
    resources.own_folder(place())
    draft, file = place() / f"{name}{DRAFT}", place() / f"{name}{OWED}"
    lock = draft.open("x", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write(address)
    lock.flush()
    draft.rename(file)
    return lock, file


def _reaped(file: Path, silent: set[str], forgetting: bool) -> Iterator[str]:
    """Remove what a file tells of, unless a run holds it, or its engine is a `silent` one, which did not answer."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), file.open(encoding="utf-8") as lock:
        is_old = time.time() - file.stat().st_mtime > ANSWERS_S
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.suffix != OWED:
            if is_old:
                file.unlink(missing_ok=True)
        elif engine := _of(lock.read(), silent):
            with contextlib.closing(engine), contextlib.suppress(HarnessError):
                yield from removed(engine, file.stem)
                if is_old:
                    file.unlink(missing_ok=True)
        elif forgetting:
            file.unlink(missing_ok=True)
            lock.seek(0)
            where = shown_address(lock.read())
            yield f"the note of what bears {LABEL}={file.stem} in the engine at {where}, which does not answer"


def _of(address: str, silent: set[str]) -> Engine | None:
    """Return an engine that answers, unless it is known as `silent`, or is from now on."""
    if address not in silent:
        try:
            return connected(address)
        except HarnessError:
            silent.add(address)
    return None


if __name__ == "__main__":
    while reap():  # what was under way when the run was killed may come to be while we look
        pass
