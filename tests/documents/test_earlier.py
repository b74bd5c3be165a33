"""What an earlier harness wrote, read as today's nouns: known by its shape, and never guessed at."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from harness.documents import earlier, hops, records
from harness.documents.earlier import Fields
from harness.judge.rejudge import rejudge
from harness.model import Facts, Hop, HopKind, Remark, Screen, StandIn, Trace
from harness.reports import words
from harness.reports.notes import notes
from tests.factories import story
from tests.reports.samples import cell, result

TRACE = story("s0 r0 end")
RESULT = result(cell(), "streamed")


def earlier_trace(*proxies: str, **changes: object) -> Fields:
    """Return a trace as schema version 1 had it."""
    plan = replace(TRACE.plan, chain=tuple(Hop(proxy, "x") for proxy in proxies))
    fields: Fields = records.plain(replace(TRACE, plan=plan)) | changes
    del fields["hops"]
    return fields


def loaded(fields: Fields) -> object:
    return records.load_trace(records.dump(fields), TRACE.body)


@pytest.mark.parametrize(
    ("proxy", "kind"),
    [("nginx", "proxy"), ("nextjs", "proxy"), ("cloudrun", "emulator"), ("asgi", "application")],
)
def test_of_what_kind_a_hop_was_its_name_told(proxy: str, kind: HopKind) -> None:
    plan = replace(TRACE.plan, chain=(Hop(proxy, "x"),))
    assert loaded(earlier_trace(proxy)) == replace(TRACE, plan=plan, hops=(kind,))


def test_a_trace_of_today_stays_as_it_is() -> None:
    trace = replace(TRACE, plan=replace(TRACE.plan, chain=(Hop("asgi", "x"),)), hops=("proxy",))
    assert records.load_trace(records.dump(trace), trace.body) == trace


# ---------------------------------------------------------------- whose answer it was

WITHOUT = b"the WebSocket handshake came without HTTP/1.1, Upgrade: websocket: a hop dropped it, as nginx does\n"


def refused(status: int, body: bytes, **kept: str) -> Trace:
    """Return what became of a stream that was refused before answers bore a mark."""
    fields = earlier_trace("nginx", status=status, failure="no WebSocket came about: Invalid response status", **kept)
    if not kept:
        del fields["answered_by"]
    return records.load_trace(records.dump(fields), body)


@pytest.mark.parametrize(
    ("status", "body", "by"),
    [
        (426, WITHOUT, "emitter"),
        (404, b"no such stream was announced; asked for /stream/0\n", "emitter"),
        (404, b"a proxy has to pass /stream/N and /pulse on unchanged; asked for /api/stream/1\n", "emitter"),
        (409, b"this stream was already asked for\n", "emitter"),
        (502, WITHOUT, None),
        (404, WITHOUT, None),
        (404, b"<html>404 Not Found</html>", None),
        (426, b"", None),
        (200, TRACE.body, None),
    ],
)
def test_the_emitters_own_refusal_was_its_own_before_it_bore_a_mark(status: int, body: bytes, by: str | None) -> None:
    assert refused(status, body).answered_by == by


def test_whose_answer_it_was_is_not_guessed_where_somebody_took_note() -> None:
    assert refused(426, WITHOUT, answered_by="hop").answered_by == "hop"


def test_judged_again_a_refusal_of_the_emitters_says_all_itself_as_it_did() -> None:
    (again,) = rejudge([RESULT], {RESULT.id: [refused(426, WITHOUT)]})
    assert words.reason(again) == f"status 426 instead of 200: {WITHOUT.decode().strip()}"


# ---------------------------------------------------------------- sentences

SENTENCES: dict[str, Fields] = {
    "emulator: plays field report 002: Cloud Run holds\n4 KB": {
        "emulates": ("field report 002: Cloud Run holds\n4 KB",)
    },
    "application, not a proxy: It sends. emulator: plays no part": {
        "applications": ("It sends. emulator: plays no part",)
    },
    "EventSource shows no bytes: its events were written anew as SSE, and padding is not counted": {
        "remark": Remark("EventSource", rewritten=True)
    },
    "reader: what awk has printed counts, and mawk 1.3.4 20200120 keeps a line until more has come": {
        "remark": Remark("awk", printed_by="mawk 1.3.4 20200120", keeps_lines=True)
    },
    "reader: what awk has printed counts, and gawk 5.2.1 hands over every line": {
        "remark": Remark("awk", printed_by="gawk 5.2.1", keeps_lines=False)
    },
    "reader: what awk has printed counts, and of an unknown make reads as it does": {
        "remark": Remark("awk", printed_by="of an unknown make")
    },
    "clock: what the reader saw may be told up to 0.8 ms late": {"clock_uncertainty_ms": 0.8},
    "screen: 24 tokens that came over 1150 ms were painted together": {"screen": Screen(24, 1150.0)},
    "control: read by aiohttp, as the emitter speaks HTTP/1.1 only": {"stand_in": StandIn("aiohttp")},
    "control: read by curl, as awk may hold lines itself": {"stand_in": StandIn("curl", "awk")},
    "guard: the chain answered no pulse; only the direct control stream guarded the patience": {"unguarded": True},
    "lockstep: time was up after 12 tokens; the rest was sent without waiting": {"sampled_after": 12},
}
"""All that version 1 could note, and what it meant."""


def earlier_result(*notes: object) -> Fields:
    """Return a result as schema version 1 had it."""
    fields: Fields = records.plain(RESULT)
    del fields["facts"]
    return {**fields, "notes": list(notes)}


def facts(*notes: object) -> Facts:
    return records.load_result(records.dump(earlier_result(*notes))).facts


def test_no_sentence_is_left_out() -> None:
    said = "\n".join(note.replace("\n", " ") for note in SENTENCES)
    assert [pattern for pattern in earlier.SENTENCES if not re.search(f"^{pattern}$", said, re.MULTILINE)] == []


@pytest.mark.parametrize("note", SENTENCES)
def test_every_note_is_the_fact_that_it_told(note: str) -> None:
    assert facts(note) == replace(Facts(), **SENTENCES[note])


@pytest.mark.parametrize("note", SENTENCES)
def test_every_fact_is_said_again_as_it_was(note: str) -> None:
    assert notes(facts(note)) == (note,)


def test_several_notes_are_several_facts_in_their_order() -> None:
    many = ("emulator: plays A", "emulator: plays B", "application, not a proxy: It sends.")
    assert facts(*many) == Facts(emulates=("A", "B"), applications=("It sends.",))
    assert facts() == Facts()


def test_a_result_of_today_stays_as_it_is() -> None:
    today = replace(RESULT, facts=Facts(unguarded=True, answered_by="hop"))
    assert records.load_result(records.dump(today)) == today


@pytest.mark.parametrize("note", ["painted: never noted", "guard: the chain answered no pulse", 7])
def test_what_nobody_ever_noted_is_refused(note: object) -> None:
    with pytest.raises(ValueError, match="no harness has ever noted"):
        facts(note)


def test_what_a_reader_said_of_itself_is_what_is_particular_about_it() -> None:
    said = "reader: what awk has printed counts, and gawk 5.2.1 hands over every line"
    assert loaded(earlier_trace(remark=said)) == replace(
        TRACE, remark=Remark("awk", printed_by="gawk 5.2.1", keeps_lines=False)
    )


def test_what_plays_others_than_cloud_run_is_called_as_it_is_today() -> None:
    line = json.loads(records.dump(result(cell("nginx:http10>emulator:gzip-flush", "no-cache"), "streamed")))
    text = json.dumps(line).replace('"emulator", "variant": "gzip', '"cloudrun", "variant": "gzip')
    former = json.loads(text.replace("emulator:gzip-flush", "cloudrun:gzip-flush"))
    assert former != line
    assert earlier.result(former) == line
    assert hops.read("cloudrun:gzip-flush") == hops.read("emulator:gzip-flush")
    assert hops.read("cloudrun:report").proxy == "cloudrun"
