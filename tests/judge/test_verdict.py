"""Verdicts: one story for each rule. Simulated hops are judged in test_verdict_of_hops.py."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import pytest

from harness.judge.metrics import HELD_MS
from harness.judge.verdict import isolated
from harness.model import Filler, Judgement, Release, Verdict
from tests.factories import figures, judged, story, streamed

COALESCED = "s0 r0 s1 +400 hold1 s2 s3 r1-3 s4 +400 hold4 s5 s6 r4-6 end"
BUFFERED = "s0 +400 hold0 s1 s2 s3 s4 s5 wait +400 end r0-5"


def verdict(words: str, **others: Any) -> Verdict:
    return judged(story(words, **others)).verdict


def release(words: str, **others: Any) -> Release:
    told = judged(story(words, **others)).release
    assert told is not None
    return told


# ---------------------------------------------------------------- streamed and delayed


def test_streamed_when_every_token_was_here_before_the_next_was_sent() -> None:
    assert judged(story(streamed(6))) == Judgement("streamed", "every token came before the next was sent")


@pytest.mark.parametrize(("hold_ms", "told"), [(HELD_MS - 0.2, "streamed"), (HELD_MS - 0.1, "delayed")])
def test_delayed_when_the_median_hold_is_50_ms(hold_ms: float, told: Verdict) -> None:
    """The event of its arrival takes a tenth more."""
    assert verdict(streamed(6, hold_ms)) == told


def test_delayed_is_measured_over_the_control() -> None:
    control = figures(story(streamed(4, hold_ms=30)))
    assert judged(story(streamed(4, hold_ms=70)), control).verdict == "streamed"
    assert judged(story(streamed(4, hold_ms=81)), control).verdict == "delayed"


def test_delayed_is_measured_over_the_guard_when_the_machine_was_slow() -> None:
    slow = replace(story(streamed(4, hold_ms=70)), guard_ms=30.0)
    assert judged(slow).verdict == "streamed"
    assert judged(replace(slow, guard_ms=15.0)).verdict == "delayed"


def test_one_slow_token_of_many_is_still_streamed() -> None:
    assert verdict("s0 r0 s1 +390 r1 s2 r2 s3 r3 end") == "streamed"


# ---------------------------------------------------------------- late is not held


def test_late_is_not_held() -> None:
    assert verdict("s0 r0 s1 +400 hold1 r1 s2 r2 s3 r3 end") == "streamed"


def test_late_but_before_the_next_token_left_is_not_held_even_if_that_was_granted() -> None:
    """The grant was under way to the emitter when the token came."""
    late = story("s0 r0 s1 +400 hold1 r1 s2 r2 s3 r3 end")
    (at,) = (n for n, step in enumerate(late.steps) if step.kind == "hold")
    steps = list(late.steps)
    steps[at + 1], steps[at + 2] = steps[at + 2], steps[at + 1]  # grant 2, then arrive 1
    assert [step.kind for step in steps[at : at + 3]] == ["hold", "grant", "arrive"]
    assert judged(replace(late, steps=tuple(steps))).verdict == "streamed"


def test_tokens_that_are_all_late_are_delayed() -> None:
    assert verdict("s0 +450 hold0 r0 s1 +450 hold1 r1 s2 s3 r2-3 end") == "delayed"


def test_the_first_token_being_late_does_not_hide_that_the_others_are_delayed() -> None:
    assert verdict("s0 +450 hold0 r0 s1 +60 r1 s2 +60 r2 s3 +60 r3 end") == "delayed"


def test_a_lone_token_that_a_timer_releases_past_the_patience_is_delayed() -> None:
    """No further byte was sent: nothing was coalesced."""
    assert verdict("s0 +400 hold0 wait +50 r0 end") == "delayed"


@pytest.mark.parametrize("before", ["", "s0 r0 "])
def test_a_last_token_that_is_late_with_length_framing_was_not_released_by_the_end(before: str) -> None:
    """It is the end: that had been sent long before."""
    seq = before.count("s")
    told = verdict(f"{before}s{seq} +450 hold{seq} end r{seq}", body="length")
    assert told == "delayed"


# ---------------------------------------------------------------- heartbeats

BEATEN = "s0 +250 beat r0 s1 +250 beat r1 s2 +250 beat r2 end"


def test_tokens_that_came_late_and_only_after_heartbeats_may_have_been_pushed_out() -> None:
    told = judged(story(BEATEN))
    assert told == Judgement(
        "delayed", "tokens came 250 ms late in the median, each after a heartbeat: that or a timer let it go"
    )


@pytest.mark.parametrize("words", [BEATEN.replace("s1 +250 beat", "s1 +250"), "beat s0 +99 r0 s1 +99 r1 beat end"])
def test_a_token_that_came_late_without_a_heartbeat_came_by_itself(words: str) -> None:
    assert judged(story(words)).reason.startswith("tokens came by themselves, but ")


@pytest.mark.parametrize("words", ["s0 beat r0 s1 beat r1 end", "s0 r0 s1 +390 beat r1 s2 r2 end"])
def test_a_heartbeat_on_the_way_does_not_make_a_token_late(words: str) -> None:
    assert verdict(words) == "streamed"


def test_a_token_that_was_late_and_came_after_a_heartbeat_but_no_token_was_not_held() -> None:
    assert verdict("s0 r0 s1 +250 beat +150 hold1 r1 s2 r2 s3 r3 end") == "streamed"


@pytest.mark.parametrize("then", ["beat s1", "s1 beat"])
def test_heartbeats_are_bytes_that_release(then: str) -> None:
    told = release(f"s0 +400 hold0 {then} r0-1 s2 r2 end")
    assert (told.by, told.after_tokens, told.after_bytes) == ("bytes", 1, 80 + len(b": heartbeat\n\n"))


def test_what_came_in_silence_but_for_heartbeats_was_released_by_them_or_by_a_timer() -> None:
    told = judged(story("s0 +400 hold0 s1 s2 wait +50 beat +9 r0-2 end"))
    assert (told.verdict, told.reason) == ("coalesced", "token 0 was held until a heartbeat or a timer let it go")
    assert told.release is not None
    assert (told.release.by, told.release.wait_ms) == ("unknown", told.release.held_ms)


@pytest.mark.parametrize(
    "words", ["s0 +250 beat +150 hold0 s1 s2 wait +50 r0-2 end", "s0 +400 hold0 s1 s2 wait +50 r0-2 beat end"]
)
def test_a_heartbeat_outside_the_silence_leaves_a_timer_what_it_is(words: str) -> None:
    assert release(words).by == "timer"


# ---------------------------------------------------------------- coalesced


def test_coalesced_when_a_held_token_came_only_after_more_bytes() -> None:
    told = judged(story(COALESCED))
    assert told.verdict == "coalesced"
    assert told.reason == "token 4 was held until 160 more bytes (2 tokens) had been sent"


def test_a_release_tells_of_the_last_hold() -> None:
    told = release(COALESCED)
    assert (told.seq, told.by, told.after_bytes, told.after_tokens, told.resolution_bytes) == (4, "bytes", 160, 2, 80)
    assert told.held_ms == pytest.approx(400.4)


def test_a_release_tells_of_the_steady_state_and_not_of_the_end() -> None:
    told = release("s0 +400 hold0 s1 s2 r0-2 s3 +400 hold3 s4 r3-4 drain s5 s6 wait +400 end r5-6")
    assert (told.seq, told.by, told.after_tokens) == (3, "bytes", 1)


def test_padding_counts_in_what_released() -> None:
    told = release(COALESCED, padding=Filler(20))
    assert (told.after_bytes, told.resolution_bytes) == (200, 100)


def test_a_delay_before_every_token_is_waited_for_too() -> None:
    assert (release(COALESCED).wait_ms, release(COALESCED, delay_ms=10).wait_ms) == (100, 120)


def test_what_released_late_is_known_less_exactly() -> None:
    sent = "".join(f" s{n}" for n in range(1, 41))
    told = release(f"s0 +400 hold0{sent} r0-40 end")
    assert (told.after_tokens, told.resolution_bytes) == (40, 3 * 80)


def test_a_timer_longer_than_the_patience_released_what_came_in_the_last_wait() -> None:
    told = judged(story("s0 +400 hold0 s1 s2 wait +50 r0-2 end"))
    assert told.verdict == "coalesced"
    assert told.reason == "token 0 was held until a timer, longer than the patience, let it go"
    assert told.release is not None
    assert told.release.by == "timer"


def test_a_partly_filled_last_buffer_is_part_of_coalescing() -> None:
    told = judged(story("s0 +400 hold0 s1 s2 r0-2 s3 +400 hold3 s4 s5 r3-5 s6 s7 end r6-7"))
    assert told.verdict == "coalesced"


@pytest.mark.parametrize(("tail", "told"), [(4, "coalesced"), (5, "buffered")])
def test_a_tail_longer_than_twice_what_released_earlier_holds_is_buffered(tail: int, told: Verdict) -> None:
    held = "s0 +400 hold0 s1 r0-1 s2 +400 hold2 s3 r2-3 drain"  # by 80 more bytes, at a resolution of 80
    rest = " ".join(f"s{seq}" for seq in range(4, 4 + tail))
    assert verdict(f"{held} {rest} wait +400 end r4-{3 + tail}") == told


def test_one_hold_that_ended_early_does_not_make_a_tail_a_partly_filled_buffer() -> None:
    """Padding at the start can push the first tokens out of a buffer that then holds all others to the end."""
    assert verdict("s0 +400 hold0 s1 s2 s3 r0-3 s4 +400 hold4 s5 wait +400 end r4-5") == "buffered"


def test_a_silence_after_draining_is_buffered_although_no_token_was_held_alone() -> None:
    told = judged(story("s0 +99 r0 s1 +99 r1 drain s2 s3 s4 wait +400 end r2-4"))
    assert (told.verdict, told.reason) == ("buffered", "from token 2 on, nothing came before the end")


def test_a_stream_that_was_drained_is_streamed_as_far_as_it_was_looked_at() -> None:
    told = judged(story("s0 r0 s1 r1 drain s2 s3 s4 r2-4 end"))
    assert told == Judgement("streamed", "each of the first 2 tokens came before the next was sent")


def test_a_lone_hold_at_the_start_is_coalesced_and_wants_to_be_confirmed() -> None:
    trace = story("s0 +400 hold0 s1 s2 r0-2 s3 r3 s4 r4 end")
    assert judged(trace).verdict == "coalesced"
    assert isolated(trace, judged(trace))


# ---------------------------------------------------------------- buffered


def test_buffered_when_nothing_came_before_the_end() -> None:
    told = judged(story(BUFFERED))
    assert (told.verdict, told.reason) == ("buffered", "from token 0 on, nothing came before the end")
    assert told.release is not None
    assert (told.release.seq, told.release.by, told.release.after_tokens) == (0, "end", 5)


@pytest.mark.parametrize(
    "words", ["s0 +400 hold0 s1 s2 wait +50 r0 +400 end r1-2", "s0 +400 hold0 s1 s2 wait +400 end r0 +400 r1-2"]
)
def test_buffered_is_not_told_without_a_word_on_the_patience_if_the_end_was_not_what_released(words: str) -> None:
    told = judged(story(words))
    assert told.verdict == "buffered"
    assert told.reason.endswith("a lag or timer longer than the patience looks like this too")


def test_buffered_although_the_first_tokens_passed() -> None:
    """A prelude fills the start buffer and takes the first tokens along: the steady state decides."""
    words = "prelude s0 r0 s1 r1 s2 +400 hold2 s3 s4 s5 wait +400 end r2-5"
    told = judged(story(words, prelude=Filler(2048)))
    assert (told.verdict, told.reason) == ("buffered", "from token 2 on, nothing came before the end")


def test_a_lone_token_that_only_the_end_releases_is_buffered() -> None:
    assert verdict("s0 +400 hold0 wait +400 end r0") == "buffered"


def test_with_length_framing_what_only_the_last_byte_releases_was_buffered() -> None:
    told = release("s0 +400 hold0 s1 s2 r0-2 end", body="length")
    assert told.by == "end"
    assert verdict("s0 +400 hold0 s1 s2 r0-2 end", body="length") == "buffered"


def test_with_length_framing_what_earlier_bytes_release_was_coalesced() -> None:
    words = "s0 +400 hold0 s1 s2 r0-2 s3 +400 hold3 s4 s5 r3-5 s6 r6 end"
    assert verdict(words, body="length") == "coalesced"


def test_a_stream_with_length_framing_needs_no_end_of_the_emitter() -> None:
    trace = story("s0 r0 s1 r1", body="length")
    assert trace.ended_ns is None
    assert judged(trace).verdict == "streamed"


# ---------------------------------------------------------------- broken


def test_wrong_status_is_broken_and_shows_what_the_proxy_said() -> None:
    trace = replace(story("s0 r0 end"), status=502, body=b"<h1>502 Bad Gateway</h1>\nnginx", failure="and more")
    assert judged(trace) == Judgement("broken", "status 502 instead of 200: 502 Bad Gateway nginx")


@pytest.mark.parametrize(
    ("body", "gist"),
    [
        (b"<html>\r\n<head><title>404 Not\nFound</title></head>\r\n<body><h1>Oops</h1>", "404 Not Found"),
        (b"<!doctype html><style>h1 {}</style><h1 class=a>Sold &amp; gone</h1>", "Sold & gone"),
        (b'{\n "error": "a < b and c > d"\n}', '{ "error": "a < b and c > d" }'),
        (b"", ""),
        (b"x" * 9999, "x" * 320),
    ],
)
@pytest.mark.parametrize("coded", [False, True])
def test_a_page_is_told_in_a_line_without_its_markup(body: bytes, gist: str, coded: bool) -> None:
    headers = (("Content-Encoding", "gzip"),) if coded else ()
    trace = replace(story("s0 r0 end"), status=404, headers=headers, body=gzip.compress(body) if coded else body)
    assert judged(trace).reason == f"status 404 instead of 200: {gist}"


def test_a_body_that_cannot_be_decoded_is_told_as_that() -> None:
    trace = replace(story("s0 r0 end"), status=404, headers=(("Content-Encoding", "gzip"),), body=b"plain")
    assert judged(trace).reason.startswith("status 404 instead of 200: gzip body is corrupt")


def test_what_the_client_gave_up_for_is_the_reason() -> None:
    trace = replace(story("s0 r0 s1"), failure="the body broke off: reset", closed_ns=None)
    assert judged(trace) == Judgement("broken", "the body broke off: reset")


def test_a_response_that_ends_cleanly_before_the_emitter_ended_it_is_broken() -> None:
    told = judged(story("s0 r0 s1 r1"))
    assert told == Judgement("broken", "the response ended before the emitter ended it")


def test_a_response_that_never_ends_is_broken() -> None:
    told = judged(replace(story(streamed(3)), closed_ns=None))
    assert told == Judgement("broken", "the response never ended")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("s0 r0 s1 s2 end", "the last 2 of 3 tokens never came"),
        ("s0 s1 r0 r0 r1 end", "token 0 came twice"),
        ("s0 s1 s2 r0,2,1 end", "token 2 came in place of token 1"),
    ],
)
def test_lost_repeated_and_reordered_tokens_are_broken(words: str, reason: str) -> None:
    assert judged(story(words)) == Judgement("broken", reason)


def test_no_conversation_makes_a_broken_stream_anything_else() -> None:
    for words in (COALESCED, BUFFERED, streamed(7)):
        altered = judged(story(words, alter=lambda seq, data: data.replace(b"and", b"AND")))
        assert altered.verdict == "broken"


# ---------------------------------------------------------------- paced streams


@pytest.mark.parametrize(
    "words", [streamed(6), streamed(6, hold_ms=90), "s0 +50 s1 +50 s2 r0-2 +200 end", "s0 +50 s1 +200 end r0-1"]
)
def test_a_paced_stream_tells_nothing_of_the_hop_but_that_it_is_whole(words: str) -> None:
    told = judged(story(words, pace="paced"))
    assert told == Judgement("streamed", "every token came, once, in order and unaltered")


def test_a_paced_stream_that_lacks_a_token_is_broken() -> None:
    assert verdict("s0 r0 s1 end", pace="paced") == "broken"
