"""The real cause of a report's symptom and the cheapest fix: computed from the cells, whatever was believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.claims import Part
from harness.model import Result
from harness.reports import causes
from tests.reports.reporting import APP, PARTS, PROXY, WHOLE, report, tried
from tests.reports.samples import CATALOGUE, cell, metrics, result

# ---------------------------------------------------------------- the real cause


def cause(results: Sequence[Result], **others: Any) -> causes.Told:
    return causes.cause(report(**others), results)


def test_the_part_that_holds_is_the_cause_and_the_others_are_said_to_stream() -> None:
    told = cause([APP, PROXY, WHOLE])
    assert told.short == "the dev proxy alone (buffered)"
    reason = "from token 0 on, nothing came before the end"
    assert told.sentences == f"Found in the dev proxy alone: buffered ({reason}). Streamed alone: the app alone."


def test_two_parts_that_hold_are_both_the_cause() -> None:
    told = cause([replace(APP, verdict="coalesced"), PROXY, WHOLE])
    assert told.short == "the app alone (coalesced); the dev proxy alone (buffered)"


def test_what_holds_but_is_not_of_the_chain_is_told_beside_the_cause() -> None:
    other = result(cell("asgi:queue-starved"), "buffered", reason="its loop is busy")
    by_awk = result(cell("direct", client="curl-awk"), "coalesced", reason="awk reads blocks")
    more = (*PARTS, Part("a starved queue", ("asgi:queue-*",)), Part("awk", ("direct/*",)))
    told = cause([APP, PROXY, WHOLE, other, by_awk], parts=more)
    assert told.short == "the dev proxy alone (buffered)"
    assert "Buffered (its loop is busy) elsewhere: a starved queue." in told.sentences
    assert "Coalesced (awk reads blocks) elsewhere: awk." in told.sentences
    reading = replace(WHOLE.cell, client="curl-awk")
    assert "awk (coalesced)" in cause([APP, PROXY, result(reading, "buffered"), by_awk], parts=more).short


def test_parts_that_stream_alone_hold_together() -> None:
    told = cause([APP, replace(PROXY, verdict="streamed", reason="it came"), WHOLE])
    assert told.short == "only the parts together"
    assert "Streamed alone: the app alone; the dev proxy alone." in told.sentences


def test_parts_that_leave_a_hop_out_do_not_say_that_it_is_all_of_them_together() -> None:
    told = cause([APP, WHOLE], parts=PARTS[:1])
    assert told.short == "buffered, in none of the parts that were judged"
    assert told.sentences.endswith("Streamed alone: the app alone.")


def test_a_part_that_could_not_be_judged_acquits_no_other() -> None:
    gone = replace(PROXY, verdict=None, outcome="unavailable", reason="no Node.js")
    told = cause([APP, gone, WHOLE])
    assert told.short == "buffered, in none of the parts that were judged"
    assert "Not judged (unavailable: no Node.js): the dev proxy alone." in told.sentences


def test_a_chain_that_was_not_taken_apart_says_so() -> None:
    assert cause([WHOLE], parts=()).short == "buffered, not taken apart"


def test_a_symptom_that_streams_here_could_not_be_reproduced_and_says_so_with_figures() -> None:
    here = replace(WHOLE, verdict="streamed", reason="every token came", metrics=metrics(ttft_ms=12.0, reads=24))
    told = cause([APP, PROXY, here])
    assert told.short == "could not be reproduced"
    assert f"Could not be reproduced: {WHOLE.id} streamed: every token came; " in told.sentences
    assert "first token 12.0 ms" in told.sentences
    assert "24 reads" in told.sentences
    assert "Buffered (from token 0 on, nothing came before the end) alone: the dev proxy alone." in told.sentences
    assert causes.fix(report(), [APP, PROXY, here], CATALOGUE).short == "none needed"


def test_a_symptom_that_shows_in_some_cells_only_says_in_which_not() -> None:
    other = result(replace(WHOLE.cell, request="browser"), "streamed")
    third = result(replace(WHOLE.cell, body="close"), None, outcome="unstable", reason="once so")
    told = cause([APP, PROXY, WHOLE, other, third])
    assert f"The symptom showed in 1 of 3 cells: {other.id} streamed; not judged: unstable: once so." in told.sentences


def test_a_symptom_that_could_not_be_judged_has_no_cause_and_no_fix() -> None:
    gone = [replace(WHOLE, verdict=None, outcome="unavailable", reason="no Node.js")]
    for told in (cause(gone), causes.fix(report(), gone, CATALOGUE)):
        assert told.short == "not testable here"
        assert "The symptom could not be judged: unavailable: no Node.js." in told.sentences
    assert "none of its cells was measured" in cause([]).sentences


# ---------------------------------------------------------------- the cheapest fix


def fix(*results: Result, base: Sequence[Result] = (WHOLE,)) -> causes.Told:
    return causes.fix(report(), [*base, *results], CATALOGUE)


def test_the_cheapest_fix_is_the_one_of_the_least_kind_of_cost() -> None:
    told = fix(
        tried("bypass-proxy", "streamed", "defeats"),
        tried("pad-2k", "streamed", "defeats"),
        tried("no-cache", "buffered", "no effect"),
        tried("accept-encoding-identity", "streamed", "defeats"),
    )
    assert told.short == "accept-encoding-identity (request)"
    assert "Defeated by accept-encoding-identity (request) in the cell that shows it." in told.sentences
    assert told.sentences.endswith("So it is by pad-2k (bytes); bypass-proxy (architecture).")


def test_of_fixes_of_one_kind_a_single_one_and_then_few_bytes_are_cheaper() -> None:
    small, large = metrics(wire_bytes=9), metrics(wire_bytes=900_000)
    told = fix(
        tried("no-cache+x-accel-buffering", "streamed", "defeats", metrics=small),
        tried("no-cache", "streamed", "defeats", metrics=large),
        tried("x-accel-buffering", "streamed", "defeats", metrics=small),
    )
    assert told.short == "x-accel-buffering (header)"
    assert told.sentences.endswith("So it is by no-cache, no-cache+x-accel-buffering (header).")


def test_a_fix_has_to_work_in_every_cell_that_shows_the_symptom() -> None:
    second = result(replace(WHOLE.cell, request="browser"), "buffered")
    told = fix(
        tried("no-cache", "streamed", "defeats"),
        tried("no-cache", "buffered", "no effect", of=second.cell),
        tried("bypass-proxy", "streamed", "defeats"),
        tried("bypass-proxy", "streamed", "defeats", of=second.cell),
        base=(WHOLE, second),
    )
    assert told.short == "bypass-proxy (architecture)"
    assert "in both cells that show it" in told.sentences


def test_where_no_fix_works_for_all_each_cell_is_told_its_own() -> None:
    second = result(replace(WHOLE.cell, request="browser"), "buffered")
    told = fix(
        tried("no-cache", "streamed", "defeats"),
        tried("pad-2k", "streamed", "defeats", of=second.cell),
        base=(WHOLE, second),
    )
    assert told.short == "none for all cells"
    assert f"{WHOLE.id}: no-cache" in told.sentences
    assert f"{second.id}: pad-2k" in told.sentences


def test_a_cell_of_the_symptom_on_which_nothing_was_tried_is_not_mended_by_what_mends_another() -> None:
    second = result(replace(WHOLE.cell, request="browser"), "buffered")
    assert fix(tried("no-cache", "streamed", "defeats"), base=(WHOLE, second)).short == "none for all cells"


def test_what_only_reduces_is_no_fix_but_is_told() -> None:
    told = fix(tried("pad-2k", "coalesced", "reduces"), tried("no-cache", "buffered", "no effect"))
    assert told.short == "none; pad-2k reduces it"
    assert told.sentences == (
        "Nothing that was tried (2 mitigations) defeats it in the cell that shows it. It is reduced by pad-2k (bytes)."
    )


def test_nothing_helps_and_nothing_tried_are_two_things() -> None:
    assert fix(tried("no-cache", "buffered", "no effect")).short == "none that was tried"
    assert fix().short == "none was tried"


def test_a_fix_that_could_not_be_judged_is_named() -> None:
    shaky = tried("no-cache", "streamed", None, outcome="unstable", reason="once so")
    told = fix(shaky, tried("bypass-proxy", "streamed", "defeats"))
    assert told.short == "bypass-proxy (architecture)"
    assert told.sentences.endswith("Not judged everywhere: no-cache.")
