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


def test_of_a_flow_that_is_not_all_here_nothing_is_told_but_of_the_one_before() -> None:
    assert flow(f"{LAG} s4 +100 r4 stretch7 s5 +100 s6 r5 +100 s7") == flow(LAG)
    assert last_flow(reading("s0 +100 r0 stretch3 s1 +100 s2 r1 +100 s3 r2")) is None


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


@pytest.mark.parametrize(("apart", "bursts"), [(0.3, 1), (0.7, 2), (1.3, 2)])
def test_tokens_come_in_bursts_that_are_further_apart_than_a_gap_within_one(apart: float, bursts: int) -> None:
    words = f"s0 +100 r0 stretch4 s1 +100 s2 +100 s3 +100 s4 +9 r1-2 +{apart * FLOW_MS} r3-4"
    assert len(flow(words).quiets_ms) == bursts


@pytest.mark.parametrize(("words", "quickest_ms"), [(LAG, 100.1), (TIMER, 0.1), (PAUSE, 300.1)])
def test_no_token_came_quicker(words: str, quickest_ms: float) -> None:
    assert flow(words).quickest_ms == pytest.approx(quickest_ms, abs=0.15)


@pytest.mark.parametrize(("round_trip_ms", "least_ms"), [(0, 15.1), (15, 0.1)])
def test_the_way_here_is_no_wait(round_trip_ms: float, least_ms: float) -> None:
    told = flow("s0 r0 stretch2 s1 +300 s2 +15 r1-2", round_trip_ms)
    assert [told.quickest_ms, *told.quiets_ms] == pytest.approx([least_ms, least_ms])


def test_what_is_sent_before_a_burst_and_not_in_it_is_still_under_way() -> None:
    assert flow("s0 r0 stretch2 s1 +300 s2 +5 r1 +300 r2").quickest_ms == pytest.approx(305.2)


@pytest.mark.parametrize(
    ("sent_ms", "quickest_ms", "idle"),
    [
        (1200, 501, True),
        (1200, 500, False),
        (1000, 501, True),
        (1000, 499, False),
        (400, 801, True),  # one that does not wait goes off 600 ms after the last
        (400, 799, False),
        (400, 1300, True),
    ],
)
def test_a_timer_is_idle_if_no_token_was_as_quick_as_through_one_that_does_not_wait(
    sent_ms: float, quickest_ms: float, idle: bool
) -> None:
    told = Flow(False, 0.0, quickest_ms, (quickest_ms,), sent_ms, pauses_ms=(20,))
    assert told.idle(1000) is idle
    assert not replace(told, spaced=True).idle(1000), "it is a lag"


@pytest.mark.parametrize(
    ("quiets_ms", "idle"), [([190] * 4, True), ([20, 190, 190, 190], True), ([20, 20, 190], False)]
)
def test_a_timer_is_not_idle_if_it_went_off_in_no_pauses_though_a_lag_behind_it_makes_all_slow(
    quiets_ms: list[float], idle: bool
) -> None:
    assert Flow(False, 0.0, 190, quiets_ms, sent_ms=1180, pauses_ms=(20,)).idle(200) is idle


@pytest.mark.parametrize(
    ("quickest_ms", "quiets_ms", "pauses_ms", "unsure"),
    [
        (5, [5] * 6, [20], False),
        (5, [5] * 6, [250, 101, 101], False),  # whatever stood still, only a timer that does not wait is as quick
        (40, [20] * 6, [20], False),
        (41, [20] * 6, [20], True),  # one that waits may be as quick, and was only late when it was waited for
        (5, [20] * 40, [20], False),  # bytes or heartbeats let go as well, but no lag is as quick
        (190, [20] * 40, [20], True),  # each comes by itself, as through a lag
        (190, [190], [20], False),
        (190, [190] * 6, [99], False),
        (190, [190] * 3, [101, 101], False),
        (190, [190] * 4, [101, 101], True),  # one that does not wait may have gone off in pauses only
        (190, [20, 190, 190, 190], [20], False),  # the hop may have had a pause of its own
        (190, [20, 20, 190, 190], [20], True),
    ],
)
def test_whether_a_timer_is_idle_is_unsure_where_another_or_a_lag_may_look_so_on_a_machine_that_stands_still(
    quickest_ms: float, quiets_ms: list[float], pauses_ms: list[float], unsure: bool
) -> None:
    every_ms = [FLOW_MS] * (FLOW_TOKENS - 1 - len(pauses_ms)) + pauses_ms
    told = Flow(False, 0.0, quickest_ms, quiets_ms, sent_ms=sum(every_ms), pauses_ms=every_ms)
    assert told.is_unsure(200) is unsure


@pytest.mark.parametrize(("bursts", "unsure"), [(1, False), (2, False), (3, True)])
def test_how_a_timer_lets_go_of_a_flow_that_is_over_sooner_is_sure_unless_it_comes_as_through_a_lag(
    bursts: int, unsure: bool
) -> None:
    told = Flow(False, 0.0, 600.0, (20,) * bursts, 400.0, pauses_ms=(20,))
    assert not told.idle(1000)
    assert told.is_unsure(1000) is unsure


@pytest.mark.parametrize("gap_ms", [1, 5, 9])
@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_burst_that_is_read_in_pieces_is_one(first: int, gap_ms: float) -> None:
    flowing = "stretch6 s1 +20 s2 +20 s3 +20 s4 +20 s5 +20 s6"
    told = flow(f"s0 +200 r0 {flowing} +200 r1-{first} +{gap_ms} r{first + 1}-6")
    assert [round(quiet_ms) for quiet_ms in told.quiets_ms] == [round(200 + gap_ms)]
    assert told.idle(200)
    assert not told.is_unsure(200)


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
