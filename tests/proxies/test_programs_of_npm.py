"""Programs of npm's packages: every shipped script serves, faults are told in their own words, nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from benchmarks.locks import MACHINES
from harness.errors import InputError, ProxyError
from harness.launchers.npm import locked_in, numbers
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.resources import configs
from tests.processes import process
from tests.proxies.serving import WORDS, asked, labels, listening, started, upstream, variants, whole
from tests.sampling import some_of
from tests.sandbox import missing

NAMES = sorted(
    name
    for name, proxy in PROXIES.items()
    if type(proxy) is Described and proxy.said.sources.npm and proxy.said.command == ["${PROGRAM}", "${CONFIG}"]
)
"""Those that are a script of ours; of the others see test_programs_below_node.py."""
SHIPPED = variants(*NAMES)
LOCKS = sorted(configs().rglob("package-lock.json"))
RUN_WITHOUT = {"@portkey-ai/gateway", "esbuild", "sharp", "workerd"}
"""What has a script of its own to run when it is installed, and runs without: with its patches left out, or its program
found when it is started.
"""

each_shipped = pytest.mark.parametrize(("name", "config"), SHIPPED, ids=labels(SHIPPED))


def installed(name: str) -> None:
    if why := missing(name):
        pytest.skip(why)


# ---------------------------------------------------------------- what is shipped


each_lock = pytest.mark.parametrize("lock", LOCKS, ids=[str(lock.parent.relative_to(configs())) for lock in LOCKS])


@each_lock
def test_a_lock_has_a_hash_of_everything_names_no_registry_and_needs_no_script(lock: Path) -> None:
    packages = {name: one for name, one in json.loads(lock.read_text())["packages"].items() if name}
    assert packages
    assert all("integrity" in one and "resolved" not in one for one in packages.values())
    scripted = {name for name, one in packages.items() if one.get("hasInstallScript") and not one.get("optional")}
    assert {name.removeprefix("node_modules/") for name in scripted} <= RUN_WITHOUT


@each_lock
def test_versions_are_exact_and_what_is_downloaded_was_weighed_on_every_machine(lock: Path) -> None:
    manifest = json.loads((lock.parent / "package.json").read_text())
    assert all(version[0].isdigit() for version in manifest["dependencies"].values())
    assert manifest["downloadBytes"].keys() == set(MACHINES)


@each_lock
def test_node_is_as_new_as_the_package_whose_version_counts_wants_it(lock: Path) -> None:
    proxy = PROXIES[lock.relative_to(configs()).parts[0]]
    assert isinstance(proxy, Described)
    assert proxy.said.sources.npm
    wanted = json.loads(lock.read_text())["packages"][f"node_modules/{proxy.said.sources.npm.package}"]
    there = locked_in(lock.parent, proxy.said.sources.npm.package).values()
    (mine,) = (one for one in there if one.folder == lock.parent)
    assert mine.node >= numbers(wanted.get("engines", {}).get("node", ""))[: len(mine.node)]


@each_shipped
def test_a_shipped_script_says_in_its_first_line_what_it_stands_for(name: str, config: Path) -> None:
    told = PROXIES[name].describe(config)
    assert told.endswith(".")
    assert told != config.name
    PROXIES[name].check(config)


# ---------------------------------------------------------------- the real things


@pytest.mark.proxies
@some_of(("name", "config"), SHIPPED, each=4, ids=labels(SHIPPED))
async def test_a_shipped_script_passes_requests_on_and_is_gone_with_all_its_children(
    name: str, config: Path, tmp_path: Path
) -> None:
    installed(name)
    async with upstream() as behind, Launcher() as launcher:
        running = await started(name, config, behind, tmp_path, launcher)
        assert await asked(running, "/any") == (200, WORDS)
        assert (await asked(running, "/gone"))[0] == 418
        processes = whole(process(running).pid)
        assert listening(processes) == {"127.0.0.1"}
        folder = Path((tmp_path / "evidence/command.txt").read_text().split()[-1]).parent
        assert folder.is_dir()
    assert not [each for each in processes if each.is_running()]
    assert not folder.exists()
    kept = (tmp_path / "evidence" / config.name).read_text()
    assert behind.url in kept, "as it was read, which is gone"
    assert kept.splitlines()[0] == config.read_text().splitlines()[0]


@pytest.mark.proxies
@pytest.mark.parametrize("name", NAMES)
async def test_a_broken_script_is_told_in_its_own_words_and_led_back_to_the_users_line(
    name: str, tmp_path: Path
) -> None:
    installed(name)
    shipped = next(config for one, config in SHIPPED if one == name)
    mine = tmp_path / f"my{shipped.suffix}"
    about, rest = shipped.read_text().split("\n", 1)
    for line, words in [("this is none", r"SyntaxError"), ("missing()", r"ReferenceError: missing is not defined")]:
        mine.write_text(f"{about}\n{line}\n{rest}")
        async with Launcher() as launcher:
            with pytest.raises(InputError, match=rf"my\.mjs:2: {words}"):
                await started(name, mine, Endpoint(1), tmp_path, launcher)


@pytest.mark.proxies
@pytest.mark.parametrize("name", NAMES)
async def test_a_package_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    installed(name)
    mine = tmp_path / "my.mjs"
    mine.write_text("import 'not-there' // ${PORT} ${UPSTREAM}\n")
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match=r"Cannot find package 'not-there'"):
            await started(name, mine, Endpoint(1), tmp_path, launcher)


@pytest.mark.proxies
@pytest.mark.parametrize(
    ("name", "variant", "path"),
    [
        ("vite", "dev", "/__open-in-editor?file="),
        ("webpack-dev-server", "default", "/webpack-dev-server/open-editor?fileName="),
    ],
)
async def test_a_dev_server_starts_no_editor_for_a_stranger(
    name: str, variant: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer tells that this is still the path: what a dev server does not know, it answers with 404."""
    installed(name)
    editor = tmp_path / "an-editor"
    editor.write_text(f"#!/bin/sh\necho started >> {tmp_path}/started\nsleep 60\n")
    editor.chmod(0o755)
    for variable in ("LAUNCH_EDITOR", "REACT_EDITOR", "VISUAL", "EDITOR"):
        monkeypatch.setenv(variable, str(editor))
    async with upstream() as behind, Launcher() as launcher:
        config = configs() / name / f"{variant}.mjs"
        running = await started(name, config, behind, tmp_path, launcher)
        before = {each.name() for each in whole(process(running).pid)}
        root = f"http://127.0.0.1:{running.endpoint.port}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{root}{path}{config}") as response:
                assert response.status == 200
            async with session.get(f"{root}/api/pulse") as response:
                assert response.status == 200
        assert {each.name() for each in whole(process(running).pid)} == before
    assert not (tmp_path / "started").exists()
