"""A verdict is the hop's on a real machine, too: emulated hops drawn by seed get what the oracle says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulating import answers, drawn
from tests.sampling import some_of

pytestmark = [pytest.mark.proxies, pytest.mark.asyncio]

BATCHES = [range(first, first + 20) for first in (0, 20, 40)]


@some_of("seeds", BATCHES, each=len(BATCHES), ids=str)
async def test_emulated_hops_get_the_verdict_that_is_right(seeds: range, tmp_path: Path) -> None:
    said = await answers(seeds, tmp_path)
    assert [f"{drawn(seed)}: {one.wrong}" for seed, one in said.items() if one.wrong] == []
    assert [f"{drawn(seed)}: {one.undecided}" for seed, one in said.items() if one.undecided] == []
