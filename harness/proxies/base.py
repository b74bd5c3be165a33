"""What a proxy is: a function from an upstream endpoint to an endpoint. Chains are its fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.launchers.base import Fetching, Program, ProgramLauncher
from harness.model import Deployment, Edit, Endpoint, Hop, HopKind, ServedBy


@dataclass(frozen=True, slots=True)
class Running:
    """A started proxy. `program` tells whether it still lives.

    `about` goes into every result that used it: of an emulator the claim that it plays, of an application what it is.
    So does `served_by`: what of a user's config answers.
    """

    name: str
    endpoint: Endpoint
    program: Program
    version: str
    about: str | None = None
    served_by: ServedBy | None = None


class Proxy(Protocol):
    """One kind of proxy. Its variants are the files `configs/<name>/*<suffix>`, or what a `Varied` one says."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> HopKind:
        """What stands in the chain: a real proxy, an application, or an emulator, which only plays what somebody
        claims of a system that cannot run here. Of an application one stream is asked for at a time: it may stand
        still for all while it serves one.
        """

    @property
    def suffix(self) -> str:
        """How a variant's native config file ends: `.conf`, `.yaml`."""

    def version(self) -> str:
        """Return the version found on this machine. Raises Unavailable with the way out if there is none."""

    def describe(self, config: Path) -> str:
        """Return one line about a variant: what it stands for, or whose claim it plays."""

    def check(self, config: Path) -> None:
        """Raise InputError, naming file and key, if a variant's file cannot serve."""

    def install(self, progress: Callable[[str], None]) -> None:
        """Install what this proxy needs beyond its program, once; tell of progress. Raises Unavailable."""

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        """Start one instance in front of `upstream` and return once it answers.

        Rendered config and logs go to `evidence`; working files to a folder of `launcher`.
        Raises Unavailable if something is missing, ProxyError with the proxy's own words if it does not start.
        """


@runtime_checkable
class Varied(Proxy, Protocol):
    """A proxy that knows its shipped variants itself."""

    def variants(self) -> Mapping[str, Path]:
        """Return their configs by name; of one that reads none, `default`, which is its folder."""


@runtime_checkable
class Fetched(Proxy, Protocol):
    """A proxy whose program is fetched by itself when it is first needed, from sources that offer versions."""

    def brings_its_program(self, config: Path) -> bool:
        """Whether a config runs by what lies in it, so that nothing need be fetched."""

    def fetch(self, fetching: Fetching) -> None:
        """Have the program here, unless it is. Blocks. Raises Unavailable."""

    def offered(self) -> str:
        """Return what each source has here, the newest first, in words; nothing if none has any. Blocks."""


@runtime_checkable
class Optioned(Proxy, Protocol):
    """A proxy whose variants can be run in versions or with options: `asgi:plain@uvloop`."""

    def canonical(self, hop: Hop) -> Hop:
        """Return a hop in the one way to write it, without what is so anyway. Raises InputError with what it takes."""

    def with_options(self, hop: Hop) -> Proxy:
        """Return the proxy that runs variants as the hop says. Raises InputError likewise."""

    def install_for(self, config: Path, progress: Callable[[str], None]) -> None:
        """Install what this variant needs with these options, once. Raises Unavailable."""


@runtime_checkable
class Editable(Proxy, Protocol):
    """A proxy in whose configs mitigations can change what is in effect, as they say for its language."""

    def edited(self, edits: Sequence[Edit]) -> Editable:
        """Return the proxy that runs configs with edits."""

    def changed(self, config: Path) -> str:
        """Return what that changes of a config, as a unified diff without its secrets; nothing if it is so already, or
        is a config that is not edited. What only a program can tell that is not here, is told as that.

        Raises InputError for a config that cannot be read, or in which that cannot be said.
        """


@runtime_checkable
class AsksInHttp10(Proxy, Protocol):
    """A proxy that asks what stands behind it in HTTP/1.0, to which servers frame a body each in its own way, or not:
    as its config says.
    """

    def asks_in_http10(self, config: Path) -> bool:
        """Whether it may ask so where a config answers. Raises InputError for one that cannot be read."""


@runtime_checkable
class Deployable(Proxy, Protocol):
    """A proxy that runs a config as it is deployed: what stands for what is said beside it, and the rest found."""

    def takes(self, config: Path) -> bool:
        """Whether a config is read so: one that does not say itself what stands for what. Raises InputError."""

    def deployed(self, deployment: Deployment) -> Proxy:
        """Return the proxy that has configs stand in a chain as is said."""

    def config_files(self, config: Path) -> Sequence[Path]:
        """Return the files that a config is made of, the main one first. Raises InputError, or Unavailable if it takes
        the program to know.
        """

    def config_folders(self, config: Path) -> frozenset[Path]:
        """Return the folders in which a file that is new may be one more of them. Raises likewise."""

    def diff(self, config: Path) -> str:
        """Return what is changed of a config so that it can, as a unified diff. Raises InputError."""
