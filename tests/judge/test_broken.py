"""What is broken, whatever the conversation was, and in whose words that is told."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from harness.judge.rules import STREAK
from harness.model import Judgement
from tests.factories import BY_TIMER, COALESCED, alone, judged, story, streamed


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
@pytest.mark.parametrize(("coded", "decoded"), [(False, False), (True, False), (True, True)])
def test_a_page_is_told_in_a_line_without_its_markup(body: bytes, gist: str, coded: bool, decoded: bool) -> None:
    headers = (("Content-Encoding", "gzip"),) if coded else ()
    read = gzip.compress(body) if coded and not decoded else body
    trace = replace(story("s0 r0 end"), status=404, headers=headers, body=read, decoded=decoded)
    assert judged(trace).reason == f"status 404 instead of 200: {gist}"


def test_a_body_that_cannot_be_decoded_is_told_as_that() -> None:
    trace = replace(story("s0 r0 end"), status=404, headers=(("Content-Encoding", "gzip"),), body=b"plain")
    assert judged(trace).reason.startswith("status 404 instead of 200: gzip body is corrupt")


def test_a_stream_that_is_not_said_to_be_done_where_its_format_has_a_word_for_that_is_cut() -> None:
    """All tokens came. The word is sent with the end."""
    trace = story(streamed(STREAK), format="openai", token_bytes=400)
    assert judged(trace) == Judgement("broken", "the stream ended without [DONE]")


def test_what_a_client_decoded_itself_is_decoded_no_more() -> None:
    trace = replace(story(streamed(STREAK)), headers=(("Content-Encoding", "gzip"),))
    assert judged(trace).verdict == "broken"
    assert judged(replace(trace, decoded=True)).verdict == "streamed"


def test_what_the_client_gave_up_for_is_the_reason() -> None:
    trace = replace(story("s0 r0 s1"), failure="the body broke off: reset", closed_ns=None)
    assert judged(trace) == Judgement("broken", "the body broke off: reset")


def test_a_response_that_ends_cleanly_before_the_emitter_ended_it_is_broken() -> None:
    told = judged(story("s0 r0 s1 r1"))
    assert told == Judgement("broken", "the response ended before the emitter ended it")


def test_a_stream_with_length_framing_needs_no_end_of_the_emitter() -> None:
    trace = story(alone(0, STREAK - 1), body="length")
    assert trace.ended_ns is None
    assert judged(trace).verdict == "streamed"


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


@pytest.mark.parametrize("words", [COALESCED, BY_TIMER, streamed(STREAK)])
def test_no_conversation_makes_a_broken_stream_anything_else(words: str) -> None:
    altered = judged(story(words, alter=lambda seq, data: data.replace(b"and", b"AND")))
    assert altered.verdict == "broken"
