"""Recordings in matrix files: cells that replay one, what concerns them, and what cannot be meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.matrix.reading import Matrix, parse
from harness.model import Plan, Recording
from tests import planning
from tests.matrix.knowing import CATALOGUE, KNOWN
from tests.recorded import EVENTS, load, recording

RECORDED = recording(EVENTS, "POST", content_type="text/event-stream; charset=utf-8", Cache_Control="no-cache")
LINES = recording([b'{"n": %d}\n' % number for number in range(5)], content_type="application/x-ndjson")
WORDS = recording([b"Once ", b"upon ", b"a ", b"time"], content_type="text/plain")
FILES: Mapping[str, Recording] = {"./chat.json": RECORDED, "./lines.json": LINES, "./words.json": WORDS}


def found(file: str) -> Recording:
    if file not in FILES:
        raise InputError(f"{file}: there is no such file")
    return FILES[file]


def read(workload: str, axes: str = "chain: nginx:http10") -> Matrix:
    text = f"title: t\nworkloads: {{w: {{{workload}}}}}\naxes: {{{axes}}}\n"
    return parse(text, "m.yaml", replace(KNOWN, recording=found, rewriting=["h2"]))


def refusal(workload: str, axes: str = "chain: nginx:http10") -> str:
    with pytest.raises(InputError) as caught:
        read(workload, axes)
    return str(caught.value)


def plan_of(axes: str, file: str = "./chat.json") -> Plan:
    return planning.plan(read(f"recording: {file}", f"chain: nginx:http10, {axes}").cells[-1], CATALOGUE)


def test_a_cell_has_the_format_and_the_framing_of_its_recording() -> None:
    ids = [cell.id for cell in read("recording: ./lines.json", "chain: nginx:http10, format: [sse, text]").cells]
    assert ids == [f"{chain}/ndjson/chunked/curl/aiohttp/w/none/lockstep" for chain in ("direct", "nginx:http10")]


def test_a_plan_sends_what_was_recorded_by_the_method_it_was_asked_by() -> None:
    plan = plan_of("mitigations: none")
    assert plan.method == "POST"
    assert plan.emission.content_type == "text/event-stream; charset=utf-8"
    assert plan.emission.headers == (("Cache-Control", "no-cache"),)
    assert plan.emission.workload.recording is RECORDED
    assert plan.request_body == '{"stream": true}', "what was said to the application is not said again"


def test_a_mitigation_changes_the_head_and_pads() -> None:
    assert plan_of("mitigations: x-accel-buffering").emission.headers == (
        ("Cache-Control", "no-cache"),
        ("X-Accel-Buffering", "no"),
    )
    assert plan_of("mitigations: no-transform").emission.headers == (("Cache-Control", "no-transform"),)
    assert plan_of("mitigations: content-type-text-plain").emission.content_type == "text/plain; charset=utf-8"
    assert plan_of("mitigations: pad-2k").emission.padding
    assert plan_of("mitigations: prelude-2k", "./lines.json").emission.prelude


@pytest.mark.parametrize(
    ("writes", "gap_ms", "figures"),
    [
        ([b"a" * 30, b"b" * 50, b"c" * 41, b"end"], 20, (3, 40, 20.0)),
        ([b"a", b"bc", b"end"], 0.25, (2, 1, 1.0)),
        ([b"abc", b"end"], 90, (1, 3, 1.0)),
    ],
)
def test_its_workload_has_the_figures_of_the_recording_without_what_closes_it(
    writes: list[bytes], gap_ms: float, figures: tuple[int, int, float]
) -> None:
    said = load(recording(writes, content_type="text/plain", gap_ms=gap_ms))
    assert (said.tokens, said.token_bytes, said.interval_ms) == figures


@pytest.mark.parametrize(
    ("file", "name", "told"),
    [
        ("chat", "no-cache", "sends Cache-Control: no-cache, which the application sends already"),
        ("chat", "post-instead-of-get", "changes the method to POST, which it is already"),
        ("chat", "ndjson-instead", "a recorded answer is sse, and is not written anew as ndjson"),
        ("chat", "websocket-instead", "is not written anew as websocket"),
        ("chat", "smaller-and-more-often", "the writes of a recorded answer are not cut anew"),
        ("chat", "heartbeat", "between the writes of a recorded answer nothing is sent"),
        ("words", "pad-2k", "no bytes are known to mean nothing"),
        ("words", "prelude-2k", "no bytes are known to mean nothing"),
    ],
)
def test_what_asks_for_other_tokens_does_not_concern_a_recording(file: str, name: str, told: str) -> None:
    assert told in refusal(f"recording: ./{file}.json", f"chain: nginx:http10, mitigations: {name}")
    names = {
        cell.mitigations for cell in read(f"recording: ./{file}.json", "chain: nginx:http10, mitigations: all").cells
    }
    assert (name,) not in names
    assert ("x-accel-buffering",) in names


@pytest.mark.parametrize(
    ("workload", "told"),
    [
        ("recording: ./none.json", "m.yaml:2: workloads.w.recording: ./none.json: there is no such file"),
        ("recording: ./chat.json, tokens: 3", "a recording says that itself; leave out tokens"),
        ("recording: ''", "workloads.w"),
        ("exact: true", "tokens"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(workload: str, told: str) -> None:
    assert told in refusal(workload)


def test_of_a_recording_it_may_be_said_that_it_ends_where_it_does() -> None:
    assert "exact" not in refusal("recording: ./chat.json, exact: true, tokens: 3").partition("leave out")[2]
    (workload, *_) = {cell.workload for cell in read("recording: ./chat.json, exact: true").cells}
    assert workload.exact


def test_who_shows_no_bytes_cannot_read_a_recording() -> None:
    assert "h2 shows messages and no bytes" in refusal("recording: ./chat.json", "chain: nginx:h2, client: h2")
    assert read("recording: ./chat.json", "chain: nginx:http10, client: aiohttp").cells


def test_who_offers_a_coding_that_the_application_applies_itself_would_not_get_what_is_recorded() -> None:
    text = "title: t\nworkloads: {w: {recording: r}}\naxes: {chain: nginx:http10, request: [curl, browser]}\n"
    known = replace(KNOWN, recording=lambda file: replace(RECORDED, coding="gzip"))
    with pytest.raises(InputError, match=r"browser offers codings: the application compresses its answer itself"):
        parse(text, "m.yaml", known)
    assert parse(text.replace("[curl, browser]", "[curl, identity]"), "m.yaml", known).cells


def test_where_none_can_be_read_that_is_told() -> None:
    with pytest.raises(InputError, match="no recordings can be named here"):
        parse("title: t\nworkloads: {w: {recording: ./chat.json}}\naxes: {chain: nginx:http10}\n", "m.yaml", KNOWN)
