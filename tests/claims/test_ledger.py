"""The page and the terminal's account of a field report: judgements, the real cause, the cheapest fix; all computed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from harness.claims import ledger
from harness.claims import terminal as on_terminal
from harness.claims import words as claim_words
from harness.claims.judging import judge
from harness.claims.ledger import Entry
from harness.claims.terminal import ClaimReport
from harness.model import Claim, FactRule, Facts, Limit, Part, Result, RunInfo
from harness.reports.summary import Required
from tests.diagnosis.chains import BOTH
from tests.reports.reporting import APP, BUFFERS, PROXY, WHOLE, entry, report, tried
from tests.reports.samples import PLAYED, cell, layer, matrix, metrics, result, run_info
from tests.reports.test_documents import EVIL, unescaped_pipes


def page(*entries: Entry) -> str:
    return ledger.page(entries)


def terminal(one: Entry, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, _environ={})
    with console.capture() as capture:
        console.print(ClaimReport(one), soft_wrap=True)
    return capture.get()


# ---------------------------------------------------------------- words


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


# ---------------------------------------------------------------- the page


def claims_of(text: str) -> list[list[str]]:
    """Return the rows of the page's tables of claims, cell by cell."""
    rows = [line for line in text.splitlines() if line.startswith("| ") and unescaped_pipes(line) == 5]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return [row for row in cells if row[0] not in ("claim", "---")]


def test_a_page_tells_claim_judgement_rule_cells_and_mechanism() -> None:
    told = report(replace(BUFFERS, because={"confirmed": "compression (vercel/next.js, router-server.ts)"}))
    text = page(entry([APP, PROXY, WHOLE], told))
    ((claim, judgement, cells, why),) = claims_of(text)
    assert claim == "the dev proxy buffers (*Root Cause*)"
    assert judgement.startswith("**confirmed**<br>")
    assert "Rule: the verdict is buffered, in `nextjs:*/none/*`" in judgement
    assert cells == f"`{PROXY.id}` buffered<br>`{WHOLE.id}` buffered"
    assert why == "compression (vercel/next.js, router-server.ts)"
    ((nowhere, *_),) = claims_of(page(entry([PROXY], report(replace(BUFFERS, where="")))))
    assert nowhere == "the dev proxy buffers"
    assert "**Real cause, as measured:** Found in the dev proxy alone: buffered" in text
    assert "**Cheapest fix that works:** No mitigation was tried" in text
    assert "**Set-up:** `nextjs:dev>asgi:plain`; `short`: 24 tokens of 64 B" in text
    assert "Measured 2025-11-21 08:22 UTC" in text
    scaled = page(entry([APP, PROXY, WHOLE], replace(told, scale="a tenth of it")))
    assert "\n**Scale:** a tenth of it\n" in scaled
    assert "**Scale:**" not in text


def test_where_the_symptom_was_not_judged_the_set_up_is_that_of_what_was_measured_through_any_chain() -> None:
    gone = replace(WHOLE, verdict=None, outcome="unavailable", reason="no Node.js")
    control = result(cell("direct"), "streamed")
    assert "**Set-up:** `asgi:plain`, `nextjs:dev`; `short`: " in page(entry([control, APP, PROXY]))
    assert "**Set-up:** not measured.\n" in page(entry([control]))
    assert "**Set-up:** `nextjs:dev>asgi:plain`; " in page(entry([control, gone]))


def test_why_a_claim_is_not_testable_follows_its_judgement() -> None:
    ((_, judgement, _, _),) = claims_of(page(entry([WHOLE], report(Claim("x", untestable="no such network")))))
    assert judgement == "**not testable here**: no such network"


def test_the_summary_counts_judgements_and_leads_to_each_report() -> None:
    claims = [BUFFERS, replace(BUFFERS, verdict=("streamed",)), Claim("x", untestable="y"), Claim("z", untestable="y")]
    text = page(entry([APP, PROXY, WHOLE], report(*claims)))
    (row,) = [line for line in text.splitlines() if line.startswith("| [")]
    assert row.startswith("| [field report 999: A sample matrix](#999-sample) | 1 | 1 | 0 | 2 | the dev proxy alone")
    assert '<a id="999-sample"></a>' in text


def test_a_question_of_ours_is_told_as_ours_and_not_counted() -> None:
    one = entry([APP, PROXY, WHOLE], report(BUFFERS, replace(BUFFERS, claim="does it?", ours=True)))
    text = page(one)
    assert [row[0] for row in claims_of(text)] == [
        "the dev proxy buffers (*Root Cause*)",
        "does it? (*Root Cause*) (ours)",
    ]
    assert "](#999-sample) | 1 | 0 | 0 | 0 |" in text
    shown = terminal(one)
    assert "  does it? (Root Cause) (ours)\n    confirmed\n" in shown
    assert shown.endswith("1 claim: 1 confirmed; beside them 1 question of ours.\n")
    only = entry([WHOLE], report(replace(BUFFERS, ours=True)))
    assert terminal(only).endswith("0 claims; beside them 1 question of ours.\n")


def test_a_cell_with_an_emulated_hop_is_marked_wherever_a_claim_names_it() -> None:
    played = [result(cell("cloudrun:report"), "coalesced", facts=replace(PLAYED, unguarded=True))]
    played += [result(cell("cloudrun:other"), None, outcome="unstable", reason="once so", facts=PLAYED)]
    told = report(Claim("x", cells=("*",), verdict=("coalesced",)), symptom=("cloudrun:*",), parts=())
    one = entry([*played, APP], told)
    ((_, _, cells, _),) = claims_of(page(one))
    assert f"`{played[0].id}` (emulator) coalesced<br>" in cells
    assert f"`{played[1].id}` (emulator) unstable: once so" in cells
    assert f"`{APP.id}` streamed" in cells
    shown = terminal(one)
    assert f"holds: {played[0].id} (emulator)  coalesced\n" in shown
    assert f"not judged: {played[1].id} (emulator)\n        unstable: once so\n" in shown
    assert f"does not: {APP.id}  streamed\n" in shown
    assert f"| `{played[0].id}` (emulator) | coalesced |" in page(one)


def test_a_claim_that_depends_shows_cells_of_both_sides_and_many_cells_are_cut() -> None:
    held = [result(cell("nextjs:dev", name), "buffered") for name in ("", *"abcdefg") if name]
    text = page(entry([*held, APP, WHOLE], report(Claim("x", cells=("*",), verdict=("buffered",)))))
    ((_, judgement, cells, _),) = claims_of(text)
    assert judgement.startswith("**depends on ")
    assert cells.count("` buffered") == 4
    assert "and 4 more<br>*does not hold:*<br>" in cells
    assert f"`{APP.id}` streamed" in cells


@pytest.mark.parametrize("more", [0, 1, 3])
@pytest.mark.parametrize("judged", [True, False], ids=["judged", "not judged"])
@pytest.mark.parametrize(
    ("shown_on", "most"),
    [(lambda one: claims_of(page(one))[0][2], ledger.FINDINGS_SHOWN), (terminal, on_terminal.FINDINGS_SHOWN)],
    ids=["page", "terminal"],
)
def test_so_many_cells_are_named_and_of_more_their_number(
    shown_on: Callable[[Entry], str], most: int, judged: bool, more: int
) -> None:
    known, gone = {"verdict": "buffered"}, {"verdict": None, "outcome": "unavailable", "reason": "no Node.js"}
    cells = [result(cell(f"nextjs:v{each}"), **(known if judged else gone)) for each in range(most + more)]
    shown = shown_on(entry([PROXY, *cells] if not judged else cells, report(BUFFERS)))
    assert [one.id in shown for one in cells] == [True] * most + [False] * more
    assert re.findall(r"and (\d+) more", shown) == ([str(more)] if more else [])


def test_where_no_cell_of_a_claim_was_judged_its_judgement_alone_says_why() -> None:
    gone = replace(PROXY, verdict=None, outcome="unavailable", reason="no Node.js")
    told = terminal(entry([gone], report(BUFFERS)))
    assert "not testable here: unavailable: no Node.js" in told
    assert "not judged:" not in told


def test_a_cell_that_was_not_judged_is_named_on_page_and_terminal_even_if_the_claim_is_confirmed() -> None:
    shaky = result(cell("nextjs:prod"), "streamed", outcome="unstable", reason="once streamed, once buffered")
    one = entry([PROXY, WHOLE, shaky])
    ((_, judgement, cells, _),) = claims_of(page(one))
    assert judgement.startswith("**confirmed**")
    assert cells.endswith(f"*not judged:*<br>`{shaky.id}` unstable: once streamed, once buffered")
    assert f"      not judged: {shaky.id}\n        unstable: once streamed, once buffered\n" in terminal(one)


def test_what_a_cell_shows_is_what_the_claim_is_about() -> None:
    fixed = tried(
        "no-cache",
        "streamed",
        "defeats",
        metrics=metrics(ttft_ms=810.0, hold_max_ms=41_250.0),
        facts=Facts(sampled_after=5, answered_by="hop"),
    )
    shown = {
        "defeats (streamed)": {"effect": ("defeats",)},
        "ttft_ms 810 ms, 2 times the baseline's 405 ms": {
            "limits": (Limit("ttft_ms", at_most_times=3, of="baseline"),)
        },
        "ttft_ms 810 ms, 1.96 % of hold_max_ms 41.2 s": {
            "limits": (Limit("ttft_ms", at_most_share=0.5, of="hold_max_ms"),)
        },
        "ttft_ms 810 ms, reads 1": {"limits": (Limit("ttft_ms", at_most=1), Limit("reads", at_most=1))},
        "lockstep: time was up after 5 tokens; the rest was sent without waiting": {
            "facts": (FactRule("sampled_after"),)
        },
        "the chain left no pulse unanswered; a hop answered by itself": {
            "facts": (FactRule("unguarded"), FactRule("answered_by", answerers=("hop",)))
        },
        "streamed, nothing held": {"released_by": ("end",)},
    }
    for text, condition in shown.items():
        (judged,) = judge(report(Claim("x", cells=("*/no-cache/*",), **condition)), [WHOLE, fixed])  # type: ignore[arg-type]
        assert [claim_words.shown(judged.claim, one) for one in judged.findings] == [text]


def test_of_a_claim_about_readers_it_is_what_each_of_them_shows() -> None:
    by_curl = result(replace(WHOLE.cell, client="curl"), "broken")
    (judged,) = judge(report(Claim("x", cells=("*",), readers="disagree")), [WHOLE, by_curl])
    assert [claim_words.shown(judged.claim, one) for one in judged.findings] == ["aiohttp: buffered; curl: broken"]


def test_a_figure_is_no_number_of_times_one_that_is_0() -> None:
    slow = tried("no-cache", "delayed", "harms", metrics=metrics(over_control_ms=60.0))
    claim = Claim("x", cells=("*/no-cache/*",), limits=(Limit("over_control_ms", at_most_times=3, of="baseline"),))
    (judged,) = judge(report(claim), [replace(WHOLE, metrics=metrics(over_control_ms=0.0)), slow])
    (finding,) = judged.findings
    assert claim_words.shown(claim, finding) == "over_control_ms 60.0 ms, against the baseline's 0.00 ms"


def test_the_signature_has_the_figures_of_the_cells_that_show_the_symptom() -> None:
    figures = metrics(ttfb_ms=3.0, ttft_ms=6020.0, reads=2, burst_tokens_max=23)
    text = page(entry([replace(WHOLE, metrics=figures), APP]))
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{WHOLE.id}` |")]
    assert [part in line for part in ("3.00 ms", "6020 ms", "| 2 |", "| 23 |")] == [True] * 4


LOCKSTEP = "Times in lockstep are the harness's waits, not the chain's pace."


def signature(text: str) -> str:
    return text.split("The symptom's signature:")[1].split("<sub>")[0]


def test_the_signature_is_of_paced_streams_where_there_are_any() -> None:
    paced = result(replace(WHOLE.cell, pace="paced"), "buffered")
    other = result(replace(WHOLE.cell, request="browser"), "buffered")
    for symptom in ("nextjs:dev>*/lockstep", "nextjs:dev>*"):
        shown = signature(page(entry([WHOLE, paced], report(symptom=(symptom,)))))
        assert shown.count(f"| `{paced.id}` |") == 1
        assert WHOLE.id not in shown
        assert LOCKSTEP not in shown
        both = signature(page(entry([WHOLE, paced, other], report(symptom=(symptom,)))))
        assert (paced.id in both, WHOLE.id in both, other.id in both) == (True, False, True)
        assert LOCKSTEP in both
    dead = replace(paced, outcome="error", verdict=None, metrics=None, reason="it died")
    silent = replace(WHOLE, verdict="broken", metrics=metrics(ttfb_ms=None))
    assert LOCKSTEP not in signature(page(entry([silent])))
    assert "signature" not in page(entry([replace(WHOLE, metrics=None)]))
    alone = signature(page(entry([WHOLE, dead])))
    assert f"| `{WHOLE.id}` |" in alone
    assert LOCKSTEP in alone


@pytest.mark.parametrize(("cells", "more"), [(12, ""), (13, "and 1 more cell\n"), (14, "and 2 more cells\n")])
def test_the_signature_has_room_for_a_dozen_cells_and_tells_how_many_more_there_are(cells: int, more: str) -> None:
    held = [result(cell(f"nextjs:dev>asgi:v{number:02}"), "buffered") for number in range(cells)]
    told = signature(page(entry(held)))
    assert [one.id for one in held if f"| `{one.id}` |" in told] == [one.id for one in held[:12]]
    assert ("more cell" in told, more in told) == (bool(more), True)


def test_a_run_that_did_not_finish_says_so() -> None:
    one = entry([WHOLE], cells=9, finished_at=None)
    expected = "The run did not finish: what is said rests on 1 of 9 cells."
    assert expected in page(one)
    assert expected in terminal(one)
    over = page(entry([WHOLE], cells=9))
    assert [words for words in ("did not finish", "****") if words in over] == []


def test_what_could_not_be_measured_is_named() -> None:
    text = page(entry(matrix()))
    assert "Unavailable here: 2 cells (`nextjs:dev>nginx:default/" in text
    assert "Errors of the harness: 1 cell" in text
    assert re.search(r"\n- [^\n]+\n\n<sub>", text), "the line below the list is no part of it"


def test_a_title_that_says_who_tells_it_is_not_told_twice() -> None:
    assert entry([], title="Field report 999: the app").title == "Field report 999: the app"
    assert entry([], title="The app").title == "field report 999: The app"


def test_page_and_terminal_have_no_hole_where_there_is_nothing_to_say() -> None:
    """Neither where a claim stands in the report, nor anything that could not be measured."""
    one = entry([PROXY, WHOLE], report(Claim("It buffers.", cells=("*",), verdict=("buffered",))))
    assert "\n\n\n" not in page(one)
    assert [text for text in (page(one), terminal(one)) if "None" in text or "()" in text] == []


def test_a_page_without_reports_is_a_page() -> None:
    assert page().endswith("|\n")


def test_texts_that_would_break_out_of_the_page_do_not() -> None:
    claims = (
        Claim(EVIL, EVIL, ("*",), verdict=("buffered",), because={"depends": EVIL}),
        Claim(EVIL, cells=("nothing`|*",), verdict=("buffered",)),
        Claim(EVIL, untestable=EVIL),
    )
    told = report(*claims, scale=EVIL, parts=(Part(EVIL, ("nextjs:*",)),))
    told = replace(told, source=EVIL, story=f"# {EVIL}")
    results = [replace(WHOLE, reason=EVIL), replace(PROXY, outcome="unstable", reason=EVIL), APP]
    text = page(entry(results, told, title=EVIL, name=EVIL))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    signature = 3 + len(ledger.FIGURES)
    assert {unescaped_pipes(row) for row in rows} == {8, 5, signature}
    assert "<script>" not in text
    assert [line for line in text.splitlines() if line.startswith("#")][2:] == []
    assert terminal(entry(results, told, title=EVIL))


# ---------------------------------------------------------------- on a terminal


def test_the_terminal_tells_claims_judgements_ids_cause_and_fix() -> None:
    lines = terminal(entry([APP, PROXY, WHOLE])).splitlines()
    assert lines[0] == "field report 999: A sample matrix"
    assert lines[1:5] == [
        "  the dev proxy buffers (Root Cause)",
        "    confirmed",
        f"      {PROXY.id}  buffered",
        f"      {WHOLE.id}  buffered",
    ]
    assert any(line.startswith("real cause    Found in the dev proxy alone: buffered") for line in lines)
    assert any(line.startswith("cheapest fix  No mitigation was tried") for line in lines)
    assert lines[-1] == "1 claim: 1 confirmed."


def test_the_terminal_tells_the_exit_status_to_who_says_what_is_required() -> None:
    one = entry([APP, PROXY, WHOLE])
    console = Console(file=io.StringIO(), width=100, color_system=None, _environ={})
    with console.capture() as capture:
        console.print(ClaimReport(one, Required()), soft_wrap=True)
    assert "Exit status 0" in capture.get()
    assert "Exit status" not in terminal(one)


def test_no_line_on_a_terminal_is_wider_than_it_but_for_ids() -> None:
    text = terminal(entry(layer("nextjs:dev"), report(symptom=("nextjs:dev/*/none/*",))), width=60)
    assert [line for line in text.splitlines() if len(line) > 60 and "/lockstep" not in line] == []


# ---------------------------------------------------------------- of a stored run


def stored(text: str) -> RunInfo:
    return run_info(matrix_text=text, matrix_file="m.yaml")


def test_an_entry_is_made_from_what_a_run_has_kept() -> None:
    text = "report: {source: us, story: x, symptom: '*', claims: [{claim: c, cells: '*', verdict: buffered}]}"
    made = ledger.entry(stored(text), [WHOLE])
    assert made
    assert made.judged[0].kind == "confirmed"
    assert ledger.entry(stored("title: x"), [WHOLE]) is None
