"""What let held tokens go, in figures: counted by the emitter, timed by the client."""

from __future__ import annotations

from harness.judge.reading import Hold, read
from harness.judge.release import release_by_bytes, release_by_end, release_by_time
from harness.model import Filler, Release, Trace
from tests.factories import story

LET_GO = ("s2 s3 r1-3 s4 r4 s5 r5 s6 r6 s7 r7 s8", "s2 s3 s4-5 s6-7 r1-3 s8")
HELD = "s0 r0 s1 +400 hold1 s2 s3-5 r1-5 end"


def by_bytes(trace: Trace) -> Release:
    reader = read(trace.steps)
    hold = next(one for one in reader.seen if isinstance(one, Hold))
    return release_by_bytes(trace, hold, reader)


def test_by_bytes_it_took_all_that_was_sent_after_the_held_token() -> None:
    told = by_bytes(story(HELD))
    assert (told.seq, told.by, told.after_tokens, told.after_bytes) == (1, "bytes", 4, 4 * 80)
    assert (told.held_ms, told.idle) == (400.4, False)


def test_it_is_known_as_exactly_as_the_last_step_was_large() -> None:
    assert by_bytes(story(HELD)).resolution_bytes == 3 * 80
    assert by_bytes(story(HELD.replace("s3-5", "s3 s4 s5"))).resolution_bytes == 80


def test_what_stayed_behind_may_not_have_been_needed_whatever_step_it_was_of() -> None:
    """A hop that takes its time to let go is sent a step more meanwhile, of which nothing comes along."""
    prompt, late = (by_bytes(story(f"s0 r0 s1 +400 hold1 {steps} +400 hold8 end")) for steps in LET_GO)
    assert (prompt.after_tokens, prompt.resolution_bytes) == (2, 80)
    assert (late.after_tokens, late.resolution_bytes) == (6, 4 * 80)


def test_all_bytes_count_that_left_by_then() -> None:
    assert by_bytes(story(HELD, padding=Filler(20))).after_bytes == 4 * 100
    beaten = by_bytes(story(HELD.replace("s3-5", "beat s3-5")))
    assert (beaten.after_bytes, beaten.resolution_bytes) == (4 * 80 + 13, 3 * 80 + 13)


def test_a_person_waits_until_as_many_tokens_are_due() -> None:
    assert by_bytes(story(HELD)).wait_ms == 4 * 50
    assert by_bytes(story(HELD, interval_ms=20, delay_ms=10)).wait_ms == 4 * 30


def test_a_timer_is_waited_for_by_everybody_as_long() -> None:
    told = release_by_time(1, 800.0, idle=True)
    assert told == Release(1, "timer", 0, 0, wait_ms=800.0, held_ms=800.0, resolution_bytes=0, idle=True)


def test_the_end_is_that_of_the_stream_as_asked() -> None:
    """However many more were sent to see whether bytes let go, and whatever that took."""
    trace = story("s0 r0 s1 +400 hold1 s2-9 wait +2500 end r1-9", tokens=4, interval_ms=20)
    told = release_by_end(trace, 1)
    assert told == Release(1, "end", after_bytes=160, after_tokens=2, wait_ms=40, held_ms=None, resolution_bytes=0)


def test_who_holds_only_what_comes_after_the_stream_as_asked_makes_nobody_wait() -> None:
    trace = story("s0 r0 s1 +400 hold1 s2-9 wait +2500 end r1-9", tokens=1)
    told = release_by_end(trace, 1)
    assert (told.after_tokens, told.after_bytes, told.wait_ms) == (0, 0, 0)


def test_of_a_stream_that_was_cut_short_what_was_sent_counts() -> None:
    assert release_by_end(story("s0 s1 s2 end r0-2", tokens=9), 0).after_bytes == 160
