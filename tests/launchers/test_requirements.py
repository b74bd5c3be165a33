"""A program of many wheels: installed whole by hashes, or not there. Played by a pip that takes no time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.locks import MACHINES
from harness.errors import Unavailable
from harness.launchers import pip
from harness.launchers.base import Fetching
from harness.launchers.requirements import Requirements
from harness.launchers.sizes import weighed_in, with_weighed
from harness.resources import configs

PLAYED = """#!/bin/sh
echo "$@" >> "$CALLS"
[ "$BREAK" = pip ] && { echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"; exit 1; }
mkdir -p files/litellm
"""
WEIGHED = dict.fromkeys(MACHINES, 177_571_731)
LOCK = with_weighed(
    "# by hand\nother==1.0 \\\n    --hash=sha256:00\nlitellm[proxy]==1.108.7 \\\n    --hash=sha256:11\n", WEIGHED
)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pip that takes no time; returns where it writes down how it was called."""
    played = tmp_path / "pip"
    played.write_text(PLAYED)
    played.chmod(0o755)
    monkeypatch.setattr(pip, "PIP", (str(played),))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def source(folder: Path, text: str = LOCK) -> Requirements:
    (folder / "requirements.txt").write_text(text)
    return Requirements("litellm", folder / "requirements.txt", folder / "cache", "harness setup litellm")


@pytest.mark.parametrize("text", [LOCK, "litellm==1.108.7\n", "litellm[a,b]==1.108.7 ; python_version > '3'\n"])
def test_the_version_is_the_one_that_is_required(tmp_path: Path, text: str) -> None:
    assert source(tmp_path, text).offers() == ["1.108.7"]


@pytest.mark.parametrize("text", ["", "not-litellm==1.0\n", "litellm-more==1.0\n"])
def test_what_is_not_required_is_not_offered(tmp_path: Path, text: str) -> None:
    assert source(tmp_path, text).offers() == []


@pytest.mark.parametrize("name", ["litellm", "mitmproxy"])
def test_a_lock_has_a_hash_of_everything_and_names_no_registry(name: str) -> None:
    text = (configs() / name / "requirements.txt").read_text()
    packages = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert packages
    assert all("==" in line and "--hash=sha256:" in line for line in packages)
    assert "://" not in text
    assert set(weighed_in(text)) <= set(MACHINES)
    assert weighed_in(text)["linux-x64"]


@pytest.mark.proxies
def test_it_is_installed_once_from_wheels_with_hashes_and_run_with_our_python(calls: Path, tmp_path: Path) -> None:
    said: list[str] = []
    litellm = source(tmp_path)
    with pytest.raises(Unavailable, match=r"litellm 1\.108\.7 is not installed \(harness setup litellm\)"):
        litellm.installed("1.108.7")
    litellm.fetch("1.108.7", Fetching(said.append))
    litellm.fetch("1.108.7", Fetching(said.append))
    installed = litellm.installed("1.108.7")
    assert installed.program == Path(sys.executable)
    assert installed.told == "1.108.7 (wheel litellm 1.108.7)"
    assert installed.env == {"PYTHONPATH": str(installed.folder)}
    assert said == ["fetching litellm 1.108.7 and what it depends on (178 MB)"]
    (called,) = calls.read_text().splitlines()
    assert {"--require-hashes", "--only-binary", "--no-deps"} <= set(called.split())


@pytest.mark.proxies
def test_other_requirements_are_another_installation(calls: Path, tmp_path: Path) -> None:
    source(tmp_path).fetch("1.108.7", Fetching(print))
    with pytest.raises(Unavailable, match="is not installed"):
        source(tmp_path, f"{LOCK}more==1.0 --hash=sha256:22\n").installed("1.108.7")


@pytest.mark.proxies
def test_a_failed_installation_does_not_look_whole(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    litellm = source(tmp_path)
    monkeypatch.setenv("BREAK", "pip")
    with pytest.raises(Unavailable, match="DO NOT MATCH THE HASHES"):
        litellm.fetch("1.108.7", Fetching(print))
    with pytest.raises(Unavailable, match="is not installed"):
        litellm.installed("1.108.7")
    monkeypatch.delenv("BREAK")
    litellm.fetch("1.108.7", Fetching(print))
    assert litellm.installed("1.108.7")
