"""What a person sees of a stream as asked: seen in paced streams, and computed from what a hop does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.backends.emitter import LINGER_S
from harness.judge.metrics import delivery
from harness.judge.reading import read
from harness.judge.rules import LATE_MS
from harness.judge.shows import LINGER_MS, computed, seen
from harness.judge.verdict import assess
from harness.model import Body, Judgement, Manner, Release, ReleasedBy, Shows, Start
from tests.factories import EVENT_NS, figures, plan, story, streamed, workload
from tests.hops import Empties, HoldsToEnd, Hop, Idle, Lag, Passes, StartBuffer, Timer
from tests.simulation import simulate


def shown(words: str, usual_ms: float | None = None, **others: Any) -> Shows:
    trace = story(words, pace="paced", **others)
    return seen(trace, delivery(trace).arrivals, usual_ms)


def paced(*groups: str, apart_ms: float = 60) -> str:
    """Return the words of tokens that leave `apart_ms` apart and come in these groups, each with its last token."""
    words = []
    for group in groups:
        first, _, last = group.partition("-")
        words += [f"s{seq} +{apart_ms}" for seq in range(int(first), int(last or first))]
        words += [f"s{last or first} r{group} +{apart_ms}"]
    return " ".join([*words, "+200 end"])


# ---------------------------------------------------------------- what a paced stream showed


def test_a_wait_is_over_what_the_control_takes_and_without_one_over_the_quickest() -> None:
    trace, control = (story(streamed(4, hold_ms=ms), pace="paced") for ms in (70, 10))
    waits = [assess([trace], known).shows for known in (None, figures(control))]
    assert [shows and round(shows.wait_ms) for shows in waits] == [0, 60]


@pytest.mark.parametrize(
    ("words", "manner", "bursts"),
    [
        (paced(*map(str, range(8))), "one by one", 0),
        (paced("0-1", "2-3", "4-5", "6-7"), "in bursts", 4),
        (paced("0-3", "4-7"), "in bursts", 2),
        (paced("0-2", "3-7"), "at the end", 2),
        (paced("0-1", "2-4"), "in bursts", 2),
        (paced("0-7"), "at the end", 1),
        (paced("0-1"), "at the end", 1),
        (paced("0-1", "2"), "in bursts", 1),
        (paced(*map(str, range(20)), "20-21"), "one by one", 1),
        (paced(*map(str, range(18)), "18-19"), "in bursts", 1),
        (paced("0-3", "4-7", apart_ms=10), "one by one", 0),
        (paced(*map(str, range(5))).replace("r4", "") + " r4", "one by one", 0),
    ],
)
def test_how_a_paced_stream_comes(words: str, manner: Manner, bursts: int) -> None:
    told = shown(words)
    assert (told.manner, told.bursts, told.seen) == (manner, bursts, True)


def test_large_tokens_that_come_at_the_end_in_reads_of_their_own_come_together() -> None:
    assert shown("s0 +50 s1 +50 s2 +50 s3 +200 end r0 r1 r2 r3").manner == "at the end"


@pytest.mark.parametrize(("body", "manner"), [("chunked", "at the end"), ("length", "one by one")])
def test_of_an_announced_length_the_last_token_is_the_end_and_nothing_after_it(body: Body, manner: Manner) -> None:
    assert shown("s0 +10 s1 +10 s2 +10 s3 +200 r0-3 end", body=body).manner == manner


@pytest.mark.parametrize(("apart_ms", "manner"), [(LATE_MS, "at the end"), (LATE_MS - 0.1, "one by one")])
def test_who_comes_with_the_end_must_have_left_well_before_it(apart_ms: float, manner: Manner) -> None:
    assert shown(f"s0 +{apart_ms - EVENT_NS / 1e6} s1 r0-1 end", body="length").manner == manner


@pytest.mark.parametrize(("words", "wait_ms"), [(paced("0-3", "4-7"), 180), (streamed(4, hold_ms=70), 0)])
def test_a_wait_is_what_a_token_is_later_than_the_quickest(words: str, wait_ms: float) -> None:
    assert abs(shown(words).wait_ms - wait_ms) < 1


def test_a_wait_is_what_a_token_is_later_than_one_that_is_read_directly() -> None:
    assert shown(streamed(4, hold_ms=70), usual_ms=10).wait_ms == pytest.approx(60, abs=1)


TOGETHER = " ".join(f"s{seq}" for seq in range(20))


@pytest.mark.parametrize(
    ("words", "manner"),
    [
        (f"{TOGETHER} r0-19 +200 end", "one by one"),
        (f"{TOGETHER} +200 end r0-19", "at the end"),
        (f"{TOGETHER} r0-4 +200 end r5-19", "at the end"),
        (f"{TOGETHER} r0-14 +200 end r15-19", "one by one"),
        (f"{TOGETHER} +80 r0-19 +120 end", "one by one"),
        (f"{TOGETHER} end r0-19", "one by one"),
    ],
)
def test_a_burst_at_the_source_is_no_lump_of_the_hops_unless_it_is_held_to_the_end(words: str, manner: Manner) -> None:
    assert shown(words).manner == manner


def test_a_burst_that_lags_into_the_end_does_not_come_with_it_as_the_end_lags_too() -> None:
    trace = story(f"{TOGETHER} +200 end +30 r0-19", pace="paced")
    assert trace.closed_ns is not None
    lagged = replace(trace, closed_ns=trace.closed_ns + 200 * 10**6)
    told = [seen(one, delivery(one).arrivals).manner for one in (trace, lagged)]
    assert told == ["at the end", "one by one"]


@given(st.integers(-(10**12), 10**12), st.sampled_from([paced("0-3", "4-7"), paced("0-7"), paced("0", "1", "2")]))
def test_a_clock_that_is_wrong_on_one_side_changes_nothing(ahead_ms: int, words: str) -> None:
    trace = story(words, pace="paced")
    arrivals = delivery(trace).arrivals
    ahead_ns = ahead_ms * 10**6
    assert trace.ended_ns is not None
    wrong = replace(trace, ended_ns=trace.ended_ns + ahead_ns)
    moved = [replace(one, sent_ns=one.sent_ns + ahead_ns) for one in arrivals]
    told, truth = seen(wrong, moved), seen(trace, arrivals)
    assert replace(told, wait_ms=0) == replace(truth, wait_ms=0)
    assert told.wait_ms == pytest.approx(truth.wait_ms, abs=1)


# ---------------------------------------------------------------- what is computed


def let_go(
    by: ReleasedBy, bytes_more: int = 0, tokens_more: int = 0, wait_ms: float = 0, idle: bool = False
) -> Release:
    return Release(1, by, bytes_more, tokens_more, wait_ms, None, 0, idle)


def conversation(judgement: Judgement) -> str:
    """Return the words of a hold in which all that had been sent is let go at once."""
    more = judgement.release.after_tokens if judgement.release else 1
    return " ".join(["s0 r0 s1 +400 hold1", *(f"s{seq}" for seq in range(2, more + 2)), f"r1-{more + 1} end"])


def asked(tokens: int, token_bytes: int, judgement: Judgement, late_ms: float = 0, words: str = "") -> Shows:
    """Return what so many tokens would show, of which `words` are the conversation."""
    told = plan(workload(tokens, token_bytes))
    trace = replace(story(words or conversation(judgement)), plan=told)
    return computed(trace, judgement, read(trace.steps), late_ms)


def about(told: Shows) -> tuple[Manner, int, float, bool]:
    return told.manner, told.bursts, round(told.wait_ms), told.seen


def nginx(token_bytes: int) -> Judgement:
    """Return what is found of a buffer of 4096 bytes that has to be full."""
    more = math.ceil(4096 / token_bytes) - 1
    return Judgement("coalesced", "because", let_go("bytes", more * token_bytes, more))


def test_a_short_answer_through_a_buffer_of_4096_bytes_shows_at_the_end_and_a_long_one_in_bursts() -> None:
    assert about(asked(24, 112, nginx(112))) == ("at the end", 1, 23 * 50 + LINGER_MS, False)
    assert about(asked(320, 512, nginx(512))) == ("in bursts", 40, 7 * 50, False)


def test_an_idle_flush_is_delayed_and_shows_at_the_end_of_a_stream_without_pauses() -> None:
    flush = Judgement("delayed", "because", let_go("timer", wait_ms=100, idle=True))
    assert asked(24, 112, flush).manner == "at the end"
    slow = replace(workload(24, 112), interval_ms=120)
    trace = replace(story(conversation(flush)), plan=plan(slow))
    told = computed(trace, flush, read(trace.steps))
    assert about(told) == ("one by one", 0, 100, False)


@pytest.mark.parametrize(
    ("judgement", "late_ms", "told"),
    [
        (Judgement("streamed", "because"), 0, Shows("one by one", 0, 0, seen=False)),
        (Judgement("streamed", "because", tail_tokens=1), 0, Shows("one by one", 0, 200, seen=False)),
        (Judgement("streamed", "because", start=Start(held_bytes=2300)), 0, Shows("at the end", 1, 1100, seen=False)),
        (Judgement("streamed", "because", start=Start(held_bytes=2400)), 0, Shows("at the end", 1, 1150, seen=False)),
        (Judgement("streamed", "because", start=Start(held_bytes=2401)), 0, Shows("at the end", 1, 1350, seen=False)),
        (Judgement("streamed", "because", start=Start(held_bytes=9000)), 0, Shows("at the end", 1, 1350, seen=False)),
        (Judgement("streamed", "because", start=Start(held_bytes=500)), 0, Shows("in bursts", 1, 200, seen=False)),
        (Judgement("buffered", "because", start=Start(held_bytes=500)), 0, Shows("at the end", 2, 1100, seen=False)),
        (Judgement("buffered", "because", start=Start(passed_bytes=2000)), 0, Shows("in bursts", 1, 350, seen=False)),
        (Judgement("delayed", "because"), 290, Shows("one by one", 0, 290, seen=False)),
        (Judgement("delayed", "because", tail_tokens=1), 290, Shows("one by one", 0, 490, seen=False)),
        (Judgement("buffered", "because", let_go("end")), 0, Shows("at the end", 1, 1350, seen=False)),
        (Judgement("coalesced", "because", let_go("timer", wait_ms=320)), 0, Shows("in bursts", 4, 320, seen=False)),
        (Judgement("coalesced", "because", let_go("timer", wait_ms=150)), 0, Shows("in bursts", 6, 150, seen=False)),
        (Judgement("coalesced", "because", let_go("bytes", 100, 1)), 0, Shows("in bursts", 12, 50, seen=False)),
    ],
)
def test_what_a_hop_does_decides_what_is_shown(judgement: Judgement, late_ms: float, told: Shows) -> None:
    assert about(asked(24, 100, judgement, late_ms)) == about(told)


def test_who_lets_go_of_one_token_when_the_next_is_sent_shows_them_one_by_one() -> None:
    """Pairs and a token that stays behind take as many bytes; the conversation tells them apart."""
    behind = "s0 r0 s1 +400 hold1 s2 r1 +400 hold2 s3 r2 s4 r3 end"
    told = asked(24, 100, Judgement("coalesced", "because", let_go("bytes", 100, 1)), words=behind)
    assert about(told) == ("one by one", 0, LINGER_MS, False)


def test_what_stays_behind_by_chance_is_what_did_more_often() -> None:
    """The last time, the token that let another go came along with it."""
    words = "s0 r0 s1 +400 hold1 s2 r1 +400 hold2 s3 r2 +400 hold3 s4 r4 end"
    last = replace(let_go("bytes", 100, 1), seq=3)
    told = asked(24, 100, Judgement("coalesced", "because", last), words=words)
    assert told.manner == "one by one"


def test_a_computed_stream_ends_as_long_after_its_last_token_as_a_paced_one() -> None:
    assert LINGER_MS == LINGER_S * 1e3


# ---------------------------------------------------------------- both agree


EVENT = 100
Known = Callable[[float], tuple[Hop, Judgement]]


def _sized(size: float) -> tuple[Hop, Judgement]:
    size_bytes = round(size * 40)
    more = math.ceil(size_bytes / EVENT) - 1
    return Empties(size_bytes), Judgement("coalesced", "because", let_go("bytes", more * EVENT, more) if more else None)


KNOWN: dict[str, Known] = {
    "passes": lambda size: (Passes(), Judgement("streamed", "because")),
    "holds to the end": lambda size: (HoldsToEnd(), Judgement("buffered", "because", let_go("end"))),
    "passes some, then holds": lambda size: (
        HoldsToEnd(free_bytes=round(size * 30)),
        Judgement("buffered", "because", let_go("end"), Start(passed_bytes=round(size * 30))),
    ),
    "start buffer": lambda size: (
        StartBuffer(size_bytes=round(size * 30)),
        Judgement("streamed", "because", start=Start(held_bytes=round(size * 30))),
    ),
    "empties": _sized,
    "timer": lambda size: (
        Timer(after_ms=size * 10),
        Judgement("coalesced", "because", let_go("timer", wait_ms=size * 10)),
    ),
    "idle": lambda size: (
        Idle(after_ms=size * 10),
        Judgement("delayed", "because", let_go("timer", wait_ms=size * 10, idle=True)),
    ),
    "lag": lambda size: (Lag(lag_ms=size * 10), Judgement("delayed", "because")),
}


@given(
    st.sampled_from(sorted(KNOWN)),
    st.floats(1, 100),
    st.integers(12, 60),
    st.sampled_from([7.0, 20.0, 30.0, 70.0, 120.0]),
    st.sampled_from(["chunked", "length"]),
)
def test_a_paced_stream_shows_what_is_computed_of_its_hop(
    kind: str, size: float, tokens: int, interval_ms: float, body: str
) -> None:
    hop, judgement = KNOWN[kind](size)
    told = plan(workload(tokens, EVENT, interval_ms=interval_ms), body=body)
    assume(abs(size * 10 - interval_ms) > 2)
    trace = replace(story(conversation(judgement)), plan=told)
    expected = computed(trace, judgement, read(trace.steps), late_ms=size * 10)
    trace = simulate(replace(told, emission=replace(told.emission, pace="paced")), hop)
    shown = seen(trace, delivery(trace).arrivals, usual_ms=0.0)
    assert shown.manner == expected.manner, (expected, shown)
    assert abs(shown.wait_ms - expected.wait_ms) <= 5, (expected, shown)
    assert abs(shown.bursts - expected.bursts) <= 1, (expected, shown)
