"""Programs from wheels: only what the lock says is taken, for this machine only, and what no lock knows is recorded.

A real pip takes them from a folder, and asks no network.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Unavailable
from harness.launchers.base import Fetching
from harness.launchers.ports import reserved_port
from harness.launchers.sources import Sources
from harness.launchers.system import VersionQuestion
from harness.launchers.wheel import Wheel
from tests.launchers.shop import Shop

pytestmark = pytest.mark.proxies

ELSEWHERE = "py3-none-win_arm64"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path / "shop")
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    return shop


@pytest.fixture
def wheel(shop: Shop, tmp_path: Path) -> Wheel:
    return Wheel("tiny-bin", "tiny/bin/*", "", shop.lock, tmp_path / "cache", "harness setup tiny")


def test_a_locked_wheel_is_fetched_once_and_its_program_runs(shop: Shop, wheel: Wheel) -> None:
    path = shop.sells("1.2.3")
    with pytest.raises(Unavailable, match=r"tiny-bin 1\.2\.3 is not installed \(harness setup tiny\)"):
        wheel.installed("1.2.3")
    said: list[str] = []
    wheel.fetch("1.2.3", Fetching(said.append))
    path.unlink()
    wheel.fetch("1.2.3", Fetching(said.append))
    assert said == ["fetching tiny-bin 1.2.3 (0.0 MB)"]
    installed = wheel.installed("1.2.3")
    assert subprocess.check_output([installed.program], text=True) == "tiny 1.2.3\n"
    assert installed.told == "1.2.3 (wheel tiny-bin 1.2.3)"
    assert VersionQuestion(["--version"], r"tiny ([\d.]+)").answer(installed.program, {}, "") == "1.2.3"


def test_two_versions_lie_side_by_side(shop: Shop, wheel: Wheel) -> None:
    for version in ("1.2.3", "2.0"):
        shop.sells(version)
        wheel.fetch(version, Fetching(print))
    ran = [subprocess.check_output([wheel.installed(version).program], text=True) for version in ("1.2.3", "2.0")]
    assert ran == ["tiny 1.2.3\n", "tiny 2.0\n"]


def test_a_wheel_with_another_hash_is_refused_and_leaves_nothing_to_run(shop: Shop, wheel: Wheel) -> None:
    path = shop.sells("1.2.3")
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(Unavailable, match=r"(?s)DO NOT MATCH THE HASHES.*harness setup tiny"):
        wheel.fetch("1.2.3", Fetching(print))
    with pytest.raises(Unavailable, match="not installed"):
        wheel.installed("1.2.3")
    shop.sells("1.2.3")
    wheel.fetch("1.2.3", Fetching(print))
    assert wheel.installed("1.2.3").program.exists()


def test_a_version_that_has_only_wheels_for_other_machines_is_not_offered(shop: Shop, wheel: Wheel) -> None:
    shop.sells("1.2.3", ELSEWHERE)
    shop.sells("1.1")
    assert list(wheel.offers()) == ["1.1"]


def test_a_version_that_is_nowhere_is_told_in_a_sentence_with_what_there_is_and_leaves_nothing(
    shop: Shop, wheel: Wheel
) -> None:
    shop.sells("1.2.3").unlink()
    nowhere = r"^pip finds no tiny-bin==1\.2\.3, nor any other version \(its index has none .*, or does not answer: "
    with pytest.raises(Unavailable, match=nowhere):
        wheel.fetch("1.2.3", Fetching(print))
    for version in ("1.9", "1.10"):
        shop.sells(version)
    elsewhere = r"^there is no tiny-bin==3\.\* for this machine \(pip finds 1\.10, 1\.9: choose one of these\)$"
    with pytest.raises(Unavailable, match=elsewhere):
        wheel.fetch_unlocked("3", Fetching(print))
    assert [path.name for path in wheel.folder.iterdir() if path.is_dir()] == []


def test_what_no_lock_knows_is_fetched_with_its_hash_recorded_and_offered_from_then_on(
    shop: Shop, wheel: Wheel
) -> None:
    for version in ("1.9", "1.10.2", "2.0"):
        path = shop.sells(version)
    hashes = {version: files[f"tiny_bin-{version}-py3-none-any.whl"].sha256 for version, files in shop.lock.items()}
    unlocked = replace(wheel, lock={})
    program = Sources("tiny", [unlocked], "")
    with pytest.raises(Unavailable, match=r"tiny 1 is in no lock here, .*forbidden \(locked\)"):
        replace(program, locked=True).fetch("1", "", Fetching(print))
    program.fetch("1", "", Fetching(print))
    assert list(unlocked.offers()) == ["1.10.2"]
    (manifest,) = (wheel.folder).glob("*/complete")
    assert hashes["1.10.2"] in manifest.read_text()
    assert subprocess.check_output([program.installed("1").program], text=True) == "tiny 1.10.2\n"
    path.unlink()
    program.fetch("1", "", Fetching(print))


def test_a_wheel_without_the_program_is_told(shop: Shop, wheel: Wheel) -> None:
    shop.sells("1.2.3")
    other = replace(wheel, program="tiny/sbin/*")
    other.fetch("1.2.3", Fetching(print))
    with pytest.raises(Unavailable, match=r"there is no tiny/sbin/\* in tiny-bin 1\.2\.3"):
        other.installed("1.2.3")


@pytest.fixture
def questions(tmp_path: Path) -> Callable[[str], Path]:
    def program(text: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return program


@pytest.mark.parametrize(
    ("text", "words"),
    [("echo nonsense", "does not tell its version: nonsense"), ("exit 3", "does not tell its version: exit status 3")],
)
def test_who_does_not_tell_its_version_is_told(questions: Callable[[str], Path], text: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        VersionQuestion(["-v"], r"v(\d+)").answer(questions(text), {}, "mend it")


def test_an_index_that_refuses_to_answer_is_not_taken_for_one_that_has_no_such_version(
    shop: Shop, wheel: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sells("1.2.3").unlink()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with reserved_port() as port:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        with pytest.raises(Unavailable, match=r"^pip finds no tiny-bin==1\.2\.3, .*, or does not answer: "):
            wheel.fetch("1.2.3", Fetching(print))
