"""Verdicts on replayed recordings: what a hop does is the same whatever the sizes of the writes are."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.reading import Hold
from harness.judge.verdict import Assessment, assess
from harness.model import Body, Emission, Filler, Plan, Trace, Verdict
from tests.hops import (
    Begins,
    Blocks,
    Chain,
    Compresses,
    Empties,
    FirstHeld,
    HoldsToEnd,
    Hop,
    Idle,
    Lag,
    Passes,
    Periodic,
    StartBuffer,
    Timer,
    fresh,
)
from tests.recorded import EVENTS, load, recording
from tests.simulation import simulate

KIB = 1024


def uneven(seed: int, writes: int = 30, largest: int = 900) -> list[bytes]:
    """Return events of unlike sizes, of text that compresses as that of people does."""
    chance = random.Random(seed)
    words = [f"{chance.randrange(2000):x}" for _ in range(400)]

    def text(size: int) -> str:
        return " ".join(chance.choices(words, k=size // 4 + 1))[:size]

    return [f"data: {text(chance.randint(1, largest))}\n\n".encode() for _ in range(writes)]


def told(hop: Hop, writes: list[bytes], body: Body = "chunked", **emission: Any) -> tuple[Trace, Assessment]:
    """Return what a recording through a hop leaves, and what it says."""
    trace = simulate(Plan((), "GET", (), Emission(load(recording(writes)), body=body, **emission)), fresh(hop))
    return trace, assess([trace])


HOPS: dict[str, tuple[Hop, Verdict]] = {
    "passes": (Passes(), "streamed"),
    "the first held": (FirstHeld(), "streamed"),
    "a start buffer": (StartBuffer(8 * KIB), "streamed"),
    "holds to the end": (HoldsToEnd(), "buffered"),
    "1 KB": (Empties(KIB), "coalesced"),
    "4 KB": (Empties(4 * KIB), "coalesced"),
    "blocks of 4 KB": (Blocks(4 * KIB), "coalesced"),
    "16 KB": (Empties(16 * KIB), "coalesced"),
    "64 KB": (Empties(64 * KIB), "coalesced"),
    "4 KB behind a start buffer": (Begins(StartBuffer(8 * KIB), Empties(4 * KIB)), "coalesced"),
    "a compressor that is not flushed": (Compresses(flushes=False), "buffered"),
    "a compressor that is flushed": (Compresses(flushes=True), "streamed"),
    "a timer": (Timer(after_ms=800), "coalesced"),
    "an idle timer": (Idle(after_ms=150), "delayed"),
    "a periodic flush": (Periodic(period_ms=1000), "coalesced"),
    "a lag": (Lag(lag_ms=120), "delayed"),
    "4 KB behind a lag": (Chain((Empties(4 * KIB), Lag(lag_ms=30))), "coalesced"),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("hop", "verdict"), HOPS.values(), ids=HOPS)
def test_the_verdict_is_about_the_hop_and_not_about_the_writes(hop: Hop, verdict: Verdict, seed: int) -> None:
    _, said = told(hop, uneven(seed))
    assert said.verdict == verdict, said.judgement


@given(st.integers(), st.integers(2, 40), st.integers(10, 1500), st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_how_many_bytes_let_go_is_right_within_the_largest_write(
    seed: int, writes: int, largest: int, kib: int
) -> None:
    events = uneven(seed, writes, largest)
    size = kib * KIB
    if size < 2 * max(map(len, events)):
        size = 2 * max(map(len, events))
    trace, said = told(Empties(size), events)
    assert said.verdict == "coalesced", said.judgement
    release = said.judgement.release
    assert release
    assert release.by == "bytes"
    off = trace.plan.emission.largest_bytes
    assert size - 2 * off <= release.after_bytes + release.resolution_bytes
    assert release.after_bytes - release.resolution_bytes <= size + off


@pytest.mark.parametrize("hop", [Empties(4 * KIB), Blocks(4 * KIB), Empties(16 * KIB)], ids=str)
def test_unlike_writes_take_no_more_holds_than_tokens_that_are_alike(hop: Hop) -> None:
    holds = [sum(isinstance(one, Hold) for one in told(hop, uneven(seed))[1].seen) for seed in range(20)]
    assert set(holds) == {3}, "two that let go alike, and one that confirms it"


@given(st.integers(), st.integers(2, 40))
def test_what_passes_streams_whatever_was_recorded(seed: int, writes: int) -> None:
    _, said = told(Passes(), uneven(seed, writes))
    assert said.verdict == "streamed"


@pytest.mark.parametrize("body", ["chunked", "close"])
def test_a_short_answer_through_a_buffer_is_coalesced_and_shows_at_the_end(body: Body) -> None:
    _, said = told(Empties(4 * KIB), EVENTS, body)
    assert said.verdict == "coalesced"
    assert said.shows
    assert said.shows.manner == "at the end"


def test_padding_and_a_prelude_are_sent_with_the_recorded_writes_and_count() -> None:
    filled: list[dict[str, Any]] = [{"padding": Filler(4096, "random")}, {"prelude": Filler(8192)}]
    for more in filled:
        trace, said = told(Begins(StartBuffer(6 * KIB), Passes()), EVENTS, **more)
        assert said.verdict == "streamed"
        assert trace.sent[2].end_bytes == trace.plan.emission.bytes_through(2)


@pytest.mark.parametrize("hop", [Blocks(4 * KIB), Empties(4 * KIB)], ids=["by blocks", "whole"])
def test_padding_pushes_a_recorded_write_out_and_need_not_have_come_itself(hop: Hop) -> None:
    assert told(hop, uneven(1), padding=Filler(4 * KIB))[1].verdict == "streamed"


def test_a_write_that_was_altered_on_the_way_breaks_the_stream() -> None:
    trace, _ = told(Passes(), EVENTS)
    body = bytearray(trace.body)
    body[30] ^= 1
    said = assess([replace(trace, body=bytes(body))])
    assert said.verdict == "broken"
    assert "altered on the way at byte 30" in said.judgement.reason


def test_a_token_that_was_never_sent_is_told() -> None:
    trace, _ = told(Passes(), [b"data: same\n\n"] * 6)
    said = assess([replace(trace, sent=trace.sent[:-2])])
    assert said.verdict == "broken"


def test_the_asked_stream_shows_at_the_recorded_pace() -> None:
    slow = recording([b"data: a\n\n"] * 12, gap_ms=300)
    trace = simulate(Plan((), "GET", (), Emission(load(slow), pace="paced")), fresh(Passes()))
    gaps = {
        round((after.at_ns - before.at_ns) / 1e6) for before, after in zip(trace.sent, trace.sent[1:], strict=False)
    }
    assert gaps <= {299, 300, 301}
    said = assess([simulate(Plan((), "GET", (), Emission(load(slow))), fresh(Timer(after_ms=1000)))])
    assert said.shows
    assert said.shows.manner == "in bursts"
