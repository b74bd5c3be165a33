"""What stands in front of an emitter that somebody deployed, whatever it is: a hop that nobody starts here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.launchers.base import Program, ProgramLauncher
from harness.model import AT, Endpoint, HopKind
from harness.proxies.base import Running


class OfOthers(Program):
    """A program elsewhere: whether it lives, who asks it hears."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def returncode(self) -> int | None:
        return None

    def words(self) -> str:
        return ""

    async def stop(self) -> None:
        """It is not ours to end."""


@dataclass(frozen=True)
class At:
    """All that is on the way to a deployed emitter: `told` is its host and path."""

    endpoint: Endpoint
    told: str
    name: str = AT
    kind: HopKind = "deployed"
    suffix: str = ""

    def version(self) -> str:
        return self.told

    def describe(self, config: Path) -> str:
        return f"what stands in front of the emitter at {self.told}"

    def check(self, config: Path) -> None:
        """It has no config here."""

    def install(self, progress: Callable[[str], None]) -> None:
        """Somebody has."""

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        return Running(self.name, self.endpoint, OfOthers(self.told), self.told)
