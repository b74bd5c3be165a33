"""What is made of verdicts: effects against a baseline, outcomes against expectations and controls."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import get_args

import pytest

from harness.judge.outcome import SEVERITY, as_in_lockstep, conclude, effect, expected, outcome
from harness.judge.reading import Hold
from harness.judge.rejudge import rejudge
from harness.judge.rules import STREAK
from harness.judge.steady import held_tokens
from harness.judge.verdict import Assessment, assess
from harness.model import (
    MANNERS,
    Effect,
    Facts,
    Judgement,
    Outcome,
    Release,
    ReleasedBy,
    Shows,
    Start,
    TurnedAway,
    Verdict,
)
from tests.factories import BUFFERED, expectation, figures, story, streamed
from tests.reports.samples import cell, result

STREAMED = streamed(STREAK)
DELAYED = streamed(STREAK, hold_ms=60)


ONE_BY_ONE, IN_BURSTS, AT_THE_END = (Shows(manner, 1, 400.0, seen=False) for manner in MANNERS)


@cache
def assessed(words: str) -> Assessment:
    return assess([story(words)])


def shaky() -> Assessment:
    """Two streams of a cell, of which only the first came whole."""
    return assess([story(STREAMED), story("s0 r0 s1 end")])


def ruling(verdict: Verdict) -> Assessment:
    return Assessment(figures(story(STREAMED)), Judgement(verdict, "because"))


def delayed(late_ms: float) -> Assessment:
    some = ruling("delayed")
    return replace(some, metrics=replace(some.metrics, over_control_ms=late_ms))


def coalesced(wait_ms: float, by: ReleasedBy = "bytes") -> Assessment:
    release = Release(0, by, 80, 1, wait_ms, 400.0, 80)
    return replace(ruling("coalesced"), judgement=Judgement("coalesced", "because", release))


# ---------------------------------------------------------------- effects

# Rows: without the mitigation. Columns: with it.
TABLE = """
            streamed    delayed   coalesced  buffered   broken
streamed    not_needed  harms     harms      harms      harms
delayed     defeats     no_effect harms      harms      harms
coalesced   defeats     reduces   no_effect  harms      harms
buffered    defeats     reduces   reduces    no_effect  harms
broken      defeats     reduces   reduces    reduces    -
"""


def effects() -> dict[tuple[str, str], str | None]:
    head, *rows = [line.split() for line in TABLE.strip().splitlines()]
    said = {(row[0], after): cell.replace("_", " ") for row in rows for after, cell in zip(head, row[1:], strict=True)}
    return {verdicts: None if cell == "-" else cell for verdicts, cell in said.items()}


def test_the_table_is_whole_and_says_every_effect() -> None:
    verdicts = get_args(Verdict)
    assert effects().keys() == set(itertools.product(verdicts, verdicts))
    assert set(effects().values()) == {*get_args(Effect), None}
    assert tuple(sorted(SEVERITY, key=SEVERITY.__getitem__)) == verdicts


@pytest.mark.parametrize(("before", "after"), list(itertools.product(get_args(Verdict), repeat=2)))
def test_effect_of(before: Verdict, after: Verdict) -> None:
    assert effect(ruling(after), ruling(before)) == effects()[before, after]


@pytest.mark.parametrize("that_waits", [delayed, coalesced, lambda wait_ms: coalesced(wait_ms, "timer")])
@pytest.mark.parametrize(
    ("was_ms", "wait_ms", "change"),
    [
        (80, 40, "reduces"),
        (80, 41, "no effect"),
        (80, 80, "no effect"),
        (80, 159, "no effect"),
        (80, 160, "harms"),
        (80, 0, "reduces"),
        (0, 80, "harms"),
        (0, 0, "no effect"),
    ],
)
def test_within_a_verdict_it_counts_how_long_tokens_wait(
    that_waits: Callable[[float], Assessment], was_ms: float, wait_ms: float, change: Effect
) -> None:
    assert effect(that_waits(wait_ms), that_waits(was_ms)) == change


def test_judged_again_header_changes_are_those_of_the_stream_that_counts_last() -> None:
    first, last = (replace(story(STREAMED), headers=(("X-Take", take),)) for take in ("first", "last"))
    before = result(cell("direct"), "streamed")
    (again,) = rejudge([before], {before.id: [first, last]})
    assert [change.received for change in again.header_changes if change.name == "x-take"] == ["last"]


def test_who_is_buffered_waits_for_the_end_however_much_passed_at_the_start() -> None:
    sooner, later = (replace(coalesced(wait_ms, "end").judgement, verdict="buffered") for wait_ms in (100, 400))
    mitigated, baseline = (replace(ruling("buffered"), judgement=judgement) for judgement in (sooner, later))
    assert effect(mitigated, baseline) == "no effect"


@pytest.mark.parametrize(
    ("verdict", "sent_bytes", "by", "change"),
    [
        ("buffered", 79, "bytes", "no effect"),
        ("buffered", 80, "bytes", "harms"),
        ("buffered", 79, "timer", "harms"),
        ("broken", 79, "bytes", "harms"),
    ],
)
def test_who_sent_less_than_lets_go_without_the_mitigation_is_no_worse_for_waiting_to_the_end(
    verdict: Verdict, sent_bytes: int, by: ReleasedBy, change: Effect
) -> None:
    mitigated = ruling(verdict)
    mitigated = replace(mitigated, metrics=replace(mitigated.metrics, emitted_bytes=sent_bytes))
    assert effect(mitigated, coalesced(400, by)) == change


@pytest.mark.parametrize(("sent_bytes", "change"), [(99, "no effect"), (100, "harms")])
def test_nor_is_who_sent_less_than_a_start_takes(sent_bytes: int, change: Effect) -> None:
    baseline = showing("streamed", AT_THE_END)
    baseline = replace(baseline, judgement=replace(baseline.judgement, start=Start(held_bytes=100)))
    mitigated = showing("buffered", AT_THE_END)
    mitigated = replace(mitigated, metrics=replace(mitigated.metrics, emitted_bytes=sent_bytes))
    assert effect(mitigated, baseline) == change


def held(*tokens: tuple[int, int]) -> Assessment:
    """Let go by bytes, after more than so many tokens of 50 ms and as many as so many; judged by the last."""
    holds = [
        Hold(seq, "bytes", 400, 800, 0, after_tokens=after, before_tokens=before)
        for seq, (before, after) in enumerate(tokens)
    ]
    tokens_held = holds[-1].after_tokens
    release = Release(0, "bytes", 80 * tokens_held, tokens_held, 50.0 * tokens_held, 400.0, 80)
    judgement = Judgement("coalesced", "because", release)
    return replace(ruling("coalesced"), judgement=judgement, held_tokens=held_tokens(holds))


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([(3, 4)], [(7, 8)], "harms"),
        ([(7, 8)], [(3, 4)], "reduces"),
        ([(0, 1), (3, 4), (3, 4)], [(0, 1), (7, 8), (7, 8)], "harms"),
        ([(9, 10), (3, 4), (3, 4)], [(7, 8), (7, 8)], "harms"),
        ([(0, 1), (39, 40), (3, 4), (3, 4), (3, 4)], [(0, 1), (39, 40), (39, 40), (39, 40)], "harms"),
        ([(0, 1), (39, 40), (39, 40), (39, 40)], [(0, 1), (39, 40), (3, 4), (3, 4), (3, 4)], "reduces"),
        ([(0, 1), (3, 4), (3, 4), (3, 4)], [(0, 1), (3, 4), (3, 4), (29, 30)], "no effect"),
        ([(0, 1), (29, 30), (29, 30), (29, 30)], [(0, 1), (29, 30), (29, 30), (3, 4)], "no effect"),
        ([(0, 1), (29, 30), (29, 30), (3, 4)], [(0, 1), (3, 4), (3, 4), (3, 4)], "no effect"),
    ],
    ids=["longer", "shorter", "settled", "a start", "was once", "is once", "only last", "not last", "as the last"],
)
def test_where_a_hop_lets_go_by_chance_what_is_no_more_than_that_is_no_effect(
    before: list[tuple[int, int]], after: list[tuple[int, int]], change: Effect
) -> None:
    assert effect(held(*after), held(*before)) == change


@pytest.mark.parametrize(
    ("after", "seen", "change"),
    [(IN_BURSTS, False, "no effect"), (IN_BURSTS, True, "harms"), (AT_THE_END, False, "harms")],
)
def test_nor_does_a_step_that_is_computed_of_it_count(after: Shows, seen: bool, change: Effect) -> None:
    """What comes along with the token that is let go may be chance, too."""
    mitigated, baseline = (replace(held((0, 1), (0, 1)), shows=replace(one, seen=seen)) for one in (after, ONE_BY_ONE))
    assert effect(mitigated, baseline) == change


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ((400, "timer"), (200, "bytes"), "reduces"),
        ((400, "timer"), (201, "bytes"), "no effect"),
        ((400, "timer"), (4000, "bytes"), "no effect"),
        ((200, "bytes"), (400, "timer"), "harms"),
        ((201, "bytes"), (400, "timer"), "no effect"),
        ((4000, "bytes"), (400, "timer"), "no effect"),
        ((4000, "bytes"), (400, "unknown"), "no effect"),
    ],
)
def test_a_timer_that_shows_once_would_let_go_before_bytes_that_take_longer(
    before: tuple[float, ReleasedBy], after: tuple[float, ReleasedBy], change: Effect
) -> None:
    assert effect(coalesced(*after), coalesced(*before)) == change


def showing(verdict: Verdict, shows: Shows | None) -> Assessment:
    return replace(ruling(verdict), shows=shows)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (("streamed", ONE_BY_ONE), ("streamed", ONE_BY_ONE), "not needed"),
        (("streamed", ONE_BY_ONE), ("streamed", AT_THE_END), "harms"),
        (("streamed", None), ("streamed", IN_BURSTS), "harms"),
        (("streamed", AT_THE_END), ("streamed", ONE_BY_ONE), "defeats"),
        (("streamed", AT_THE_END), ("streamed", IN_BURSTS), "reduces"),
        (("streamed", AT_THE_END), ("coalesced", IN_BURSTS), "reduces"),
        (("streamed", AT_THE_END), ("buffered", AT_THE_END), "harms"),
        (("streamed", AT_THE_END), ("broken", None), "harms"),
        (("coalesced", AT_THE_END), ("coalesced", IN_BURSTS), "reduces"),
        (("coalesced", IN_BURSTS), ("coalesced", AT_THE_END), "harms"),
        (("coalesced", IN_BURSTS), ("streamed", AT_THE_END), "harms"),
        (("coalesced", IN_BURSTS), ("streamed", ONE_BY_ONE), "defeats"),
        (("coalesced", AT_THE_END), ("buffered", AT_THE_END), "harms"),
        (("delayed", AT_THE_END), ("delayed", ONE_BY_ONE), "reduces"),
        (("buffered", AT_THE_END), ("coalesced", AT_THE_END), "reduces"),
        (("buffered", AT_THE_END), ("buffered", AT_THE_END), "no effect"),
        (("buffered", AT_THE_END), ("streamed", AT_THE_END), "reduces"),
        (("broken", None), ("streamed", AT_THE_END), "reduces"),
        (("broken", None), ("streamed", ONE_BY_ONE), "defeats"),
        (("broken", None), ("broken", None), None),
    ],
)
def test_an_effect_looks_at_the_verdict_and_at_what_the_stream_as_asked_shows(
    before: tuple[Verdict, Shows | None], after: tuple[Verdict, Shows | None], change: Effect | None
) -> None:
    assert effect(showing(*after), showing(*before)) == change


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("by", ["bytes", "timer"])
def test_what_is_only_computed_decides_nothing_where_bytes_let_go_once_and_a_timer_once(
    by: ReleasedBy, seen: bool
) -> None:
    before = replace(coalesced(100, by), shows=replace(IN_BURSTS, seen=seen))
    after = replace(coalesced(400), shows=replace(AT_THE_END, seen=seen))
    assert effect(after, before) == ("harms" if seen or by == "bytes" else "no effect")


def test_nor_where_bytes_let_go_once_and_what_is_delayed_waits_for_a_heartbeat() -> None:
    late = replace(ruling("delayed"), judgement=replace(coalesced(240, "timer").judgement, verdict="delayed"))
    before = replace(coalesced(50), shows=ONE_BY_ONE)
    assert effect(replace(late, shows=IN_BURSTS), before) == "reduces"
    assert effect(before, replace(late, shows=IN_BURSTS)) == "harms"


def test_that_the_end_lets_go_of_what_is_buffered_makes_it_no_other_kind_of_hop() -> None:
    """So what is computed of both is compared, and comes before the verdict, which is milder here."""
    waits = Judgement("buffered", "because", Release(0, "end", 80, 1, 400.0, 400.0, 80))
    before = replace(ruling("buffered"), judgement=waits, shows=IN_BURSTS)
    assert effect(replace(coalesced(400), shows=AT_THE_END), before) == "harms"


@pytest.mark.parametrize(("was_ms", "change"), [(800, "reduces"), (200, "harms"), (400, "no effect")])
def test_of_two_starts_that_are_held_it_counts_how_long(was_ms: float, change: Effect) -> None:
    before = showing("streamed", replace(AT_THE_END, wait_ms=was_ms))
    assert effect(showing("streamed", AT_THE_END), before) == change


def test_a_mitigation_that_halves_a_delay_reduces_it() -> None:
    ending = conclude(assessed(DELAYED), assessed(STREAMED), assessed(streamed(STREAK, hold_ms=125)), None)
    assert ending[::2] == ("observed", "reduces")


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
