"""Programs that npm has and that are no script of ours: workerd, wrangler, Portkey. What runs below Node.js, and below
that, is gone with it; they listen on this machine only, and what is wrong in a config is told.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.catalog import PROXIES
from harness.resources import configs
from tests.processes import process
from tests.proxies.serving import WORDS, asked, labels, listening, started, upstream, variants, whole
from tests.sandbox import missing

CONFIGS = {"workerd": "transform-stream.capnp", "wrangler": "pass-through.mjs", "portkey": "openai.mjs"}
SHIPPED = variants(*CONFIGS)


@pytest.mark.parametrize(("name", "config"), SHIPPED, ids=labels(SHIPPED))
def test_a_shipped_config_says_in_its_first_line_what_it_stands_for(name: str, config: Path) -> None:
    assert PROXIES[name].describe(config).endswith(".") or "#" in PROXIES[name].describe(config)
    PROXIES[name].check(config)


def skipped_unless(name: str) -> None:
    if why := missing(name):
        pytest.skip(why)


@pytest.mark.proxies
@pytest.mark.parametrize("name", CONFIGS)
async def test_one_serves_on_this_machine_only_and_is_gone_with_all_its_children(name: str, tmp_path: Path) -> None:
    skipped_unless(name)
    shipped = configs() / name
    before = sorted(shipped.iterdir())
    async with upstream() as behind, Launcher() as launcher:
        running = await started(name, shipped / CONFIGS[name], behind, tmp_path, launcher)
        assert await asked(running, "/any") == (200, WORDS)
        assert (await asked(running, "/gone"))[0] == 418
        processes = whole(process(running).pid)
        assert len([each for each in processes if each.name() == "workerd"]) == {"workerd": 1, "wrangler": 2}.get(
            name, 0
        )
        assert listening(processes) == {"127.0.0.1"}
    assert not [each for each in processes if each.is_running()]
    assert before == sorted(shipped.iterdir()), "it has left files beside its own"


@pytest.mark.proxies
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("workerd", r"mine\.capnp:\d+: Parse error"),
        ("wrangler", r'mine\.mjs:\d+: Expected ";" but found "is"'),
        ("portkey", r"SyntaxError"),
    ],
)
async def test_a_broken_config_is_told_in_its_own_words(name: str, words: str, tmp_path: Path) -> None:
    skipped_unless(name)
    mine = tmp_path / f"mine{Path(CONFIGS[name]).suffix}"
    mine.write_text((configs() / name / CONFIGS[name]).read_text() + "\nthis is none\n")
    async with Launcher() as launcher:
        with pytest.raises(HarnessError, match=words):
            await started(name, mine, Endpoint(1), tmp_path, launcher)
