"""What the shipped apps send at a time: one message of the model's, however its stream was cut."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from harness.formats import CODECS
from harness.model import Filler, Workload
from harness.resources import configs

LOAD = Workload("w", tokens=4, token_bytes=300)
SSE = "text/event-stream"


def cutter(media_type: str) -> Any:
    spec = importlib.util.spec_from_file_location("messages", configs() / "asgi/model/messages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Messages(media_type)


@pytest.mark.parametrize("name", ["sse", "ndjson", "text", "openai"])
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_every_token_is_one_message_however_it_is_cut(name: str, step: int) -> None:
    codec = CODECS[name]
    tokens = [codec.token(LOAD, seq, 5) for seq in range(LOAD.tokens)]
    stream, cut = b"".join(tokens), cutter(codec.content_type)
    found = [message for at in range(0, len(stream), step) for message in cut.feed(stream[at : at + step])]
    assert found == tokens
    assert cut.rest() == []


def test_a_comment_waits_for_nobody_and_follows_the_event_before_it() -> None:
    sse, cut = CODECS["sse"], cutter(f"{SSE}; charset=utf-8")
    prelude, padding = sse.filling(Filler(64), "p"), sse.filling(Filler(32), "q")
    one, two = (sse.token(LOAD, seq, 5) for seq in (0, 1))
    heartbeat = sse.heartbeat()
    assert heartbeat
    assert cut.feed(prelude) == [prelude]
    assert cut.feed(one + padding + two + padding + heartbeat) == [one + padding, two + padding, heartbeat]
    assert cut.feed(one) + cut.feed(padding) == [one, padding]


def test_any_line_end_of_the_standard_ends_an_event() -> None:
    assert cutter(SSE).feed(b"data: 1\r\n\r\ndata: 2\n\ndata: 3\r\r") == [
        b"data: 1\r\n\r\n",
        b"data: 2\n\n",
        b"data: 3\r\r",
    ]


def test_what_the_stream_ends_in_the_middle_of_is_not_lost() -> None:
    cut = cutter("application/x-ndjson")
    assert cut.feed(b'{"n":1}\n{"n"') == [b'{"n":1}\n']
    assert cut.rest() == [b'{"n"']


@pytest.mark.parametrize("media_type", [SSE, "application/x-ndjson"])
def test_a_large_message_is_cut_in_linear_time(media_type: str) -> None:
    cut, large = cutter(media_type), b"data: " + b"x" * 2**20 + b"\n\n"
    pieces = [large[at : at + 2**16] for at in range(0, len(large), 2**16)]
    assert b"".join(message for piece in pieces for message in cut.feed(piece)) == large  # or it takes an hour
