"""What the user sees, from traces told by hand: when tokens were painted, in how many frames, and who held them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge.verdict import assess
from harness.model import Remark, Trace
from harness.reports import words
from harness.reports.notes import notes
from tests.factories import alone, figures, story

SPREAD = "s0 +1 r0 +99 s1 +1 r1 +99 s2 +1 r2 +99 s3 +1 r3 end"
"""Four tokens, 100 ms apart, each here after 1.1 ms."""


def shown(words: str, *after_ms: float, reads: int | None = None) -> Trace:
    """Return a trace whose n-th read was painted `after_ms` n after it came; the last figure counts for the rest."""
    trace = story(words, pace="paced")
    delays = [*after_ms, *[after_ms[-1]] * len(trace.reads)] if after_ms else []
    painted = tuple(read.at_ns + int(delay * 1e6) for read, delay in zip(trace.reads, delays, strict=False))
    return replace(trace, painted_ns=painted[:reads])


def together(words: str, at_read: int) -> Trace:
    """Return a trace whose reads were all painted 5 ms after one of them."""
    trace = story(words, pace="paced")
    frame_ns = trace.reads[at_read].at_ns + 5_000_000
    return replace(trace, painted_ns=tuple(max(frame_ns, read.at_ns) for read in trace.reads))


def said(trace: Trace) -> tuple[str, ...]:
    return notes(assess([trace]).facts)


def test_without_a_screen_nothing_is_said_of_one() -> None:
    trace = story(SPREAD)
    assert (figures(trace).painted_p50_ms, figures(trace).frames, said(trace)) == (None, 0, ())
    assert "paint" not in words.figures(figures(trace))
    assert "frame" not in words.figures(figures(trace))


def test_a_paint_is_measured_from_the_emission() -> None:
    told = figures(shown(f"{alone(0, 5, hold_ms=1)} end", 10, 20, 30, 40, 50, 60))
    assert told.painted_p50_ms == pytest.approx(31.1)
    assert told.frames == 6
    assert "painted p50" in words.figures(told)
    assert "6 frames" in words.figures(told)


def test_a_paint_is_told_by_the_median_of_many() -> None:
    told = figures(shown(f"{alone(0, 100)} end", *range(101)))
    assert told.painted_p50_ms == pytest.approx(50, abs=0.4)


def test_tokens_that_were_never_painted_do_not_count() -> None:
    told = figures(shown(SPREAD, 10, reads=2))
    assert (told.frames, told.tokens_received) == (2, 4)


def test_tokens_that_came_one_by_one_and_were_painted_at_the_end_are_told_and_stay_streamed() -> None:
    trace = together(SPREAD, -1)
    assert assess([trace]).judgement.verdict == "streamed"
    assert figures(trace).frames == 1
    assert said(trace) == ("screen: 4 tokens that came over 301 ms were painted together",)


def test_of_several_that_a_screen_held_the_most_are_told() -> None:
    trace = story(f"{alone(0, 7, hold_ms=99)} end", pace="paced")
    frames_ns = [trace.reads[last].at_ns + 5_000_000 for last in (1, 1, 4, 4, 4, 6, 6)]
    assert said(replace(trace, painted_ns=tuple(frames_ns)))[0].startswith("screen: 3 tokens that came over 19")


def test_tokens_that_were_painted_frame_by_frame_are_not_told() -> None:
    assert said(shown(SPREAD, 16)) == ()


def test_a_first_frame_that_takes_its_time_is_no_screen_that_holds() -> None:
    words_ = " ".join(f"s{seq} +1 r{seq} +30" for seq in range(8)) + " end"
    assert said(together(words_, 2)) == ()


def test_tokens_that_came_together_may_be_painted_together() -> None:
    assert said(together("s0 +50 s1 +50 s2 +50 s3 r0-3 end", -1)) == ()


def test_how_exact_the_readers_clock_is_and_what_it_says_of_itself_are_told() -> None:
    trace = replace(story(SPREAD), clock_uncertainty_ms=0.84, remark=Remark("EventSource", rewritten=True))
    assert said(trace) == (
        "EventSource shows no bytes: its events were written anew as SSE, and padding is not counted",
        "clock: what the reader saw may be told up to 0.8 ms late",
    )
