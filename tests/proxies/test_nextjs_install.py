"""Setting Next.js up: an installation is whole or not there. Played by a node and an npm that take no time."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from operator import not_
from pathlib import Path

import pytest

from harness import resources
from harness.errors import ProxyError, Unavailable
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.catalog import PROXIES
from harness.proxies.nextjs import instances
from tests.waiting import wait_for

pytestmark = pytest.mark.proxies

NEXTJS = PROXIES["nextjs"]
PROD = resources.configs() / "nextjs" / "prod.yaml"

NPM = """#!/bin/sh
echo ci >> "$CALLS"
if [ "$BREAK" = npm ]; then echo "npm error network"; exit 1; fi
if [ "$BREAK" = harness ]; then
    mktemp >> "$CALLS.temporary"
    trap '' TERM
    kill -KILL $HARNESS
    sleep 100
    echo late >> "$CALLS"
fi
mkdir -p node_modules/next && echo '{"version": "16.4.5"}' > node_modules/next/package.json
"""
NODE = """#!/bin/sh
if [ "$1" = --version ]; then echo "$NODE_IS"; exit 0; fi
if [ "$2" != build ]; then echo "cannot find module"; exit 7; fi
echo build >> "$CALLS"
if [ "$BREAK" = build ]; then echo "Build failed"; exit 1; fi
mkdir -p .next/cache && echo "{\\"to\\": \\"$UPSTREAM\\"}" > .next/routes-manifest.json
"""


def install(progress: Callable[[str], None]) -> None:
    NEXTJS.install(progress)


def installations() -> list[Path]:
    return sorted(resources.cache().glob("programs/nextjs/npm-*/"))


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node and an npm that take no time, and an empty cache; returns where they write down how they were called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("npm", NPM), ("node", NODE)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("NODE_IS", "v22.1.0")
    return calls


def test_an_installation_is_made_once(tools: Path) -> None:
    with pytest.raises(Unavailable, match=r"next 16\.4\.5 is not installed \(harness setup nextjs\)"):
        NEXTJS.version()
    said: list[str] = []
    install(said.append)
    install(said.append)
    assert NEXTJS.version() == "16.4.5 (npm next 16.4.5 on Node.js v22.1.0)"
    assert [line.partition(" (")[0] for line in said] == [
        "fetching next 16.4.5 with npm",
        "making the production build",
    ]
    assert tools.read_text().split() == ["ci", "build"]
    (app,) = installations()
    assert not (app / ".next" / "cache").exists()
    assert (app / "app/api/route/[...path]/route.js").is_file()
    assert not list(app.glob("*.yaml"))


@pytest.mark.parametrize(
    ("step", "words"), [("npm", r"`npm ci .*status 1:\nnpm error network"), ("build", "Build failed")]
)
def test_a_failed_installation_does_not_look_whole(
    tools: Path, monkeypatch: pytest.MonkeyPatch, step: str, words: str
) -> None:
    monkeypatch.setenv("BREAK", step)
    with pytest.raises(Unavailable, match=words):
        install(lambda _: None)
    with pytest.raises(Unavailable, match=r"is not installed \(harness setup nextjs\)"):
        NEXTJS.version()
    monkeypatch.delenv("BREAK")
    install(lambda _: None)
    assert NEXTJS.version()


def test_a_killed_installation_is_gone_with_its_programs_and_does_not_trip_the_next(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAK", "harness")
    program = (
        "import os; from harness.proxies.catalog import PROXIES\n"
        "os.environ['HARNESS'] = str(os.getpid()); PROXIES['nextjs'].install(print)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.DEVNULL).returncode == -9
    with pytest.raises(Unavailable, match="not installed completely"):
        NEXTJS.version()
    monkeypatch.delenv("BREAK")
    said: list[str] = []
    install(said.append)  # whose npm would have to wait for a minute and a half, were the old one not gone
    assert "removing an installation that was not finished" in said
    assert tools.read_text().split() == ["ci", "ci", "build"]
    temporary = Path(tools.with_suffix(".temporary").read_text().strip())
    assert temporary.is_absolute()
    wait_for(temporary.parent.exists, not_)


def test_two_at_once_install_once(tools: Path) -> None:
    both = [threading.Thread(target=install, args=[lambda _: None]) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert tools.read_text().split() == ["ci", "build"]


@pytest.mark.usefixtures("tools")
def test_another_node_is_another_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(lambda _: None)
    other = tmp_path / "other"
    other.mkdir()
    (other / "node").write_text(NODE.replace("$NODE_IS", "v24.0.0"))
    (other / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{other}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="is not installed"):
        NEXTJS.version()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda programs, env: (programs / "npm").unlink(), "npm is not installed"),
        (lambda programs, env: (programs / "node").unlink(), r"Node\.js is not installed"),
        (lambda programs, env: env.setenv("NODE_IS", "v18.20.4"), r"Node\.js v18\.20\.4 is too old"),
        (lambda programs, env: (programs / "node").write_text("#!/bin/sh\nexit 1"), r"Node\.js does not run"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(
    tools: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path, pytest.MonkeyPatch], object],
    reason: str,
) -> None:
    programs = tools.parent / "bin"
    monkeypatch.setenv("PATH", str(programs))
    spoil(programs, monkeypatch)
    with pytest.raises(Unavailable, match=rf"{reason}.*install Node\.js 20\.9 or newer with npm"):
        install(lambda _: None)


def test_a_cache_that_cannot_be_written_is_named(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.write_text("a file, not a folder")
    monkeypatch.setenv("HARNESS_CACHE", str(tools))
    with pytest.raises(Unavailable, match="set HARNESS_CACHE"):
        install(lambda _: None)


@pytest.mark.usefixtures("tools")
def test_a_link_in_the_place_of_the_lock_leads_to_no_file_of_ours(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    install(lambda _: None)
    (lock,) = resources.cache().glob("programs/nextjs/npm-*.lock")
    shutil.rmtree(lock.with_suffix(""))
    lock.unlink()
    lock.symlink_to(victim)
    with pytest.raises(Unavailable, match="set HARNESS_CACHE"):
        install(lambda _: None)
    assert victim.read_text() == "mine"


@pytest.mark.usefixtures("tools")
async def test_a_next_that_does_not_start_is_heard(tmp_path: Path) -> None:
    await asyncio.to_thread(install, lambda _: None)
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match=r"nextjs exited with status 7:\ncannot find module"):
            await NEXTJS.start(PROD, Endpoint(1), tmp_path, launcher)


def test_packages_that_cannot_be_written_beside_are_unavailable_with_the_way_out(tmp_path: Path) -> None:
    """As in a cache that is read-only; what is a file is no folder for root either."""
    (tmp_path / "packages").touch()
    with pytest.raises(Unavailable, match=r"Not a directory \(set HARNESS_CACHE to a folder where you may write"):
        instances(tmp_path / "packages")
