"""Verdicts on simulated hops: what they do is what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge import release
from harness.judge.verdict import Assessment, assess, isolated
from harness.measure import lockstep
from tests.factories import judged, plan, workload
from tests.hops import Blocks, Empties, HoldsToEnd, Hop, Lag, Passes, StartBuffer, Timer
from tests.simulation import simulate

SIZES = st.integers(1, 4000)
CUT: dict[str, Callable[[int], Hop]] = {
    "blocks": lambda size: Blocks(size_bytes=size),
    "empties": lambda size: Empties(size_bytes=size),
}
LOAD = workload(30, 80)  # 2400 bytes


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """The times that are told here are multiples of a patience of 100 ms."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(lockstep, "PATIENCE_NS", 100 * 10**6)
        monkeypatch.setattr(release, "PATIENCE_MS", 100.0)
        yield


@given(st.sampled_from(["chunked", "close", "length"]))
def test_a_hop_that_passes_all_is_streamed(body: str) -> None:
    assert judged(simulate(plan(LOAD, body=body), Passes())).verdict == "streamed"


@given(st.integers(0, 2399), st.sampled_from(["chunked", "length"]))
def test_a_hop_that_holds_to_the_end_is_buffered_from_the_token_that_no_longer_passed(
    free_bytes: int, body: str
) -> None:
    told = judged(simulate(plan(LOAD, body=body), HoldsToEnd(free_bytes=free_bytes)))
    first = free_bytes // 80
    if body == "length" and first == 29:
        assert told.verdict == "streamed", "the last token is the end"
    else:
        assert (told.verdict, told.reason) == ("buffered", f"from token {first} on, nothing came before the end")


@given(st.sampled_from(sorted(CUT)), SIZES, st.sampled_from(["chunked", "length"]))
def test_a_hop_that_lets_go_by_size_is_coalesced_by_about_that_size(kind: str, size: int, body: str) -> None:
    told = judged(simulate(plan(LOAD, body=body), CUT[kind](size)))
    once = -(-size // 80) * 80 if kind == "empties" else size
    before_end = 2320 if body == "length" else 2400
    at_once = once == 80 if kind == "empties" else 80 % size == 0
    if at_once:
        assert told.verdict == "streamed"
    elif once > 80 and once != before_end and 2 * once > before_end:
        assert told.verdict == "buffered", "it let go once at most, and not all: that is no steady state"
    else:
        assert told.verdict == "coalesced"
        assert told.release is not None
        assert told.release.by == "bytes"
        assert size - 80 <= told.release.after_bytes + 80 <= (size + 2 * 80) * 17 / 16


@given(st.integers(81, 2320))
def test_a_start_buffer_is_a_lone_hold_that_wants_to_be_confirmed(size: int) -> None:
    trace = simulate(plan(LOAD), StartBuffer(size_bytes=size))
    assert judged(trace).verdict == "coalesced"
    assert isolated(trace, judged(trace)) or trace.steps[-1].kind == "arrive"


@given(st.floats(50, 99), st.sampled_from(["chunked", "length"]))
def test_a_timer_within_the_patience_is_delayed(after_ms: float, body: str) -> None:
    assert judged(simulate(plan(LOAD, body=body), Timer(after_ms=after_ms))).verdict == "delayed"


def confirmed(body: str, hop: Callable[[], Hop]) -> Assessment:
    """Judge as the runner does: in a second, patient stream if the first wants to be confirmed."""
    first = simulate(plan(LOAD, body=body), hop())
    if not isolated(first, judged(first)):
        return assess([first])
    return assess([first, simulate(plan(LOAD, body=body), hop(), patient=True)])


LATE: dict[str, Callable[[float], Hop]] = {
    "lag": lambda after_ms: Lag(lag_ms=after_ms),
    "timer": lambda after_ms: Timer(after_ms=after_ms),
    "timer and size": lambda after_ms: Timer(after_ms=after_ms, size_bytes=2000),
}


@given(st.sampled_from(sorted(LATE)), st.floats(101, 199), st.sampled_from(["chunked", "length"]))
def test_a_timer_of_up_to_two_patiences_is_delayed_and_never_said_to_be_bytes(
    kind: str, after_ms: float, body: str
) -> None:
    told = confirmed(body, lambda: LATE[kind](after_ms))
    assert (told.judgement.verdict, told.judgement.release, told.unstable) == ("delayed", None, None), told


@given(st.floats(115, 1000), st.sampled_from(["chunked", "length"]))
def test_a_lag_beyond_patience_and_probing_is_told_or_not_without_a_word_on_the_patience(
    lag_ms: float, body: str
) -> None:
    told = confirmed(body, lambda: Lag(lag_ms=lag_ms))
    assert told.judgement.verdict == "delayed" or "patience" in told.judgement.reason, told
