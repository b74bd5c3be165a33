"""When what was seen of a conversation is steady: observation by observation, each rule with its edges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge.reading import Alone, Hold, Observation, alike, span_tokens
from harness.judge.rules import ALIKE_MS, ENOUGH, ENOUGH_MS, HOLDS, LATE_TOKENS, SPAN_BYTES, SPAN_MS, STREAK
from harness.judge.steady import Steady, as_late, steady
from tests.factories import plan, workload


def came(times: int = 1, trip_ms: float = 0.1) -> list[Observation]:
    return [Alone(seq, trip_ms) for seq in range(times)]


def bytes_after(tokens: int, before: int | None = None, silent_ms: float = 300, trip_ms: float = 400) -> Hold:
    """A hold that ended when so many had been sent, and not yet when `before` had."""
    return Hold(0, "bytes", silent_ms, trip_ms, 1, tokens, tokens - 1 if before is None else before)


def silence(trip_ms: float) -> Hold:
    """A hold that ended after so long, and nothing was sent meanwhile."""
    return Hold(0, "time", trip_ms, trip_ms, trip_ms)


def timer_after(quiet_ms: float, silent_ms: float = 300, trip_ms: float = 3000, tokens: int = 90) -> Hold:
    """A hold that ended so long after the last of what was sent."""
    return Hold(0, "time", silent_ms, trip_ms, quiet_ms, tokens, 0, tried=True)


THE_END = Hold(0, "end", 300, 3000, 2500, 90, 0, tried=True)
AGAIN = {"silent_ms": 400, "trip_ms": 500}
"""What a hold is that was waited for longer than the first took in all."""


def test_as_late_are_two_conversations_of_which_the_last_tokens_are() -> None:
    late, quick = came(LATE_TOKENS, 200.0), came(10, 1.0)
    assert as_late([*quick, *late], late)
    assert as_late(late, [*quick, *late])
    assert not as_late([*late, *quick], late)
    assert not as_late(late, [*late, *quick])


@pytest.mark.parametrize(
    ("observed", "told"),
    [
        ([], None),
        (came(STREAK - 1), None),
        (came(STREAK), Steady("alone", 0)),
        ([bytes_after(9), *came(STREAK)], Steady("alone", 1)),
        ([*came(STREAK), bytes_after(9)], None),
        (came(ENOUGH, ENOUGH_MS / ENOUGH), Steady("alone", 0)),
        (came(ENOUGH, ENOUGH_MS / ENOUGH - 1), None),
        (came(ENOUGH - 1, ENOUGH_MS / ENOUGH + 80), None),
        ([bytes_after(9)], None),
        ([bytes_after(9), THE_END], None),
        ([bytes_after(9), bytes_after(9, **AGAIN)], Steady("bytes", 0)),
        ([bytes_after(9), bytes_after(9, **AGAIN), THE_END], Steady("bytes", 0)),
        ([bytes_after(40), bytes_after(9), bytes_after(9, **AGAIN)], Steady("bytes", 1)),
        ([bytes_after(9), bytes_after(9, **AGAIN), bytes_after(9)], Steady("bytes", 1)),
        ([bytes_after(9), bytes_after(9, **AGAIN), bytes_after(12)], None),
        ([bytes_after(9), bytes_after(9, **AGAIN), *came(6), bytes_after(9)], Steady("bytes", 1)),
        ([bytes_after(9), bytes_after(9, **AGAIN), *came(7), bytes_after(9)], None),
        ([bytes_after(9), bytes_after(9, **AGAIN), replace(bytes_after(9), stalled=True)], None),
        ([silence(800), silence(800), bytes_after(9)], None),
        ([*came(3), silence(800), silence(800)], Steady("time", 3)),
        ([bytes_after(9), *came(6), bytes_after(9, **AGAIN)], Steady("bytes", 0)),
        ([bytes_after(9), *came(7), bytes_after(9, **AGAIN)], None),
    ],
)
def test_what_is_steady(observed: list[Observation], told: Steady | None) -> None:
    assert steady(observed) == told


@pytest.mark.parametrize(
    ("observed", "told"),
    [
        ([bytes_after(seq * 9) for seq in range(1, HOLDS)], None),
        ([bytes_after(seq * 9) for seq in range(1, HOLDS + 1)], Steady("bytes", 2)),
        ([silence(seq * seq * 400) for seq in range(1, HOLDS + 1)], Steady("time", 2)),
        ([*[silence(seq * seq * 400) for seq in range(1, HOLDS)], bytes_after(9)], Steady("both", 2)),
        ([silence(400), silence(1600), bytes_after(9), timer_after(300), timer_after(900)], Steady("both", 2)),
        ([bytes_after(9), bytes_after(9), silence(800), silence(1600), silence(3200)], Steady("time", 2)),
        ([bytes_after(9), bytes_after(9), bytes_after(9), silence(800), silence(1600)], Steady("time", 2)),
        ([bytes_after(9), bytes_after(18), silence(400), silence(1600), timer_after(10)], Steady("time", 2)),
        (
            [bytes_after(9), bytes_after(18), bytes_after(27), *came(5), bytes_after(36), *came(4), bytes_after(45)],
            Steady("bytes", 2),
        ),
        (
            [bytes_after(9), bytes_after(18), bytes_after(27), *came(5), bytes_after(36), *came(5), bytes_after(45)],
            Steady("alone", 2),
        ),
    ],
)
def test_many_holds_that_do_not_agree_are_steady_by_the_last_three(
    observed: list[Observation], told: Steady | None
) -> None:
    assert steady(observed) == told


@pytest.mark.parametrize(
    ("before", "last", "how"),
    [
        # time: nothing was sent, and it took as long as before
        (silence(800), silence(800), "time"),
        (silence(800), silence(888), "time"),
        (silence(800), silence(890), None),
        (silence(320), silence(320 + ALIKE_MS), "time"),
        (bytes_after(9, trip_ms=800), silence(800), "time"),
        # time: as long as before since the last byte
        (timer_after(800), silence(800), "time"),
        (timer_after(800), silence(890), None),
        (bytes_after(9, trip_ms=2000), silence(800), None),
        (Hold(0, "bytes", 300, 2000, 800, 9, 8), silence(800), None),
        # bytes: as many as before, and it was waited for longer than the one before took
        (bytes_after(9), bytes_after(9, silent_ms=400, trip_ms=500), "bytes"),
        (bytes_after(9), bytes_after(9, silent_ms=399, trip_ms=500), None),
        (silence(800), bytes_after(9, silent_ms=900, trip_ms=999), None),
        (silence(800), bytes_after(1, silent_ms=900, trip_ms=999), None),
        (bytes_after(9), bytes_after(10, **AGAIN), "bytes"),
        (bytes_after(9), bytes_after(8, **AGAIN), "bytes"),
        (bytes_after(9), bytes_after(11, **AGAIN), None),
        (bytes_after(9), bytes_after(7, **AGAIN), None),
        (bytes_after(9), bytes_after(11, before=8, **AGAIN), "bytes"),
        (bytes_after(20, before=16), bytes_after(16, **AGAIN), "bytes"),
        (bytes_after(20, before=16), bytes_after(15, **AGAIN), None),
        # bytes with a lag on top: as late after the first of them
        (bytes_after(90, 80, 300, 1000), timer_after(500, 1000, 1710, 40), "bytes"),
        (bytes_after(90, 80, 300, 1000), timer_after(500, 1000, 1790, 40), None),
        (bytes_after(90, 80, 300, 1000), bytes_after(40, 30, 1000, 1710), None),
    ],
)
def test_when_two_holds_agree(before: Hold, last: Hold, how: str | None) -> None:
    assert steady([before, last]) == (Steady(how, 0) if how else None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("a_ms", "b_ms", "told"),
    [(0, 25, True), (0, 26, False), (225, 250, True), (900, 1000, True), (899, 1000, False), (2250, 2500, True)],
)
def test_two_durations_are_alike_within_a_tenth_or_what_a_busy_machine_adds(
    a_ms: float, b_ms: float, told: bool
) -> None:
    assert alike(a_ms, b_ms) is alike(b_ms, a_ms) is told


@pytest.mark.parametrize(
    ("token_bytes", "delay_ms", "tokens"),
    [
        (SPAN_BYTES // 4, None, 4),
        (SPAN_BYTES // 4 - 1, None, 5),
        (SPAN_BYTES, None, 3),
        (SPAN_BYTES // 64, 20, 64),
        (SPAN_BYTES // 256, 20, int(SPAN_MS / 20)),
        (80, 1500, 3),
    ],
)
def test_how_many_tokens_are_tried(token_bytes: int, delay_ms: float | None, tokens: int) -> None:
    assert span_tokens(plan(workload(1, token_bytes), delay_ms=delay_ms).emission) == tokens
