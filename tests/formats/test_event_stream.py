"""The event stream interpretation against the standard's rules and examples (WHATWG HTML 9.2.6)."""

from __future__ import annotations

import itertools
import re

import pytest
from httpx_sse._decoders import SSEDecoder, SSELineDecoder
from hypothesis import given
from hypothesis import strategies as st

from harness.formats.sse import Event, EventParser

CASES: dict[str, tuple[bytes, list[tuple[str, str, str]]]] = {
    "one line": (b"data: x\n\n", [("message", "x", "")]),
    "several lines": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
    "comment, id, id reset, leading space": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [("message", "first event", "1"), ("message", "second event", ""), ("message", " third event", "")],
    ),
    "data without a colon": (b"data\n\ndata\ndata\n\ndata:", [("message", "", ""), ("message", "\n", "")]),
    "space after the colon": (b"data:test\n\ndata: test\n\n", [("message", "test", "")] * 2),
    "type lasts for one event": (b"event: a\ndata: 1\n\ndata: 2\n\n", [("a", "1", ""), ("message", "2", "")]),
    "type without data is forgotten": (b"event: a\n\ndata: 1\n\n", [("message", "1", "")]),
    "id stays": (b"id: 7\n\ndata: 1\n\ndata: 2\n\n", [("message", "1", "7"), ("message", "2", "7")]),
    "id with NUL is ignored": (b"id: 7\nid: 8\0\ndata: 1\n\n", [("message", "1", "7")]),
    "unknown and miswritten fields": (b"Data: 1\n data: 2\nfoo: 3\ndata: 4\n\n", [("message", "4", "")]),
    "all line ends": (b"data: 1\rdata: 2\r\ndata: 3\n\r\n\r", [("message", "1\n2\n3", "")]),
    "byte order mark, once": (b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n", [("message", "1", "")]),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\n", []),
    "unfinished event": (b"data: 1\n\ndata: 2\n", [("message", "1", "")]),
    "multi-byte characters": ("data: é 中 🙂\n\n".encode(), [("message", "é 中 🙂", "")]),
    "other marks": ("data: a\u2028\x0b\x0c\x85b\n\n".encode(), [("message", "a\u2028\x0b\x0c\x85b", "")]),
    "malformed UTF-8": (b"data: \xff \xe4\xb8\ndata: x\n\n", [("message", "\ufffd \ufffd\nx", "")]),
}  # fmt: skip


def parse(*reads: bytes) -> list[Event]:
    parser = EventParser()
    return [event for read in reads for event in parser.feed(read)]


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_events(body: bytes, expected: list[tuple[str, str, str]]) -> None:
    whole = parse(body)
    assert [(event.type, event.data, event.last_event_id) for event in whole] == expected
    assert parse(*(body[at : at + 1] for at in range(len(body)))) == whole
    for at in range(len(body)):
        assert parse(body[:at], body[at:]) == whole


# ---------------------------------------------------------------- any stream, cut anywhere

ENDS = [b"\n", b"\r", b"\r\n"]
WORDS = [b"data", b"event", b"id", b"retry", b":", b": ", b" ", b"x", b"7", b"\0", b"\xef\xbb\xbf", b"\xc3", b"\xa9"]
OTHER_MARKS = [
    "\u2028".encode(),
    b"\x0b",
    b"\x0c",
    "\x85".encode(),
]  # which end a line for Python, and for no event stream

pieces = st.one_of(st.sampled_from([*ENDS, *WORDS, *OTHER_MARKS]), st.binary(max_size=3))
fields = st.builds(
    b"".join,
    st.tuples(
        st.sampled_from([b"data", b"event", b"id", b"retry", b"", b"else"]),
        st.sampled_from([b"", b":", b": ", b":  "]),
        st.sampled_from([b"", b"x", b"7", *OTHER_MARKS, b"a:b", b"y\0"]),
        st.sampled_from(ENDS),
    ),
)
streams = st.lists(st.one_of(pieces, fields), max_size=40).map(b"".join)
cuts = st.lists(st.integers(0, 120), max_size=20)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(places), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(bounds)]


def interpreted(body: bytes) -> list[tuple[str, str, str]]:
    """Return type, data and last event ID as the standard words it: buffers of text, all of the stream at once."""
    *lines, _ = re.split("\r\n|\n|\r", body.decode("utf-8", "replace").removeprefix("\ufeff"))
    data = kind = last_id = ""
    events = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if line == "":
            if data != "":
                events.append((kind or "message", data.removesuffix("\n"), last_id))
            data = kind = ""
        elif name == "event":
            kind = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            last_id = value
    return events


@given(streams, cuts)
def test_any_stream_cut_anywhere_gives_the_events_that_the_standard_says(body: bytes, places: list[int]) -> None:
    events = parse(*cut(body, places))
    assert events == parse(body)
    assert [(event.type, event.data, event.last_event_id) for event in events] == interpreted(body)


def read_by_httpx_sse(reads: list[bytes]) -> list[tuple[str, str, str]]:
    """Return what httpx-sse makes of it, except for events without data, which the standard does not dispatch."""
    lines, decoder = SSELineDecoder(), SSEDecoder()
    told = [line for read in reads if read for line in lines.decode(read.decode())] + lines.flush()
    events = [event for line in told if (event := decoder.decode(line))]
    return [(event.event, event.data, event.id) for event in events if event.data]


@given(st.lists(st.one_of(fields, st.sampled_from(ENDS)), max_size=20).map(b"".join), cuts)
def test_httpx_sse_reads_the_same_where_it_follows_the_standard(body: bytes, places: list[int]) -> None:
    """Where it does not, and so is not asked: it keeps a byte order mark, and it reads numbers that are none."""
    ours = [(event.type, event.data, event.last_event_id) for event in parse(body) if event.data]
    reads = [body] if not body.isascii() else cut(body, places)
    assert ours == read_by_httpx_sse(reads)


def test_offset_is_where_the_data_starts() -> None:
    body = b"\xef\xbb\xbf: hello\r\n\r\nevent: a\r\ndata: 1\r\ndata: 2\r\n\r\ndata: 3\r\r"
    for reads in ([body], [body[at : at + 1] for at in range(len(body))]):
        assert [event.offset for event in parse(*reads)] == [body.index(b"data: 1"), body.index(b"data: 3")]


@pytest.mark.parametrize(
    ("line", "retry_ms"),
    [
        (b"retry: 1500", 1500),
        (b"retry: -1", None),
        (b"retry: 1.5", None),
        (b"retry", None),
        ("retry: ١".encode(), None),
        (b"retry: " + b"9" * 5000, None),
    ],
)
def test_retry(line: bytes, retry_ms: int | None) -> None:
    parser = EventParser()
    parser.feed(line + b"\n")
    assert parser.retry_ms == retry_ms
