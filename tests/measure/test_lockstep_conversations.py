"""Whole conversations of the lockstep machine: with simulated hops, in short, and whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.reading import State, read, span_tokens
from harness.measure.grants import Grant, Phase
from harness.measure.limits import CONVERSATION_SILENCE_S, Bounds
from harness.measure.lockstep import CONVERSATION_BYTES, Lockstep, last_token
from harness.model import Body, Emission, Step
from tests.factories import plan, workload
from tests.hops import (
    Blocks,
    Chain,
    Compresses,
    Empties,
    FirstHeld,
    HoldsToEnd,
    Hop,
    Idle,
    Lag,
    LastHeld,
    Passes,
    Periodic,
    Pieces,
    StartBuffer,
    Stumbles,
    Timer,
    fresh,
    head_held,
)
from tests.measure.steps import record
from tests.simulation import Link, simulate

SPAN = span_tokens(plan().emission)
"""So many tokens are sent after one that is held."""

# ---------------------------------------------------------------- with simulated hops: six tokens of 80 bytes

HOPS: dict[str, tuple[Callable[[], Hop], str]] = {
    "passes all": (Passes, "head-1 0-15 end15"),
    "releases only at the end": (HoldsToEnd, f"head-1 g0 hold0 g1-{SPAN} wait{SPAN} end-1 a{SPAN}"),
    "passes three tokens, then holds": (
        lambda: HoldsToEnd(free_bytes=240),
        f"head-1 0-2 g3 hold3 g4-{SPAN + 3} wait{SPAN + 3} end2 a{SPAN + 3}",
    ),
    "empties at 160 bytes": (
        lambda: Empties(size_bytes=160),
        "head-1 g0 hold0 g1 a1 g2 hold2 g3 a3 stretch7 g7 a5 a7 g8 hold8 g9 a9 end9",
    ),
    "blocks of 200 bytes": (
        lambda: Blocks(size_bytes=200),
        "head-1 g0 hold0 g1 g2 a1 hold2 g3 g4 a4 stretch12 g12 a6-11 hold12 g13 g14 a14 end14",
    ),
    "keeps the last 80 bytes": (
        lambda: LastHeld(size_bytes=80),
        "head-1 g0 hold0 g1 a0 hold1 g2 a1 stretch6 g6 a2-5 hold6 g7 a6 end6 a7",
    ),
    "has a start buffer of 240 bytes": (
        lambda: StartBuffer(size_bytes=240),
        "head-1 g0 hold0 g1 g2 a2 3-18 end18",
    ),
    "lets go in the twinkling of an eye": (lambda: Timer(after_ms=40), "head-1 0-15 end15"),
    "holds the head with the first 160 bytes": (
        lambda: head_held(Empties(size_bytes=160)),
        "g0 hold0 g1 head1 a1 g2 hold2 g3 a3 stretch7 g7 a5 a7 g8 hold8 g9 a9 end9",
    ),
}


@pytest.mark.parametrize(("hop", "conversation"), HOPS.values(), ids=HOPS)
def test_a_hop_that(hop: Callable[[], Hop], conversation: str) -> None:
    assert record(simulate(plan(workload(6)), hop()).steps) == conversation


LENGTHS: dict[str, tuple[Callable[[], Hop], str]] = {
    "passes all": (Passes, "head-1 0-5 end5"),
    "releases only at the end": (HoldsToEnd, "head-1 g0 hold0 g1-4 wait4 drain5 g5 end-1 a5"),
    "empties at 160 bytes": (
        lambda: Empties(size_bytes=160),
        "head-1 g0 hold0 g1 a1 g2 hold2 g3 a3 stretch4 g4 hold4 wait4 drain5 g5 end3 a5",
    ),
    "has blocks of 200 bytes": (lambda: Blocks(size_bytes=200), "head-1 g0 hold0 g1 g2 a1 hold2 g3 g4 a4 5 end5"),
    "has a start buffer of 240 bytes": (lambda: StartBuffer(size_bytes=240), "head-1 g0 hold0 g1 g2 a2 3-5 end5"),
    "lets go after half a second": (lambda: Idle(after_ms=500), "head-1 g0 hold0 g1-4 wait4 a4 5 end5"),
}


@pytest.mark.parametrize(("hop", "conversation"), LENGTHS.values(), ids=LENGTHS)
def test_with_length_framing_a_hop_that(hop: Callable[[], Hop], conversation: str) -> None:
    assert record(simulate(plan(workload(6), body="length"), hop()).steps) == conversation


@pytest.mark.parametrize("event_bytes", [64, 1000, CONVERSATION_BYTES])
def test_a_conversation_sends_as_many_of_its_events_as_are_allowed_or_its_workload_has(event_bytes: int) -> None:
    events = last_token(plan(workload(1, event_bytes)).emission) + 1
    assert events * event_bytes <= CONVERSATION_BYTES < (events + 1) * event_bytes
    assert last_token(plan(workload(events + 1, event_bytes)).emission) == events


def test_of_a_length_that_is_fixed_or_announced_the_last_token_is_known() -> None:
    fixed, announced = plan(workload(6, exact=True)), plan(workload(6), body="length", announced_tokens=9)
    assert (last_token(fixed.emission), last_token(announced.emission)) == (5, 8)


def test_through_a_chain_that_is_far_away_as_much_is_tried_in_fewer_steps() -> None:
    near, far = (simulate(plan(workload(6)), HoldsToEnd(), link) for link in (Link(), Link(200, chain_ms=30)))
    assert record(near.steps) == record(far.steps)
    assert len(far.steps) < len(near.steps)


# ---------------------------------------------------------------- whatever happens


def emission(tokens: int, token_bytes: int, exact: bool, body: Body, delay_ms: float | None) -> Emission:
    return plan(workload(tokens, token_bytes, exact=exact), body=body, delay_ms=delay_ms).emission


BODIES: list[Body] = ["chunked", "close", "length"]
emissions = st.builds(
    emission,
    st.integers(1, 60),
    st.sampled_from([80, 2000, 100_000]),
    st.booleans(),
    st.sampled_from(BODIES),
    st.sampled_from([None, None, 10.0, 500.0]),
)
round_trips_ms = st.sampled_from([0.05, 5.0, 20.0, 200.0])

MOST_EVENTS = 1000
"""A conversation of 60 tokens at most ends long before; most of it are the steps of a few holds, and two flows."""


class Chance:
    """Drives a machine as the driver would, with a chain that lets tokens go, some or all, when it likes."""

    def __init__(self, told: Emission, round_trip_ms: float, chance: Random) -> None:
        self.machine = Lockstep(told, int(round_trip_ms * 1e6))
        self.now_ns = 0
        self.granted = self.arrived = -1
        self.ended = False
        self._last = last_token(told)
        self._round_trip_ns = round_trip_ms * 1e6
        self._chance = chance
        self._moody = chance.random() < 0.5
        self._take_mood()
        self._head = False
        self.machine.begin(0)

    def _take_mood(self) -> None:
        """Let go rarely, often or always, and in time or only while it is made sure that everybody is awake."""
        self._generous = self._chance.choice([self._chance.random(), 1.0])
        self._lingers = self._chance.random() < 0.5

    def event(self) -> None:
        """Let the next thing happen, and hold what is granted then against the rules."""
        machine, chance = self.machine, self._chance
        due = machine.due
        assert due.ns <= CONVERSATION_SILENCE_S * 1e9
        until_ns = max(self.now_ns, machine.progress_ns + due.ns)
        if self._moody and chance.random() < 0.05:
            self._take_mood()
        if not self._head and chance.random() < 0.2:
            self._head = True
            self.check(machine.head(self.now_ns))
        elif self.arrived < self.granted and chance.random() < self._generous:
            how_late = 1 + chance.random() / 10 if self._lingers else chance.random()
            self.now_ns += int(how_late * (until_ns - self.now_ns))
            self.arrived = chance.choice([self.arrived + 1, chance.randint(self.arrived + 1, self.granted)])
            self.check(machine.arrived(self.arrived, self.now_ns))
        elif due.what == "silence":
            self.now_ns = until_ns
            if chance.random() < 0.3:
                machine.pulsed(self.now_ns)
            self.check(machine.outwaited(self.now_ns))
        else:
            self.now_ns = until_ns + int(chance.random() * self._round_trip_ns)
            self.check(machine.stepped(self.now_ns))

    def check(self, grant: Grant | None) -> None:
        if grant is None:
            return
        assert self.granted <= grant.through <= self._last, "no more than there may be"
        assert not self.ended or grant == Grant(self.granted, end=True), "with `length` the last token says it, too"
        if self.machine.phase is Phase.ARRIVAL:
            assert self.arrived == self.granted == grant.through - 1, "a token alone, and all before it are here"
        self.granted, self.ended = grant.through, grant.end


def held_against_the_rules(told: Emission, steps: Sequence[Step]) -> None:
    """Hold what is left of a conversation that has ended against what is true of all of them."""
    reader = read(steps)
    assert reader.state is State.ENDED
    assert told.workload.tokens <= reader.granted + 1 <= last_token(told) + 1
    assert [step.kind for step in steps].count("end") == 1
    assert steps[-1].at_ns - steps[0].at_ns <= Bounds.of(told, 0).span_s * 1e9


@settings(max_examples=200)
@given(emissions, round_trips_ms, st.integers(0, 2**32))
def test_whatever_happens_nothing_is_granted_out_of_turn_and_the_stream_ends_in_time(
    told: Emission, round_trip_ms: float, seed: int
) -> None:
    chance = Chance(told, round_trip_ms, Random(seed))
    for _ in range(MOST_EVENTS):
        if chance.machine.phase is Phase.ENDED:
            break
        chance.event()
    assert chance.ended
    held_against_the_rules(told, chance.machine.steps)


sizes_bytes = st.integers(1, 300_000)
times_ms = st.floats(1, 10_000)
one_hop = st.one_of(
    st.just(Passes()),
    st.builds(HoldsToEnd, free_bytes=sizes_bytes),
    st.builds(Blocks, size_bytes=sizes_bytes),
    st.builds(Empties, size_bytes=sizes_bytes),
    st.builds(StartBuffer, size_bytes=sizes_bytes),
    st.builds(LastHeld, size_bytes=sizes_bytes),
    st.builds(Pieces, count=st.integers(2, 30)),
    st.just(FirstHeld()),
    st.builds(Timer, after_ms=times_ms, size_bytes=sizes_bytes),
    st.builds(Idle, after_ms=times_ms),
    st.builds(Periodic, period_ms=times_ms, phase_ms=times_ms),
    st.builds(Lag, lag_ms=times_ms),
    st.builds(Stumbles, lag_ms=times_ms, every=st.integers(1, 20)),
    st.builds(Compresses, flushes=st.booleans()),
)
any_hop = one_hop | st.builds(Chain, st.tuples(one_hop, one_hop), head=st.booleans())


@given(emissions, any_hop, round_trips_ms)
def test_whatever_a_hop_does_the_conversation_ends_in_time_with_no_more_and_no_less_than_may_be(
    told: Emission, hop: Hop, round_trip_ms: float
) -> None:
    asked = replace(plan(), emission=told)
    held_against_the_rules(told, simulate(asked, fresh(hop), Link(round_trip_ms)).steps)
