"""Where a program comes from, and which of the builds that are offered is meant.

Rules:
- a source offers versions, be they here or still to be fetched; it is asked in the order of SOURCES;
- with no version given it is the newest of the first source that has any: what people have is measured as it is;
- a version is met by what begins with it, part by part: 1.31 by 1.31.3, not by 1.310; the newest one, whoever has it;
- fetching happens before anything is measured, and never if that is forbidden; looking needs no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from harness.errors import Unavailable
from harness.launchers.base import SOURCES, Fetching, Installed, Source, SourceName

__all__ = ("Fetching", "Installed", "SourceName", "Sources", "age", "meets", "sole")


@dataclass(frozen=True, slots=True)
class Offer:
    """A version that a source has: `installed` if it is here, `locked` if a lock has its hash or it needs none."""

    source: SourceName
    version: str
    installed: Installed | None
    locked: bool


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
            here = ", ".join(self._all(wanted, only))
            what = f"{self.name} {wanted} is in no lock here, and fetching others is forbidden ({forbidden})"
            raise Unavailable(what, f"without --{forbidden} it is looked for; there is {here or 'none'}")

    def offers(self) -> Iterator[Offer]:
        """Yield what each source has, the newest first."""
        for source in self._asked(""):
            unlocked = source.unlocked()
            for version in sorted(source.offers(), key=age, reverse=True):
                here = None
                with suppress(Unavailable):
                    here = source.installed(version)
                yield Offer(source.name, version, here, version not in unlocked)

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
        here = ", ".join(self._all(wanted, only))
        here = f"it is there in {here}" if here else self.remedy
        raise Unavailable(f"{what} cannot be had{place} here", here)

    def _counting(self, wanted: str, only: str) -> Iterator[tuple[Source, str]]:
        """Yield what may run, whether it is wanted or not: of each source the newest first."""
        for source in self._asked(only):
            for version in sorted(source.offers(), key=age, reverse=True):
                if not self._is_out(source, version, wanted):
                    yield source, version

    def _all(self, wanted: str, only: str) -> list[str]:
        """Return these versions, the newest first, whoever has them."""
        return sorted({version for _, version in self._counting(wanted, only)}, key=age, reverse=True)

    def _best(self, wanted: str, only: str) -> tuple[Source, str] | None:
        offered = (offer for offer in self._counting(wanted, only) if meets(offer[1], wanted))
        if not wanted:
            return next(offered, None)  # and those after it are not asked: apt takes half a second
        return max(offered, key=lambda offer: age(offer[1]), default=None)  # of equal ones the first


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
