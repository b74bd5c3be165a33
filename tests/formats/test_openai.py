"""The stream of chat completions: nothing in it that the public API does not send, and nothing taken for a token."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.errors import InputError, StreamError
from harness.formats import CODECS
from harness.formats.base import Token
from harness.model import Cell, Filler, Workload
from tests.factories import figures, judged, story, streamed
from tests.planning import plan

CODEC = CODECS["openai"]
LOAD = Workload("w", tokens=2, token_bytes=300)


def chunks(body: bytes) -> list[Any]:
    """Return what the events of a body say."""
    return [json.loads(event.removeprefix("data: ")) for event in body.decode().split("\n\n") if event]


def decode(body: bytes) -> list[Token]:
    decoder = CODEC.decoder()
    return [*decoder.feed(body), *decoder.finish()]


def test_a_chunk_is_what_the_public_api_sends() -> None:
    (chunk,) = chunks(CODEC.token(LOAD, 12, 1234))
    assert chunk["choices"][0]["delta"].pop("content")
    assert chunk == {
        "id": "chatcmpl-harness",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "token-stream-harness",
        "system_fingerprint": "fp_12_1234",
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}],
    }


def test_the_role_comes_first_and_the_reason_to_finish_last() -> None:
    (first,) = chunks(CODEC.opening())
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    last, done, end = CODEC.closing().decode().split("\n\n")
    assert json.loads(last.removeprefix("data: "))["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert (done, end) == ("data: [DONE]", "")


def test_neither_they_nor_comments_are_tokens() -> None:
    body = CODEC.opening() + CODEC.filling(Filler(50), "x") + (CODEC.heartbeat() or b"")
    body += CODEC.token(LOAD, 0, 7) + CODEC.filling(Filler(50), "y") + CODEC.closing()
    assert [(token.seq, token.emitted_ns) for token in decode(body)] == [(0, 7)]


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (b"", r"ended without \[DONE\]"),
        (b"data: [DONE]", r"ended without \[DONE\]"),
        (b"data: [DONE]\n\ndata: {}\n\n", r"an event follows \[DONE\] at byte 614"),
        (b'data: {"error": {"message": "overloaded"}}\n\n', "not a chat completion chunk at byte 600"),
        (b'data: {"choices": []}\n\n', "not a chat completion chunk at byte 600"),
        (b"data: [DONE\n\n", "not a chat completion chunk at byte 600"),
    ],
)
def test_a_stream_that_an_sdk_would_not_read_to_the_end_is_the_streams_fault(after: bytes, says: str) -> None:
    with pytest.raises(StreamError, match=says):
        decode(CODEC.token(LOAD, 0, 7) + CODEC.token(LOAD, 1, 8) + after)


@pytest.mark.parametrize("stamp", ["fp_44709d6fcb", "fp_1", None, 7])
def test_content_of_others_is_no_token_of_ours(stamp: object) -> None:
    """An answer from elsewhere, a cache say, is made of chunks as well: its tokens are missed, not mistaken."""
    (chunk,) = chunks(CODEC.token(LOAD, 0, 7))
    body = f"data: {json.dumps(chunk | {'system_fingerprint': stamp})}\n\n".encode() + CODEC.closing()
    if isinstance(stamp, str):
        assert decode(body) == []
    else:
        with pytest.raises(StreamError, match="not a chat completion chunk"):
            decode(body)


def test_a_workload_of_smaller_tokens_is_refused_and_told_the_least() -> None:
    cell = Cell((), Workload("short", tokens=24, token_bytes=112), format="openai")
    least = rf"workloads\.short\.token_bytes: cell .*: 112 is too small: format openai needs {CODEC.min_token_bytes}"
    with pytest.raises(InputError, match=least):
        plan(cell, {})


def test_a_cell_asks_as_the_sdks_do() -> None:
    planned = plan(Cell((), LOAD, format="openai"), {})
    assert (planned.method, planned.path) == ("POST", "/v1/chat/completions")
    assert ("Content-Type", "application/json") in planned.request_headers
    assert json.loads(planned.request_body or "")["stream"] is True


def test_a_response_that_ends_before_it_is_done_is_broken() -> None:
    told = story(streamed(3), format="openai", token_bytes=300)
    assert figures(told).tokens_received == 3
    assert (judged(told).verdict, judged(told).reason) == ("broken", "the stream ended without [DONE]")
