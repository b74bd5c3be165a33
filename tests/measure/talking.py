"""Talks to the lockstep machine by hand: begins, lets tokens arrive, and holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.judge.reading import span_tokens
from harness.judge.rules import HOLD_MS, TIME_MS
from harness.measure.grants import Grant, Phase
from harness.measure.lockstep import Lockstep
from tests.factories import plan, workload

MS = 10**6
HOLD_NS, TIME_NS = int(HOLD_MS * MS), int(TIME_MS * MS)
TOKENS = 6
SPAN = span_tokens(plan().emission)
"""So many tokens are sent after one that is held."""


def machine(
    tokens: int = TOKENS, round_trip_ms: float = 0.0, exact: bool = False, brief: bool = False, **emission: Any
) -> Lockstep:
    """Return a machine whose backend has been asked at 0."""
    talk = Lockstep(plan(workload(tokens, exact=exact), **emission).emission, int(round_trip_ms * MS), brief)
    talk.begin(0)
    return talk


def begun(tokens: int = TOKENS, **others: Any) -> Lockstep:
    """Return one that has granted token 0 at 0."""
    talk = machine(tokens, **others)
    talk.head(0)
    return talk


def alone(talk: Lockstep, tokens: int, each_ms: float = 0.0, at_ns: int = 0) -> Grant | None:
    """Let so many tokens arrive, each so long after it was granted; return the last answer."""
    answer: Grant | None = None
    for number in range(1, tokens + 1):
        answer = talk.arrived(talk.awaited, at_ns + int(number * each_ms * MS))
    return answer


def held(talk: Lockstep, more: int, ms: float = HOLD_MS) -> None:
    """Hold the awaited token until it has been so long and so many more tokens have been sent, with which it comes."""
    seq = talk.awaited
    since_ns = talk.progress_ns
    grant = talk.outwaited(since_ns + int(ms * MS))
    while grant and grant.through < seq + more:
        grant = talk.stepped(since_ns + int(ms * MS))
    assert grant == Grant(seq + more), "the steps go there"
    talk.arrived(seq + more, since_ns + int(ms * MS))


def pauses(talk: Lockstep) -> Iterator[int]:
    """Yield how long it waits before each token after the first, which comes at once; 0 where it does not wait."""
    while talk.phase is not Phase.ENDED:
        talk.arrived(talk.awaited, talk.progress_ns)
        yield talk.due.ns if talk.phase is Phase.PAUSE else 0
        if talk.phase in (Phase.PAUSE, Phase.SETTLING, Phase.FLOW):
            assert talk.due.what == ("barrier" if talk.phase is Phase.SETTLING else "pause")
            talk.stepped(talk.progress_ns)


def silent(**others: Any) -> Lockstep:
    """Return a machine that has tried all bytes in vain in no time."""
    talk = begun(**others)
    talk.outwaited(HOLD_NS)
    while talk.phase is Phase.TRYING:
        talk.stepped(HOLD_NS)
    return talk
