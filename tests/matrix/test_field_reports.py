"""The key `report`: what it is read into, and how it is refused."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.formats import FORMATS
from harness.matrix import field_reports, mitigations
from harness.matrix.reading import Known, parse
from harness.matrix.report_shapes import FactsShape
from harness.model import FACTS, Claim, FactRule, FieldReport, Limit, Part
from harness.resources import configs
from tests.planning import REQUESTS
from tests.reports.samples import run_info

CATALOGUE = mitigations.parse((configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
KNOWN = Known(
    {"nginx": ("default", "buffering-off")},
    {"client": ("aiohttp", "curl"), "format": tuple(FORMATS)},
    CATALOGUE,
    REQUESTS,
)
HEAD = """\
title: A test
workloads: {short: {tokens: 24, token_bytes: 112}}
axes: {chain: [nginx:default, nginx:buffering-off], mitigations: [none, no-cache]}
include: [{chain: nginx:default, client: curl}]
report:
  source: field report 999
  story: >
    It came
    at once.
  symptom: "nginx:default/*/none/*"
"""
CLAIM = "claim: it buffers, cells: 'nginx:default/*'"


def read(text: str) -> FieldReport:
    report = parse(HEAD + text, "m.yaml", KNOWN).report
    assert report
    return report


def one(claim: str) -> Claim:
    (told,) = read(f"  claims: [{{{claim}}}]").claims
    return told


def refusal(text: str, head: str = HEAD) -> str:
    with pytest.raises(InputError) as caught:
        parse(head + text, "m.yaml", KNOWN)
    return str(caught.value)


def test_a_whole_report() -> None:
    parts = "  scale: minutes are seconds\n  parts: [{name: the app, cells: direct/*}]\n"
    report = read(f"{parts}  claims: [{{{CLAIM}, verdict: buffered}}]")
    assert report == FieldReport(
        source="field report 999",
        story="It came at once.",
        symptom=("nginx:default/*/none/*",),
        claims=(Claim("it buffers", cells=("nginx:default/*",), verdict=("buffered",)),),
        parts=(Part("the app", ("direct/*",)),),
        scale="minutes are seconds",
    )


def test_a_matrix_without_one_has_none() -> None:
    assert parse(HEAD.split("report:")[0], "m.yaml", KNOWN).report is None


def test_every_kind_of_condition() -> None:
    assert one(f"{CLAIM}, effect: [defeats, reduces]").effect == ("defeats", "reduces")
    assert one(f"{CLAIM}, released_by: end").released_by == ("end",)
    assert one(f"{CLAIM}, readers: disagree").readers == "disagree"
    assert one(f"{CLAIM}, facts: {{unguarded: false, answered_by: hop}}").facts == (
        FactRule("answered_by", answerers=("hop",)),
        FactRule("unguarded", is_so=False),
    )
    limits = "metrics: {ttft_ms: {at_most: 100, at_least: 1}, reads: {at_most_times: 1.5, of: baseline}}"
    assert one(f"{CLAIM}, {limits}").limits == (
        Limit("ttft_ms", at_most=100, at_least=1),
        Limit("reads", at_most_times=1.5, of="baseline"),
    )
    share = "metrics: {reads_merged: {at_most_share: 0.1, of: reads}}"
    assert one(f"{CLAIM}, {share}").limits == (Limit("reads_merged", at_most_share=0.1, of="reads"),)
    assert one("claim: x, untestable: no such network").untestable == "no such network"


def test_a_claim_is_the_report_s_unless_it_is_said_to_be_ours() -> None:
    assert one(f"{CLAIM}, verdict: buffered").ours is False
    assert one(f"{CLAIM}, verdict: buffered, ours: true").ours is True
    assert one("claim: x, untestable: no such network, ours: true").ours is True


def test_a_mechanism_explains_every_judgement_or_the_one_it_is_written_for() -> None:
    every = one(f"{CLAIM}, verdict: buffered, because: its buffer").because
    assert every == dict.fromkeys(("confirmed", "refuted", "depends"), "its buffer")
    only = one(f"{CLAIM}, verdict: buffered, because: {{depends: on its buffer}}").because
    assert only == {"depends": "on its buffer"}


REFUSED = [
    ("", "m.yaml:5: report.claims: this key is required"),
    ("  claims: []", "report.claims: must have at least one value, not []"),
    (
        f"  claims: [{{{CLAIM}}}]",
        "report.claims[0]: no condition; give one of verdict, shows, effect, metrics, released_by, ",
    ),
    (
        f"  claims: [{{{CLAIM}, verdict: buffered, readers: agree}}]",
        "m.yaml:11: report.claims[0]: verdict and readers are two kinds of condition; make them two claims",
    ),
    ("  claims: [{claim: x, verdict: buffered}]", "report.claims[0]: a condition needs cells to be looked for in"),
    *(
        (f"  claims: [{{claim: x, untestable: no, {more}}}]", "what is untestable has no cells, no condition and no b")
        for more in ("cells: 'nginx:default/*'", "verdict: buffered", "because: it holds")
    ),
    (
        "  claims: [{claim: x, cells: ['nginx:default/*', 'ngnix:*'], verdict: buffered}]",
        "m.yaml:11: report.claims[0].cells[1]: 'ngnix:*' matches no cell; a glob matches a whole id, such as ",
    ),
    (
        "  claims: [{claim: x, cells: '*/none/*', effect: defeats}]",
        "report.claims[0].cells: no cell that they match has mitigations, so none has an effect",
    ),
    (
        "  claims: [{claim: x, cells: '*/none/*', metrics: {reads: {at_most_times: 1, of: baseline}}}]",
        "no cell that they match has mitigations, so none has a baseline to compare with",
    ),
    (
        "  claims: [{claim: x, cells: 'nginx:buffering-off/*', readers: agree}]",
        "report.claims[0].cells: they match no stream that several clients read, so there are no readers to compare",
    ),
    (
        f"  claims: [{{{CLAIM}, metrics: {{ttfm_ms: {{at_most: 1}}}}}}]",
        "report.claims[0].metrics.ttfm_ms: unknown metric 'ttfm_ms'; allowed: ttfb_ms, ttft_ms, ",
    ),
    (f"  claims: [{{{CLAIM}, metrics: {{ttfm_ms: {{at_most: 1}}}}}}]", "(did you mean 'ttft_ms'?)"),
    (f"  claims: [{{{CLAIM}, metrics: {{ttft_ms: {{}}}}}}]", "report.claims[0].metrics.ttft_ms: limits nothing; give"),
    (f"  claims: [{{{CLAIM}, metrics: {{ttft_ms: {{at_most: 1e999}}}}}}]", "ttft_ms.at_most: must be a finite number"),
    (f"  claims: [{{{CLAIM}, metrics: {{ttft_ms: {{at_least: 1e999}}}}}}]", "at_least: must be a finite number"),
    (f"  claims: [{{{CLAIM}, metrics: {{}}}}]", "report.claims[0].metrics: must have at least one value, not "),
    (f"  claims: [{{{CLAIM}, metrics: {{ttft_ms: {{of: control}}}}}}]", "need each other: times what, or"),
    (f"  claims: [{{{CLAIM}, metrics: {{ttft_ms: {{at_most_times: 2}}}}}}]", "need each other: times what, or"),
    (f"  claims: [{{{CLAIM}, metrics: {{ttft_ms: {{at_most: 2, of: control}}}}}}]", "need each other: times what, or"),
    (
        f"  claims: [{{{CLAIM}, metrics: {{reads: {{at_least_share: 0.5}}}}}}]",
        "need each other: times what, or a share",
    ),
    (
        f"  claims: [{{{CLAIM}, metrics: {{reads: {{at_most_times: 2, of: bursts}}}}}}]",
        "times what? `of` is baseline or control there, not 'bursts'",
    ),
    (
        f"  claims: [{{{CLAIM}, metrics: {{reads: {{at_most_share: 0.5, of: control}}}}}}]",
        "a share of what? `of` is another figure of the cell there, not 'control'",
    ),
    (
        f"  claims: [{{{CLAIM}, metrics: {{reads: {{at_most_share: 0.5, at_most_times: 2, of: control}}}}}}]",
        "times a figure of another cell and a share of another figure are two rules; give one",
    ),
    (
        f"  claims: [{{{CLAIM}, metrics: {{bursts: {{at_most_share: 0.5, of: raeds}}}}}}]",
        "m.yaml:11: report.claims[0].metrics.bursts.of: unknown metric 'raeds'; allowed: ",
    ),
    (
        f"  claims: [{{{CLAIM}, metrics: {{bursts: {{at_most_share: 0.5, of: ttft_ms}}}}}}]",
        "report.claims[0].metrics.bursts.of: bursts is no share of ttft_ms: they have different units",
    ),
    (
        f"  claims: [{{{CLAIM}, metrics: {{bursts: {{at_most_share: 0.5, at_least_share: 0.6, of: reads}}}}}}]",
        "nothing is at least 0.6 and at most 0.5",
    ),
    (f"  claims: [{{{CLAIM}, metrics: {{bursts: {{at_most_share: 10, of: reads}}}}}}]", "at_most_share: "),
    (f"  claims: [{{{CLAIM}, verdict: buffered, ours: perhaps}}]", "report.claims[0].ours: "),
    (
        f"  claims: [{{{CLAIM}, metrics: {{ttft_ms: {{at_most: 2, at_least: 3}}}}}}]",
        "nothing is at least 3 and at most 2",
    ),
    (
        f"  claims: [{{{CLAIM}, facts: {{unguardet: true}}}}]",
        "report.claims[0].facts.unguardet: unknown key; allowed: answered_by, applications, beside_others, ",
    ),
    (f"  claims: [{{{CLAIM}, facts: {{unguardet: true}}}}]", "(did you mean 'unguarded'?)"),
    (f"  claims: [{{{CLAIM}, facts: {{unguarded: perhaps}}}}]", "report.claims[0].facts.unguarded: must be a valid"),
    (
        f"  claims: [{{{CLAIM}, facts: {{answered_by: proxy}}}}]",
        "'proxy' is not allowed; allowed: emitter, hop, nobody",
    ),
    (f"  claims: [{{{CLAIM}, facts: {{}}}}]", "report.claims[0].facts: asks for no fact; give one of emulates, "),
    (
        f"  claims: [{{{CLAIM}, facts: {{screen: null}}}}]",
        "report.claims[0].facts: asks for no fact; give one of emula",
    ),
    (f"  claims: [{{{CLAIM}, note: {{has: a}}}}]", "report.claims[0].note: unknown key; allowed: because, cells, "),
    (f"  claims: [{{{CLAIM}, verdict: buffred}}]", "'buffred' is not allowed; allowed: streamed, delayed, coalesced, "),
    (f"  claims: [{{{CLAIM}, verdikt: buffered}}]", "report.claims[0].verdikt: unknown key; allowed: because, cells, "),
    (
        f"  claims: [{{{CLAIM}, verdict: buffered, because: {{known: x}}}}]",
        "report.claims[0].because: 'known' is no judgement to explain; there are confirmed, refuted, depends",
    ),
    (
        f"  claims: [{{{CLAIM}, verdict: buffered, because: [x]}}]",
        "because: must be text, or a text for each judgement",
    ),
    (
        f"  parts: [{{name: x, cells: apache:*}}]\n  claims: [{{{CLAIM}, verdict: buffered}}]",
        "m.yaml:11: report.parts[0].cells: 'apache:*' matches no cell; a glob matches a whole id",
    ),
]


@pytest.mark.parametrize(("text", "complaint"), REFUSED)
def test_what_cannot_be_meant_is_told_with_line_and_key(text: str, complaint: str) -> None:
    told = refusal(text)
    assert complaint in told
    assert all(line.startswith("m.yaml:") for line in told.splitlines())


@pytest.mark.parametrize(("side", "of", "most"), [("times", "control", 1_000_000), ("share", "reads", 1)])
@pytest.mark.parametrize("bound", ["at_most", "at_least"])
def test_multiples_and_shares_have_bounds_which_are_allowed_themselves(
    bound: str, side: str, of: str, most: int
) -> None:
    for value in (0, most):
        (limit,) = one(f"{CLAIM}, metrics: {{bursts: {{{bound}_{side}: {value}, of: {of}}}}}").limits
        assert getattr(limit, f"{bound}_{side}") == value
    for beyond in (-0.1, most + 0.1):
        told = refusal(f"  claims: [{{{CLAIM}, metrics: {{bursts: {{{bound}_{side}: {beyond}, of: {of}}}}}}}]")
        assert f"report.claims[0].metrics.bursts.{bound}_{side}: " in told


def test_a_symptom_that_no_cell_shows_is_refused() -> None:
    head = HEAD.replace('symptom: "nginx', 'symptom: "apache')
    told = refusal(f"  claims: [{{{CLAIM}, verdict: buffered}}]", head)
    assert "m.yaml:10: report.symptom: 'apache:default/*/none/*' matches no cell" in told


def test_a_run_knows_its_report_even_if_its_matrix_could_not_be_read_any_more() -> None:
    text = f"{HEAD}  claims: [{{{CLAIM}, verdict: buffered}}]"
    gone = text.replace("chain: [nginx:default", "chain: [a-proxy:that-was-dropped")
    report = field_reports.of_run(run_info(matrix_text=gone))
    assert report == read(f"  claims: [{{{CLAIM}, verdict: buffered}}]")


def test_a_claim_about_notes_which_an_earlier_harness_had_is_told_as_one_that_cannot_be_tested_now() -> None:
    other = f"{{{CLAIM}, verdict: buffered}}"
    text = f"{HEAD}  claims: [{{{CLAIM}, note: {{lacks: 'guard: *'}}, where: here, because: x}}, {other}]"
    report = field_reports.of_run(run_info(matrix_text=text))
    assert report
    about_notes, kept = report.claims
    assert (about_notes.claim, about_notes.where, about_notes.cells) == (kept.claim, "here", ())
    assert about_notes.untestable == (
        "its rule is about notes, which were sentences then; rules ask facts today: give it one and measure again"
    )
    assert kept.verdict == ("buffered",)


def test_every_fact_can_be_asked_for() -> None:
    assert tuple(FactsShape.model_fields) == tuple(FACTS)


@pytest.mark.parametrize("text", ["", "title: x\nworkloads: {}\n"])
def test_a_run_from_before_there_were_reports_has_none(text: str) -> None:
    assert field_reports.of_run(run_info(matrix_text=text)) is None


def test_a_report_that_cannot_be_read_any_more_is_refused() -> None:
    with pytest.raises(InputError, match=r"old.yaml:1: report.sorce: unknown key"):
        field_reports.of_run(run_info(matrix_file="old.yaml", matrix_text="report: {sorce: x}"))
