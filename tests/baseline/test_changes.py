"""What is worse, better or another: the tables, and what follows from them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import pytest

from harness.baseline.changes import EFFECTS, HEADS, IDLE, NONE, RELEASES, SHOWS, TOO_SHORT, VERDICTS, Turn, differences
from harness.model import MANNERS, Effect, Kept, KeptRelease, Manner, ReleasedBy, Verdict
from harness.model import VERDICTS as WORDS

TABLES: Mapping[str, tuple[Mapping[tuple[str, str], Turn | None], Sequence[str]]] = {
    "verdict": (VERDICTS, [*get_args(Verdict), TOO_SHORT]),
    "shows": (SHOWS, [*get_args(Manner), NONE]),
    "effect": (EFFECTS, [*get_args(Effect), NONE]),
    "release": (RELEASES, [*get_args(ReleasedBy), IDLE, NONE]),
    "head": (HEADS, ["passed", "held"]),
}


@pytest.mark.parametrize("of", TABLES)
def test_every_pair_has_its_place_and_only_what_stays_is_the_same(of: str) -> None:
    table, words = TABLES[of]
    unknown = {(word, TOO_SHORT) for word in words if word != TOO_SHORT}
    assert table.keys() == set(itertools.product(words, repeat=2)) - unknown
    assert {pair for pair, turn in table.items() if turn is None} == {(word, word) for word in words}


@pytest.mark.parametrize("of", ["verdict", "shows", "head"])
def test_there_and_back_again_is_worse_and_better(of: str) -> None:
    table, words = TABLES[of]
    sure = [word for word in words if word not in (TOO_SHORT, NONE)]
    for was, now in itertools.permutations(sure, 2):
        assert {table[was, now], table[now, was]} == {"worse", "better"}


def test_what_is_worse_is_what_comes_later_in_the_order_of_the_words() -> None:
    for was, now in itertools.combinations(WORDS, 2):
        assert VERDICTS[was, now] == "worse"
    for earlier, later in itertools.combinations(MANNERS, 2):
        assert SHOWS[earlier, later] == "worse"


PLAIN, PADDED = (f"nginx:shop/sse/chunked/curl/aiohttp/chat/{name}/lockstep" for name in ("none", "pad-2k"))


def told(was: Kept, now: Kept, beside: Mapping[str, tuple[Kept, Kept]] | None = None) -> list[tuple[Turn, str]]:
    """Return what is told of a cell with a mitigation, `beside` others."""
    then, today = ({cell: pair[number] for cell, pair in (beside or {}).items()} for number in (0, 1))
    return [(one.turn, str(one)) for one in differences(PADDED, {**then, PADDED: was}, {**today, PADDED: now})]


def test_what_is_too_short_to_tell_by_now_is_no_change_and_nothing_to_hold_an_effect_against() -> None:
    known, short = Kept("streamed", "one by one"), Kept(None)
    assert told(known, short) == []
    was, now = Kept("coalesced", effect="reduces"), Kept("coalesced")
    assert told(was, now, {PLAIN: (known, short)}) == [("other", "effect none, was reduces")]


def test_worse_is_told_first() -> None:
    was, now = Kept("delayed", "in bursts"), Kept("streamed", "at the end")
    assert told(was, now) == [("worse", "shows at the end, was in bursts"), ("better", "streamed, was delayed")]


@pytest.mark.parametrize(("verdict", "turn"), [("buffered", "worse"), ("coalesced", "other")])
def test_an_effect_is_held_against_a_cell_without_mitigations_that_is_what_it_was(verdict: Verdict, turn: Turn) -> None:
    was, now = Kept("coalesced", effect="reduces"), Kept("coalesced", effect="no effect")
    beside = {PLAIN: (Kept("buffered"), Kept(verdict))}
    assert told(was, now, beside) == [(turn, "effect no effect, was reduces")]


@pytest.mark.parametrize("released", [None, KeptRelease("bytes", 4096, 410), KeptRelease("end")])
@pytest.mark.parametrize("verdict", [one for one in WORDS if one != "delayed"])
def test_an_effect_that_changes_alone_is_told(verdict: Verdict, released: KeptRelease | None) -> None:
    was = Kept(verdict, "at the end", "reduces", released, held_bytes=4096, within_bytes=112)
    beside = {PLAIN: (Kept("buffered", "at the end"), Kept("buffered", "at the end"))}
    assert told(was, replace(was, effect="harms"), beside) == [("worse", "effect harms, was reduces")]


@pytest.mark.parametrize(
    ("was", "now", "turns"),
    [
        ("one by one", "in bursts", set()),
        ("in bursts", "one by one", set()),
        ("in bursts", "at the end", set()),
        ("one by one", "at the end", {"other"}),
        ("at the end", "one by one", {"other"}),
    ],
)
def test_how_a_lag_shows_is_of_its_day_and_no_other_verdict_s_is(was: Manner, now: Manner, turns: set[Turn]) -> None:
    had, have = Kept("delayed", was, "reduces"), Kept("delayed", now, "no effect")
    beside = {PLAIN: (Kept("delayed", "at the end"), Kept("delayed", "at the end"))}
    assert {turn for turn, _ in told(had, have, beside)} == turns
    of_others = [turn for turn, _ in told(replace(had, verdict="coalesced"), replace(have, verdict="coalesced"))]
    assert len(of_others) == 2
    assert "other" not in of_others


def test_an_effect_against_what_only_lags_is_of_its_day_and_against_what_is_held_is_not() -> None:
    was, now = Kept("delayed", "in bursts", "reduces"), Kept("delayed", "in bursts", "harms")
    lags, holds = Kept("delayed", "at the end"), Kept("buffered", "at the end")
    assert told(was, now, {PLAIN: (lags, lags)}) == []
    assert told(was, now, {PLAIN: (holds, holds)}) == [("worse", "effect harms, was reduces")]


def test_an_effect_is_no_change_where_what_the_cell_without_mitigations_shows_is_a_step_that_was_not_resolved() -> None:
    was, now = Kept("coalesced", "in bursts", "reduces"), Kept("coalesced", "in bursts", "no effect")
    then = Kept("buffered", "at the end", held_bytes=69_232, within_bytes=1_792)
    for held_bytes, turns in ((68_896, []), (4_096, ["other"])):
        beside = {PLAIN: (then, replace(then, shows="in bursts", held_bytes=held_bytes))}
        assert [turn for turn, _ in told(was, now, beside)] == turns


@pytest.mark.parametrize(
    ("held_bytes", "within_bytes", "turns"),
    [
        (32_992, 16_496, ["worse", "worse"]),
        (49_488, 16_496, []),
        (65_984, 16_496, ["worse", "worse", "worse"]),
        (65_984, 32_992, []),
        (65_984, 32_991, ["worse", "worse", "worse"]),
        (16_496, 16_496, []),
        (98_976, 49_488, ["worse", "worse", "worse"]),
    ],
    ids=["as it was", "a token", "two", "the next step", "less than that", "less", "three times as much"],
)
def test_what_a_start_shows_is_no_change_where_it_is_another_by_no_more_than_was_resolved(
    held_bytes: int, within_bytes: int, turns: list[Turn]
) -> None:
    was = Kept("streamed", "one by one", "defeats", held_bytes=32_992, within_bytes=16_496)
    now = replace(was, shows="in bursts", effect="reduces", held_bytes=held_bytes, within_bytes=within_bytes)
    assert [turn for turn, _ in told(was, now)] == turns
    if held_bytes != was.held_bytes:
        assert [turn for turn, _ in told(was, replace(now, shows="one by one", effect="defeats"))] == turns[2:]


def test_one_by_one_to_at_the_end_is_more_than_what_was_not_resolved_makes() -> None:
    was = Kept("streamed", "one by one", "defeats", held_bytes=4096, within_bytes=2048)
    now = replace(was, shows="at the end", effect="no effect", held_bytes=5000)
    assert [turn for turn, _ in told(was, now)] == ["worse", "worse"]
    was = Kept("coalesced", "one by one", release=KeptRelease("timer", 580, 58))
    now = replace(was, shows="at the end", release=KeptRelease("timer", 620, 62))
    assert [turn for turn, _ in told(was, now)] == ["worse"]


def test_a_start_of_what_is_held_is_compared_with_nothing_but_tells_what_need_not_be_shown_again() -> None:
    was = Kept("buffered", "in bursts", "reduces", held_bytes=69_232, within_bytes=1_792)
    now = Kept("buffered", "at the end", "no effect", held_bytes=69_568, within_bytes=448)
    assert told(was, now) == told(was, replace(was, held_bytes=0)) == []
    assert {turn for turn, _ in told(replace(was, held_bytes=0), replace(now, held_bytes=0))} == {"worse"}


@pytest.mark.parametrize(
    ("after", "turns"), [(580, []), (700, []), (701, ["worse", "worse"]), (459, ["worse", "better"])]
)
def test_what_a_release_shows_that_is_another_by_less_than_is_known_is_no_change(after: int, turns: list[Turn]) -> None:
    was = Kept("coalesced", "in bursts", release=KeptRelease("timer", 580, 58))
    now = replace(was, shows="at the end", release=KeptRelease("timer", after, 62))
    assert [turn for turn, _ in told(was, now)] == turns


def by(what: ReleasedBy, after: int = 0, within: int = 0, idle: bool | None = None) -> Kept:
    return Kept("coalesced", release=KeptRelease(what, after, within, idle))


@pytest.mark.parametrize(
    ("was", "now", "found"),
    [
        (by("bytes", 4096, 100), by("bytes", 4296, 100), []),
        (
            by("bytes", 4096, 100),
            by("bytes", 4297, 100),
            [("worse", "released by 4297 more bytes, was by 4096 more bytes")],
        ),
        (
            by("bytes", 4096, 10),
            by("bytes", 1024, 10),
            [("better", "released by 1024 more bytes, was by 4096 more bytes")],
        ),
        (by("timer", 500, 50), by("timer", 550, 50), []),
        (
            by("timer", 500, 50),
            by("timer", 1000, 50),
            [("worse", "released by a timer of 1000 ms, was by a timer of 500 ms")],
        ),
        (
            by("timer", 500, 50, idle=False),
            by("timer", 510, 51, idle=True),
            [("worse", "released by an idle timer of 510 ms, was by a timer of 500 ms")],
        ),
        (
            by("timer", 500, 50, idle=True),
            by("timer", 500, 50, idle=False),
            [("better", "released by a timer of 500 ms, was by an idle timer of 500 ms")],
        ),
        (by("timer", 500, 50), by("timer", 510, 51, idle=True), []),
        (by("timer", 500, 50, idle=True), by("timer", 500, 50), []),
        (by("bytes", 4096), by("timer", 500), [("other", "released by a timer of 500 ms, was by 4096 more bytes")]),
        (by("bytes", 4096), by("unknown"), [("other", "released by bytes or a timer, was by 4096 more bytes")]),
        (Kept("coalesced"), by("end"), [("other", "released by the end, was by nothing")]),
        (
            Kept("streamed", held_bytes=96),
            Kept("streamed", held_bytes=4096, within_bytes=96),
            [("worse", "held at the start 4096 bytes, was 96 bytes")],
        ),
        (
            Kept("streamed", held_bytes=4096),
            Kept("streamed"),
            [("better", "held at the start 0 bytes, was 4096 bytes")],
        ),
        (
            Kept("streamed", passed_bytes=4096),
            Kept("streamed"),
            [("other", "passed at the start 0 bytes, was 4096 bytes")],
        ),
        (Kept("streamed", head_held=True), Kept("streamed"), [("better", "head passed, was held")]),
        (by("bytes", 4096), Kept("streamed", head_held=True), [("better", "streamed, was coalesced")]),
    ],
)
def test_releases_and_starts_are_compared_within_what_was_resolved(
    was: Kept, now: Kept, found: list[tuple[Turn, str]]
) -> None:
    assert told(was, now) == found


def lag(ms: int, shows: Manner = "one by one") -> Kept:
    return Kept("delayed", shows, lag_ms=ms)


def timer(ms: int, shows: Manner = "in bursts", idle: bool | None = False) -> Kept:
    return Kept("delayed", shows, release=KeptRelease("timer", ms, 25, idle))


@pytest.mark.parametrize(
    ("late", "was_ms", "now_ms", "turn"),
    [
        (lag, 300, 599, None),
        (lag, 300, 1199, "other"),
        (lag, 300, 1200, "worse"),
        (lag, 600, 1199, None),
        (lag, 500, 2000, "worse"),
        (timer, 50, 100, None),
        (timer, 50, 199, None),
        (timer, 50, 200, "other"),
        (timer, 50, 300, "other"),
        (timer, 100, 300, "other"),
        (timer, 125, 300, "other"),
        (timer, 151, 300, None),
        (timer, 200, 300, None),
        (timer, 100, 400, "worse"),
    ],
)
def test_how_late_comes_what_is_delayed_is_of_its_day_whether_by_a_lag_or_by_a_timer(
    late: Callable[[int], Kept], was_ms: int, now_ms: int, turn: Turn | None
) -> None:
    forth, back = told(late(was_ms), late(now_ms)), told(late(now_ms), late(was_ms))
    assert forth == ([(turn, f"lag of {now_ms} ms, was of {was_ms} ms")] if turn else [])
    assert [one for one, _ in back] == ([{"worse": "better", "other": "other"}[turn]] if turn else [])


def test_whether_a_timer_that_delays_is_an_idle_one_is_no_matter_of_its_day() -> None:
    assert told(timer(200), timer(210, idle=True)) == [
        ("worse", "released by an idle timer of 210 ms, was by a timer of 200 ms")
    ]


def test_what_is_shown_goes_with_a_delay_that_is_another() -> None:
    assert told(lag(300), lag(510, "in bursts")) == []
    assert [turn for turn, _ in told(lag(300), lag(690, "in bursts"))] == ["other", "other"]
    assert [turn for turn, _ in told(lag(300), lag(1500, "in bursts"))] == ["worse", "other"]
    assert told(timer(200), timer(290, "at the end")) == []
    assert [turn for turn, _ in told(timer(50, "one by one"), timer(300, "in bursts"))] == ["worse", "other"]
    assert [turn for turn, _ in told(timer(300, "in bursts"), timer(50, "one by one"))] == ["better", "other"]
    assert told(timer(50, "one by one"), timer(175, "in bursts")) == []
