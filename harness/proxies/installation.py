"""Installs something into a folder of the cache, once: it is whole or not there, whoever else wants it at the time.

Rules: the file `complete` is written last, and what lacks it is not installed; one process installs at a time; the
programs that it runs share its lock, so that they are waited for even if it is killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import Unavailable

COMPLETE = "complete"
LAST_LINES = 20
REMEDY = "set HARNESS_CACHE to a folder where you may write"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Steps:
    """What one installation runs, while it has its folder for itself."""

    folder: Path
    setup: str
    lock: IO[str]

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        """Run a program in the folder to its end; return what it wrote. Raises Unavailable with its last words."""
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            pass_fds=[self.lock.fileno()],  # should we be killed, the lock is theirs until they are done, too
        )
        if done.returncode:
            command = " ".join([Path(argv[0]).name, *argv[1:]])
            words = "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:])
            raise Unavailable(
                f"`{command}` failed with status {done.returncode}:\n{words}\n", f"mend that, then: {self.setup}"
            )
        return done.stdout


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
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with self._alone(progress) as lock:
                if (self.folder / COMPLETE).exists():
                    return
                if self.folder.exists():
                    progress("removing an installation that was not finished")
                    shutil.rmtree(self.folder)
                self.folder.mkdir()
                manifest = make(Steps(self.folder, self.setup, lock))
                draft = self.folder / f"{COMPLETE}.draft"
                draft.write_text(f"{manifest}\n")
                draft.rename(self.folder / COMPLETE)
        except OSError as error:
            remedy = f"{REMEDY} and that has {self.room} to spare"
            raise Unavailable(f"{self.name} cannot be set up in {self.folder}: {error}", remedy) from error

    @contextmanager
    def _alone(self, progress: Progress) -> Iterator[IO[str]]:
        with self.folder.with_name(f"{self.folder.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(f"waiting for another harness that is setting {self.name} up")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
