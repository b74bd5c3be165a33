"""Responses as they come off the wire: framing, writes, and what is no HTTP."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StreamError
from harness.model import Body
from harness.recordings.answer import HEAD_BYTES, Answer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
WRITES = [b"data: one\n\n", b"data: two\r\n\r\n", b"x" * 300]
CHUNKED = b"".join(b"%X;note=1\r\n%b\r\n" % (len(data), data) for data in WRITES) + b"0\r\nTrailer: t\r\n\r\n"
FRAMED: dict[Body, bytes] = {
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "length": HEAD + b"Content-Length: %d\r\n\r\n" % len(b"".join(WRITES)) + b"".join(WRITES),
    "close": HEAD + b"\r\n" + b"".join(WRITES),
}


def fed(data: bytes, *cuts: int) -> Answer:
    """Return the answer that comes in reads that end at these places, one a millisecond."""
    answer = Answer()
    ends = sorted({*cuts, len(data)})
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        answer.feed(data[start:end], number * 1_000_000)
    return answer


@given(st.sampled_from(list(FRAMED)), st.booleans(), st.lists(st.integers(1, 300), max_size=12))
def test_an_answer_is_the_same_wherever_it_is_cut(framing: Body, early: bool, cuts: list[int]) -> None:
    data = EARLY * early + FRAMED[framing]
    answer = fed(data, *(cut for cut in cuts if cut < len(data)))
    assert (answer.status, answer.http, answer.body) == (200, "1.1", framing)
    assert ("Content-Type", "text/event-stream") in answer.headers
    assert b"".join(data for _, data in answer.writes) == b"".join(WRITES)
    assert answer.is_whole is (framing != "close")
    answer.end()
    assert answer.is_whole
    if framing == "chunked":
        assert [data for _, data in answer.writes] == WRITES


def test_a_chunk_is_there_with_its_last_byte() -> None:
    data = FRAMED["chunked"]
    within = data.index(b"one")
    assert [at_ns for at_ns, _ in fed(data, within).writes] == [1_000_000] * 3
    assert [data for _, data in fed(data[:within]).writes] == []


def test_without_a_body_it_is_whole_with_its_head() -> None:
    assert fed(b"HTTP/1.1 204 No Content\r\n\r\n").is_whole
    assert fed(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").is_whole


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what came is no HTTP/1.1: b'SSH"),
        (b"HTTP/2 200\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 okay\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_BYTES, "no HTTP/1.1"),
        (HEAD + b"X: a\nb\r\n\r\n", "not a header: what begins with b'X'"),
        (HEAD + b"X Y: 1\r\n\r\n", "not a header: what begins with b'X Y'"),
        (HEAD + b"X\r\n\r\n", "not a header: what begins with b'X'"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "unknown transfer coding 'gzip, chunked'"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "Content-Length: '-1' is no length"),
        (HEAD + b"Content-Length: %b\r\n\r\n" % (b"9" * 5000), "Content-Length: '9999"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * (HEAD_BYTES + 1), "the size of a chunk does not end"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"1" * HEAD_BYTES,
            "the trailer does not end",
        ),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "not the size of a chunk: b'zz'"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "a chunk of 2 bytes goes on after its end"),
    ],
)
def test_what_is_no_http_is_told_so(data: bytes, told: str) -> None:
    with pytest.raises(StreamError, match=told.replace("(", r"\(")):
        fed(data)


def test_a_header_that_is_folded_is_one() -> None:
    assert fed(HEAD + b"X: \xe9 a \r\n\tb \r\nY:\r\n\r\n").headers[1:] == (("X", "\xe9 a  b"), ("Y", ""))


def test_interim_answers_are_passed_over_however_many_come_at_once() -> None:
    answer = fed(b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + FRAMED["chunked"])
    assert [data for _, data in answer.writes] == WRITES


def test_what_waits_of_a_long_chunk_is_not_copied_for_each_read() -> None:
    answer = fed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000000\r\n")
    before_bytes = answer.came_bytes
    answer.feed(bytes(2**22), 0)
    answer.feed(b"x", 0)  # for which there may have to be more room; then there is some
    tracemalloc.start()
    answer.feed(b"x" * 100, 0)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**16
    assert answer.came_bytes - before_bytes == 2**22 + 101
    assert answer.writes == []
    assert answer.begun == "nothing but a head and the beginning of a chunk of 268435456 bytes"


def test_how_far_an_answer_has_come_is_told() -> None:
    assert Answer().begun == "nothing"
    assert fed(HEAD).begun == "no whole head"
    assert fed(EARLY).begun == "no whole head"
    assert fed(FRAMED["close"][: len(HEAD) + 2]).begun == "nothing but a head"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"HTTP/1.1 2", "closed before an answer"),
        (FRAMED["chunked"][:-20], "broke off after"),
        (FRAMED["length"][:-1], "broke off after"),
    ],
)
def test_an_end_that_comes_too_early_is_told_so(data: bytes, told: str) -> None:
    with pytest.raises(StreamError, match=told):
        fed(data).end()
