"""What the stream as asked shows is told beside the verdict, where that looks milder than it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.claims import causes
from harness.claims.judging import judge
from harness.claims.words import rule, shown
from harness.model import MANNERS, Claim, Manner, Shows, Verdict
from harness.reports import RENDERERS, answers, terminal, words
from harness.reports.glyphs import ASCII, UNICODE
from harness.reports.table import tabulate
from tests.reports.reporting import APP, PARTS, PROXY, WHOLE, report
from tests.reports.samples import CATALOGUE, cell, result, run_info

ONE_BY_ONE, IN_BURSTS, AT_THE_END = (Shows(manner, 3, 350.0, seen=False) for manner in MANNERS)
SHORT = result(cell(), "coalesced", shows=AT_THE_END)
STARTS = result(cell("nginx:gzip"), "streamed", shows=IN_BURSTS)


@pytest.mark.parametrize(
    ("verdict", "shows", "worse"),
    [
        ("streamed", ONE_BY_ONE, None),
        ("streamed", IN_BURSTS, "in bursts"),
        ("delayed", AT_THE_END, "at the end"),
        ("coalesced", IN_BURSTS, None),
        ("coalesced", ONE_BY_ONE, None),
        ("coalesced", AT_THE_END, "at the end"),
        ("buffered", AT_THE_END, None),
        ("broken", None, None),
        ("streamed", None, None),
    ],
)
def test_what_is_shown_is_told_where_it_is_worse_than_the_verdict_looks(
    verdict: Verdict, shows: Shows | None, worse: Manner | None
) -> None:
    told = result(cell(), verdict, shows=shows)
    assert words.shows_worse(told) == worse
    assert words.verdict(told) == (f"{verdict}, shows {worse}" if worse else verdict)


def test_what_is_shown_is_said_with_the_longest_wait_and_whether_it_was_seen() -> None:
    assert words.shows(IN_BURSTS) == "the stream as asked shows in 3 bursts; a token waits up to 350 ms (computed)"
    assert words.shows(replace(ONE_BY_ONE, wait_ms=0.2, seen=True)) == "the stream as asked shows one by one"


@pytest.mark.parametrize("name", RENDERERS)
def test_every_report_tells_both(name: str) -> None:
    told = "".join(RENDERERS[name](run_info(), [SHORT, STARTS]))
    assert "at the end" in told
    assert "in bursts" in told or "in 3 bursts" in told


def test_the_table_has_a_sign_for_it_and_says_what_it_means() -> None:
    told = terminal.render(run_info(), [SHORT, STARTS])
    assert "coalesced ■" in told
    assert "streamed ▪" in told
    assert "▪ the stream as asked shows in bursts   ■ the stream as asked shows at the end" in told
    assert "■" not in terminal.render(run_info(), [replace(SHORT, shows=IN_BURSTS)])
    assert UNICODE.shows.keys() == ASCII.shows.keys() == MANNERS.keys() - {"one by one"}


def test_json_has_what_each_layer_shows() -> None:
    told = json.loads("".join(RENDERERS["json"](run_info(), [SHORT, result(cell("nginx:gzip"), "streamed")])))
    assert [layer["shows"] for layer in told["layers"]] == ["at the end", None]


def test_a_layer_whose_start_swallows_the_stream_as_asked_is_not_at_ease() -> None:
    table = tabulate([STARTS], CATALOGUE)
    assert answers.at_ease(table) == {}
    (answer,) = answers.answers(table)
    assert (answer.found, answer.undefeated) == ("streamed, shows in bursts", "")


# ---------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("shows", "kind", "said"),
    [
        (AT_THE_END, "confirmed", "coalesced, shows at the end"),
        (IN_BURSTS, "refuted", "coalesced, shows in 3 bursts"),
        (None, "not testable here", None),
    ],
)
def test_a_claim_can_ask_what_is_shown(shows: Shows | None, kind: str, said: str | None) -> None:
    claim = Claim("It comes at once.", cells=("nginx:*",), shows=("at the end",))
    (judged,) = judge(report(claim), [replace(SHORT, shows=shows)])
    assert judged.kind == kind
    assert [shown(claim, finding) for finding in judged.findings] == ([said] if said else [])
    assert rule(claim) == "the stream as asked shows at the end"


def test_a_broken_stream_shows_nothing_that_a_claim_may_ask_for() -> None:
    claim = Claim("It comes at once.", cells=("nginx:*",), shows=("at the end",))
    (judged,) = judge(report(claim), [result(cell(), "broken")])
    assert judged.kind == "refuted"
    assert [shown(claim, finding) for finding in judged.findings] == ["broken"]


def test_a_symptom_shows_in_what_a_person_sees_though_the_hop_streams_in_the_end() -> None:
    told = report(parts=PARTS)
    proxy, whole = (replace(one, verdict="streamed", reason="as seen", shows=AT_THE_END) for one in (PROXY, WHOLE))
    found = causes.cause(told, [APP, proxy, whole])
    assert found.short == "the dev proxy alone (streamed, shows at the end)"
    seen = [APP, replace(proxy, shows=ONE_BY_ONE), replace(whole, shows=ONE_BY_ONE)]
    assert causes.cause(told, seen).short == "could not be reproduced"
