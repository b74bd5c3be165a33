"""The real cause of a report's symptom and the cheapest fix: computed from the cells, whatever was believed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest

from harness.claims import causes
from harness.model import Body, Facts, Part, Result, Verdict
from tests.reports.reporting import APP, PARTS, PROXY, WHOLE, report, tried
from tests.reports.samples import CATALOGUE, cell, metrics, result

# ---------------------------------------------------------------- the real cause


def cause(results: Sequence[Result], **others: Any) -> causes.Conclusion:
    return causes.cause(report(**others), results)


def test_the_part_that_holds_is_the_cause_and_the_others_are_said_to_stream() -> None:
    told = cause([APP, PROXY, WHOLE])
    assert told.short == "the dev proxy alone (buffered)"
    reason = "from token 0 on, nothing came before the end"
    assert told.sentences == f"Found in the dev proxy alone: buffered ({reason}). Streamed alone: the app alone."


def test_two_parts_that_hold_are_both_the_cause() -> None:
    told = cause([replace(APP, verdict="coalesced"), PROXY, WHOLE])
    assert told.short == "the app alone (coalesced); the dev proxy alone (buffered)"


@pytest.mark.parametrize("verdicts", [*itertools.permutations(("delayed", "coalesced", "buffered"))])
def test_the_verdicts_of_a_part_are_told_from_the_mildest_to_the_worst(verdicts: tuple[Verdict, ...]) -> None:
    cells = [result(replace(PROXY.cell, body=body), one) for body, one in zip(get_args(Body), verdicts, strict=True)]
    assert cause([APP, *cells, WHOLE]).short == "the dev proxy alone (delayed, coalesced or buffered)"


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
    unmeasured = cause([replace(here, metrics=None)], parts=())
    assert unmeasured.sentences == f"Could not be reproduced: {WHOLE.id} streamed: every token came."


def test_a_symptom_that_shows_in_some_cells_only_says_in_which_not() -> None:
    other = result(replace(WHOLE.cell, request="browser"), "streamed")
    third = result(replace(WHOLE.cell, body="close"), None, outcome="unstable", reason="once so")
    told = cause([APP, PROXY, WHOLE, other, third])
    fates = f"{other.id} streamed; {third.id} was not judged: unstable: once so."
    assert f"The symptom showed in 1 of 3 cells: {fates}" in told.sentences


EMULATED = result(cell("cloudrun:report"), "coalesced", facts=Facts(emulates=("report 002: Cloud Run holds 4 KB",)))
PLAYED = "is not measured: it follows from the claim that the emulator plays (report 002: Cloud Run holds 4 KB)."


def test_what_an_emulator_holds_is_told_as_a_claim_that_it_plays() -> None:
    alone = (Part("Cloud Run", ("cloudrun:*",)),)
    told = cause([EMULATED], symptom=("cloudrun:*",), parts=alone)
    assert told.short == "Cloud Run (coalesced; plays report 002's claim)"
    assert told.sentences == f"Found in Cloud Run: coalesced (as seen). This {PLAYED}"
    untaken = cause([EMULATED], symptom=("cloudrun:*",), parts=())
    assert untaken.short == "coalesced; plays report 002's claim, not taken apart"
    assert f"This {PLAYED}" in untaken.sentences


def test_what_is_held_only_by_an_emulator_and_another_part_together_is_no_measurement_either() -> None:
    whole = result(cell("cloudrun:report>asgi:plain"), "buffered", facts=EMULATED.facts)
    parts = (Part("Cloud Run", ("cloudrun:report/*",)), Part("the app", ("asgi:*",)))
    told = cause([replace(EMULATED, verdict="streamed"), APP, whole], symptom=("cloudrun:report>*",), parts=parts)
    assert told.short == "only the parts together; plays report 002's claim"
    assert f"This {PLAYED}" in told.sentences
    assert "Streamed alone: Cloud Run (emulator); the app." in told.sentences


def test_what_is_measured_and_what_is_played_are_told_apart() -> None:
    parts = (Part("a gateway", ("nextjs:dev/*", "cloudrun:*")),)
    told = cause([PROXY, EMULATED], symptom=("nextjs:dev/*", "cloudrun:*"), parts=parts)
    assert told.short == "a gateway (coalesced or buffered)"
    assert f"Where a hop is emulated, this {PLAYED}" in told.sentences
    streaming = [replace(some, verdict="streamed") for some in (PROXY, EMULATED)]
    assert cause([*streaming, APP, WHOLE], parts=parts).sentences.endswith(" Streamed alone: a gateway.")
    real = cause([APP, PROXY, WHOLE])
    assert "emulat" not in real.short + real.sentences


@pytest.mark.parametrize(
    ("played", "whose"),
    [
        ("a buffer of ours", "a buffer of ours"),
        ("Google: it streams", "Google's claim"),
        ("users of tunnels: events are held", "users of tunnels' claim"),
    ],
)
def test_a_claim_is_told_by_who_makes_it_and_as_it_is_where_it_names_nobody(played: str, whose: str) -> None:
    one = replace(EMULATED, facts=Facts(emulates=(played,)))
    told = cause([one], symptom=("cloudrun:*",), parts=(Part("it", ("cloudrun:*",)),))
    assert told.short == f"it (coalesced; plays {whose})"


def test_a_part_whose_name_says_that_it_is_an_emulator_is_not_marked_as_one_again() -> None:
    parts = (Part("the Emulator alone", ("cloudrun:*",)), Part("Cloud Run", ("cloudrun:*",)))
    told = cause([PROXY, replace(EMULATED, verdict="streamed")], symptom=("nextjs:dev/*",), parts=parts)
    assert told.sentences.endswith("Streamed alone: the Emulator alone; Cloud Run (emulator).")


def test_a_fix_that_was_tried_on_an_emulator_says_so() -> None:
    padded = tried("pad-2k", "streamed", "defeats", of=EMULATED.cell)
    told = causes.fix(report(symptom=("cloudrun:*/none/*",)), [EMULATED, padded], CATALOGUE)
    assert told.short == "pad-2k (bytes)"
    assert told.sentences.endswith("All this is against an emulator (report 002: Cloud Run holds 4 KB).")
    both = causes.fix(report(symptom=("*/none/*",)), [EMULATED, padded, PROXY], CATALOGUE)
    assert both.sentences.endswith(" Some of this is against an emulator (report 002: Cloud Run holds 4 KB).")


def test_a_symptom_that_could_not_be_judged_has_no_cause_and_no_fix() -> None:
    gone = [replace(WHOLE, verdict=None, outcome="unavailable", reason="no Node.js")]
    for told in (cause(gone), causes.fix(report(), gone, CATALOGUE)):
        assert told.short == "not testable here"
        assert "The symptom could not be judged: unavailable: no Node.js." in told.sentences
    assert "none of its cells was measured" in cause([]).sentences


# ---------------------------------------------------------------- the cheapest fix


def fix(*results: Result, base: Sequence[Result] = (WHOLE,)) -> causes.Conclusion:
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


def test_a_fix_that_is_the_only_one_is_told_alone() -> None:
    told = fix(tried("no-cache", "buffered", "no effect"), tried("pad-2k", "streamed", "defeats"))
    assert told.sentences == "Defeated by pad-2k (bytes) in the cell that shows it."


def test_of_fixes_of_one_kind_a_single_one_and_then_few_bytes_are_cheaper() -> None:
    small, large = metrics(wire_bytes=9), metrics(wire_bytes=900_000)
    told = fix(
        tried("no-cache+x-accel-buffering", "streamed", "defeats", metrics=small),
        tried("no-cache", "streamed", "defeats", metrics=large),
        tried("x-accel-buffering", "streamed", "defeats", metrics=small),
    )
    assert told.short == "x-accel-buffering (header)"
    assert told.sentences.endswith("So it is by no-cache, no-cache+x-accel-buffering (header).")


def test_what_leaves_the_chain_is_no_fix_while_anything_else_works() -> None:
    around = replace(CATALOGUE["bypass-proxy"], chain="direct")
    catalogue = {**CATALOGUE, "bypass-proxy": around}
    bypass = tried("bypass-proxy", "streamed", "defeats")
    both = causes.fix(report(), [WHOLE, bypass, tried("delay-10ms", "streamed", "defeats")], catalogue)
    assert both.short == "delay-10ms (latency)"
    assert "bypass-proxy" not in both.sentences
    alone = causes.fix(report(), [WHOLE, bypass, tried("no-cache", "buffered", "no effect")], catalogue)
    assert alone.short == "bypass-proxy (architecture)"
    assert alone.sentences.startswith("Nothing within the chain that was tried defeats it. Defeated by bypass-proxy")


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


def test_what_reduces_it_in_some_cells_is_told_though_it_does_nothing_in_others() -> None:
    second = result(replace(WHOLE.cell, request="browser"), "buffered")
    rows = (tried("pad-2k", "coalesced", "reduces"), tried("pad-2k", "buffered", "no effect", of=second.cell))
    assert fix(*rows, base=(WHOLE, second)).short == "none; pad-2k reduces it"


def test_what_was_tried_elsewhere_was_not_tried_on_the_symptom() -> None:
    elsewhere = tried("pad-2k", "buffered", "no effect", of=PROXY.cell)
    told = fix(tried("no-cache", "buffered", "no effect"), elsewhere, base=(WHOLE, PROXY))
    assert told.sentences == "Nothing that was tried (1 mitigation) defeats it in the cell that shows it."


def test_nothing_helps_and_nothing_tried_are_two_things() -> None:
    assert fix(tried("no-cache", "buffered", "no effect")).short == "none that was tried"
    assert fix().short == "none was tried"


def test_a_fix_that_could_not_be_judged_is_named() -> None:
    shaky = tried("no-cache", "streamed", None, outcome="unstable", reason="once so")
    told = fix(shaky, tried("bypass-proxy", "streamed", "defeats"))
    assert told.short == "bypass-proxy (architecture)"
    assert told.sentences.endswith("Not judged everywhere: no-cache (unstable: once so).")


def test_a_fix_whose_effect_cannot_be_told_says_why() -> None:
    cors = tried("no-cache", "broken", None, reason="status 502; without the mitigation it is broken, too")
    told = causes.fix(report(), [replace(WHOLE, verdict="broken"), cors], CATALOGUE)
    assert told.sentences.endswith(
        "Not judged everywhere: no-cache (no effect can be told: broken with and without it)."
    )
    second = result(replace(WHOLE.cell, request="browser"), "buffered")
    for verdict in ("buffered", "broken"):
        untold = tried("no-cache", verdict, None, of=second.cell, reason="as it is")
        told = fix(tried("no-cache", "streamed", "defeats"), untold, base=(WHOLE, second))
        assert told.sentences.endswith("Not judged everywhere: no-cache (no effect can be told: as it is).")
