"""Conversations that are announced as a whole, through simulated hops: what they come to, whatever is in the way."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, cast

import pytest

from harness.judge.rules import STREAK, TIME_MS
from harness.judge.verdict import assess_one
from harness.measure.announced import Left, Seen, steps, turns, whole_tokens
from harness.measure.lockstep import Lockstep
from harness.model import Body, Plan, Step, Trace
from tests.factories import judged, plan, workload
from tests.hops import Blocks, Empties, HoldsToEnd, Hop, Idle, Lag, Passes, Periodic, Pieces, StartBuffer, Timer, fresh
from tests.simulation import Link, Simulation

MS = 1_000_000
KIB = 1024
LOAD = {"tokens": 16, "token_bytes": 400}  # of smaller ones so many more leave, until a megabyte has
LINKS = {"here": Link(), "afar, with another clock": Link(round_trip_ms=100, clock_off_ms=-3_600_000)}


class Ear:
    """Takes the machine's place: it hears what comes, and grants nothing."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.arrivals: list[tuple[int, int]] = []

    def head(self, now_ns: int) -> None: ...

    def arrived(self, through: int, now_ns: int) -> None:
        if through >= 0:
            self.arrivals.append((now_ns, through))


class Announced(Simulation):
    """One stream that takes its turns by itself."""

    def __init__(self, told: Plan, hop: Hop, link: Link) -> None:
        super().__init__(told, hop, link)
        self.turns = turns(self.emission, link.round_trip_ms)
        self.ear = Ear()
        self.machine = cast(Lockstep, self.ear)

    def trace(self, head: bool = True) -> Trace:
        """Return what the stream left behind, as if nobody had noted when its head came unless `head`."""
        trace = super().run()
        left = Left(self.sent, trace.opened_ns + self._clock_off_ns, trace.ended_ns)
        seen = Seen(trace.head_ns if head else None, self.ear.arrivals, trace.closed_ns)
        told = steps(self.emission, self.turns, left, seen, 2 * self.link.half_ns)
        return replace(trace, steps=tuple(told), emitter_clock="its own")

    def _lockstep(self) -> None:
        at_ns = self.now_ns
        for turn in self.turns:
            at_ns += int(turn.wait_ms * MS)
            self._at(at_ns, partial(self._send_through, turn.through))
        self._at(at_ns, self._end)

    def _send_through(self, through: int) -> None:
        while len(self.sent) <= through:
            self._send(len(self.sent))


def announced(
    hop: Hop, link: Link = LINKS["here"], body: Body = "chunked", announced_tokens: int | None = None, **load: Any
) -> Trace:
    """Return the trace of a stream through a hop."""
    told = plan(workload(**LOAD | load), body=body, announced_tokens=announced_tokens)
    return Announced(told, fresh(hop), link).trace()


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize(
    ("hop", "verdict"),
    [
        (Passes(), "streamed"),
        (HoldsToEnd(), "buffered"),
        (HoldsToEnd(free_bytes=1000), "buffered"),
        (StartBuffer(size_bytes=4096), "streamed"),
        (Pieces(count=2), "coalesced"),
        *((Empties(size_bytes=size), "coalesced") for size in (KIB, 4 * KIB, 16 * KIB, 64 * KIB)),
        *((Blocks(size_bytes=size), "coalesced") for size in (KIB, 4 * KIB, 16 * KIB, 64 * KIB)),
        (Timer(after_ms=100), "delayed"),
        (Idle(after_ms=150), "delayed"),
        (Timer(after_ms=1000), "coalesced"),
        (Idle(after_ms=1000), "coalesced"),
        (Periodic(period_ms=1000), "coalesced"),
    ],
    ids=str,
)
def test_silences_of_unequal_lengths_show_what_let_go(hop: Hop, verdict: str, link: Link) -> None:
    trace = announced(hop, link)
    told = judged(trace)
    assert told.verdict == verdict, told.reason


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize(
    ("hop", "verdict", "how"),
    [
        (Passes(), "streamed", "each of"),
        (StartBuffer(size_bytes=64 * KIB), "streamed", "each of"),
        (HoldsToEnd(free_bytes=1000), "buffered", "the end let it go"),
        *((Empties(size_bytes=size), "coalesced", "more bytes") for size in (KIB, 4 * KIB, 64 * KIB)),
        *((Blocks(size_bytes=size), "coalesced", "more bytes") for size in (16 * KIB, 64 * KIB)),
        (Lag(lag_ms=100), "delayed", "100 ms late in the median"),
        (Timer(after_ms=100), "delayed", "100 ms late in the median"),
        (Idle(after_ms=150), "delayed", "150 ms late in the median"),
        (Timer(after_ms=1000), "coalesced", "came after 1000 ms in which nothing was sent"),
    ],
    ids=str,
)
def test_a_length_with_room_for_all_that_is_announced_tells_as_much(
    hop: Hop, verdict: str, how: str, link: Link
) -> None:
    short = announced(hop, link, body="length")
    assert assess_one(short).would_do or verdict == "buffered", "this is asked again with a longer one"
    enough = announced(hop, link, body="length", announced_tokens=whole_tokens(short.plan.emission))
    told = assess_one(enough)
    assert (told.verdict, told.would_do, how in told.judgement.reason) == (verdict, None, True), told.judgement.reason


def test_a_length_that_has_room_for_them_has_room_for_no_more() -> None:
    emission = plan(workload(**LOAD), body="length").emission
    enough = replace(emission, announced_tokens=whole_tokens(emission))
    told, one_less = turns(enough), turns(replace(enough, announced_tokens=whole_tokens(emission) - 1))
    assert told[-1].through == whole_tokens(emission) - 1
    assert [turn.through for turn in told[:-1]] != [turn.through for turn in one_less[:-1]]


@pytest.mark.parametrize("token_bytes", [120, 333])
@pytest.mark.parametrize("size_bytes", [KIB, 8 * KIB, 64 * KIB])
def test_how_many_bytes_let_go_is_known_within_its_resolution(size_bytes: int, token_bytes: int) -> None:
    release = judged(announced(Empties(size_bytes=size_bytes), token_bytes=token_bytes)).release
    assert release is not None
    assert release.by == "bytes"
    least = release.after_bytes - release.resolution_bytes
    assert least - token_bytes <= size_bytes <= release.after_bytes + token_bytes


def test_a_lag_that_the_head_has_too_cannot_be_told_from_the_distance() -> None:
    talk = Announced(plan(workload(**LOAD)), Lag(lag_ms=400), Link())
    assert judged(talk.trace()).verdict == "delayed", "the head came at once, and shows how far away they are"
    talk = Announced(plan(workload(**LOAD)), Lag(lag_ms=400), Link())
    assert judged(talk.trace(head=False)).verdict == "streamed"


def test_silences_are_of_unequal_lengths_and_the_last_outlasts_every_timer() -> None:
    told = turns(plan(workload(tokens=16, token_bytes=120)).emission)
    alone = [b.wait_ms for a, b in pairwise(told) if b.through == a.through + 1][: STREAK + 1]
    assert len(set(alone)) == STREAK + 1
    assert told[-1].wait_ms > TIME_MS
    assert sum(turn.wait_ms for turn in told) < 30_000


@pytest.mark.parametrize("body", ["chunked", "length"])
@pytest.mark.parametrize("tokens", [1, 3, 40, 3000])
def test_all_tokens_of_a_workload_leave_and_none_beyond_a_length(tokens: int, body: str) -> None:
    told = turns(plan(workload(tokens=tokens, token_bytes=120), body=body).emission)
    assert told[-1].through >= tokens - 1
    assert body == "chunked" or told[-1].through == tokens - 1
    assert [turn.through for turn in told[:-1]] == sorted({turn.through for turn in told[:-1]})


def test_what_never_began_has_no_steps() -> None:
    assert steps(plan().emission, [], Left([], None, None), Seen(None, [], None), 0) == []


@pytest.mark.parametrize("hop", [Passes(), HoldsToEnd(), Empties(size_bytes=4 * KIB)], ids=str)
def test_wherever_it_breaks_off_its_steps_are_those_of_a_conversation(hop: Hop) -> None:
    talk = Announced(plan(workload(tokens=16, token_bytes=120)), fresh(hop), Link())
    trace = talk.trace()
    for tokens in (*range(3), 17, 60, 1706, 1715, 1723, 3000, len(trace.sent) - 1):
        left = Left(trace.sent[:tokens], trace.opened_ns, None)
        came = [one for one in talk.ear.arrivals if one[1] < tokens]
        for head_ns in (trace.head_ns, None):
            told = steps(talk.emission, talk.turns, left, Seen(head_ns, came, None), 50_000)
            assert not told or told[-1].kind == "end"
