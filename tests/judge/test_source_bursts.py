"""A burst at the source is not a hold on the way, and a hold on the way is told from it: real streams."""

from __future__ import annotations

import pytest

from harness.documents.hops import read as hop
from harness.judge.verdict import assess
from harness.measure.bench import Bench
from harness.model import Cell, Format, Workload
from harness.session import catalogue
from tests.planning import plan
from tests.sandbox import missing

LOAD = Workload("burst", tokens=24, token_bytes=112, interval_ms=0.001)
STREAMS = 20
"""A reader on a core of its own may keep up with a burst, token by token: of so many, one is a burst there too."""


@pytest.mark.proxies
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("form", "chain", "held"),
    [
        ("sse", "direct", False),
        ("websocket", "direct", False),
        ("sse", "nginx:buffering-off", False),
        ("websocket", "nginx:websocket", False),
        ("sse", "nginx:http10", True),
        ("sse", "cloudrun:report", True),
    ],
)
async def test_only_who_holds_it_is_said_to(bench: Bench, form: Format, chain: str, held: bool) -> None:
    hops = () if chain == "direct" else (hop(chain),)
    if hops and (why := missing(hops[0].proxy)):
        pytest.skip(why)
    cell = Cell(hops, LOAD, format=form, pace="paced")
    for _ in range(STREAMS):
        trace, _ = await bench.record(cell.id, plan(cell, catalogue()))
        told = assess([trace])
        if told.metrics.burst_tokens_max > 1:
            break
    assert told.metrics.burst_tokens_max > 1
    assert told.shows
    assert told.shows.manner == ("at the end" if held else "one by one")
