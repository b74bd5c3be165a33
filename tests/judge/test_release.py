"""What let held tokens go, and what cannot be known of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge.metrics import delivery
from harness.judge.release import lockstep_releases, probed, pulsed, self_released
from harness.model import Trace
from tests.factories import judged, story, streamed


def released(words: str) -> list[tuple[int, str]]:
    trace = story(words)
    return [(release.seq, release.by) for release in lockstep_releases(trace, delivery(trace).arrivals)]


def by_itself(trace: Trace) -> list[int]:
    return [token.seq for token in self_released(trace, delivery(trace).arrivals)]


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        (streamed(3, hold_ms=299), []),
        (streamed(3, hold_ms=300), [0, 1, 2]),
        ("s0 +400 hold0 s1 r0-1 s2 +300 r2 end", [2]),
        ("s0 +400 hold0 s1 s2 wait +50 r0-2 end", []),
    ],
)
def test_a_token_came_by_itself_if_it_outwaited_the_patience_and_nothing_was_sent(words: str, seqs: list[int]) -> None:
    assert by_itself(story(words)) == seqs


@pytest.mark.parametrize(("late_ms", "known"), [(299, [(0, "bytes")]), (320, [(0, "bytes")]), (340, [])])
def test_a_hold_proves_nothing_if_a_timer_that_shows_later_may_have_ended_it(
    late_ms: float, known: list[tuple[int, str]]
) -> None:
    assert released(f"s0 +330 hold0 s1 s2 +40 r0-2 s3 +{late_ms} r3 end") == known


def test_a_hold_that_was_waited_out_for_longer_than_the_timer_proves_that_there_is_a_size_too() -> None:
    assert released("s0 +330 hold0 s1 r0-1 s2 +350 r2 s3 +900 hold3 s4 r3-4 end") == [(3, "bytes")]


def test_a_timer_does_not_hide_that_the_end_released_a_token() -> None:
    assert released("s0 +350 r0 s1 +330 hold1 s2 wait +300 end r1-2") == [(1, "end")]


def test_the_token_whose_hold_proves_nothing_is_named_when_all_others_streamed() -> None:
    others = " ".join(f"s{seq} r{seq}" for seq in range(4, 8))
    told = judged(story(f"s0 +330 hold0 s1 r0-1 s2 +350 r2 s3 r3 {others} end"))
    assert told.verdict == "streamed"
    assert told.reason == "every token but 0 came before the next was sent; 1 of 6 came 50 ms late or more"


def test_a_tail_behind_a_timer_is_not_told_without_a_word_on_the_patience() -> None:
    told = judged(story("s0 +330 hold0 s1 r0-1 s2 +350 r2 drain s3 s4 wait +900 end r3-4"))
    assert told.verdict == "buffered"
    assert "longer than the patience" in told.reason


@pytest.mark.parametrize(
    ("words", "seqs"), [("s0 +330 hold0 s1 r0-1 s2 r2 end", {0}), ("s0 +330 hold0 r0 s1 +330 hold1 r1 end", set())]
)
def test_a_held_token_is_probed_if_others_were_sent_before_it_came(words: str, seqs: set[int]) -> None:
    assert probed(story(words)) == seqs


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        ("s0 +330 pulse0 r0 s1 r1 end", {0}),
        ("s0 r0 s1 +330 pulse1 +9 r1 end", {1}),
        ("s0 +330 pulse0 +9 hold0 s1 r0-1 end", set()),
        ("s0 +330 pulse0 hold0 s1 r0-1 s2 +900 pulse2 r2 end", {2}),
        ("s0 +330 r0 s1 r1 end", set()),
    ],
)
def test_a_token_that_came_only_after_a_pulse_may_have_been_let_go_by_it(words: str, seqs: set[int]) -> None:
    assert pulsed(story(words)) == seqs


def test_a_token_that_had_come_before_the_pulse_and_was_only_told_later_was_not_let_go_by_it() -> None:
    trace = story("s0 +330 pulse0 r0 s1 r1 end")
    steps = [replace(step, at_ns=step.at_ns - 10**6) if step.kind == "arrive" else step for step in trace.steps]
    assert pulsed(replace(trace, steps=tuple(steps))) == set()
