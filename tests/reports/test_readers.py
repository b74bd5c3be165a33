"""Readers of one stream: who differs is told, who was not judged is not asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model import Cell, Hop, Outcome, Result, Verdict, Workload
from harness.reports.readers import disagreements, line
from tests.reports.reporting import told

CELL = Cell((Hop("nginx", "default"),), Workload("short", 4, 96), request="browser")


def read_by(client: str, verdict: Verdict | None, outcome: Outcome = "observed", cell: Cell = CELL) -> Result:
    cell = replace(cell, client=client)
    return Result(cell.id, cell, outcome, f"as {client} saw it", verdict=verdict)


def test_readers_that_differ_are_told_with_their_verdicts_and_reasons() -> None:
    results = [read_by("aiohttp", "streamed"), read_by("curl", "streamed"), read_by("chromium", "broken")]
    (one,) = disagreements(results)
    assert one.stream == "nginx:default/sse/chunked/browser/*/short/none/lockstep"
    assert one.sentence == "aiohttp, curl: streamed (as aiohttp saw it); chromium: broken (as chromium saw it)"


def test_readers_that_agree_are_not_told() -> None:
    assert disagreements([read_by("aiohttp", "buffered"), read_by("curl", "buffered", "fail")]) == []


OTHERS = [
    replace(CELL, request="curl"),
    replace(CELL, mitigations=("pad-4k",)),
    replace(CELL, chain=()),
    replace(CELL, pace="paced"),
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda cell: cell.id)
def test_other_streams_are_not_compared(other: Cell) -> None:
    assert disagreements([read_by("aiohttp", "streamed"), read_by("curl", "buffered", cell=other)]) == []


@pytest.mark.parametrize("outcome", ["unstable", "too short", "blocked", "unavailable", "error"])
def test_who_was_not_judged_disagrees_with_nobody(outcome: Outcome) -> None:
    verdict: Verdict | None = "buffered" if outcome in ("unstable", "blocked") else None
    assert disagreements([read_by("aiohttp", "streamed"), read_by("curl", verdict, outcome)]) == []


def test_how_far_they_agree_is_one_line() -> None:
    agreeing = [read_by("aiohttp", "buffered"), read_by("curl", "buffered")]
    assert line(agreeing[:1]) is None
    assert line(agreeing) == "Readers: 1 stream had several; they agree on all of them."
    assert line([*agreeing, read_by("h2", "streamed")]) == "Readers: 1 stream had several; they disagree on 1."


@pytest.mark.parametrize("renderer", ["html", "markdown", "terminal"])
def test_every_report_names_the_stream_and_who_differs(renderer: str) -> None:
    text = told(renderer, [read_by("aiohttp", "streamed"), read_by("chromium", "broken")])
    assert "nginx:default/sse/chunked/browser/*/short/none/lockstep" in text
    assert "chromium: broken" in text
