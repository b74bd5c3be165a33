"""Messages found in bodies that nobody described: wherever they are cut, each counts when its end is there."""

from __future__ import annotations

import gzip
import zlib

import pytest

from harness.errors import StreamError
from harness.formats import CODECS
from harness.probe.messages import Messages
from harness.probe.takes import Headers

SSE: Headers = (("Content-Type", "text/event-stream; charset=utf-8"),)
MOST = 2**24
EVENTS = b": hello\n\ndata: 1\n\nevent: a\r\ndata: 2\r\n\r\ndata: 3\n\n"
LINES = b'{"a": 1}\n\n{"a": 2}\r\n{"a": 3}\n'


def found(headers: Headers, *reads: bytes) -> tuple[str, list[int], int]:
    messages = Messages(headers)
    completed = [messages.feed(read, MOST) for read in reads]
    return messages.message, completed, messages.end()


def bytewise(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("text/event-stream", EVENTS, "server-sent event"),
        ("application/x-ndjson", LINES, "line of JSON"),
        ("application/jsonl", LINES, "line of JSON"),
        ("application/stream+json", LINES, "line of JSON"),
    ],
)
def test_a_message_counts_once_its_end_is_there(content_type: str, body: bytes, message: str) -> None:
    headers = (("content-type", content_type),)
    assert found(headers, body) == (message, [3], 0)
    told, completed, at_end = found(headers, *bytewise(body))
    assert (told, sum(completed), max(completed), at_end) == (message, 3, 1, 0)


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("text/plain", EVENTS, "server-sent event"),
        ("", b"data: 1\n\n", "server-sent event"),
        ("text/plain", LINES, "line of JSON"),
        ("text/plain", b"Once upon a time", "read"),
        ("application/json", b'{"one": "answer"}', "read"),
        ("text/event-stream", CODECS["openai"].opening(), "OpenAI chunk"),
    ],
)
def test_what_the_type_does_not_tell_the_first_bytes_do(content_type: str, body: bytes, message: str) -> None:
    assert found((("Content-Type", content_type),), body)[0] == message


def test_a_last_line_without_its_end_counts_at_the_end() -> None:
    assert found((("Content-Type", "application/x-ndjson"),), b'{"a": 1}\n{"a"', b": 2}") == ("line of JSON", [1, 0], 1)


def test_each_read_of_anything_else_is_a_message_however_long() -> None:
    assert found((), b"a" * 100_000, b"b") == ("read", [1, 1], 0)


def test_each_message_of_a_websocket_is_one_whatever_is_in_it() -> None:
    messages = Messages((), "websocket")
    assert [messages.feed(data, MOST) for data in (b"data: 1\n\ndata: 2\n\n", b"{}")] == [1, 1]
    assert messages.message == "WebSocket message"


def test_what_a_coding_keeps_back_has_not_arrived() -> None:
    packed = zlib.compressobj(wbits=31)
    reads = [packed.compress(b"data: 1\n\n"), packed.compress(b"data: 2\n\n") + packed.flush(zlib.Z_SYNC_FLUSH)]
    reads.append(packed.compress(b"data: 3\n\n") + packed.flush())
    assert found((*SSE, ("Content-Encoding", "gzip")), *filter(None, reads))[1] == [0, 2, 1]


def test_a_little_that_is_a_lot_once_decoded_ends_early() -> None:
    messages = Messages((*SSE, ("Content-Encoding", "gzip")))
    messages.feed(gzip.compress(bytes(2**27)), 2**20)
    assert 2**20 < messages.size_bytes < 2**23


def test_a_body_that_is_not_what_its_coding_says_is_told() -> None:
    with pytest.raises(StreamError, match="gzip body is corrupt"):
        found((*SSE, ("Content-Encoding", "gzip")), b"data: 1\n\n")
    with pytest.raises(StreamError, match="unknown content coding 'snappy'"):
        Messages((("Content-Encoding", "snappy"),))
    with pytest.raises(StreamError, match="is cut short"):
        found((*SSE, ("Content-Encoding", "gzip")), gzip.compress(b"data: 1\n\n")[:-3])
