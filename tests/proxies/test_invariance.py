"""A verdict is the hop's on a real machine, too: emulated hops drawn by seed get what the oracle says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulating import answers, drawn

pytestmark = [pytest.mark.proxies, pytest.mark.asyncio]

SEEDS = range(60)


async def test_emulated_hops_get_the_verdict_that_is_right(tmp_path: Path) -> None:
    said = await answers(SEEDS, tmp_path)
    assert [f"{drawn(seed)}: {one.wrong}" for seed, one in said.items() if one.wrong] == []
    assert [f"{drawn(seed)}: {one.undecided}" for seed, one in said.items() if one.undecided] == []
