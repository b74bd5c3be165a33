"""A flow through a hop on a machine that stands still now and then: what the hop does is told right, or doubted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from harness.judge.reading import Alone, Hold, Observation
from harness.judge.rules import FLOW_MS, FLOW_TOKENS, HOLD_MS
from harness.judge.steady import steady
from harness.judge.verdict import assess
from tests.factories import story

STREAMS = 20
SURE = {0.0: 0.9, 60.0: 0.75, 140.0: 0.15, 400.0: 0.0}
"""By how late things are: the share of streams that are to be told for sure."""

Late = Callable[[float], float]
"""When what was due happens."""
LetGo = Iterator[tuple[int, int, float]]
"""The first and the last token of what a hop lets go, and when."""


def timer(met_ms: Sequence[float], wait_ms: float, late: Late, waits: bool = False) -> LetGo:
    """Let go of all that has come since the first of it, or since the last if it waits for a pause."""
    first = 0
    while first < len(met_ms):
        last, due_ms = first, late(met_ms[first] + wait_ms)
        while last + 1 < len(met_ms) and met_ms[last + 1] < due_ms:
            last += 1
            due_ms = late(met_ms[last] + wait_ms) if waits else due_ms
        yield first, last, due_ms
        first = last + 1


def idle_timer(met_ms: Sequence[float], wait_ms: float, late: Late) -> LetGo:
    return timer(met_ms, wait_ms, late, waits=True)


def clock(met_ms: Sequence[float], wait_ms: float, late: Late) -> LetGo:
    """Let go of all that has come whenever it ticks. A flow begins right after a tick: what came before went then."""
    first, tick_ms = 0, met_ms[0] + wait_ms
    while first < len(met_ms):
        at_ms = late(tick_ms)
        last = max((seq for seq, here_ms in enumerate(met_ms) if here_ms <= at_ms), default=-1)
        if last >= first:
            yield first, last, at_ms
        first = last + 1
        tick_ms += wait_ms * (1 + (at_ms - tick_ms) // wait_ms)


def lag(met_ms: Sequence[float], wait_ms: float, late: Late) -> LetGo:
    """Let go of each as late, and in order."""
    at_ms = 0.0
    for seq, here_ms in enumerate(met_ms):
        at_ms = max(at_ms, late(here_ms + wait_ms))
        yield seq, seq, at_ms


Hop = Callable[[Sequence[float], float, Late], LetGo]


@pytest.mark.parametrize("hop", [timer, idle_timer, clock, lag])
@pytest.mark.parametrize("band_ms", [(55, 90), (90, 280), (310, 700), (700, 1500)])
@pytest.mark.parametrize("late_ms", SURE)
def test_what_a_flow_says_of_a_hop_is_right_or_doubted(hop: Hop, band_ms: tuple[int, int], late_ms: float) -> None:
    sure = 0
    for seed in range(STREAMS):
        chance = random.Random(seed)
        wait_ms = chance.uniform(*band_ms)
        late = standing_still(chance, late_ms) if seed % 2 else now_and_then(chance, late_ms)
        told = assess([story(" ".join(words(chance, hop, wait_ms, late)))])
        if not told.doubtful:
            sure += 1
            release = told.judgement.release
            says = (release.by, release.idle) if release else None
            assert says == (None if hop is lag else ("timer", hop is idle_timer)), f"{wait_ms:.0f} ms, seed {seed}"
    assert sure >= SURE[late_ms] * STREAMS


def now_and_then(chance: random.Random, late_ms: float) -> Late:
    """A tenth of what happens is late by up to so long."""
    return lambda due_ms: due_ms + (chance.uniform(0, late_ms) if chance.random() < 0.1 else 0.0)


def standing_still(chance: random.Random, late_ms: float) -> Late:
    """All that happens is late while the machine stands still: for up to so long, five times a second."""
    ends_ms = [0.0]
    stills_ms = []
    while ends_ms[-1] < 1e5:
        begins_ms = ends_ms[-1] + chance.expovariate(1 / 200)
        ends_ms.append(begins_ms + chance.uniform(0, late_ms))
        stills_ms.append((begins_ms, ends_ms[-1]))
    return lambda due_ms: next((end for begin, end in stills_ms if begin <= due_ms < end), due_ms)


def words(chance: random.Random, hop: Hop, wait_ms: float, late: Late) -> Iterator[str]:
    """Yield the words of a conversation: tokens that are each waited for until they show a steady state, a flow, and
    what confirms a hold. Half of what comes together is read in two pieces.
    """
    seen: list[Observation] = []
    now_ms = 0.0

    def alone(seq: int) -> str:
        nonlocal now_ms
        here_ms = late(late(now_ms) + wait_ms)
        trip_ms, now_ms = here_ms - now_ms, here_ms
        seen.append(Alone(seq, trip_ms) if trip_ms <= HOLD_MS else Hold(seq, "time", trip_ms, trip_ms, trip_ms))
        return f"s{seq} +{trip_ms:.1f} r{seq}"

    while not steady(seen):
        yield alone(len(seen))
    begins = len(seen)
    yield f"stretch{begins + FLOW_TOKENS - 1}"
    granted_ms, met_ms = [now_ms], [late(now_ms)]
    for _ in range(FLOW_TOKENS - 1):
        granted_ms.append(late(granted_ms[-1] + FLOW_MS))
        met_ms.append(max(late(granted_ms[-1]), met_ms[-1]))
    happens = [(at_ms, f"s{seq}") for seq, at_ms in enumerate(granted_ms, begins)]
    for first, last, at_ms in hop(met_ms, wait_ms, late):
        cut = chance.randrange(first, last) if first < last and chance.random() < 0.5 else last
        pieces = [(first, cut, at_ms), (cut + 1, last, at_ms + 1)] if cut < last else [(first, last, at_ms)]
        happens += [(here_ms, f"r{begins + one}-{begins + through}") for one, through, here_ms in pieces]
    for at_ms, word in sorted(happens, key=lambda one: one[0]):
        yield f"+{max(at_ms - now_ms - 0.1, 0.1):.1f}"
        yield word
        now_ms = at_ms
    while (known := steady(seen)) is None or known.how == "time":
        yield alone(len(seen) + FLOW_TOKENS)
        if known and isinstance(seen[-1], Hold) and (confirmed := steady(seen)) and confirmed.how == "time":
            break
    yield "end"
