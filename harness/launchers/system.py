"""A program that the system has: whatever PATH leads to, or lies where servers lie."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from harness.errors import Unavailable
from harness.launchers.base import Installed, Source, SourceName
from harness.launchers.commands import asked

UNKNOWN = "unknown"
ALSO = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
"""Where servers lie that are not on the PATH of somebody who is not root."""


@dataclass(frozen=True, slots=True)
class VersionQuestion:
    """How a program is asked for its version: with these arguments it writes what the pattern's first group finds."""

    arguments: Sequence[str]
    pattern: str

    def answer(self, program: Path, env: Mapping[str, str], remedy: str) -> str:
        """Return the version. Raises Unavailable if the program does not run or says none. Blocks."""
        return _asked(str(program), (*self.arguments,), self.pattern, (*env.items(),), remedy)


@dataclass(frozen=True, slots=True)
class System(Source):
    """The system's own; it is never fetched by us, `remedy` says how one gets it."""

    command: str
    question: VersionQuestion
    remedy: str

    name: ClassVar[SourceName] = "system"

    def offers(self) -> Sequence[str]:
        """Return its version, or that it tells none: a program that is there and broken is not passed over."""
        if which(self.command) is None:
            return []
        try:
            return [self._installed().version]
        except Unavailable:
            return [UNKNOWN]

    def installed(self, version: str) -> Installed:
        return self._installed()

    def _installed(self) -> Installed:
        program = which(self.command)
        if program is None:
            raise Unavailable(f"{self.command} is not installed", self.remedy)
        return Installed(self.name, self.question.answer(program, {}, self.remedy), program)


def which(command: str) -> Path | None:
    """Return where a command lies."""
    found = shutil.which(command, path=os.pathsep.join([os.environ.get("PATH", ""), *ALSO]))
    return Path(found) if found else None


@cache
def _asked(
    program: str, arguments: tuple[str, ...], pattern: str, env: tuple[tuple[str, str], ...], remedy: str
) -> str:
    said = asked([program, *arguments], remedy, dict(env))
    words = f"{said.stdout}\n{said.stderr}"
    if found := re.search(pattern, words):
        return found[1]
    why = words.strip().splitlines()[-1:] or [f"exit status {said.returncode}"]
    raise Unavailable(f"{program} does not tell its version: {why[0]}", remedy)
