"""Programs of npm's packages: installed whole by their lock, or not there. Played by a node and an npm of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.errors import Unavailable
from harness.launchers.base import Fetching
from harness.launchers.npm import MANIFESTS, Npm

NPM = """#!/bin/sh
echo "$@" >> "$CALLS"
[ "$BREAK" = npm ] && { echo "npm error network"; exit 1; }
mkdir -p node_modules/vite && grep -v lock package.json > node_modules/vite/package.json
"""
NODE = """#!/bin/sh
echo "$NODE_IS"
"""

pytestmark = pytest.mark.proxies


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node and an npm that take no time; returns where npm writes down how it was called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    play(programs, npm=NPM, node=NODE)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("NODE_IS", "v22.1.0")
    return tmp_path / "calls"


def play(folder: Path, **programs: str) -> None:
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def source(folder: Path, *versions: str) -> Npm:
    manifests = {}
    for version in versions or ("8.3.8",):
        manifests[version] = folder / "manifests" / version
        manifests[version].mkdir(parents=True, exist_ok=True)
        for name in MANIFESTS:
            (manifests[version] / name).write_text(json.dumps({"version": version}))
    return Npm("vite", manifests, (20, 19), folder / "cache", "harness setup vite")


def fetching(said: list[str] | None = None) -> Fetching:
    return Fetching((said if said is not None else []).append)


def test_it_is_installed_once_by_its_lock_and_no_package_runs_a_script_of_its_own(calls: Path, tmp_path: Path) -> None:
    said: list[str] = []
    vite = source(tmp_path)
    with pytest.raises(Unavailable, match=r"vite 8\.3\.8 is not installed \(harness setup vite\)"):
        vite.installed("8.3.8")
    vite.fetch("8.3.8", fetching(said))
    vite.fetch("8.3.8", fetching(said))
    installed = vite.installed("8.3.8")
    assert installed.told == "8.3.8 (npm vite 8.3.8 on Node.js v22.1.0)"
    assert installed.folder
    assert (installed.folder / "node_modules/vite").is_dir()
    assert said == ["installing vite 8.3.8 with npm"]
    (called,) = calls.read_text().splitlines()
    assert called.split()[0] == "ci"
    assert "--ignore-scripts" in called.split()


def test_versions_lie_side_by_side(calls: Path, tmp_path: Path) -> None:
    vite = source(tmp_path, "7.0.0", "8.3.8")
    for version in vite.offers():
        vite.fetch(version, fetching())
    told = {vite.installed(version).folder: vite.installed(version).version for version in vite.offers()}
    assert sorted(told.values()) == ["7.0.0", "8.3.8"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_lock_or_a_package_json_that_changed_is_another_installation(calls: Path, tmp_path: Path, name: str) -> None:
    vite = source(tmp_path)
    vite.fetch("8.3.8", fetching())
    (vite.manifests["8.3.8"] / name).write_text('{"version": "8.3.8", "more": 1}')
    with pytest.raises(Unavailable, match="is not installed"):
        vite.installed("8.3.8")


def test_another_node_is_another_installation(calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vite = source(tmp_path)
    vite.fetch("8.3.8", fetching())
    other = tmp_path / "other"
    other.mkdir()
    play(other, node="#!/bin/sh\necho v24.0.0\n")
    monkeypatch.setenv("PATH", f"{other}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="is not installed"):
        vite.installed("8.3.8")


def test_a_failed_installation_does_not_look_whole(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vite = source(tmp_path)
    monkeypatch.setenv("BREAK", "npm")
    with pytest.raises(Unavailable, match=r"`npm ci .*status 1:\nnpm error network"):
        vite.fetch("8.3.8", fetching())
    with pytest.raises(Unavailable, match=r"is not installed \(harness setup vite\)"):
        vite.installed("8.3.8")
    monkeypatch.delenv("BREAK")
    vite.fetch("8.3.8", fetching())
    assert vite.installed("8.3.8").version == "8.3.8"


@pytest.mark.parametrize(
    ("program", "text", "reason"),
    [
        ("npm", None, "npm is not installed"),
        ("node", None, r"Node\.js is not installed"),
        ("node", "#!/bin/sh\necho v20.9.0\n", r"Node\.js v20\.9\.0 is too old"),
        ("node", "#!/bin/sh\nexit 1\n", r"Node\.js does not run"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, text: str | None, reason: str
) -> None:
    programs = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(programs))
    if text is None:
        (programs / program).unlink()
    else:
        play(programs, **{program: text})
    with pytest.raises(Unavailable, match=rf"{reason}.*install Node\.js .*with npm, then: harness setup vite"):
        source(tmp_path).fetch("8.3.8", fetching())
