"""Simulated hops do what they are described to do, and the oracle says of each what is right."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from harness.model import Emission, Release
from tests.factories import plan, workload
from tests.hops import (
    WBITS,
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
from tests.oracle import Way, is_clear, right, ways, wrong_release
from tests.simulation import Link, simulate

MS = 1_000_000
KIB = 1024


def story(hop: Hop, pushes: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return when how many bytes came out (ms), of pushes of so many bytes at such instants, and at the end (-1)."""
    out: list[tuple[float, int]] = []
    for at_ms, size in [*pushes, (float("inf"), 0)]:
        while (due_ns := hop.due_ns()) is not None and due_ns <= at_ms * MS:
            out.append((due_ns / MS, len(hop.fire(due_ns))))
        if size and (data := hop.push(b"x" * size, int(at_ms * MS))):
            out.append((at_ms, len(data)))
    if data := hop.end():
        out.append((-1, len(data)))
    return out


TENS: list[tuple[float, int]] = [(1, 10), (2, 10), (3, 10), (4, 10), (5, 10)]

DOES: dict[str, tuple[Hop, list[tuple[float, int]]]] = {
    "passes": (Passes(), TENS),
    "holds to the end": (HoldsToEnd(free_bytes=15), [(1, 10), (2, 5), (-1, 35)]),
    "blocks": (Blocks(size_bytes=15), [(2, 15), (3, 15), (5, 15), (-1, 5)]),
    "empties": (Empties(size_bytes=15), [(2, 20), (4, 20), (-1, 10)]),
    "a start buffer": (StartBuffer(size_bytes=15), [(2, 20), (3, 10), (4, 10), (5, 10)]),
    "two start buffers": (StartBuffer(size_bytes=15, then=(20,)), [(2, 20), (4, 20), (5, 10)]),
    "three start buffers": (StartBuffer(10, (20, 11)), [(1, 10), (3, 20), (5, 20)]),
    "the last held": (LastHeld(size_bytes=15), [(2, 5), (3, 10), (4, 10), (5, 10), (-1, 15)]),
    "pairs": (Pieces(count=2), [(2, 20), (4, 20), (-1, 10)]),
    "the first held": (FirstHeld(), [(2, 20), (3, 10), (4, 10), (5, 10)]),
    "a timer": (Timer(after_ms=1.5), [(2.5, 20), (4.5, 20), (6.5, 10)]),
    "a timer and a size": (Timer(after_ms=2.5, size_bytes=30), [(3, 30), (6.5, 20)]),
    "an idle timer": (Idle(after_ms=1.5), [(6.5, 50)]),
    "an idle timer and a size": (Idle(after_ms=1.5, size_bytes=30), [(3, 30), (6.5, 20)]),
    "a periodic flush": (Periodic(period_ms=2, phase_ms=0.5), [(2.5, 20), (4.5, 20), (6.5, 10)]),
    "a lag": (Lag(lag_ms=1.5), [(at + 1.5, 10) for at, _ in TENS]),
    "every second late": (Stumbles(lag_ms=1.5, every=2), [(1, 10), (3.5, 10), (3.5, 10), (5.5, 10), (5.5, 10)]),
    "a buffer behind a timer": (Chain((Timer(after_ms=1.5), Blocks(size_bytes=15))), [(2.5, 15), (4.5, 15), (6.5, 15)]),
    "a lag behind a buffer": (Chain((Empties(size_bytes=15), Lag(lag_ms=1.5))), [(3.5, 20), (5.5, 20)]),
}


@pytest.mark.parametrize(("hop", "out"), DOES.values(), ids=DOES)
def test_what_a_hop_does_to_five_writes_of_ten_bytes(hop: Hop, out: list[tuple[float, int]]) -> None:
    went = story(fresh(hop), TENS)
    assert went[: len(out)] == out
    assert sum(size for _, size in went) == 50 or isinstance(hop, Chain)
    assert story(fresh(hop), TENS) == went, "what goes through one does not go through another"


def test_what_the_end_lets_go_of_passes_all_that_is_behind() -> None:
    assert story(Chain((Empties(size_bytes=60), Blocks(size_bytes=40))), TENS) == [(-1, 50)]
    lags = Chain((Empties(size_bytes=60), Lag(lag_ms=1.5)))
    for at_ms, size in TENS:
        lags.push(b"x" * size, int(at_ms * MS))
    assert (lags.end(), lags.due_ns(), lags.closes_ns(9 * MS)) == (b"", int(6.5 * MS), int(10.5 * MS))
    assert lags.fire(int(6.5 * MS)) == b"x" * 50


def test_who_is_behind_a_lag_hears_of_the_end_when_all_has_come() -> None:
    hop = fresh(Chain((Lag(lag_ms=1.5), Compresses("gzip"), Empties(size_bytes=1000))))
    assert hop.push(b"late", 0) + hop.end() == b""
    assert zlib.decompress(hop.fire(int(1.5 * MS)), WBITS["gzip"]) == b"late"
    assert hop.due_ns() is None


@pytest.mark.parametrize("coding", WBITS)
@pytest.mark.parametrize("flushes", [True, False])
def test_a_compressor_gives_out_each_write_if_flushed_and_all_at_the_end_else(coding: str, flushes: bool) -> None:
    hop = fresh(Compresses(coding, flushes))
    client = zlib.decompressobj(WBITS[coding])
    writes = [b"write %d, " % number for number in range(9)]
    assert [client.decompress(hop.push(data, 0)) for data in writes] == (writes if flushes else [b""] * 9)
    assert client.decompress(hop.end()) == (b"" if flushes else b"".join(writes))
    assert client.eof


def test_a_head_that_is_held_comes_with_the_first_bytes_and_a_coding_is_undone() -> None:
    hop = head_held(Chain((Compresses("gzip"), Compresses("deflate"))))
    assert (hop.holds_head, hop.content_coding, Passes().holds_head) == (True, "gzip, deflate", False)
    trace = simulate(plan(workload(3)), hop)
    assert trace.head_ns == trace.reads[0].at_ns
    assert trace.headers == (("Content-Encoding", "gzip, deflate"),)
    free = simulate(plan(workload(3)), Passes())
    assert (free.head_ns, free.headers) == (free.opened_ns + Link().half_ns, ())


# ---------------------------------------------------------------- the oracle


def emission(token_bytes: int = 100, **others: Any) -> Emission:
    return plan(workload(30, token_bytes, **others)).emission


RIGHT: list[tuple[Hop, str]] = [
    (Passes(), "streamed"),
    (Blocks(size_bytes=50), "streamed"),
    (Blocks(size_bytes=99), "coalesced"),
    (Blocks(size_bytes=160 * KIB), "coalesced"),
    (Blocks(size_bytes=320 * KIB), "buffered"),
    (Empties(size_bytes=100), "streamed"),
    (Empties(size_bytes=101), "coalesced"),
    (Empties(size_bytes=320 * KIB), "buffered"),
    (StartBuffer(4 * KIB, (8 * KIB, 100)), "streamed"),
    (StartBuffer(4 * KIB, (320 * KIB,)), "buffered"),
    (FirstHeld(), "streamed"),
    (LastHeld(size_bytes=1), "coalesced"),
    (Pieces(count=2), "coalesced"),
    (HoldsToEnd(), "buffered"),
    (head_held(HoldsToEnd()), "buffered"),
    (head_held(Passes()), "streamed"),
    (Compresses(flushes=True), "streamed"),
    (Lag(lag_ms=30), "streamed"),
    (Lag(lag_ms=1500), "delayed"),
    (Stumbles(lag_ms=250, every=3), "delayed"),
    (Stumbles(lag_ms=250, every=8), "streamed"),
    (Timer(after_ms=30), "streamed"),
    (Timer(after_ms=200), "delayed"),
    (Idle(after_ms=1000), "coalesced"),
    (Timer(after_ms=7000), "buffered"),
    (Periodic(period_ms=30), "streamed"),
    (Periodic(period_ms=100), "delayed"),
    (Periodic(period_ms=1000), "coalesced"),
    (Timer(after_ms=7000, size_bytes=4000), "coalesced"),
    (Timer(after_ms=200, size_bytes=4000), "delayed"),
    (Timer(after_ms=200, size_bytes=100), "streamed"),
    (Idle(after_ms=7000, size_bytes=320 * KIB), "buffered"),
    (Chain((Timer(after_ms=25), Timer(after_ms=90))), "delayed"),
    (Chain((Empties(size_bytes=350 * KIB), Empties(size_bytes=200 * KIB))), "buffered"),
    (Chain((Empties(size_bytes=80 * KIB), Empties(size_bytes=80 * KIB))), "coalesced"),
    (Chain((Empties(size_bytes=4000), Timer(after_ms=500))), "coalesced"),
    (Chain((Empties(size_bytes=4000), Timer(after_ms=7000))), "buffered"),
    (Chain((Periodic(period_ms=1000), Lag(lag_ms=1000))), "coalesced"),
]


@pytest.mark.parametrize(("hop", "verdict"), RIGHT, ids=str)
def test_what_is_right_to_say_of_a_hop(hop: Hop, verdict: str) -> None:
    assert right(hop, emission()) == verdict
    assert is_clear(hop, emission())


def test_a_compressor_without_flush_needs_more_of_what_repeats_itself() -> None:
    assert right(Compresses(), emission(1000, payload="random")) == "coalesced"
    assert right(Compresses(), emission(1000, payload="repetitive")) == "buffered"
    (way,) = ways(Compresses("deflate"), emission(1000, payload="random"))
    assert 14 * KIB < way.bytes < 20 * KIB


@pytest.mark.parametrize(
    "hop",
    [
        Blocks(size_bytes=200 * KIB),
        StartBuffer(1, (200 * KIB,)),
        Lag(lag_ms=45),
        Periodic(period_ms=70),
        Periodic(period_ms=7000),
        Timer(after_ms=290),
        Timer(after_ms=2500),
        Timer(after_ms=5000, size_bytes=4000),
        Chain((Empties(size_bytes=150 * KIB), Empties(size_bytes=150 * KIB))),
        Chain((Periodic(period_ms=45), Lag(lag_ms=36))),
        Chain((Timer(after_ms=1700), Lag(lag_ms=1500))),
        Chain((Timer(after_ms=200), Lag(lag_ms=200))),
        Chain((Empties(size_bytes=4000), Lag(lag_ms=45))),
    ],
    ids=str,
)
def test_what_lies_near_a_constant_is_not_asked_about(hop: Hop) -> None:
    assert not is_clear(hop, emission())


def release(**told: Any) -> Release:
    figures = {"after_bytes": 0, "after_tokens": 0, "wait_ms": 0.0, "held_ms": 0.0, "resolution_bytes": 100}
    return Release(seq=0, **(figures | told))


BY_4000 = release(by="bytes", after_bytes=4000)
BY_1000_MS = release(by="timer", wait_ms=1000.0)


@pytest.mark.parametrize(
    ("hop", "said", "fits"),
    [
        (Blocks(size_bytes=4000), BY_4000, True),
        (Blocks(size_bytes=3700), BY_4000, True),
        (Blocks(size_bytes=3600), BY_4000, False),
        (Blocks(size_bytes=4400), BY_4000, False),
        (Blocks(size_bytes=4000), BY_1000_MS, False),
        (Blocks(size_bytes=4000), None, False),
        (Timer(after_ms=1000), BY_1000_MS, True),
        (Timer(after_ms=1250), BY_1000_MS, False),
        (Timer(after_ms=800), BY_1000_MS, False),
        (Timer(after_ms=1000), BY_4000, False),
        (Periodic(period_ms=1900), BY_1000_MS, True),
        (Periodic(period_ms=800), BY_1000_MS, False),
        (Timer(after_ms=800, size_bytes=9000), BY_4000, True),
        (Timer(after_ms=7000, size_bytes=4000), BY_1000_MS, False),
        (Chain((Empties(size_bytes=640), Empties(size_bytes=5400))), BY_4000, True),
        (Passes(), None, True),
    ],
)
def test_what_let_go_is_held_against_the_parameters(hop: Hop, said: Release | None, fits: bool) -> None:
    assert (wrong_release(said, hop, emission()) is None) is fits


def test_ways_add_up_along_a_chain() -> None:
    hop = Chain((Timer(after_ms=30, size_bytes=1000), Empties(size_bytes=500), Lag(lag_ms=5)))
    assert ways(hop, emission()) == {Way(400, 30, 5), Way(1300, 0, 5)}
