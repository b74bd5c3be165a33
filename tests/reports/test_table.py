"""The shaping that all renderers share: rows, columns, marks, order, and what is said about them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from harness.model import Effect, Expectation, Facts, Fault, Outcome, Result, Verdict
from harness.reports import RENDERERS, terminal
from harness.reports.answers import answers, at_ease, controls, labels
from harness.reports.summary import Kind, Required, exit_status, line, problems
from harness.reports.table import by_cost, tabulate
from tests.reports.samples import CATALOGUE, LONG, PLAYED, cell, layer, matrix, metrics, result, run_info


def test_one_row_per_layer_one_column_per_mitigation() -> None:
    table = tabulate(layer() + layer(request="browser"), CATALOGUE)
    assert [row.value("request") for row in table.rows] == ["curl", "browser"]
    assert [c.name for c in table.columns] == [
        "x-accel-buffering",
        "no-cache",
        "pad-2k",
        "pad-16k-random",
        "bypass-proxy",
    ]
    assert [table.rows[0].mark(c) for c in table.columns] == [
        "defeats",
        "no effect",
        "reduces",
        "defeats",
        "defeats",
    ]
    assert table.rows[0].status == "buffered"


def test_the_order_of_results_does_not_matter() -> None:
    assert tabulate(matrix(), CATALOGUE).rows == tabulate(matrix()[::-1], CATALOGUE).rows


def test_what_defeats_a_layer_comes_cheapest_first() -> None:
    def defeats(name: str, wire_bytes: int) -> None:
        found.append(result(cell("nginx:default", name), "streamed", "defeats", metrics=metrics(wire_bytes=wire_bytes)))

    found = [result(cell())]
    for name, wire_bytes in [("bypass-proxy", 1), ("pad-16k-random", 90), ("pad-2k", 100), ("no-cache", 200)]:
        defeats(name, wire_bytes)
    (row,) = tabulate(found, CATALOGUE).rows
    assert [column.name for column in row.defeats] == ["no-cache", "pad-16k-random", "pad-2k", "bypass-proxy"]
    assert by_cost(row.defeats)["bytes"] == ["pad-16k-random", "pad-2k"]


def test_mitigations_applied_together_are_a_column_as_dear_as_the_dearest() -> None:
    together = result(cell("nginx:default", "no-cache", "pad-2k"), "streamed", "defeats")
    table = tabulate([*layer(), together], CATALOGUE)
    assert [c.name for c in table.columns if c.cost == "bytes"] == ["pad-2k", "pad-16k-random", "no-cache+pad-2k"]


def test_a_mitigation_that_the_catalogue_does_not_know_counts_as_dear() -> None:
    table = tabulate([result(cell("nginx:default", "mine"), "streamed", "defeats")], CATALOGUE)
    assert table.columns[0].cost == "architecture"
    assert table.rows[0].status == "not run"


@pytest.mark.parametrize("outcome", ["unstable", "too short", "blocked", "unavailable", "error"])
def test_what_was_not_judged_has_no_effect_of_its_own(outcome: Outcome) -> None:
    tried = result(cell("nginx:default", "no-cache"), "buffered", "no effect", outcome=outcome)
    (row,) = tabulate([result(cell()), tried], CATALOGUE).rows
    assert row.mark(tabulate([tried], CATALOGUE).columns[0]) == "unknown"


def test_plain_direct_streams_are_controls_and_mitigated_ones_a_layer() -> None:
    only = tabulate([result(cell("direct"), "streamed")], CATALOGUE)
    assert not only.rows
    assert controls(only) == "Controls: 1 of 1 direct stream streamed."
    harmed = result(cell("direct", "pad-2k"), "broken", "harms")
    assert tabulate([result(cell("direct"), "streamed"), harmed], CATALOGUE).rows[0].chain == "direct"


def test_real_proxies_come_before_emulated_ones_and_short_chains_first() -> None:
    rows = tabulate(matrix(), CATALOGUE).rows
    chains = list(dict.fromkeys(row.chain for row in rows))
    assert chains[0] == "nginx:default"
    assert chains[-2:] == ["cloudrun:report", "nextjs:dev>nginx:default"]
    assert rows[-2].emulates == PLAYED.emulates


def test_an_axis_is_shown_when_layers_differ_on_it() -> None:
    assert tabulate(layer(), CATALOGUE).axes == ("request", "body")
    assert tabulate(layer() + layer(workload=LONG), CATALOGUE).axes == ("request", "body", "workload")
    assert tabulate(layer() + layer(pace="paced"), CATALOGUE).axes == ("request", "body", "pace")
    assert tabulate(layer(), CATALOGUE).shared == "format sse, workload short, client aiohttp, pace lockstep"


def test_layers_that_behave_alike_are_told_together() -> None:
    told = answers(tabulate(layer() + layer(request="browser") + layer("nginx:http11"), CATALOGUE))
    assert [(answer.chain, answer.layers) for answer in told] == [
        ("nginx:default", "curl/browser chunked"),
        ("nginx:http11", "curl chunked"),
    ]


def test_layers_that_are_not_all_combinations_are_named_one_by_one() -> None:
    table = tabulate(layer() + layer(request="browser", body="close"), CATALOGUE)
    assert labels(table.rows, table.axes) == "curl chunked, browser close"


def test_a_layer_that_streams_is_at_ease_unless_something_harms_it() -> None:
    streams = [result(cell("nginx:http11"), "streamed"), result(cell("nginx:cached"), "streamed")]
    harmed = result(cell("nginx:cached", "pad-2k"), "buffered", "harms")
    table = tabulate([*streams, harmed], CATALOGUE)
    assert at_ease(table) == {"nginx:http11": ""}
    assert [answer.harms[0].name for answer in answers(table)] == ["pad-2k"]


def test_what_could_not_be_judged_does_not_count_as_tried() -> None:
    judged = result(cell("nginx:default", "no-cache"), "buffered", "no effect")
    blocked = result(cell("nginx:default", "pad-2k"), None, outcome="blocked")
    (answer,) = answers(tabulate([result(cell()), judged, blocked], CATALOGUE))
    assert (answer.defeats, answer.tried) == ((), 1)


def test_what_is_said_where_nothing_defeats_a_layer() -> None:
    def said(*results: Result) -> str:
        (answer,) = answers(tabulate(results, CATALOGUE))
        return answer.undefeated

    tried = [result(cell("nginx:default", name), "buffered", "no effect") for name in ("no-cache", "pad-2k")]
    assert said(result(cell())) == ""
    assert said(result(cell()), tried[0]) == "nothing that was tried (1 mitigation)"
    assert said(result(cell()), *tried) == "nothing that was tried (2 mitigations)"
    harmed = result(cell("nginx:default", "no-cache"), "buffered", "harms")
    assert said(result(cell(), "streamed"), harmed) == "not needed: it holds nothing"


def test_chains_whose_streams_were_cut_short_are_named() -> None:
    slow = [replace(some, facts=Facts(sampled_after=5)) for some in layer()[:2]]
    assert tabulate([*slow, *layer()[2:], *layer("nginx:http11")], CATALOGUE).sampled == "nginx:default (2 cells)"
    assert tabulate(layer(), CATALOGUE).sampled == ""


def test_a_layer_that_did_not_run_has_no_answer() -> None:
    gone = result(cell(), None, outcome="unavailable", reason="no nginx")
    table = tabulate([gone], CATALOGUE)
    assert not answers(table)
    assert not at_ease(table)


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ([], 5),
        (["pass", "observed", "unavailable"], 0),
        (["pass", "fail"], 1),
        (["unstable"], 3),
        (["unavailable"], 3),
        (["unavailable", "unavailable"], 3),
        (["unavailable", "fail"], 1),
        (["broken", "pass"], 1),
        (["broken", "proxy"], 3),
        (["fail", "configuration"], 2),
        (["configuration", "proxy"], 3),
        (["fail", "harness"], 3),
        (["fail", "error"], 3),
        (["blocked", "configuration"], 3),
        (["too short", "pass"], 0),
        (["too short", "unstable"], 3),
    ],
)
def test_exit_status(ended: list[Kind], status: int) -> None:
    assert exit_status(run_info(), list(map(ending, ended))) == status


def test_an_expectation_of_what_is_too_short_to_tell_could_not_be_judged() -> None:
    short = replace(ending("too short"), verdict=None, expectation=Expectation("*", "it must stream", ("streamed",)))
    assert exit_status(run_info(), [short, ending("fail")]) == 3
    assert line(run_info(), [short]).endswith("Exit status 3: an expectation could not be judged.")


def ending(kind: Kind) -> Result:
    """A cell that ended so; an error by whose fault it is."""
    if kind == "broken":
        return result(cell(), "broken", outcome="fail", reason="status 404")
    at_fault = kind in get_args(Fault)
    return result(cell(), outcome="error" if at_fault else kind, fault=kind if at_fault else None)


def test_what_is_required_has_to_be_available() -> None:
    gone, some = ending("unavailable"), ending("pass")
    assert exit_status(run_info(), [gone, some], Required(["another"])) == 0
    for required in (Required([gone.id]), Required(["nginx"]), Required(["aiohttp"]), Required(everything=True)):
        assert exit_status(run_info(), [gone, some], required) == 3
        assert exit_status(run_info(), [some], required) == 0
        assert line(run_info(), [gone, some], required).endswith(
            "Exit status 3: 1 cell that had to be measured cannot run here."
        )


def test_controls_alone_are_no_success_if_more_was_asked_for() -> None:
    control = result(cell("direct"), "streamed", outcome="pass")
    assert exit_status(run_info(), [control]) == 0
    assert exit_status(run_info(), [control, ending("unavailable")]) == 3
    assert exit_status(run_info(), [control, ending("unavailable"), ending("observed")]) == 0
    told = line(run_info(), [control, ending("unavailable")])
    assert told == "2 cells: 1 pass, 1 unavailable. Exit status 3: no cell with a hop could be measured."


@pytest.mark.parametrize("name", ["terminal", "markdown", "html"])
def test_a_run_that_did_not_finish_is_never_as_expected(name: str) -> None:
    killed, some = run_info(finished_at=None, cells=9), [ending("pass")]
    assert exit_status(killed, some) == 3
    assert exit_status(killed, []) == 3
    assert exit_status(replace(killed, cells=1), some) == 0
    text = "".join(RENDERERS[name](killed, some))
    assert "1 of 9 cells: 1 pass. Exit status 3: the run did not finish." in text
    assert "as expected" not in text


def test_the_summary_counts_and_says_what_the_exit_status_means() -> None:
    some = [ending("pass"), ending("fail")]
    assert line(run_info(), some) == "2 cells: 1 pass, 1 fail. Exit status 1: an expectation failed."
    assert line(run_info(), []) == "0 cells. Exit status 5: nothing was selected."
    told = line(run_info(), [ending("pass"), ending("unavailable")])
    assert told.endswith("Exit status 0: what can run here is as expected, 1 cell cannot.")
    assert line(run_info(), [ending("unstable")]).endswith("Exit status 3: a cell was unstable.")


def test_what_is_held_is_not_as_expected_where_nobody_expects_anything() -> None:
    held, passes = ending("observed"), replace(ending("pass"), expectation=Expectation("*", "it must"))
    assert line(run_info(), [held]).endswith("Exit status 0: buffered; nothing was expected of it.")
    assert line(run_info(), [held, held]).endswith("Exit status 0: nothing was expected of 2 cells that hold tokens.")
    assert line(run_info(), [held, passes]).endswith("Exit status 0: all that was expected is so.")
    gone = line(run_info(), [held, ending("unavailable")])
    assert gone.endswith("Exit status 0: buffered; nothing was expected of it; 1 cell cannot run here.")
    streams = result(cell(), "streamed")
    assert line(run_info(), [streams]).endswith("Exit status 0: everything as expected.")
    assert terminal.single(held, None).plain == "observed: buffered; nothing was expected of it"
    assert "nothing" not in terminal.single(streams, None).plain + terminal.single(passes, None).plain


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (["broken"], "1 layer is broken: nothing could be measured through it"),
        (["broken", "broken", "observed"], "2 layers are broken: nothing could be measured through them"),
        (["broken", "fail"], "an expectation failed; 1 layer is broken: nothing could be measured through it"),
    ],
)
def test_a_run_that_is_not_as_it_should_be_says_in_which_way(ended: list[Kind], told: str) -> None:
    assert line(run_info(), list(map(ending, ended))).endswith(f". Exit status 1: {told}.")


def test_a_broken_layer_is_a_problem_of_its_own_and_one_that_fails_an_expectation_is_not() -> None:
    expected = Expectation("*", "it must", ("streamed",))
    found = problems(run_info(), [ending("broken"), replace(ending("broken"), reason="else", expectation=expected)])
    assert {kind: [problem.reason for problem in told] for kind, told in found.items()} == {
        "fail": ["else"],
        "broken": ["status 404"],
    }


def broken_layer(*more: Result) -> list[Result]:
    """A layer through which nothing comes, with two mitigations that change nothing about it."""
    tried = [result(cell("nginx:default", name), "broken") for name in ("no-cache", "pad-2k")]
    return [ending("broken"), *tried, *more]


def test_a_broken_layer_is_told_with_its_reason_and_not_as_one_that_nothing_defeats() -> None:
    table = tabulate(broken_layer(), CATALOGUE)
    (answer,) = answers(table)
    assert (answer.status, answer.reason) == ("broken", "status 404; broken with 2 mitigations, too")
    assert (answer.undefeated, table.marks) == ("", ["unknown"])


@pytest.mark.parametrize(("verdict", "effect"), [("streamed", "defeats"), ("buffered", "reduces")])
def test_a_mitigation_that_mends_a_broken_layer_counts(verdict: Verdict, effect: Effect) -> None:
    mending = result(cell("nginx:default", "x-accel-buffering"), verdict, effect)
    (answer,) = answers(tabulate(broken_layer(mending), CATALOGUE))
    mended = {"defeats": answer.defeats, "reduces": answer.reduces}
    assert {name for name, columns in mended.items() if columns} == {effect}
    assert answer.undefeated == ""


@pytest.mark.parametrize("name", RENDERERS)
def test_no_report_calls_a_broken_layer_undefeated(name: str) -> None:
    text = "".join(RENDERERS[name](run_info(), broken_layer()))
    assert "nothing that was tried" not in text
    assert "status 404" in text


def test_errors_are_listed_by_whose_they_are() -> None:
    some = [ending("harness"), ending("configuration"), ending("proxy"), ending("error")]
    found = problems(run_info(), [replace(one, reason=str(n)) for n, one in enumerate(some)])
    assert {kind: [problem.reason for problem in told] for kind, told in found.items()} == {
        "configuration": ["1"],
        "proxy": ["2"],
        "harness": ["0", "3"],
    }


def test_problems_with_one_reason_are_told_once_and_a_failure_with_its_why() -> None:
    found = problems(run_info(), matrix())
    assert list(found) == ["fail", "unstable", "harness", "blocked", "too short", "unavailable"]
    assert len(found["unavailable"]) == 1
    assert len(found["unavailable"][0].cells) == 2
    (failure,) = found["fail"]
    assert failure.reason == "expected effect no effect, got defeats"
    assert failure.why == "it is told to ignore the header"


def test_a_result_without_figures_is_no_stumbling_block() -> None:
    bare = [replace(some, metrics=None) for some in layer()]
    assert tabulate(bare, CATALOGUE).rows[0].defeats
