"""wrangler dev: what runs below Node.js below Node.js is gone with it, and its folder with that."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.launchers.process import Launcher
from harness.resources import configs
from tests.processes import process
from tests.proxies.serving import WORDS, asked, listening, started, upstream, whole

pytestmark = [pytest.mark.proxies, pytest.mark.needs("wrangler")]


async def test_it_serves_on_this_machine_only_and_is_gone_with_all_its_children(tmp_path: Path) -> None:
    shipped = configs() / "wrangler"
    before = sorted(shipped.iterdir())
    async with upstream() as behind, Launcher() as launcher:
        running = await started("wrangler", shipped / "pass-through.mjs", behind, tmp_path, launcher)
        assert await asked(running, "/pulse") == (200, WORDS)
        processes = whole(process(running).pid)
        assert len([each for each in processes if each.name() == "workerd"]) >= 2
        assert listening(processes) == {"127.0.0.1"}
    assert not [each for each in processes if each.is_running()]
    assert before == sorted(shipped.iterdir()), "it has left files beside its own"
