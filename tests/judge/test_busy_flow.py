"""A flow through a timer on a machine that stands still now and then: what it waits for is told right, or doubted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from harness.judge.rules import FLOW_MS, FLOW_TOKENS, STREAK
from harness.judge.verdict import assess
from tests.factories import story

STREAMS = 100


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("still_ms", [0.0, 60.0, 140.0, 400.0])
def test_whether_a_timer_waits_for_a_pause_is_told_right_or_doubted(still_ms: float, waits: bool) -> None:
    sure = wrong = 0
    for seed in range(STREAMS):
        chance = random.Random(seed)
        told = assess([story(" ".join(words(chance, chance.uniform(90, 280), still_ms, waits)))])
        if not told.doubtful:
            sure += 1
            wrong += told.judgement.release is None or told.judgement.release.idle is not waits
    assert wrong <= STREAMS / 100
    assert sure == STREAMS if still_ms == 0 else sure > 0 or still_ms == 400


def words(chance: random.Random, timer_ms: float, still_ms: float, waits: bool) -> Iterator[str]:
    """Yield the words of a stream: tokens that are each waited for, then a flow. Of all that happens a tenth is late by
    up to so long: that a token is granted, that it leaves, and that the hop lets go.
    """

    def late_ms() -> float:
        return chance.uniform(0, still_ms) if chance.random() < 0.1 else 0.0

    for seq in range(STREAK):
        yield f"s{seq} +{timer_ms + late_ms():.1f} r{seq}"
    yield f"stretch{STREAK + FLOW_TOKENS - 1}"
    granted_ms, met_ms = [0.0], [late_ms()]
    for _ in range(FLOW_TOKENS - 1):
        granted_ms.append(granted_ms[-1] + FLOW_MS + late_ms())
        met_ms.append(max(granted_ms[-1] + late_ms(), met_ms[-1]))
    happens = [(at_ms, f"s{seq}") for seq, at_ms in enumerate(granted_ms, STREAK)]
    happens += [(at_ms, f"r{seq}") for seq, at_ms in let_go(met_ms, timer_ms, waits, late_ms)]
    before_ms = 0.0
    for at_ms, word in sorted(happens):
        yield f"+{max(at_ms - before_ms - 0.1, 0.1):.1f}"
        yield word
        before_ms = at_ms
    yield "end"


def let_go(
    met_ms: Sequence[float], timer_ms: float, waits: bool, late_ms: Callable[[], float]
) -> Iterator[tuple[str, float]]:
    """Yield what a timer lets go, and when: all that has come since the first of it, or since the last if it waits."""
    first = 0
    while first < len(met_ms):
        last, due_ms = first, met_ms[first] + timer_ms + late_ms()
        while last + 1 < len(met_ms) and met_ms[last + 1] < due_ms:
            last += 1
            due_ms = met_ms[last] + timer_ms + late_ms() if waits else due_ms
        yield f"{STREAK + first}-{STREAK + last}", due_ms
        first = last + 1
