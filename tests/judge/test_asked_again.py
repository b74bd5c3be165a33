"""Other streams of the same cell: when one is asked for, and what it tells beside the first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge.rules import FLOW_TOKENS, STREAK
from harness.judge.verdict import assess, follow_up
from harness.model import Trace
from tests.factories import COALESCED, TRIED, alone, judged, story, streamed


def pulsed(words: str = f"s0 +280 pulse0 r0 {alone(1, STREAK)} end") -> Trace:
    return story(words)


def asked_for(*traces: Trace) -> tuple[int | None, bool] | None:
    """Return of what length another stream is wanted, and whether a quiet one."""
    told = follow_up(traces, assess(traces))
    return (told.plan.emission.announced_tokens, told.quiet) if told else None


def test_what_came_after_a_pulse_is_looked_at_once_without() -> None:
    assert asked_for(story(streamed(STREAK))) is None
    assert asked_for(pulsed()) == (None, True)
    assert asked_for(pulsed(), pulsed()) is None


def test_an_announced_length_that_is_too_short_is_asked_again_with_one_that_would_do() -> None:
    short = "s0 +400 hold0 s1-4 wait drain s5 end r0-5"
    assert asked_for(story(short, body="length")) == (TRIED + 2, False)
    assert asked_for(story(short, body="length", exact=True)) is None
    assert asked_for(story(short)) is None, "another stream would be as long, as nothing announces a length"
    assert asked_for(story(streamed(STREAK), body="length")) is None


def test_so_is_one_without_room_for_the_flow_that_tells_a_timer_from_a_lag() -> None:
    late = alone(0, STREAK - 1, 200)
    assert asked_for(story(f"{late} end", body="length")) == (FLOW_TOKENS, False)
    assert asked_for(story(f"{late} end", body="length", exact=True)) is None
    assert judged(story(f"{late} end", body="length", exact=True)).verdict == "delayed"
    assert asked_for(story(f"{late} end")) is None


def test_a_longer_stream_whose_tokens_came_after_pulses_is_looked_at_without_too() -> None:
    longer = pulsed()
    longer = replace(longer, plan=replace(longer.plan, emission=replace(longer.plan.emission, announced_tokens=90)))
    assert asked_for(pulsed(), longer) == (90, True)


@pytest.mark.parametrize("short", ["s0 +400 hold0 s1 r0-1 end", "s0 +400 hold0 s1 end r0-1", "s0 r0 end"])
def test_a_longer_stream_is_judged_in_place_of_one_that_was_too_short_whatever_that_looked_like(short: str) -> None:
    told = assess([story(short), story(COALESCED)])
    assert told == assess([story(COALESCED)])


def test_what_is_held_if_nobody_else_asks_was_not_streamed_when_a_pulse_let_it_go() -> None:
    told = assess([pulsed(), story(COALESCED)])
    alone_ = assess([story(COALESCED)])
    reason = f"{alone_.judgement.reason}; in a first stream, other requests through the chain let tokens go"
    assert told == replace(alone_, judgement=replace(alone_.judgement, reason=reason))


def test_a_pulse_that_coincided_with_a_token_changes_nothing() -> None:
    assert assess([pulsed(), story(streamed(STREAK))]) == assess([story(streamed(STREAK))])
