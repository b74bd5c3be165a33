"""Programs of Debian's packages: unpacked whole, with what the machine lacks. Played by an apt that takes no time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Unavailable
from harness.launchers import apt
from harness.launchers.apt import Apt, upstream
from harness.launchers.base import Fetching

APT_GET = """#!/bin/sh
echo "$@" >> "$CALLS"
[ "$BREAK" = "$1" ] && { echo "E: Failed to fetch"; exit 100; }
case "$1 $2" in
    "install "*) echo "NOTE: This is only a simulation!"; echo "Inst libapr1 (1.7)"; echo "Conf libapr1 (1.7)" ;;
    "download --print-uris") shift 2
        for package; do echo "'http://deb/${package}_1%7e_amd64.deb' ${package}_1~_amd64.deb 1409916 SHA256:0"; done ;;
    "download "*) shift; for package; do touch "${package}_1_amd64.deb"; done ;;
esac
"""
APT_CACHE = """#!/bin/sh
[ "$1" = -o ] && touch "${2#Dir::Cache::pkgcache=}" && shift 2
echo "$2:"; echo "  Installed: (none)"; echo "  Candidate: $CANDIDATE"
"""
DPKG = """#!/bin/sh
[ "$BREAK" = unpack ] && exit 2
mkdir -p "$3/usr/sbin" "$3/usr/lib/x86_64-linux-gnu" && touch "$3/usr/sbin/${2%%_*}"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt and a dpkg that take no time; returns where apt-get writes down how it was called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("apt-get", APT_GET), ("apt-cache", APT_CACHE), ("dpkg", DPKG)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    offered("2.4.71-1~deb12u1", monkeypatch)
    return tmp_path / "calls"


def offered(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have apt's lists offer a version from now on, as after `apt-get update`."""
    monkeypatch.setenv("CANDIDATE", version)
    apt._candidate.cache_clear()


def source(folder: Path) -> Apt:
    return Apt(("apache2-bin",), "usr/sbin/apache2-bin", "", folder / "cache", "harness setup apache")


def fetching(said: list[str] | None = None) -> Fetching:
    return Fetching((said if said is not None else []).append)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("2.4.71-1~deb12u1", "2.4.71"),
        ("1:2.6.12-1+deb12u2", "2.6.12"),
        ("1.22.1-9+deb12u1", "1.22.1"),
        ("9.2.5+ds-0+deb12u3", "9.2.5"),
        ("7.1.1", "7.1.1"),
    ],
)
def test_a_version_is_that_of_whose_program_it_is(version: str, told: str) -> None:
    assert upstream(version) == told


@pytest.mark.proxies
def test_what_is_fetched_is_the_package_and_what_the_machine_lacks_once(calls: Path, tmp_path: Path) -> None:
    said: list[str] = []
    apache = source(tmp_path)
    assert apache.offers() == ["2.4.71"]
    with pytest.raises(Unavailable, match=r"apache2-bin 2\.4\.71 is not installed \(harness setup apache\)"):
        apache.installed("2.4.71")
    apache.fetch("2.4.71", fetching(said))
    apache.fetch("2.4.71", fetching(said))
    installed = apache.installed("2.4.71")
    assert installed.told == "2.4.71 (apt apache2-bin 2.4.71-1~deb12u1)"
    assert installed.program.is_file()
    assert installed.env == {"LD_LIBRARY_PATH": f"{installed.folder}/usr/lib/x86_64-linux-gnu"}
    assert said == ["fetching the packages apache2-bin, libapr1 (3 MB)"]
    for folder in ("lib/x86_64-linux-gnu", "usr/lib/apache"):
        (installed.program.parents[2] / folder).mkdir(parents=True)
    searched = replace(apache, libraries="usr/lib/apache").installed("2.4.71").env["LD_LIBRARY_PATH"].split(":")
    found = [Path(place).relative_to(installed.folder or tmp_path).as_posix() for place in searched]
    assert found == ["usr/lib/apache", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"], "its own before all others"
    simulated, weighed, downloaded = calls.read_text().splitlines()
    assert "--simulate" in simulated
    assert weighed == "download --print-uris apache2-bin libapr1"
    assert downloaded == "download apache2-bin libapr1"
    assert not list(tmp_path.rglob("*.deb"))


@pytest.mark.proxies
def test_a_version_that_apt_no_longer_has_stays_on_offer_if_it_is_here(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apache = source(tmp_path)
    apache.fetch("2.4.71", fetching())
    offered("2.4.72-1", monkeypatch)
    assert apache.offers() == ["2.4.71", "2.4.72"]
    assert apache.installed("2.4.71").version == "2.4.71"


@pytest.mark.proxies
def test_a_rebuild_of_the_same_version_is_an_installation_of_its_own(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apache = source(tmp_path)
    apache.fetch("2.4.71", fetching())
    before = apache.installed("2.4.71")
    assert before.folder
    assert before.folder.parent.name == "apt-apache2-bin=2.4.71-1%7edeb12u1"
    offered("1:2.4.71-1~deb12u2", monkeypatch)
    assert apache.offers() == ["2.4.71"]
    with pytest.raises(Unavailable, match="is not installed"):
        apache.installed("2.4.71")
    apache.fetch("2.4.71", fetching())
    after = apache.installed("2.4.71")
    assert (before.build, after.build) == ("apache2-bin 2.4.71-1~deb12u1", "apache2-bin 1:2.4.71-1~deb12u2")
    assert ":" not in str(after.folder), "what looks for libraries takes it for the end of a folder"
    assert before.folder != after.folder
    offered("2.4.72-1", monkeypatch)
    assert apache.installed("2.4.71") == after, "of those that apt has no longer, the one that was fetched last"


@pytest.mark.proxies
@pytest.mark.parametrize("step", ["install", "download", "unpack"])
def test_what_was_not_fetched_to_its_end_is_not_there_and_is_not_offered_once_apt_has_another(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    apache = source(tmp_path)
    monkeypatch.setenv("BREAK", step)
    with pytest.raises(Unavailable, match="failed with status"):
        apache.fetch("2.4.71", fetching())
    with pytest.raises(Unavailable, match="is not installed"):
        apache.installed("2.4.71")
    monkeypatch.delenv("BREAK")
    offered("2.4.72-1", monkeypatch)
    assert apache.offers() == ["2.4.72"]
    apache.fetch("2.4.72", fetching())
    assert apache.installed("2.4.72").program.is_file()


@pytest.mark.proxies
@pytest.mark.parametrize("candidate", ["(none)", ""])
def test_a_package_that_apt_does_not_know_is_not_offered(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, candidate: str
) -> None:
    offered(candidate, monkeypatch)
    assert source(tmp_path).offers() == []


@pytest.mark.proxies
@pytest.mark.parametrize("kept", [True, False])
def test_what_apt_has_read_is_kept_where_apt_keeps_it_not(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    monkeypatch.setattr(apt, "KEPT", tmp_path / "pkgcache.bin")
    if kept:
        apt.KEPT.touch()
    assert source(tmp_path).offers() == ["2.4.71"]
    assert (tmp_path / apt.LISTS / "pkgcache.bin").exists() is not kept


@pytest.mark.proxies
def test_a_cache_that_cannot_be_written_keeps_nothing_of_it(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "KEPT", tmp_path / "nowhere")
    (tmp_path / "apt").touch()
    assert source(tmp_path).offers() == ["2.4.71"]


def test_a_machine_without_apt_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    apt._candidate.cache_clear()
    assert source(tmp_path).offers() == []
    apt._candidate.cache_clear()
