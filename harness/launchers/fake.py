"""Programs that are only played: each lives until it is told to die, and says what it is told to. For tests.

launcher = FakeLauncher(folder, lambda launched: launched.program.dies(3, "no licence"))
...
assert launcher.launched[0].argv == ["server", "--port", "8080"]
assert launcher.alive == []
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.launchers.base import Program
from harness.launchers.containers import Containers


class FakeProgram(Program):
    """A program that does nothing of its own accord."""

    def __init__(self, name: str = "program", words: str = "") -> None:
        self.name = name
        self._words = words
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        return self._returncode

    def words(self) -> str:
        return self._words

    async def stop(self) -> None:
        if self._returncode is None:
            self._returncode = -signal.SIGTERM

    def says(self, words: str) -> None:
        """Have it write something to its log."""
        self._words += words

    def dies(self, status: int = 1, words: str = "") -> None:
        """Have it end, with last words; a negative status is that of a signal."""
        self.says(words)
        self._returncode = status


@dataclass(frozen=True, slots=True)
class Launched:
    """What a launcher was asked to start, and who plays it."""

    program: FakeProgram
    argv: Sequence[str]
    log: Path
    cwd: Path | None
    env: Mapping[str, str]


class FakeLauncher:
    """Hands out programs that are played, and keeps what it was asked for. Its folders are real ones below `root`.

    `plays` hears of each launch before it returns; what it raises is what launching raises.
    """

    def __init__(self, root: Path, plays: Callable[[Launched], object] = lambda launched: None) -> None:
        self.launched: list[Launched] = []
        self._root = root
        self._plays = plays
        self._folders = 0
        self.containers = Containers(lambda argv: None)

    @property
    def alive(self) -> list[FakeProgram]:
        """The programs that nobody has ended."""
        return [launched.program for launched in self.launched if launched.program.returncode is None]

    def leaves(self, file: Path) -> None:
        pass

    def folder(self, name: str, parent: Path | None = None) -> Path:
        self._folders += 1
        path = (parent or self._root) / f"{name}-{self._folders}"
        path.mkdir(exist_ok=True)
        return path

    async def launch(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> FakeProgram:
        launched = Launched(FakeProgram(name), list(argv), log, cwd, env or {})
        self._plays(launched)
        self.launched.append(launched)
        return launched.program
