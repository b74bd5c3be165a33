"""What is said beside the verdict of simulated hops: what let go, what was before and after, and what it shows.

The verdicts themselves are held against an oracle in test_invariance.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.metrics import delivery
from harness.judge.rules import LATE_MS
from harness.judge.shows import seen
from harness.judge.verdict import assess
from harness.model import Filler, Judgement, Start
from tests.factories import judged, plan, workload
from tests.hops import (
    Blocks,
    Chain,
    Empties,
    FirstHeld,
    HoldsToEnd,
    Hop,
    Lag,
    LastHeld,
    Passes,
    Pieces,
    StartBuffer,
    Timer,
    head_held,
)
from tests.simulation import simulate

EVENT = 800
LOAD = workload(30, EVENT)
few = settings(max_examples=25)


def found(hop: Hop) -> Judgement:
    return judged(simulate(plan(LOAD), hop))


@few
@given(st.integers(EVENT + 1, 60_000), st.sampled_from([Blocks, Empties]))
def test_a_buffer_is_told_by_its_bytes_and_has_a_tail_but_no_start(size: int, kind: Callable[..., Hop]) -> None:
    told = found(kind(size_bytes=size))
    assert told.release
    assert told.release.by == "bytes"
    assert size - EVENT <= told.release.after_bytes + EVENT <= size + EVENT + told.release.resolution_bytes
    assert told.start is None
    assert told.tail_tokens <= size // EVENT + 1


@few
@given(st.integers(2 * EVENT, 20_000), st.integers(1, 50))
def test_what_is_behind_an_event_pushes_it_out_and_one_as_large_keeps_its_own_end(size: int, more: int) -> None:
    assert judged(simulate(plan(LOAD, padding=Filler(size)), Blocks(size_bytes=size))).verdict == "streamed"
    large = workload(30, size + more)
    assert judged(simulate(plan(large), Blocks(size_bytes=size))).verdict == "coalesced"


@few
@given(st.integers(EVENT + 1, 60_000))
def test_a_start_buffer_is_told_to_within_twice_its_size_as_each_step_doubles_what_was_sent(size: int) -> None:
    told = found(StartBuffer(size_bytes=size))
    assert told.start
    held_bytes = told.start.held_bytes
    assert held_bytes - told.start.resolution_bytes < size <= held_bytes < 2 * size
    assert (told.verdict, told.start.passed_bytes, told.tail_tokens) == ("streamed", 0, 0)


@few
@given(st.integers(0, 30 * EVENT - 1))
def test_what_passes_before_a_hop_holds_to_the_end_is_its_start(free_bytes: int) -> None:
    told = found(HoldsToEnd(free_bytes=free_bytes))
    passed = free_bytes // EVENT * EVENT
    start = Start(passed_bytes=passed, resolution_bytes=EVENT) if passed else None
    assert (told.verdict, told.start) == ("buffered", start)


@few
@given(st.floats(400, 2000))
def test_a_timer_is_told_by_how_long_it_takes_and_has_no_tail(after_ms: float) -> None:
    told = found(Timer(after_ms=after_ms))
    assert told.release
    assert (told.release.by, told.tail_tokens) == ("timer", 0)
    assert told.release.wait_ms == pytest.approx(after_ms, abs=15)


@few
@given(st.floats(60, 6000))
def test_a_lag_of_any_length_is_delayed_and_lets_nothing_go(lag_ms: float) -> None:
    told = found(Lag(lag_ms=lag_ms))
    assert (told.verdict, told.release, told.start, told.tail_tokens) == ("delayed", None, None, 0)


@pytest.mark.parametrize(("hop", "held"), [(Passes(), False), (Chain((Passes(),)), False), (head_held(Passes()), True)])
def test_a_held_head_is_told(hop: Hop, held: bool) -> None:
    assert found(hop).head_held is held


# ---------------------------------------------------------------- the stream as asked

KINDS: dict[str, Callable[[float], Hop]] = {
    "passes": lambda size: Passes(),
    "holds to the end": lambda size: HoldsToEnd(free_bytes=round(size * 400)),
    "empties": lambda size: Empties(size_bytes=round(size * 600)),
    "last held": lambda size: LastHeld(size_bytes=round(size * 200)),
    "first held": lambda size: FirstHeld(),
    "pieces": lambda size: Pieces(count=2 + round(size / 25)),
    "timer": lambda size: Timer(after_ms=size * 20),
    "lag": lambda size: Lag(lag_ms=size * 20),
}


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(KINDS)), st.floats(1, 100), st.integers(12, 200), st.sampled_from([7.0, 20.0, 30.0, 70.0])
)
def test_what_is_computed_of_a_hop_that_was_found_in_lockstep_is_what_a_paced_stream_shows(
    kind: str, size: float, tokens: int, interval_ms: float
) -> None:
    told = plan(workload(tokens, 1000, interval_ms=interval_ms))
    computed = assess([simulate(told, KINDS[kind](size))])
    paced = simulate(replace(told, emission=replace(told.emission, pace="paced")), KINDS[kind](size))
    really = seen(paced, delivery(paced).arrivals, usual_ms=0.0)
    assert computed.shows
    assert computed.shows.manner == really.manner, (computed, really)
    assert abs(computed.shows.wait_ms - really.wait_ms) <= max(LATE_MS, interval_ms), (computed, really)
