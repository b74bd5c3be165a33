"""What an answer comes to: messages, what is repeated and what is the end, what the application does by itself."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.probe.secrets import Secrets
from harness.recordings import cutting
from harness.recordings.answer import Answer
from harness.recordings.cutting import Compressed, Door, compressed, recorded
from tests.recorded import ASKED_NS, EVENTS, answered, cut, load, recording, said

LINES = [b'{"n": %d}\n' % number for number in range(6)]


def refused(answer: Answer, **others: Any) -> str:
    with pytest.raises(InputError) as caught:
        recorded(answer, said(**others))
    return str(caught.value)


def plain(status: str, body: bytes = b"", *lines: str) -> Answer:
    """Return an answer with a Content-Length."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""])
    answer = Answer()
    answer.feed(head.encode() + body, ASKED_NS + 2_500_000_000)
    return answer


# ---------------------------------------------------------------- what is replayed


@pytest.mark.parametrize(
    ("writes", "content_type", "format", "again", "closing"),
    [
        (EVENTS, "text/event-stream", "sse", 1, len(EVENTS) - 1),
        (LINES, "application/x-ndjson; charset=utf-8", "ndjson", 1, 5),
        (LINES, "", "ndjson", 1, 5),
        (LINES, "text/plain", "ndjson", 1, 5),
        ([b"Once ", b"upon ", b"a ", b"time"], "text/plain", "text", 1, 3),
        ([b"data: a\n", b"\n", b"data: b\n", b"\n", b"data: c\n\n"], "text/event-stream", "sse", 2, 4),
        ([b"data: a\n", b"\ndata: b\n", b"\n", b"data: c\n", b"\n"], "text/event-stream", "sse", 0, 3),
        ([b"data: a\n\n", b"data: b"], "text/event-stream", "sse", 0, 1),
        ([b": half a comment", b" and the rest\n\n", b"data: a\n\n", b"data: b\n\n"], "text/event-stream", "sse", 2, 3),
    ],
)
def test_what_is_repeated_begins_and_ends_with_a_message(
    writes: Sequence[bytes], content_type: str, format: str, again: int, closing: int
) -> None:
    one = recording(writes, content_type=content_type)
    assert (one.format, one.again, one.closing) == (format, again, closing)
    assert [write.data for write in one.writes] == list(writes)
    assert one.content_type == content_type
    assert load(one).tokens == closing


def test_the_head_is_kept_but_for_what_is_about_one_connection_and_for_secrets() -> None:
    one = recording(cache_control="no-cache", Server="uvicorn", Date="today", Set_Cookie="id=7", X_Accel_Buffering="no")
    assert one.headers == (("cache-control", "no-cache"), ("Set-Cookie", "(redacted)"), ("X-Accel-Buffering", "no"))


def test_a_coding_that_is_none_is_sent_as_compressors_on_the_way_heed_it() -> None:
    assert recording(Content_Encoding="identity").headers == (("Content-Encoding", "identity"),)


def test_the_times_are_those_of_the_writes_and_the_means_those_of_the_workload() -> None:
    one = recording([b"data: a\n\n", b"data: bc\n\n", b"data: d\n\n"], gap_ms=250)
    assert [write.at_ms for write in one.writes] == [0, 250, 500]
    workload = load(one)
    assert (workload.tokens, workload.token_bytes, workload.interval_ms) == (2, 9, 250)


def test_of_a_long_answer_the_beginning_is_replayed_and_the_end() -> None:
    writes = [b"data: %05d %b\n\n" % (number, b"x" * 1000) for number in range(1000)]
    one = recording(writes, gap_ms=1)
    assert one.writes[0].data == writes[0]
    assert one.end == writes[-1]
    assert sum(len(write.data) for write in one.writes[:-1]) <= cutting.REPLAYED_BYTES


def test_the_same_answer_is_the_same_recording_however_fast_it_came() -> None:
    assert recording(gap_ms=10) == recording(gap_ms=30)
    assert recording() != recording(EVENTS[1:])
    assert recording() != recording(method="POST")


# ---------------------------------------------------------------- what was said stays unsaid


def test_what_was_said_is_blanked_also_across_writes_and_messages_stay_what_they_were() -> None:
    secrets = Secrets((("X-Any", "Bearer sk-123"),), json.dumps({"q": "why is the sky", "type": "data"}).encode())
    writes = [b'data: {"a": "why is ', b'the sky"}\n\n', b"data: sk-123\n\n", b"data: more data\n\n"]
    found = recorded(answered(writes, X_Echo="sk-123"), said(secrets=secrets)).recording
    kept = b"".join(write.data for write in found.writes)
    assert [len(write.data) for write in found.writes] == [len(data) for data in writes]
    assert kept.count(b"data: ") == 3, "fields of events are no secrets"
    for word in (b"why is", b"sky", b"sk-123", b"more data"):
        assert word not in kept
    assert found.headers == (("X-Echo", "(redacted)"),)


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [
        ("text/event-stream", "text/event-stream"),
        ("Text/Event-Stream; Charset=UTF-8", "Text/Event-Stream; Charset=UTF-8"),
        ("text/event-stream; key=sk-123", "text/event-stream; key=xxxxxx"),
        ("application/sk-123", "application/xxxxxx"),
        ("text/plain;charset=utf-8;q=sk-123;r=sk-123", "text/plain;charset=utf-8;q=xxxxxx;r=xxxxxx"),
    ],
)
def test_a_content_type_says_nothing_that_was_said_and_stays_what_proxies_heed(content_type: str, kept: str) -> None:
    """What is asked for is a header that was said, too."""
    secrets = Secrets((("Authorization", "Bearer sk-123"), ("Accept", "text/event-stream")), None)
    found = recorded(answered(EVENTS, content_type=content_type), said(secrets=secrets)).recording
    assert found.content_type == kept


def test_no_header_is_called_by_what_was_said_nor_has_it_in_other_bytes() -> None:
    secrets = Secrets((("Authorization", "Bearer sk-123"), ("X", "h\u00e9llo")), None)
    echoed: dict[str, Any] = {"X-sk-123": "1", "X_Utf8": "h\u00e9llo"}
    assert recorded(answered(EVENTS, **echoed), said(secrets=secrets)).recording.headers == (
        ("X-xxxxxx", "1"),
        ("X-Utf8", "xxxxxx"),
    )


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "500 Oops"])
def test_no_refusal_says_what_was_said(status: str) -> None:
    secrets = Secrets((("Authorization", "Bearer sk-123"),), None)
    told = refused(plain(status, b'{"detail": "sk-123 is no key"}'), secrets=secrets)
    assert "sk-123" not in told
    assert "is no key" in told


# ---------------------------------------------------------------- what is no stream


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (plain("302 Found", b"", "Location: /login"), "answers with a redirect (status 302), which is not followed"),
        (plain("401 Unauthorized", b"who?"), "wants to know who asks (status 401: who?): say so with -H"),
        (plain("403 Forbidden"), "wants to know who asks (status 403: no words)"),
        (plain("404 Not Found", b"<h1>Not  Found</h1>"), "has nothing there for GET (status 404: Not Found)"),
        (plain("405 Method Not Allowed"), "look at the path, and at -X"),
        (plain("422 Unprocessable", b'{"detail": "field required"}'), 'what it was asked (status 422: {"detail":'),
        (plain("503 Busy", b"later"), "answers with status 503 instead of a stream: later"),
        (plain("200 OK"), "answers with nothing: status 200, and a body without a byte"),
        (
            plain("200 OK", b"<!DOCTYPE html><title>Sign in</title>", "Content-Type: text/html"),
            "answers with a page, and no stream: Sign in; a login, perhaps?",
        ),
        (
            plain("200 OK", b"".join(EVENTS), "Content-Type: text/event-stream"),
            f"the application itself sends its answer in one piece: {len(b''.join(EVENTS))} bytes, 2.5 s after",
        ),
        (answered([b"".join(EVENTS)]), "the application itself sends its answer in one piece"),
        (answered([b"data: on", b"e\n\n"]), "is too short to be replayed: it sends one server-sent event"),
        (answered(EVENTS, Content_Encoding="gzip"), "compresses its answer (gzip) although"),
    ],
)
def test_what_is_no_stream_is_refused_in_words_of_its_own(answer: Answer, told: str) -> None:
    assert refused(answer).startswith("GET http://app/chat")
    assert told in refused(answer)


# ---------------------------------------------------------------- what the application does by itself


def test_what_it_does_by_itself_is_told_first() -> None:
    (summary,) = cut().facts
    assert summary == (
        f"GET http://app/chat: server-sent events in chunks, {len(EVENTS)} writes of {len(b''.join(EVENTS))} bytes in"
        " all, the first after 20 ms, the last 0.4 s later"
    )
    assert "pauses for up to 2.0 s" in cut(gap_ms=2000).facts[1]
    assert f"sends its {len(EVENTS)} writes at once, 0.0 s after it was asked" in cut(gap_ms=0.01).facts[1]
    told = recorded(answered(EVENTS), said(), cut="it went on after 30 s").facts[0]
    assert told.endswith("; it went on after 30 s: what came by then is replayed")


def packed(events: Sequence[bytes], flushed_after: int) -> list[bytes]:
    """Return what a compressor lets go after each event: all so far whenever it is flushed, else next to nothing."""
    packing = zlib.compressobj(wbits=31)
    let_go = [
        packing.compress(event) + (packing.flush(zlib.Z_SYNC_FLUSH) if number % flushed_after == 0 else b"")
        for number, event in enumerate(events, 1)
    ]
    return [*filter(None, let_go[:-1]), let_go[-1] + packing.flush()]


@given(
    words=st.integers(4, 60),
    coded_words=st.integers(1, 60),
    word_bytes=st.integers(0, 200),
    coded_bytes=st.integers(0, 200),
    flushed_after=st.integers(1, 60),
)
def test_its_own_compression_holds_what_comes_in_half_as_many_pieces_however_long_its_answers_are(
    words: int, coded_words: int, word_bytes: int, coded_bytes: int, flushed_after: int
) -> None:
    """An application that is asked twice answers as it likes: in fewer words it sends fewer pieces, however long."""
    pieces = -(-coded_words // flushed_after)
    coded = answered(
        packed([b"data: %b\n\n" % (b"x" * coded_bytes)] * coded_words, flushed_after), Content_Encoding="gzip"
    )
    plain = [b"data: %b\n\n" % (b"x" * word_bytes)] * words
    found = recorded(answered(plain), said(), itself=compressed(coded))
    assert (found.recording.coded_pieces, found.recording.plain_pieces) == (pieces, coded_words)
    held = "held" if flushed_after > 1 and 2 * pieces <= coded_words else "as it comes"
    assert found.recording.coded == (held if coded_words > 1 else "unknown")
    assert found.facts[-1].count(found.recording.compresses) == 1
    assert found.recording == recorded(answered(plain), said(), itself=Compressed("gzip")).recording, (
        "what is replayed is the same"
    )


@pytest.mark.parametrize(("coded_bytes", "coded"), [(90, "held"), (30, "held"), (14, "unknown"), (1, "unknown")])
def test_of_text_whose_messages_nobody_knows_its_size_tells_in_how_many_pieces_it_would_come(
    coded_bytes: int, coded: str
) -> None:
    found = recorded(
        answered([b"once upon "] * 6, content_type="text/plain"),
        said(),
        itself=compressed(
            answered([gzip.compress(b"x" * coded_bytes)], content_type="text/plain", Content_Encoding="gzip")
        ),
    )
    assert found.recording.coded_pieces == 1
    assert found.recording.coded == coded


def test_one_that_compresses_itself_is_told_with_how_that_comes() -> None:
    def facts(coded: Answer) -> str:
        return recorded(answered(EVENTS), said(), itself=compressed(coded)).facts[-1]

    whole = gzip.compress(b"".join(EVENTS))
    itself = "GET http://app/chat compresses its answer itself (gzip) for who offers that"
    replayed = "; what is replayed is its answer without, as curl gets it."
    at_once = answered([whole[:10], whole[10:-8], whole[-8:]], Content_Encoding="gzip")
    assert facts(at_once) == f"{itself}; all of it comes at once{replayed}"
    flushed = answered(packed(EVENTS, 1), Content_Encoding="gzip")
    assert facts(flushed) == f"{itself}; it still comes in {len(EVENTS) - 1} pieces{replayed}"
    in_parts = answered(packed(EVENTS, 8), Content_Encoding="gzip")
    assert facts(in_parts) == f"{itself}; it comes in 3 pieces instead of {len(EVENTS) - 1}{replayed}"
    none = answered([b"no gzip", b"at all"], Content_Encoding="gzip")
    assert f"{itself}; how that comes is not known: " in facts(none)
    unheard_of = answered(EVENTS, Content_Encoding="snappy")
    assert "how that comes is not known: unknown content coding 'snappy'" in facts(unheard_of)
    assert compressed(answered(EVENTS, Content_Encoding="identity")) is None
    assert compressed(plain("401 Unauthorized", b"", "Content-Encoding: gzip")) is None


def test_of_a_compressed_answer_that_does_not_end_what_came_by_then_counts() -> None:
    first = answered(packed(EVENTS[:2], 1), Content_Encoding="gzip")
    found = recorded(answered(EVENTS), said(), itself=compressed(first, cut="it went on after 30 s")).recording
    assert (found.coded_pieces, found.plain_pieces, found.coded) == (1, len(EVENTS) - 1, "held")


def test_only_what_it_holds_has_to_be_mended() -> None:
    made = {
        how: recorded(answered(EVENTS), said(), itself=Compressed("br", pieces)).recording
        for how, pieces in {"held": 2, "as it comes": 20, "unknown": 0}.items()
    }
    assert {how: one.coded for how, one in made.items()} == {how: how for how in made}
    assert [how for how, one in made.items() if one.to_mend] == ["held"]
    assert "or leave text/event-stream out of that" in made["held"].to_mend
    assert (recording().coded, recording().compresses, recording().to_mend) == (None, "", "")


@pytest.mark.parametrize(
    ("status", "told"),
    [("401 Unauthorized", "say so with WHO"), ("404 Not Found", "look at WHERE"), ("422 No", "look at WHAT")],
)
def test_what_to_say_otherwise_is_told_in_the_words_of_whoever_asks(status: str, told: str) -> None:
    asked = replace(said(), door=Door(asks="WHO", place="WHERE", body="WHAT"))
    with pytest.raises(InputError, match=f": {told}$"):
        recorded(plain(status), asked)
