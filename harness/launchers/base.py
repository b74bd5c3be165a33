"""What is started and ends again, and who starts it: `process.py` does so on this machine, `fake.py` plays it."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Program(Protocol):
    """One program that was started: whether and how it ended, what it said, and a way to end it."""

    name: str

    @property
    @abstractmethod
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""

    @abstractmethod
    def words(self) -> str:
        """Return what it has written since it was started; if that is very much, the end of it."""

    @abstractmethod
    async def stop(self) -> None:
        """End it and all that it has started: politely, then not. What has ended already may be stopped again."""

    def death(self) -> str | None:
        """Return how it died in words, or None if it lives."""
        code = self.returncode
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        return f"{self.name} {how}"

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines it wrote, for an error message."""
        return "\n".join(self.words().strip().splitlines()[-lines:])


class ProgramLauncher(Protocol):
    """What starts the programs of a run, owns them and their folders, and lets none outlive it."""

    def folder(self, name: str, parent: Path | None = None) -> Path:
        """Make a temporary folder that goes with the run."""

    async def launch(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Program:
        """Start a program that writes to `log`; `env` is added to ours. Raises ProxyError if it cannot be executed."""
