"""What a mitigation did to a layer, by two assessments."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest

from harness.judge.outcome import SEVERITY, conclude, effect
from harness.judge.reading import Hold
from harness.judge.rules import STREAK
from harness.judge.steady import held_tokens
from harness.judge.verdict import Assessment
from harness.model import (
    Effect,
    Judgement,
    Release,
    ReleasedBy,
    Shows,
    Start,
    Verdict,
)
from tests.factories import streamed
from tests.judge.assessed import (
    AT_THE_END,
    DELAYED,
    IN_BURSTS,
    ONE_BY_ONE,
    STREAMED,
    assessed,
    coalesced,
    delayed,
    ruling,
)

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


def started(held_bytes: int, resolution_bytes: int, shows: Shows) -> Assessment:
    start = Start(held_bytes=held_bytes, resolution_bytes=resolution_bytes)
    return replace(ruling("streamed"), judgement=Judgement("streamed", "because", start=start), shows=shows)


@pytest.mark.parametrize(
    ("was", "now", "shows", "change"),
    [
        ((3696, 1792), (1904, 896), IN_BURSTS, "no effect"),
        ((1904, 896), (3696, 1792), AT_THE_END, "no effect"),
        ((3696, 1792), (1903, 896), IN_BURSTS, "reduces"),
        ((1903, 896), (3696, 1792), AT_THE_END, "harms"),
        ((3696, 1792), (0, 0), IN_BURSTS, "reduces"),
    ],
    ids=["a step less", "a step more", "more than a step less", "more than a step more", "none"],
)
def test_a_step_of_the_probe_that_a_start_is_found_earlier_or_later_is_no_effect(
    was: tuple[int, int], now: tuple[int, int], shows: Shows, change: Effect
) -> None:
    before = started(*was, IN_BURSTS if shows is AT_THE_END else AT_THE_END)
    assert effect(started(*now, shows), before) == change


def test_as_much_of_a_start_in_fewer_larger_tokens_is_less_to_wait_for() -> None:
    before, padded = started(3696, 1792, AT_THE_END), started(4096, 2048, IN_BURSTS)
    larger = replace(padded, metrics=replace(padded.metrics, emitted_bytes=20 * padded.metrics.emitted_bytes))
    assert (effect(padded, before), effect(larger, before)) == ("no effect", "reduces")


def test_a_mitigation_that_halves_a_delay_reduces_it() -> None:
    ending = conclude(assessed(DELAYED), assessed(STREAMED), assessed(streamed(STREAK, hold_ms=125)), None)
    assert ending[::2] == ("observed", "reduces")
