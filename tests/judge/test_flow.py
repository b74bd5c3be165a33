"""What is told of tokens that are sent without waiting for each other: a flow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge.flow import Flow, last_flow
from harness.judge.reading import Hold
from harness.judge.rules import FLOW_MS, FLOW_TOKENS
from tests.factories import reading

LAG = "s0 +100 r0 stretch3 s1 +100 s2 r1 +100 s3 r2 +100 r3"
TIMER = "s0 +90 r0 stretch6 s1 +90 s2 r1-2 +90 s3 r3 +290 s4 +10 s5 r4-5 +50 s6 +9 r6"
PAUSE = "s0 r0 stretch3 s1 +100 s2 +100 s3 +300 r1-3"


def flow(words: str, round_trip_ms: float = 0.0) -> Flow:
    told = last_flow(reading(words, round_trip_ms))
    assert told
    return told


def test_a_lag_brings_a_flow_as_far_apart_as_it_was_sent_and_as_late_as_a_token_alone() -> None:
    assert flow(LAG).spaced
    assert not flow(LAG.replace("s0 +100 r0", "s0 r0")).spaced
    assert not flow(TIMER).spaced
    assert not flow(PAUSE).spaced


def test_what_came_in_one_burst_is_no_lag_even_if_most_of_it_was_as_late_as_a_token_alone() -> None:
    assert not flow("s0 +100 r0 stretch9 s1 +400 s2-9 +100 r1-9").spaced


@pytest.mark.parametrize(
    ("words", "period_ms"),
    [
        ("s0 r0 stretch3 s1 +250 r1 s2 +250 r2 s3 +250 r3", 250.0),
        ("s0 r0 s1 +250 r1 stretch3 s2 +120 s3 +130 r2-3", 250.0),
        ("s0 r0 s1 +250 r1 stretch3 s2 +120 s3 +630 r2-3", 250.0),
        ("s0 r0 s1 +250 r1 stretch3 s2 +120 s3 +400 hold2 +230 r2-3", 250.0),
        ("s0 r0 s1 +30 r1 stretch5 s2 +20 s3 +10 r2-3 s4 +20 s5 +10 r4-5", 30.0),
        ("s0 r0 s1 +12 r1 stretch7 s2 +9 s3 +3 r2-3 s4 +9 s5 +3 r4-5 s6 +9 s7 +3 r6-7", 12.0),
        ("s0 r0 s1 +250 r1 stretch4 s2 +120 s3 +130 r2 +8 r3 s4 +250 r4", 250.0),
        ("s0 r0 s1 +250 r1 stretch3 s2 +120 s3 +500 r2-3", 0.0),
        ("s0 r0 s1 +100 r1 stretch4 s2 +250 r2 s3 +330 r3 s4 +250 r4", 0.0),
        ("s0 r0 stretch2 s1 +100 s2 +300 r1-2", 0.0),
    ],
    ids=[
        "each",
        "one, as late as one alone",
        "a multiple",
        "one that was held",
        "short ones",
        "as short as a few tokens take to send",
        "with tokens a little apart",
        "no multiple",
        "of some size",
        "one of them alone",
    ],
)
def test_bursts_of_a_clock_come_at_whole_multiples_of_its_period(words: str, period_ms: float) -> None:
    assert flow(words).period_ms == pytest.approx(period_ms, abs=2)


@pytest.mark.parametrize(("words", "quiet_ms"), [(LAG, 100.1), (TIMER, 0.1), (PAUSE, 300.1)])
def test_nothing_was_sent_for_so_long_after_what_came_last_in_a_burst(words: str, quiet_ms: float) -> None:
    assert flow(words).quiet_ms == pytest.approx(quiet_ms)


@pytest.mark.parametrize(("round_trip_ms", "quiet_ms"), [(0, 15.1), (15, 0.1)])
def test_the_way_here_is_no_pause(round_trip_ms: float, quiet_ms: float) -> None:
    assert flow("s0 r0 stretch2 s1 +300 s2 +15 r1-2", round_trip_ms).quiet_ms == pytest.approx(quiet_ms)


def test_what_is_sent_before_a_burst_and_not_in_it_is_still_under_way() -> None:
    assert flow("s0 r0 stretch2 s1 +300 s2 +5 r1 +300 r2").quiet_ms == pytest.approx(300.1)


@pytest.mark.parametrize(
    ("sent_ms", "quiet_ms", "idle"),
    [(1200, 501, True), (1200, 500, False), (999, 901, True), (999, 899, False), (999, 1110, True), (999, 1120, False)],
)
def test_a_timer_is_idle_if_all_came_after_most_of_a_pause(sent_ms: float, quiet_ms: float, idle: bool) -> None:
    told = Flow(spaced=False, period_ms=0.0, quiet_ms=quiet_ms, quiets_ms=(), sent_ms=sent_ms, pauses_ms=(20,))
    assert told.idle(1000) is idle
    assert not replace(told, spaced=True).idle(1000), "it is a lag"


@pytest.mark.parametrize(
    ("quiets_ms", "pauses_ms", "unsure"),
    [
        ([5] * 6, [99], False),
        ([5] * 6, [250], False),  # of six bursts it can have let go one or two
        ([5] * 6, [101, 101, 101], True),
        ([5, 5, 150, 150, 5, 5], [250, 101], True),
        ([5] * 2, [250], True),  # a timer that does not wait goes off more often
        ([5] * 40, [101], True),  # each comes by itself, as through a lag
        ([5] * 40, [99], False),
        ([150] * 6, [99], False),
        ([150] * 6, [101], True),
    ],
)
def test_whether_a_timer_is_idle_is_unsure_where_pauses_that_nobody_meant_may_have_made_it(
    quiets_ms: list[float], pauses_ms: list[float], unsure: bool
) -> None:
    every_ms = [FLOW_MS] * (FLOW_TOKENS - 1 - len(pauses_ms)) + pauses_ms
    told = Flow(False, 0.0, min(quiets_ms), quiets_ms, sent_ms=sum(every_ms), pauses_ms=every_ms)
    assert told.is_unsure(200) is unsure


def test_a_burst_that_is_read_in_several_pieces_is_one() -> None:
    words = "s0 +200 r0 stretch6 s1 +20 s2 +20 s3 +210 r1 +1 r2 +1 r3 s4 +20 s5 +20 s6 +200 r4-6"
    told = flow(words)
    assert [round(quiet_ms) for quiet_ms in told.quiets_ms] == [212, 200]
    assert told.is_unsure(200), "an idle timer, of which one pause that nobody meant was as long"


@pytest.mark.parametrize(
    "words", ["s0 r0 s1 r1", "s0 r0 stretch3 s1-3 r1-3", "s0 r0 stretch2 s1 s2 r1", "s0 r0 stretch1 s1 r1"]
)
def test_what_is_sent_at_once_or_is_not_here_is_no_flow(words: str) -> None:
    assert last_flow(reading(words)) is None


def test_a_stretch_that_was_sent_at_once_hides_no_flow_before_it() -> None:
    assert last_flow(reading(f"{LAG} stretch9 s4-9 r4-9")) == flow(LAG)
    assert last_flow(reading(f"{LAG} stretch5 s4 s5 r4")) == flow(LAG)


@pytest.mark.parametrize(
    ("words", "spaced"),
    [
        ("s0 +400 hold0 s1 +9 s2 wait +500 r0 +400 r1 +9 r2", True),
        ("s0 +400 hold0 s1 +9 s2 wait +500 r0-2", False),
        ("s0 +400 hold0 wait +500 r0", False),
        ("s0 +400 hold0 s1 wait +500 r0 +400 hold1 s2 r1-2", False),
    ],
    ids=["a lag", "a timer", "nothing was sent", "held itself"],
)
def test_what_was_sent_during_a_hold_comes_as_far_apart_from_a_lag(words: str, spaced: bool) -> None:
    reader = reading(words)
    hold = reader.seen[0]
    assert isinstance(hold, Hold)
    assert reader.spaced(hold) is spaced
