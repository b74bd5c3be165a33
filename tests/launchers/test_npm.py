"""Programs of npm's packages: installed whole by their lock, or not there. Played by a node and an npm of ours."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.locks import MACHINES
from harness.errors import Unavailable
from harness.launchers.base import Fetching
from harness.launchers.npm import LOCK, PACKAGE, Npm, locked_in, node_version, numbers
from harness.launchers.sources import Sources

NPM = """#!/bin/sh
echo "$@" >> "$CALLS"
[ "$BREAK" = "$1" ] && { echo "npm error ${SAYS:-network}"; exit 1; }
case $1 in
    install) cp package.json needed.json; echo '{"version": "7.1.9"}' > package.json; echo hashes > package-lock.json ;;
    ci) mkdir -p node_modules/vite && cp package.json node_modules/vite/package.json ;;
esac
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
    for version in versions or ("8.3.8",):
        place = folder / "manifests" / version
        place.mkdir(parents=True, exist_ok=True)
        said = {"version": version, "dependencies": {"vite": version, "more": "1.0"}, "engines": {"node": ">=20.19"}}
        weighs = dict.fromkeys(MACHINES, 12_300_000)
        (place / PACKAGE).write_text(json.dumps({**said, "downloadBytes": weighs}))
        (place / LOCK).write_text(json.dumps({"packages": {"node_modules/vite": {"version": version}}}))
    return Npm("vite", locked_in(folder / "manifests", "vite"), folder / "cache", "harness setup vite")


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
    assert said == ["fetching vite 8.3.8 with npm (12 MB)"]
    (called,) = calls.read_text().splitlines()
    assert called.split()[0] == "ci"
    assert "--ignore-scripts" in called.split()


def test_versions_lie_side_by_side(calls: Path, tmp_path: Path) -> None:
    vite = source(tmp_path, "7.0.0", "8.3.8")
    for version in vite.offers():
        vite.fetch(version, fetching())
    told = {vite.installed(version).folder: vite.installed(version).version for version in vite.offers()}
    assert sorted(told.values()) == ["7.0.0", "8.3.8"]


@pytest.mark.parametrize("name", [PACKAGE, LOCK])
def test_a_lock_or_a_package_json_that_changed_is_another_installation(calls: Path, tmp_path: Path, name: str) -> None:
    vite = source(tmp_path)
    vite.fetch("8.3.8", fetching())
    (vite.manifests["8.3.8"].folder / name).write_text('{"version": "8.3.8", "more": 1}')
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
    monkeypatch.setenv("BREAK", "ci")
    with pytest.raises(Unavailable, match=r"`npm ci .*status 1:\nnpm error network"):
        vite.fetch("8.3.8", fetching())
    with pytest.raises(Unavailable, match=r"is not installed \(harness setup vite\)"):
        vite.installed("8.3.8")
    monkeypatch.delenv("BREAK")
    vite.fetch("8.3.8", fetching())
    assert vite.installed("8.3.8").version == "8.3.8"


def test_what_lies_beside_the_packages_is_laid_there_and_built_and_another_installation_if_it_changed(
    calls: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.js"
    page.write_text("page")
    built: list[str] = []
    vite = replace(source(tmp_path), files={"app/page.js": page}, build=lambda steps, node: built.append(node))
    vite.fetch("8.3.8", fetching())
    folder = vite.installed("8.3.8").folder
    assert folder
    assert (folder / "app/page.js").read_text() == "page"
    assert built == [str(tmp_path / "bin/node")]
    page.write_text("another page")
    with pytest.raises(Unavailable, match="is not installed"):
        vite.installed("8.3.8")


def test_a_version_without_a_lock_is_fetched_for_who_names_it_and_its_lock_is_kept(calls: Path, tmp_path: Path) -> None:
    said: list[str] = []
    vite = Sources("vite", [source(tmp_path)], "")
    with pytest.raises(Unavailable, match=r"vite 7\.1 is in no lock here, and fetching others is forbidden \(locked\)"):
        replace(vite, locked=True).fetch("7.1", "", fetching())
    for _ in range(2):
        vite.fetch("7.1", "", fetching(said))
    installed = vite.installed("7.1")
    assert installed.told == "7.1.9 (npm vite 7.1.9 on Node.js v22.1.0)"
    assert installed.folder
    assert (installed.folder / LOCK).read_text() == "hashes\n"
    needed = json.loads((installed.folder / "needed.json").read_text())
    assert needed["dependencies"] == {"vite": "8.3.8", "more": "1.0"}
    assert said == ["fetching the newest vite 7.1 with npm, of which no hash is known yet"]
    asked, _ = calls.read_text().splitlines()
    assert asked.split()[0] == "install"
    assert {"--engine-strict", "--ignore-scripts", "vite@7.1"} <= set(asked.split())
    with pytest.raises(Unavailable, match=r"vite 8\.3\.8 is not installed"):
        vite.installed()
    with pytest.raises(Unavailable, match=r"vite 7\.1 cannot be had here \(it is there in 8\.3\.8\)"):
        replace(vite, locked=True).installed("7.1")
    with pytest.raises(Unavailable, match=r"7\.1 is in no lock here, .* it is looked for; there is 8\.3\.8\)"):
        replace(vite, locked=True).fetch("7.1", "", fetching())


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (
            "notarget No matching version found for vite@7.1.",
            r"^there is no vite@7\.1 \(npm finds none: choose another\)$",
        ),
        (
            "network",
            r"^`npm install .*vite@7\.1` failed with status 1:\nnpm error network\n \(mend that, then: harness",
        ),
    ],
)
def test_a_version_that_npm_does_not_have_is_told_in_a_sentence_and_any_other_failure_in_its_words(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, words: str
) -> None:
    monkeypatch.setenv("BREAK", "install")
    monkeypatch.setenv("SAYS", says)
    vite = source(tmp_path)
    with pytest.raises(Unavailable, match=words):
        vite.fetch_unlocked("7.1", fetching())
    assert vite.offers() == ["8.3.8"]
    assert [path.name for path in vite.folder.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("text", "version"),
    [(">=20.9", (20, 9)), ("v22.1.0", (22, 1, 0)), ("^18.18.0 || >= 20.0.0", (18, 18, 0)), ("*", ()), ("", ())],
)
def test_the_first_version_of_a_text_counts(text: str, version: tuple[int, ...]) -> None:
    assert numbers(text) == version


@pytest.mark.parametrize(
    ("program", "text", "reason"),
    [
        ("npm", None, "npm is not installed"),
        ("node", None, r"Node\.js is not installed"),
        ("node", "#!/bin/sh\necho v20.9.0\n", r"Node\.js v20\.9\.0 is too old for vite 8\.3\.8"),
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


def test_a_node_that_is_mended_or_replaced_is_asked_again_and_no_other(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, asked = tmp_path / "bin" / "node", tmp_path / "asked"
    monkeypatch.setenv("ASKED", str(asked))

    def told(*lines: str) -> str:
        play(node.parent, node="\n".join(["#!/bin/sh", 'echo >> "$ASKED"', *lines]))
        try:
            return node_version(str(node), "install it") + node_version(str(node), "install it")
        except Unavailable as error:
            return str(error)

    assert told("echo no libc >&2", "exit 127") == "Node.js does not run: no libc (install it)"
    assert told("echo v20.1.0") == "v20.1.0v20.1.0"
    assert told("echo v22.14.0") == "v22.14.0v22.14.0"
    assert len(asked.read_text()) == 3
    node.unlink()
    with pytest.raises(Unavailable, match=r"Node.js does not run: No such file or directory \(install it\)"):
        node_version(str(node), "install it")
