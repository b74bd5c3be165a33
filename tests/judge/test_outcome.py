"""What is made of verdicts: outcomes against expectations and controls, and ends of cells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge.outcome import as_in_lockstep, conclude, expected, outcome
from harness.judge.rejudge import rejudge
from harness.judge.verdict import assess
from harness.model import (
    Effect,
    Facts,
    Judgement,
    Outcome,
    Shows,
    Start,
    TurnedAway,
    Verdict,
)
from tests.factories import BUFFERED, expectation, figures, story
from tests.judge.assessed import (
    AT_THE_END,
    DELAYED,
    ONE_BY_ONE,
    STREAMED,
    assessed,
    coalesced,
    ruling,
    shaky,
)
from tests.reports.samples import cell, result


def test_judged_again_header_changes_are_those_of_the_stream_that_counts_last() -> None:
    first, last = (replace(story(STREAMED), headers=(("X-Take", take),)) for take in ("first", "last"))
    before = result(cell("direct"), "streamed")
    (again,) = rejudge([before], {before.id: [first, last]})
    assert [change.received for change in again.header_changes if change.name == "x-take"] == ["last"]


def test_an_assessment_measures_over_the_control() -> None:
    control = figures(story(DELAYED))
    assert assess([story(DELAYED)], control).judgement.verdict == "streamed"


@pytest.mark.parametrize(("words", "said"), [(None, ""), ("limiting requests", "; the log says: limiting requests")])
def test_who_lets_nothing_through_blocks_a_cell_with_what_its_log_says(words: str | None, said: str) -> None:
    away = Facts(turned_away=TurnedAway(3, 503, "nothing", words))
    ending, reason, _ = conclude(replace(ruling("broken"), facts=away), assessed(STREAMED), None, None)
    told = "because: a hop's own answer, also when it was asked again, alone and slowly"
    assert (ending, reason) == ("blocked", f"{told}{said}")


# ---------------------------------------------------------------- expectations


def test_the_last_expectation_that_matches_holds() -> None:
    rows = [expectation("*"), expectation("nginx:*"), expectation("nginx:default/ndjson/*")]
    assert expected("nginx:default/sse/chunked", rows) is rows[1]
    assert expected("direct/sse/chunked", rows) is rows[0]
    assert expected("direct/sse/chunked", rows[1:]) is None


def test_globs_keep_case_and_match_the_whole_id() -> None:
    assert expected("nginx:default/sse", [expectation("nginx:default")]) is None
    assert expected("nginx:default/sse", [expectation("NGINX:*")]) is None


def test_without_expectation_a_cell_is_observed() -> None:
    assert outcome("buffered", None, None, None) == ("observed", None)


def test_an_expectation_that_is_met_passes() -> None:
    both = expectation("*", verdict=("streamed", "delayed"), effect=("defeats",))
    assert outcome("delayed", AT_THE_END, "defeats", both) == ("pass", None)


def test_a_verdict_that_was_not_expected_fails_and_says_why_it_matters() -> None:
    told = outcome(
        "buffered", None, "no effect", expectation("*", verdict=("streamed", "delayed"), effect=("defeats",))
    )
    assert told == ("fail", "expected streamed or delayed, got buffered: because it must")


@pytest.mark.parametrize("got", ["no effect", None])
def test_an_effect_that_was_not_expected_fails(got: Effect | None) -> None:
    told = outcome("streamed", None, got, expectation("*", effect=("defeats", "reduces")))
    assert told == ("fail", f"expected effect defeats or reduces, got {got or 'none'}: because it must")


@pytest.mark.parametrize(("shows", "ending"), [(None, "pass"), (ONE_BY_ONE, "pass"), (AT_THE_END, "fail")])
def test_a_start_hold_that_swallows_the_stream_as_asked_does_not_pass_as_streamed(
    shows: Shows | None, ending: Outcome
) -> None:
    told = outcome("streamed", shows, None, expectation("*", verdict=("streamed", "delayed")))
    assert told == (
        ending,
        "expected to show one by one, got at the end: because it must" if shows is AT_THE_END else None,
    )


@pytest.mark.parametrize(
    ("shows", "told"),
    [
        (AT_THE_END, ("pass", None)),
        (ONE_BY_ONE, ("fail", "expected to show in bursts or at the end, got one by one: because it must")),
        (None, ("fail", "expected to show in bursts or at the end, got none: because it must")),
    ],
)
def test_an_expectation_can_ask_what_is_shown(shows: Shows | None, told: tuple[Outcome, str | None]) -> None:
    asked = expectation("*", shows=("in bursts", "at the end"))
    assert outcome("streamed", shows, None, asked) == told


@pytest.mark.parametrize(
    ("wanted", "held", "told"),
    [
        (True, True, ("pass", None)),
        (False, False, ("pass", None)),
        (None, True, ("pass", None)),
        (True, False, ("fail", "expected the head held, got passed: because it must")),
        (False, True, ("fail", "expected the head passed, got held: because it must")),
    ],
)
def test_an_expectation_can_ask_whether_the_head_waits(
    wanted: bool | None, held: bool, told: tuple[Outcome, str | None]
) -> None:
    asked = expectation("*", head_held=wanted, verdict=("streamed",))
    assert outcome("streamed", ONE_BY_ONE, None, asked, head_held=held) == told


@pytest.mark.parametrize("words", [f"head {STREAMED}", STREAMED.replace("r0", "head r0", 1)])
@pytest.mark.parametrize("wanted", [True, False])
def test_what_an_expectation_asks_of_the_head_is_held_against_what_the_stream_did(words: str, wanted: bool) -> None:
    ending, _, _ = conclude(assessed(words), None, None, expectation("*", head_held=wanted))
    assert ending == ("pass" if wanted == (not words.startswith("head")) else "fail")


# ---------------------------------------------------------------- paced cells and their twins


def test_a_paced_cell_carries_the_verdict_of_its_twin_and_shows_what_it_saw_itself() -> None:
    paced = assess([story("s0 +50 s1 +50 s2 r0-2 +200 end", pace="paced")])
    assert paced.shows
    found = Judgement("coalesced", "because", coalesced(50).judgement.release, start=Start(passed_bytes=80))
    twin = replace(
        ruling("coalesced"), judgement=found, facts=Facts(start=found.start, tail_tokens=2), shows=ONE_BY_ONE
    )
    told = as_in_lockstep(paced, twin)
    assert told.judgement == found
    assert (told.shows, told.metrics, told.unstable) == (paced.shows, paced.metrics, None)
    assert (told.shows.manner if told.shows else None) == "at the end"
    assert (told.facts.start, told.facts.tail_tokens) == (found.start, None), "a tail is of its own stream"


def test_a_paced_stream_that_is_broken_is_broken_whatever_its_twin_is() -> None:
    paced = assess([story("s0 r0 s1 end", pace="paced")])
    assert as_in_lockstep(paced, ruling("streamed")) == paced
    assert (paced.judgement.verdict, paced.shows) == ("broken", None)


def test_a_twin_that_is_unstable_leaves_no_verdict() -> None:
    told = as_in_lockstep(assess([story(STREAMED, pace="paced")]), shaky())
    assert conclude(told, assessed(STREAMED), None, None)[0] == "unstable"


# ---------------------------------------------------------------- conclusions


def test_a_cell_ends_with_its_outcome_its_ground_and_its_effect() -> None:
    ending = conclude(assessed(STREAMED), assessed(STREAMED), assessed(BUFFERED), None)
    assert ending == ("observed", assessed(STREAMED).judgement.reason, "defeats")


def test_what_does_not_fit_comes_before_the_ground() -> None:
    ending = conclude(assessed(BUFFERED), None, None, expectation("*", verdict=("streamed",)))
    assert ending == ("fail", "expected streamed, got buffered: because it must", None)


def test_a_control_that_does_not_stream_blocks_its_cells() -> None:
    told = conclude(assessed(STREAMED), assessed(BUFFERED), assessed(BUFFERED), expectation("*"))
    assert told == ("blocked", f"its direct control is buffered: {assessed(BUFFERED).judgement.reason}", None)


def test_an_unstable_control_blocks_its_cells() -> None:
    ending, reason, change = conclude(assessed(STREAMED), shaky(), assessed(BUFFERED), expectation("*"))
    assert (ending, change) == ("blocked", None)
    assert reason.startswith("its direct control is unstable: first streamed")


def test_a_control_that_could_not_be_measured_blocks_its_cells() -> None:
    assert conclude(assessed(STREAMED), "the emitter died", None, None) == ("blocked", "the emitter died", None)


def test_an_unstable_cell_has_no_effect_and_meets_no_expectation() -> None:
    ending, reason, change = conclude(shaky(), assessed(STREAMED), assessed(BUFFERED), expectation("*"))
    assert (ending, change) == ("unstable", None)
    assert reason.startswith("first streamed")


def test_what_is_too_short_to_tell_has_no_verdict_and_meets_no_expectation() -> None:
    short = replace(ruling("buffered"), too_short="3 tokens do not tell; 90 would")
    assert (short.verdict, ruling("buffered").verdict) == (None, "buffered")
    for expected_of_it in (None, expectation("*", verdict=("buffered",))):
        told = conclude(short, assessed(STREAMED), assessed(BUFFERED), expected_of_it)
        assert told == ("too short", "3 tokens do not tell; 90 would", None)


def test_nothing_is_held_against_what_was_too_short_to_tell() -> None:
    short = replace(ruling("buffered"), too_short="3 tokens do not tell; 90 would")
    fine = assessed(STREAMED)
    assert conclude(fine, fine, short, None)[::2] == ("observed", None)
    blocked = conclude(fine, fine, short, expectation("*", effect=("defeats",)))
    assert blocked == ("blocked", "its baseline is not known: 3 tokens do not tell; 90 would", None)
    assert conclude(fine, short, None, None)[:2] == (
        "blocked",
        "its direct control is too short: 3 tokens do not tell; 90 would",
    )
    assert conclude(short, short, None, None)[:2] == ("too short", "3 tokens do not tell; 90 would")


@pytest.mark.parametrize("controlled", [True, False])
def test_a_layer_that_is_broken_as_it_is_fails_unless_that_is_expected(controlled: bool) -> None:
    control = assessed(STREAMED) if controlled else None
    assert conclude(ruling("broken"), control, None, None) == ("fail", "because", None)
    meant = expectation("*", verdict=("broken",))
    assert conclude(ruling("broken"), control, None, meant) == ("pass", "because", None)


@pytest.mark.parametrize(("before", "change"), [("broken", None), ("buffered", "harms"), ("streamed", "harms")])
def test_a_mitigation_that_breaks_a_layer_or_leaves_it_broken_is_observed(
    before: Verdict, change: Effect | None
) -> None:
    ending = conclude(ruling("broken"), assessed(STREAMED), ruling(before), None)
    assert ending[::2] == ("observed", change)
    assert ("without the mitigation it is broken, too" in ending[1]) is (before == "broken")


def test_a_mitigated_cell_is_no_layer_even_if_nobody_knows_its_baseline() -> None:
    for baseline in ("it could not be measured", shaky()):
        assert conclude(ruling("broken"), assessed(STREAMED), baseline, None)[0] == "observed"


def test_a_paced_cell_is_judged_again_by_its_twin_and_stays_as_it_is_where_there_is_none() -> None:
    lockstep, paced = cell("direct"), cell("direct", pace="paced")
    traces = {
        lockstep.id: [story(BUFFERED)],
        paced.id: [story("s0 r0 +60 s1 r1 +60 s2 r2 +200 end", pace="paced")],
    }
    kept = [result(lockstep, "streamed"), result(paced, "streamed", twin_id=lockstep.id)]
    again = rejudge(kept, traces)
    assert [some.verdict for some in again] == ["buffered", "buffered"]
    assert [some.shows.manner for some in again if some.shows] == ["at the end", "one by one"]
    assert rejudge(kept[1:], traces) == kept[1:]
    assert rejudge([replace(kept[1], twin_id=None)], traces) == [replace(kept[1], twin_id=None)]
