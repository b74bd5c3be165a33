"""Installs something into a folder of the cache, once: it is whole or not there, whoever else wants it at the time.

Rules: the file `complete` is written last, and what lacks it is not installed; who fails leaves nothing, who is killed
leaves that to the next one; one process installs at a time, in one thread; the programs that it runs end with it, with
what they put into TMPDIR, and its lock is held until all of them are gone.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import ProxyError, Unavailable
from harness.launchers.at_once import AGAIN_S, alone, pause
from harness.launchers.commands import apart
from harness.launchers.process import Launcher, until
from harness.resources import own_folder

COMPLETE = "complete"
LOG = "setup.log"
LAST_LINES = 20
TELL_S = 10.0
FULL_BYTES = 2**16
NO_ROOM = re.compile(r"No space left on device|ENOSPC|Disk quota exceeded")

_TRIED_AGAIN = re.compile(r"^WARNING: Retrying .*$", re.MULTILINE)
_NO_SUCH = re.compile(r"Could not find a version that satisfies the requirement (\S+).*\(from versions: ([^)]*)\)")
"""What pip says of a version that is nowhere, and which there are, the oldest first."""

_NO_MATCH = re.compile(r"No matching version found for (\S+)\.")
"""What npm says of one."""

_WHY = re.compile(r"\[Errno -?\d+\] [^']+|Read timed out")
REMEDY = "set HARNESS_CACHE to a folder where you may write"

Progress = Callable[[str], None]
_BUSY: dict[Path, threading.Lock] = {}
"""The folders that a thread of this process sets up, or has."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What one installation runs, while it has its folder for itself."""

    folder: Path
    name: str
    setup: str
    lock: IO[str]
    progress: Progress

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        """Run a program in the folder to its end; return what it wrote. Raises Unavailable with its last words."""
        status, said, is_full = apart(self._run(argv, env or {}))
        if status and (is_full or NO_ROOM.search(said)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if status and (nowhere := _nowhere(said)):
            raise nowhere
        if status:
            command = " ".join([Path(argv[0]).name, *argv[1:]])
            words = f"`{command}` failed with status {status}:\n{gist(said)}\n"
            raise Unavailable(words, f"mend that, then: {self.setup}")
        return said

    async def _run(self, argv: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, bool]:
        """Return how it ended, what it wrote, and whether a disk is full then: its last words may be lost with that."""
        async with Launcher() as launcher:
            temporary = launcher.folder(f"setup-{self.folder.parent.name}")
            program = await launcher.launch(
                self.folder.parent.name,
                argv,
                log=temporary / LOG,  # which a full cache leaves alone
                cwd=self.folder,
                env={"TMPDIR": str(temporary), **env},
                hold_fds=[self.lock.fileno()],
            )
            while not await until(program.death, TELL_S):
                self.progress(f"{self.name}: {size_of(self.folder, temporary) / 1e6:.0f} MB so far")
            is_full = any(shutil.disk_usage(place).free < FULL_BYTES for place in (self.folder, temporary))
            return program.returncode or 0, program.words(), is_full


@dataclass(frozen=True, slots=True)
class Installation:
    """What belongs into `folder`: its short `name`, the `subject` of sentences about it, how to `setup` it."""

    folder: Path
    name: str
    subject: str
    setup: str
    room: str

    def manifest(self) -> str:
        """Return what is in it, as `make` told when it was complete. Raises Unavailable if it is not."""
        try:
            return (self.folder / COMPLETE).read_text().strip()
        except FileNotFoundError:
            what = "was not installed completely" if self.folder.exists() else "is not installed"
            raise Unavailable(f"{self.subject} {what}", self.setup) from None
        except OSError as error:
            raise Unavailable(f"{self.subject} cannot be looked for: {error}", REMEDY) from None

    def ensure(self, make: Callable[[Steps], str], progress: Progress) -> None:
        """Have `make` fill the folder and tell of it, unless that is done. Blocks. Raises Unavailable."""
        try:
            own_folder(self.folder.parent)
            with self._alone(progress) as lock:
                if (self.folder / COMPLETE).exists():
                    return
                if self.folder.exists():
                    progress("removing an installation that was not finished")
                    shutil.rmtree(self.folder)
                try:
                    own_folder(self.folder)
                    manifest = make(Steps(self.folder, self.name, self.setup, lock, progress))
                    draft = self.folder / f"{COMPLETE}.draft"
                    draft.write_text(f"{manifest}\n")
                    draft.rename(self.folder / COMPLETE)
                except BaseException:
                    shutil.rmtree(self.folder, ignore_errors=True)
                    raise
        except (OSError, ProxyError) as error:
            remedy = f"{REMEDY} and that has {self.room} to spare"
            raise Unavailable(f"{self.name} cannot be set up in {self.folder}: {error}", remedy) from error

    def remove(self) -> bool:
        """Remove it; return whether that could be: not while somebody sets it up. Its lock stays, as a door does."""
        with open(self._lock, "w", opener=_no_link) as lock:
            if is_ours := _locked(lock):
                shutil.rmtree(self.folder)
            return is_ours

    @property
    def _lock(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.lock")

    @contextmanager
    def _alone(self, progress: Progress) -> Iterator[IO[str]]:
        """Have the folder for oneself: no other harness, and no other thread of this one, sets it up meanwhile."""
        ours = _BUSY.setdefault(self.folder, threading.Lock())
        with alone(ours), open(self._lock, "w", opener=_no_link) as lock:
            is_told = False
            while not _locked(lock):
                if not is_told:
                    progress(f"waiting for another harness that is setting {self.name} up")
                is_told = True
                pause(AGAIN_S)
            yield lock


def _locked(lock: IO[str]) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def size_of(*folders: Path) -> int:
    """Return how many bytes are in files below some folders, whatever comes and goes meanwhile."""
    size = 0
    for path, _, files in itertools.chain(*map(os.walk, folders)):
        for file in files:
            with suppress(OSError):
                size += os.lstat(Path(path, file)).st_size
    return size


def _nowhere(said: str) -> Unavailable | None:
    """Return what is told if an installer said that a version is not there, and not that it reached nobody."""
    if (sought := _NO_SUCH.search(said)) and not _TRIED_AGAIN.search(said):
        if sought[2] == "none":  # which pip also says of an index that refuses to answer
            here = "its index has none for this machine, or does not answer: try later, or choose another"
            return Unavailable(f"pip finds no {sought[1]}, nor any other version", here)
        found = ", ".join(reversed(sought[2].split(", ")))
        return Unavailable(f"there is no {sought[1]} for this machine", f"pip finds {found}: choose one of these")
    if sought := _NO_MATCH.search(said):
        return Unavailable(f"there is no {sought[1]}", "npm finds none: choose another")
    return None


def gist(said: str) -> str:
    """Return the last of what an installer said: one that asked a network again and again says so once."""
    tried = [_WHY.search(line) for line in _TRIED_AGAIN.findall(said)]
    lines = _TRIED_AGAIN.sub("", said).strip().splitlines()[-LAST_LINES:]
    why = [f"the network does not answer: {found[0] if found else 'nobody knows why'}" for found in tried[-1:]]
    return "\n".join([*why, *filter(None, lines)])


def _no_link(path: str, flags: int) -> int:
    """Open a file, but none that a link leads to: in a cache that others may write to, it could lead to any of ours."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
