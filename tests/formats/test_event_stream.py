"""The event stream interpretation against the standard's rules and examples (WHATWG HTML 9.2.6)."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
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


LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
NAMES = st.sampled_from([b"data", b"data", b"event", b"id", b"retry", b""])
VALUES = st.sampled_from([b"", b":", b": ", b":7", b": x", b":  x", b":\0", b": \xc3\xa9", b":\xe4\xb8"])
lines = st.builds(lambda *parts: b"".join(parts), NAMES, VALUES, LINE_ENDS) | LINE_ENDS | st.binary(max_size=3)
bodies = st.builds(lambda mark, body: mark + b"".join(body), st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(lines))


@given(bodies, st.lists(st.integers(0, 40), max_size=5))
def test_cuts_change_nothing(body: bytes, cuts: list[int]) -> None:
    whole = EventParser()
    events = whole.feed(body)
    for bounds in (range(len(body) + 1), [0, *sorted(cuts), len(body)]):
        cut = EventParser()
        assert [event for start, end in pairwise(bounds) for event in cut.feed(body[start:end])] == events
        assert cut.retry_ms == whole.retry_ms


@given(bodies)
def test_any_stream_is_read_as_the_standard_reads_it(body: bytes) -> None:
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _ = re.split("\r\n|\r|\n", text)
    told, data, kind, last_id = list[tuple[str, str, str]](), "", "", ""
    for line in lines:
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        match name:
            case "" if line == "":
                told += [(kind or "message", data[:-1], last_id)] if data else []
                data = kind = ""
            case "data":
                data += value + "\n"
            case "event":
                kind = value
            case "id" if "\0" not in value:
                last_id = value
    assert [(event.type, event.data, event.last_event_id) for event in parse(body)] == told


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
