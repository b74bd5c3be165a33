"""The words in which claims, figures and judgements are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.claims import words as claim_words
from harness.claims.judging import judge
from harness.model import Claim, FactRule, Limit, Release, Result
from tests.diagnosis.chains import BOTH
from tests.reports.reporting import BUFFERS, PROXY, WHOLE, report, tried
from tests.reports.samples import cell, result


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        ({"verdict": ("delayed", "coalesced", "buffered")}, "the verdict is delayed, coalesced or buffered"),
        ({"effect": ("defeats",)}, "the mitigation's effect is defeats"),
        ({"released_by": ("bytes", "end")}, "what was held is released by bytes or end"),
        ({"readers": "agree"}, "the readers of a stream agree on its verdict"),
        ({"facts": (FactRule("unguarded", is_so=False),)}, "the chain left no pulse unanswered"),
        (
            {"facts": (FactRule("emulates"), FactRule("answered_by", answerers=("hop", "nobody")))},
            "a hop plays what somebody claims of it; a hop answered by itself or nobody answered",
        ),
        (
            {"limits": (Limit("ttft_ms", at_most=100, at_least=2), Limit("reads", at_least=5))},
            "ttft_ms is at most 100 ms and at least 2.00 ms; reads is at least 5",
        ),
        (
            {"limits": (Limit("wire_bytes", at_most_times=1.2, at_least_times=0.5, of="control"),)},
            "wire_bytes is at most 1.2 times the control's and at least 0.5 times the control's",
        ),
        (
            {"limits": (Limit("reads_merged", at_most_share=0.1, at_least_share=0.005, of="reads"),)},
            "reads_merged is at most 10 % of reads and at least 0.5 % of reads",
        ),
    ],
)
def test_rules_are_told_in_words(claim: dict[str, Any], rule: str) -> None:
    assert claim_words.rule(Claim("x", **claim)) == rule


@pytest.mark.parametrize(
    ("value", "told"), [(1.23456, "1.235"), (999.94, "999.9"), (9999.6, "10000"), (-12_345, "-12345")]
)
def test_a_figure_is_told_in_four_digits_or_whole(value: float, told: str) -> None:
    assert claim_words.amount("reads", value) == told


@pytest.mark.parametrize(
    ("metric", "told"),
    [("reads", "2500"), ("ttft_ms", "2500 ms"), ("wire_bytes", "2500 B"), ("first_read_bytes", "2500 B")],
)
def test_a_figure_has_the_unit_of_its_name(metric: str, told: str) -> None:
    assert claim_words.amount(metric, 2500.4) == told


def said(claim: Claim, *results: Result) -> str:
    (judged,) = judge(report(claim), results)
    return claim_words.judgement(judged)


def test_judgements_are_told_in_words() -> None:
    assert said(BUFFERS, PROXY) == "confirmed"
    assert said(replace(BUFFERS, verdict=("streamed",)), PROXY) == "refuted"
    assert said(Claim("x", untestable="no such network")) == "not testable here: no such network"
    assert said(BUFFERS) == "not testable here: none of its cells was measured"
    gone = [replace(some, verdict=None, outcome="unavailable", reason="no Node.js") for some in (PROXY, WHOLE)]
    assert said(BUFFERS, *gone) == "not testable here: unavailable: no Node.js (2 cells)"


@pytest.mark.parametrize(
    ("release", "told"), [(Release(4, "bytes", 4032, 42, 1750.0, 9.5, 96), "released by bytes"), (None, "nothing held")]
)
def test_a_cell_shows_what_let_go_of_a_claim_that_turns_on_it(release: Release | None, told: str) -> None:
    claim = Claim("x", released_by=("bytes",), cells=("*",))
    (judged,) = judge(report(claim), [replace(PROXY, verdict="coalesced", release=release)])
    assert [claim_words.shown(claim, one) for one in judged.findings] == [f"coalesced, {told}"]


def test_mitigations_that_nothing_needed_are_said_to_be_so() -> None:
    free = result(cell("nextjs:prod"), "streamed")
    idle = [tried(name, "streamed", "not needed", of=free.cell) for name in ("no-cache", "pad-2k")]
    helps = Claim("x", cells=("*",), effect=("defeats",))
    assert said(helps, free, *idle) == "not testable here: it streamed without it in every cell"
    shaky = replace(idle[1], outcome="unstable", reason="once so")
    assert said(helps, free, idle[0], shaky) == "not testable here: it streamed without it; unstable: once so"


def test_what_a_judgement_depends_on_is_told_in_words() -> None:
    asked = [result(replace(PROXY.cell, request="browser"), "buffered"), replace(PROXY, verdict="streamed")]
    assert said(BUFFERS, *asked) == "depends on request: holds with browser, not with curl"
    both = [result(cell("nextjs:dev", body="close"), "buffered"), result(cell("nextjs:prod"), "streamed")]
    on = "depends on chain or body, which change together here: holds with nextjs:dev and close, not with "
    assert said(BUFFERS, *both) == f"{on}nextjs:prod and chunked"
    each = [result(cell(chain, request=by), "streamed") for chain in ("nextjs:dev", "nextjs:prod") for by in BOTH]
    assert said(BUFFERS, replace(each[0], verdict="buffered"), *each[1:]).startswith(
        "depends on chain and request together: holds with nextjs:dev and curl, not with "
    )


def test_what_no_two_axes_decide_is_said_to_depend_on_more_or_on_none() -> None:
    (judged,) = judge(report(BUFFERS), [PROXY, replace(WHOLE, verdict="streamed")])
    told = claim_words.depends(replace(judged, separation=None))
    assert told == "depends on more than two axes, or on none: holds in 1 of 2 cells"


@pytest.mark.parametrize(("number", "end"), [(5, "v3 or nextjs:v4"), (6, "v4 or nextjs:v5"), (7, "v5 or 1 more")])
def test_so_many_values_are_told_and_of_more_their_number(number: int, end: str) -> None:
    streaming = [result(cell(f"nextjs:v{each}"), "streamed") for each in range(number)]
    assert said(BUFFERS, PROXY, *streaming).endswith(f"nextjs:{end}")


def test_many_values_are_cut_short() -> None:
    streaming = [result(cell(f"nextjs:v{number}"), "streamed") for number in range(9)]
    assert said(BUFFERS, PROXY, *streaming).endswith("nextjs:v4, nextjs:v5 or 3 more")
