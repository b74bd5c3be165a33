"""A live stream, judged by when its messages left and came."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probe.live import APART_MS, FEWEST, NEAR_MS, Live, live

LEFT = [0.0, 50.0, 100.0, 150.0, 200.0]


def judged(came: list[float], left: list[float] = LEFT, stood_still_ms: float = 0.0) -> Live:
    return live("nginx:x", "curl", left, came, stood_still_ms)


def after(*late_ms: float) -> list[float]:
    return [at + late for at, late in zip(LEFT, late_ms, strict=True)]


@pytest.mark.parametrize(
    ("came", "verdict", "told"),
    [
        (after(1, 1, 1, 1, 1), "streamed", "of 4 messages with a pause after them each was here before the next left"),
        (after(49, 49, 49, 49, 900), "streamed", "each was here"),
        (
            [200.0] * 5,
            "held",
            "3 of 4 messages with a pause after them came after the next had left, up to 200 ms late",
        ),
        ([201.0] * 5, "held", "3 of 4"),
        ([210.0] * 5, "held", "4 of 4"),
        (after(1, 60, 1, 1, 1), "held", "1 of 4"),
        (after(1, 52, 1, 1, 1), "cannot tell", "1 did by 5.00 ms or less: ask once more"),
        (after(1, 1, 1, 1, 1)[:3], "cannot tell", "only 3 of 5 messages came: the stream is broken"),
    ],
)
def test_a_stream_that_pauses(came: list[float], verdict: str, told: str) -> None:
    assert judged(came).verdict == verdict
    assert told in judged(came).reason


@pytest.mark.parametrize("left", [[], [0.0], [0.0, 50.0, 100.0], [float(at) for at in range(20)]])
@pytest.mark.parametrize("late_ms", [0.1, 5000.0])
def test_of_few_and_dense_messages_nobody_can_tell(left: list[float], late_ms: float) -> None:
    found = judged([at + late_ms for at in left], left)
    assert found.verdict == "cannot tell"
    assert f"{FEWEST} are needed; let it pause between messages, or leave live out" in found.reason


def test_one_late_message_of_many_is_no_verdict() -> None:
    left = [50.0 * at for at in range(20)]
    came = [at + (80 if at == 50 else 1) for at in left]
    assert judged(came, left).verdict == "cannot tell"


def test_a_watcher_that_stood_still_holds_nothing_against_a_chain() -> None:
    assert judged([190.0] * 5, [0.0, 50.0, 100.0, 150.0, 180.0]).verdict == "held"
    assert judged([190.0] * 5, [0.0, 50.0, 100.0, 150.0, 180.0], stood_still_ms=200).verdict == "cannot tell"


GAPS = st.lists(st.integers(int(APART_MS), 500), min_size=FEWEST, max_size=30)


@given(GAPS, st.data())
def test_what_comes_at_once_streams_and_what_comes_at_the_end_is_held(gaps: list[float], data: st.DataObject) -> None:
    left = list(accumulate(gaps, initial=0.0))
    late = [data.draw(st.floats(0, gap)) for gap in gaps]
    at_once = [*(at + after for at, after in zip(left, late, strict=False)), left[-1]]
    assert judged(at_once, left).verdict == "streamed"
    assert judged([left[-1] + NEAR_MS + 1] * len(left), left).verdict == "held"


@pytest.mark.parametrize("number", [3, 12, 13, 500])
def test_it_is_drawn_message_by_message_and_not_for_ever(number: int) -> None:
    lines = list(judged([60.0 * at for at in range(number)][:-1], [50.0 * at for at in range(number)]).drawn())
    assert len(lines) == 1 + min(number, 13)
    assert lines[-1].endswith("never came")
    assert (f"{number - 12} more" in lines[-3]) is (number > 12)
