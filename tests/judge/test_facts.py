"""What a trace tells beside its verdict, and what of it stays when it is judged again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge import verdict
from harness.judge.rejudge import rejudge
from harness.judge.verdict import assess
from harness.model import FACTS, Answerer, Facts, Format, HopKind, Judgement, Refusal, Remark, StandIn, Start, Trace
from harness.reports import words
from tests.factories import COALESCED, story, streamed
from tests.reports.samples import EVERY_FACT, cell, result


def refused(*hops: HopKind, status: int, by: Answerer | None = "hop", format: Format = "sse") -> Trace:
    """Return the trace of a stream that a chain refused."""
    trace = story("s0 r0 end", format=format)
    return replace(trace, status=status, body=b"no", hops=hops, answered_by=by)


def facts(trace: Trace) -> Facts:
    return assess([trace]).facts


def test_a_stream_is_no_refusal() -> None:
    trace = replace(story("s0 r0 end"), hops=("proxy", "application"), answered_by="emitter")
    assert facts(trace) == Facts(hops=("proxy", "application"), answered_by="emitter")


def test_a_refusal_is_told_with_whose_it_was() -> None:
    assert facts(refused("proxy", status=502)) == Facts(
        hops=("proxy",), answered_by="hop", refusal=Refusal(status=502, expected=200)
    )


def test_the_reason_has_the_status_and_the_words_that_came_with_it() -> None:
    assert assess([refused("proxy", status=502)]).judgement.reason == "status 502 instead of 200: no"


@pytest.mark.parametrize(
    ("kind", "status", "by", "format", "not_served"),
    [
        ("application", 404, "hop", "sse", "http"),
        ("application", 405, "hop", "ndjson", "http"),
        ("application", 404, None, "sse", "http"),
        ("application", 404, "emitter", "sse", None),
        ("application", 403, "hop", "sse", None),
        ("application", 500, "hop", "sse", None),
        ("application", 403, "hop", "websocket", "websocket"),
        ("application", 426, "emitter", "websocket", None),
        ("proxy", 404, "hop", "sse", None),
        ("emulator", 403, "hop", "websocket", None),
    ],
)
def test_an_application_may_not_serve_the_transport_of_a_request(
    kind: HopKind, status: int, by: Answerer | None, format: Format, not_served: str | None
) -> None:
    refusal = facts(refused("proxy", kind, status=status, by=by, format=format)).refusal
    assert refusal
    assert refusal.not_served == not_served


def test_judged_again_only_the_facts_of_its_run_stay_unless_its_traces_tell_them() -> None:
    before = result(cell("direct"), "streamed", facts=EVERY_FACT)
    (again,) = rejudge([before], {before.id: [story("s0 r0 s1 r1 end")]})
    of_run = {name: getattr(EVERY_FACT, name) for name, fact in FACTS.items() if fact.of_run}
    assert again.facts == replace(Facts(), **of_run)
    assert of_run.keys() == {
        "emulates",
        "applications",
        "served_by",
        "stand_in",
        "unguarded",
        "turned_away",
        "beside_others",
    }


def test_of_two_streams_that_disagree_the_refused_one_is_told() -> None:
    second = refused("proxy", status=409, by="emitter")
    assessed = assess([replace(story(COALESCED), hops=("proxy",), answered_by="emitter"), second])
    assert assessed.unstable
    assert assessed.facts == facts(second)


def test_judged_again_a_result_keeps_what_only_its_run_knew() -> None:
    kept = Facts(
        emulates=("Cloud Run holds 4 KB",),
        applications=("It sends.",),
        stand_in=StandIn("curl", "awk"),
        unguarded=True,
        sampled_after=1,
    )
    before = result(cell("direct"), "streamed", facts=kept)
    trace = replace(story("s0 r0 s1 r1 drain s2 s3 s4 s5 r2-5 end"), remark=Remark("EventSource", rewritten=True))
    (again,) = rejudge([before], {before.id: [trace]})
    assert again.facts == replace(kept, remark=Remark("EventSource", rewritten=True), sampled_after=2)


def test_a_refusal_of_which_nobody_took_note_whose_it_was_is_told_with_where_to_ask() -> None:
    before = result(cell("direct"), "broken")
    (again,) = rejudge([before], {before.id: [refused("proxy", status=404, by=None)]})
    assert words.reason(again) == (
        "status 404 instead of 200: no; nobody took note whose answer this is; "
        "if it is not the emitter's, hop-1 in the cell's folder has the proxy's log"
    )


def test_what_is_before_beside_and_after_the_steady_state_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lone = " ".join(f"s{seq} r{seq}" for seq in range(1, 8))
    trace = story(f"s0 +60 r0 {lone} end")
    assert facts(trace) == Facts(late_tokens=1)
    assert facts(story(streamed(16, hold_ms=60))).late_tokens is None, "of a stream that is delayed, the verdict tells"
    slow = story(f"s0 +70 r0 {lone} end".replace("r1", "+40 r1").replace("r2", "+40 r2"))
    far = replace(slow, guard_ms=15.0)
    assert (facts(slow).late_tokens, facts(far).late_tokens) == (1, 1)
    paced = replace(trace, plan=replace(trace.plan, emission=replace(trace.plan.emission, pace="paced")))
    assert facts(paced).late_tokens is None, "its lockstep twin tells"
    found = Judgement("streamed", "because", start=Start(held_bytes=90), head_held=True, tail_tokens=1)
    monkeypatch.setattr(verdict, "judge", lambda *_: (found, None))
    assert facts(trace) == Facts(start=found.start, head_held=True, tail_tokens=1, late_tokens=1)
