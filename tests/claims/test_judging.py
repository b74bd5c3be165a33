"""Claims are judged by what is in the cells: every kind of condition, and every judgement it can come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.claims.judging import Figure, Judged, Unjudged, figure, is_fact, judge
from harness.model import (
    FACTS,
    METRICS,
    Claim,
    FactRule,
    Facts,
    FieldReport,
    Limit,
    Release,
    Result,
)
from tests.reports.samples import EVERY_FACT, cell, metrics, result

HELD = result(cell("nginx:default"), "buffered", release=Release(0, "end", 0, 24, 400.0, 402.0, 64))
PASSED = result(cell("nginx:buffering-off"), "streamed")
FIXED = result(cell("nginx:default", "x-accel-buffering"), "streamed", "defeats", baseline_id=HELD.id)
USELESS = result(cell("nginx:default", "no-cache"), "buffered", "no effect", baseline_id=HELD.id)
EVERY = (HELD, PASSED, FIXED, USELESS)


def judged(results: Sequence[Result], **claim: Any) -> Judged:
    """Return the judgement of one claim, about all cells unless it says otherwise."""
    report = FieldReport("us", "story", ("*",), (Claim("it holds", **{"cells": ("*",), **claim}),))
    (told,) = judge(report, results)
    return told


def ids(told: Judged, hold: bool) -> set[str]:
    return {finding.cell.id for finding in told.findings_that(hold)}


# ---------------------------------------------------------------- judgements


def test_what_holds_in_every_cell_is_confirmed() -> None:
    told = judged(EVERY, cells=("nginx:default/*/none/*", "*/no-cache/*"), verdict=("buffered", "coalesced"))
    assert told.kind == "confirmed"
    assert ids(told, hold=True) == {HELD.id, USELESS.id}
    assert told.separation is None


def test_what_holds_in_no_cell_is_refuted() -> None:
    told = judged(EVERY, cells=("nginx:buffering-off/*",), verdict=("buffered",))
    assert told.kind == "refuted"
    assert ids(told, hold=False) == {PASSED.id}


def test_what_holds_in_some_cells_depends_on_the_axis_that_tells_them_apart() -> None:
    told = judged(EVERY, cells=("*/none/*",), verdict=("buffered",))
    assert told.kind == "depends"
    assert told.separation
    assert (told.separation.axes, told.separation.holding) == (("chain",), (("nginx:default",),))
    assert (ids(told, hold=True), ids(told, hold=False)) == ({HELD.id}, {PASSED.id})


def test_what_the_report_calls_untestable_is_not_judged_by_any_cell() -> None:
    told = judged(EVERY, cells=(), untestable="it is about another network")
    assert (told.kind, told.findings, told.unjudged) == ("not testable here", (), ())


@pytest.mark.parametrize("outcome", ["unavailable", "blocked", "error", "unstable", "too short"])
def test_a_cell_without_a_sure_verdict_is_named_and_counts_for_neither_side(outcome: Any) -> None:
    unsure = replace(PASSED, outcome=outcome, reason="who knows")
    told = judged([HELD, unsure], verdict=("buffered",))
    assert told.kind == "confirmed"
    assert told.unjudged == (Unjudged(PASSED.id, f"{outcome}: who knows"),)
    alone = judged([unsure], verdict=("streamed",))
    assert (alone.kind, alone.unjudged) == ("not testable here", told.unjudged)


def test_a_claim_whose_cells_were_not_measured_is_not_testable() -> None:
    told = judged([PASSED], cells=("nginx:default/*",), verdict=("buffered",))
    assert (told.kind, told.findings, told.unjudged) == ("not testable here", (), ())


def test_a_failed_expectation_is_no_reason_not_to_count() -> None:
    assert judged([replace(HELD, outcome="fail")], verdict=("buffered",)).kind == "confirmed"


def test_findings_come_in_the_order_of_ids_however_cells_finished() -> None:
    forth, back = (judged(results, verdict=("streamed",)).findings for results in (EVERY, EVERY[::-1]))
    assert forth == back


def test_a_mechanism_is_told_with_the_judgement_that_it_explains() -> None:
    because = {"refuted": "it has no buffer", "confirmed": "it has one"}
    assert judged([PASSED], verdict=("buffered",), because=because).because == "it has no buffer"
    assert judged([HELD], verdict=("buffered",), because=because).because == "it has one"
    assert judged([HELD, PASSED], verdict=("buffered",), because=because).because is None


# ---------------------------------------------------------------- conditions


def test_an_effect_is_only_looked_for_in_cells_with_mitigations() -> None:
    told = judged(EVERY, effect=("defeats",))
    assert (ids(told, hold=True), ids(told, hold=False)) == ({FIXED.id}, {USELESS.id})


def test_a_cell_that_streamed_without_its_mitigations_is_no_evidence_of_their_effect() -> None:
    idle = result(cell("nginx:buffering-off", "no-cache"), "streamed", "not needed", baseline_id=PASSED.id)
    told = judged([*EVERY, idle], effect=("defeats",), cells=("*/x-accel-buffering/*", "nginx:buffering-off/*"))
    assert told.kind == "confirmed"
    assert told.unjudged == (Unjudged(idle.id, "it streamed without it"),)
    alone = judged([PASSED, idle], effect=("no effect", "harms"))
    assert (alone.kind, alone.unjudged) == ("not testable here", told.unjudged)
    assert judged([PASSED, idle], effect=("defeats", "not needed")).kind == "confirmed"
    assert judged([FIXED, idle], effect=("not needed",)).kind == "depends"


def test_an_effect_that_is_unknown_for_want_of_a_baseline_is_named() -> None:
    unsure = replace(HELD, outcome="unstable", reason="once so, once so")
    told = judged([unsure, replace(FIXED, effect=None)], effect=("defeats",))
    why = "no effect is known: its baseline was unstable: once so, once so"
    assert (told.kind, told.unjudged) == ("not testable here", (Unjudged(FIXED.id, why),))


def test_an_effect_is_not_known_where_mitigated_and_unmitigated_streams_are_broken() -> None:
    broken = replace(
        FIXED, verdict="broken", effect=None, reason="status 502; without the mitigation it is broken, too"
    )
    told = judged([replace(HELD, verdict="broken"), broken], effect=("defeats",))
    assert told.unjudged == (Unjudged(FIXED.id, f"no effect is known: {broken.reason}"),)


def test_what_released_a_held_token() -> None:
    assert judged([HELD], released_by=("end",)).kind == "confirmed"
    assert judged([HELD], released_by=("bytes", "timer")).kind == "refuted"
    assert judged([PASSED], released_by=("end",)).kind == "refuted"


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        ([FactRule("unguarded")], "confirmed"),
        ([FactRule("unguarded", is_so=False)], "refuted"),
        ([FactRule("screen")], "refuted"),
        ([FactRule("screen", is_so=False)], "confirmed"),
        ([FactRule("clock_uncertainty_ms"), FactRule("emulates")], "confirmed"),
        ([FactRule("clock_uncertainty_ms"), FactRule("applications")], "refuted"),
        ([FactRule("answered_by", answerers=("hop", "nobody"))], "confirmed"),
        ([FactRule("answered_by", answerers=("emitter",))], "refuted"),
    ],
)
def test_facts_that_are_told_or_not(rules: Sequence[FactRule], kind: str) -> None:
    facts = Facts(emulates=("x",), unguarded=True, clock_uncertainty_ms=0.0, answered_by="hop")
    assert judged([replace(HELD, facts=facts)], facts=tuple(rules)).kind == kind


@pytest.mark.parametrize("rule", [FactRule("answered_by", answerers=("hop",)), FactRule("refusal", is_so=False)])
def test_of_an_earlier_harness_nobody_knows_whose_answer_it_was(rule: FactRule) -> None:
    told = judged([HELD], facts=(rule,))
    assert (told.kind, told.unjudged) == (
        "not testable here",
        (Unjudged(HELD.id, "an earlier harness took no note whose answer it was"),),
    )


def test_every_fact_is_told_by_something_and_not_by_nothing() -> None:
    assert [name for name in FACTS if not is_fact(EVERY_FACT, name) or is_fact(Facts(), name)] == []


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ([Limit("ttft_ms", at_most=405)], "confirmed"),
        ([Limit("ttft_ms", at_most=404.9)], "refuted"),
        ([Limit("ttft_ms", at_least=405)], "confirmed"),
        ([Limit("ttft_ms", at_least=100, at_most=200)], "refuted"),
        ([Limit("ttft_ms", at_most=500), Limit("burst_tokens_max", at_least=5)], "confirmed"),
        ([Limit("ttft_ms", at_most=500), Limit("burst_tokens_max", at_most=5)], "refuted"),
    ],
)
def test_figures_have_to_keep_within_all_limits(limits: list[Limit], kind: str) -> None:
    assert judged([HELD], limits=tuple(limits)).kind == kind


@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        (Limit("wire_bytes", at_most_times=2, of="baseline"), "confirmed"),
        (Limit("wire_bytes", at_most_times=1.9, of="baseline"), "refuted"),
        (Limit("wire_bytes", at_least_times=2, of="baseline"), "confirmed"),
        (Limit("wire_bytes", at_least_times=2.1, of="baseline"), "refuted"),
        (Limit("reads", at_most_times=0.5, of="control"), "confirmed"),
        (Limit("reads", at_most_times=0.4, of="control"), "refuted"),
    ],
)
def test_figures_can_be_held_against_the_baseline_s_and_the_control_s(limit: Limit, kind: str) -> None:
    control = result(cell("direct"), "streamed", metrics=metrics(reads=24, wire_bytes=9))
    padded = replace(FIXED, metrics=metrics(wire_bytes=3072, reads=12), control_id=control.id)
    told = judged([HELD, padded, control], cells=("*/x-accel-buffering/*",), limits=(limit,))
    assert told.kind == kind
    other = 1536 if limit.of == "baseline" else 24
    ((shown,),) = (finding.figures for finding in told.findings)
    assert shown == Figure(limit.metric, 3072 if limit.of == "baseline" else 12, limit.of, other)


@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        (Limit("reads_merged", at_most_share=0.1, of="reads"), "confirmed"),
        (Limit("reads_merged", at_most_share=0.09, of="reads"), "refuted"),
        (Limit("reads_merged", at_least_share=0.1, of="reads"), "confirmed"),
        (Limit("reads_merged", at_least_share=0.11, of="reads"), "refuted"),
        (Limit("reads_merged", at_most=1, at_most_share=0.1, of="reads"), "refuted"),
    ],
)
def test_a_figure_can_be_a_share_of_another_one_of_the_same_cell(limit: Limit, kind: str) -> None:
    told = judged([replace(PASSED, metrics=metrics(reads_merged=2, reads=20))], limits=(limit,))
    assert told.kind == kind
    assert told.findings[0].figures == (Figure("reads_merged", 2, "reads", 20),)


@pytest.mark.parametrize(
    ("of", "why"),
    [("frames", "no share of frames can be told: it is 0"), ("reads_split", "streamed, without reads_split")],
)
def test_a_share_of_nothing_counts_for_neither_side(of: str, why: str) -> None:
    told = judged([PASSED], limits=(Limit("reads", at_most_share=0.1, of=of),))
    assert (told.kind, told.unjudged) == ("not testable here", (Unjudged(PASSED.id, why),))


def test_a_figure_that_is_not_there_counts_for_neither_side() -> None:
    silent = replace(PASSED, verdict="broken", metrics=metrics(ttft_ms=None))
    told = judged([HELD, silent], limits=(Limit("ttft_ms", at_most=1000),))
    assert (told.kind, told.unjudged) == ("confirmed", (Unjudged(PASSED.id, "broken, without ttft_ms"),))


def test_a_metric_that_is_no_longer_known_counts_for_neither_side() -> None:
    told = judged([HELD], limits=(Limit("dropped_ms", at_most=1),))
    assert (told.kind, told.unjudged) == ("not testable here", (Unjudged(HELD.id, "buffered, without dropped_ms"),))


@pytest.mark.parametrize(
    ("baseline", "why"),
    [
        (replace(HELD, metrics=metrics(ttft_ms=None)), "its baseline has none"),
        (replace(HELD, outcome="error", reason="it died"), "its baseline was error: it died"),
        (None, "its baseline was not measured"),
    ],
)
def test_a_figure_without_its_counterpart_counts_for_neither_side(baseline: Result | None, why: str) -> None:
    limit = Limit("ttft_ms", at_most_times=1, of="baseline")
    told = judged([FIXED, *([baseline] if baseline else [])], limits=(limit,))
    assert told.unjudged == (Unjudged(FIXED.id, f"no ttft_ms to compare with: {why}"),)
    assert told.kind == "not testable here"


def test_readers_agree_or_disagree_stream_by_stream() -> None:
    by_curl = replace(PASSED.cell, client="curl")
    results = [PASSED, result(by_curl, "broken"), HELD, result(replace(HELD.cell, client="curl"), "buffered")]
    told = judged(results, readers="agree")
    assert told.kind == "depends"
    ((one,), (other,)) = told.findings_that(True), told.findings_that(False)
    assert (one.cell, other.cell) == (replace(HELD.cell, client="*"), replace(PASSED.cell, client="*"))
    assert {some.id for some in other.results} == {PASSED.id, by_curl.id}
    assert judged(results[:2], readers="disagree").kind == "confirmed"


def test_a_stream_that_only_one_client_was_judged_on_says_nothing_of_readers() -> None:
    dead = result(replace(HELD.cell, client="curl"), None, outcome="unavailable", reason="no curl")
    told = judged([HELD, dead], readers="agree")
    assert told.kind == "not testable here"
    assert {one.why for one in told.unjudged} == {
        "unavailable: no curl",
        "no other client's reading of it was judged",
    }


def test_every_metric_is_a_number_that_can_be_had_by_its_name() -> None:
    figures = metrics(painted_p50_ms=1.0)
    assert all(isinstance(figure(figures, name), int | float | None) for name in METRICS)
    assert figure(figures, "burst_tokens_max") == 24


def test_whose_answer_it_was_matters_to_facts_of_answers_alone() -> None:
    assert judged([HELD], facts=(FactRule("unguarded", is_so=False),)).kind == "confirmed"
