"""A burst at the source is not a hold on the way, and a hold on the way is told from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.documents.hops import read as hop
from harness.judge.metrics import sent_together
from harness.matrix.mitigations import plan
from harness.measure.bench import Bench
from harness.model import Cell, Format, Judgement, Workload
from harness.session import catalogue
from tests.factories import figures, judged, story
from tests.sandbox import missing


@pytest.mark.parametrize(
    ("words", "others", "together"),
    [
        ("s0 +49.8 s1 r0-1 end", {}, True),
        ("s0 +50 s1 r0-1 end", {}, False),
        ("s0 +900 s1 r0-1 end", {"interval_ms": 0.001}, True),  # due at once; who wrote it was kept from it
        ("s0 +900 s1 r0-1 end", {"interval_ms": 0.001, "delay_ms": 50}, False),
        ("s0 +49 r0 end", {}, False),
    ],
)
def test_all_tokens_left_together_if_nobody_could_have_seen_them_apart(
    words: str, others: dict[str, Any], together: bool
) -> None:
    assert sent_together(story(words, pace="paced", **others)) == together


def test_tokens_that_were_waited_for_did_not_leave_together() -> None:
    assert not sent_together(story("s0 r0 s1 r1 end"))


# ---------------------------------------------------------------- what is said of it


def burst(words: str, **others: Any) -> Judgement:
    return judged(story(words, pace="paced", **others))


TOGETHER = " ".join(f"s{seq}" for seq in range(20))
LEFT = "all 20 tokens left the source within 2 ms"


def test_a_burst_at_the_source_is_no_hold_on_the_way() -> None:
    told = burst(f"{TOGETHER} r0-19 +200 end")
    assert told == Judgement("streamed", f"{LEFT}: what came together was sent together")


def test_a_burst_at_the_source_that_ends_at_once_was_held_by_nobody() -> None:
    told = burst(f"{TOGETHER} end r0-19")
    assert (told.verdict, told.release) == ("streamed", None)


def test_a_burst_that_came_with_the_end_was_held_for_it() -> None:
    told = burst(f"{TOGETHER} +200 end r0-19")
    assert (told.verdict, told.reason) == ("buffered", f"from token 0 on, nothing came before the end, although {LEFT}")
    assert told.release is not None
    assert (told.release.seq, told.release.by, told.release.wait_ms) == (0, "end", told.release.held_ms)


def test_a_burst_whose_rest_came_with_the_end_was_held_from_there_on() -> None:
    told = burst(f"{TOGETHER} r0-15 +200 end r16-19")
    assert (told.verdict, told.reason[:13]) == ("buffered", "from token 16")


def test_less_than_a_tenth_that_came_with_the_end_is_told_and_no_more() -> None:
    told = burst(f"{TOGETHER} r0-18 +200 end r19")
    assert told.verdict == "streamed"
    assert told.reason == f"{LEFT}: what came together was sent together; 1 of 20 came 50 ms late or more"


def test_a_burst_that_came_late_but_before_the_end_is_delayed() -> None:
    told = burst(f"{TOGETHER} +80 r0-19 +120 end")
    assert (told.verdict, told.reason) == ("delayed", f"tokens came 81 ms late in the median, although {LEFT}")


def test_a_burst_that_lags_into_the_end_is_delayed_as_the_end_lags_too() -> None:
    trace = story(f"{TOGETHER} +200 end +30 r0-19", pace="paced")
    assert trace.closed_ns is not None
    assert judged(trace).verdict == "buffered"
    assert judged(replace(trace, closed_ns=trace.closed_ns + 230 * 10**6)).verdict == "delayed"


def test_a_burst_is_held_over_its_control() -> None:
    """Who reads slowly reads a burst slowly, whatever the chain."""
    control = figures(story(f"{TOGETHER} +160 r0-19 +40 end", pace="paced"))
    assert judged(story(f"{TOGETHER} +200 end r0-19", pace="paced"), control).verdict == "streamed"
    assert judged(story(f"{TOGETHER} +220 end r0-19", pace="paced"), control).verdict == "buffered"


def test_tokens_that_were_due_together_are_a_burst_however_long_it_took_to_write_them() -> None:
    told = burst("s0 +40 s1 +40 s2 r0-2 +200 end", interval_ms=0.001)
    assert told.verdict == "streamed"
    assert told.reason.startswith("all 3 tokens were due at once and left the source over 81 ms: what came together")


# ---------------------------------------------------------------- real streams

LOAD = Workload("burst", tokens=24, token_bytes=112, interval_ms=0.001)


@pytest.mark.proxies
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("form", "chain", "held"),
    [
        ("sse", "direct", False),
        ("websocket", "direct", False),
        ("sse", "nginx:buffering-off", False),
        ("websocket", "nginx:websocket", False),
        ("sse", "nginx:default", True),
        ("sse", "cloudrun:report", True),
    ],
)
async def test_only_who_holds_it_is_said_to(bench: Bench, form: Format, chain: str, held: bool) -> None:
    hops = () if chain == "direct" else (hop(chain),)
    if hops and (why := missing(hops[0].proxy)):
        pytest.skip(why)
    cell = Cell(hops, LOAD, format=form, pace="paced")
    trace, _ = await bench.record(cell.id, plan(cell, catalogue()))
    told = judged(trace)
    assert "all 24 tokens left the source within" in told.reason
    assert figures(trace).burst_tokens_max > 1
    assert (told.verdict == "buffered") == held, told.reason
    assert told.verdict != "coalesced"
