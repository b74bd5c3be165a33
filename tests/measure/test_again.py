"""A stream that a hop turns away is asked for again, until it is known whose doing that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.judge.rejudge import rejudge
from harness.judge.verdict import assess_one
from harness.measure.again import FOR_GOOD, Baseline, asked_again
from harness.measure.limits import RESTS_S
from harness.measure.replay import Replay
from harness.measure.runner import Runner
from harness.measure.schedule import Schedule
from harness.measure.streams import Streams, Take, Terms
from harness.model import Answerer, Expectation, LetThrough, Outcome, Result, Trace, TurnedAway
from harness.store.runs import Run, load_traces
from tests.factories import story
from tests.measure.playing import (
    BARE,
    CONTROL,
    HELD,
    LONGER,
    MITIGATED,
    PULSED,
    SHORT,
    STREAMED,
    Played,
    Stories,
    Story,
    measured,
    one,
)
from tests.planning import REQUESTS
from tests.reports.samples import CATALOGUE, run_info


def turned_away(status: int | None = 503, by: Answerer = "hop") -> Trace:
    """Return what a hop leaves behind that answers by itself, or nobody where nothing does."""
    stream = story("s0", tokens=6)
    failure = None if status else "cannot connect"
    return replace(stream, status=status, body=b"", reads=(), sent=(), steps=(), answered_by=by, failure=failure)


REFUSED = turned_away()
PASSED = cache(lambda: replace(STREAMED(), answered_by="emitter"))
HARMED: list[Story] = [REFUSED, REFUSED, PASSED, PASSED, REFUSED, PASSED, PASSED, REFUSED]
"""It is turned away, and when both are asked again, it alone is: its baseline is let through."""


@pytest.fixture(autouse=True)
def nothing_that_is_played_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.measure.streams.DEATH_S", 0.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, run_info())


# ---------------------------------------------------------------- what comes of it


@pytest.mark.parametrize(
    "first", [REFUSED, turned_away(200), turned_away(None, "nobody")], ids=["503", "page", "reset"]
)
async def test_what_a_hop_lets_through_when_it_is_asked_again_counts(run: Run, first: Trace) -> None:
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: [first, HELD]}, BARE)
    assert (result.outcome, result.verdict) == ("observed", "buffered")
    assert result.facts.turned_away == TurnedAway(1, first.status, "it")
    assert result.evidence
    assert [trace.alone for trace in load_traces(run.folder / result.evidence)] == [False, True]


async def test_what_is_asked_again_is_asked_without_pulses_and_followed_up_as_any_other(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [REFUSED, SHORT, LONGER]})
    result = (await measured(run, bench, BARE))[BARE.id]
    assert result.verdict == "streamed"
    assert bench.asked[1:] == [(None, False), (None, True), (LONGER().plan.emission.announced_tokens, True)]


@pytest.fixture
def rested(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long chains were let rest, in seconds, in order."""
    found: list[float] = []

    async def rest(bench: Replay, rest_s: float) -> None:
        found.append(rest_s)

    monkeypatch.setattr(Replay, "rest", rest)
    return found


async def test_before_each_stream_that_is_asked_again_the_chain_rests(run: Run, rested: list[float]) -> None:
    await one(run, {CONTROL.id: STREAMED, BARE.id: [REFUSED, SHORT, LONGER]}, BARE)
    assert rested == [0.0, 0.0, RESTS_S[0], RESTS_S[0]]


@pytest.mark.parametrize(("first", "then"), [(PULSED, STREAMED), (SHORT, LONGER)], ids=["without pulses", "longer"])
async def test_a_stream_that_follows_up_and_is_turned_away_is_asked_for_again(
    run: Run, first: Story, then: Story
) -> None:
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: [first, REFUSED, then]}, BARE)
    assert (result.outcome, result.verdict) == ("observed", "streamed")


async def test_where_it_is_turned_away_for_good_nothing_confirms_the_first(run: Run) -> None:
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: [PULSED, *[REFUSED] * 4]}, BARE)
    assert result.outcome == "blocked"
    assert result.reason.startswith("nothing confirms that it is coalesced: a hop's own answer, also when it was asked")


async def test_a_mitigation_that_alone_is_turned_away_harms(run: Run) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: HARMED}
    result = await one(run, stories, MITIGATED)
    assert (result.outcome, result.verdict, result.effect) == ("observed", "broken", "harms")
    assert result.facts.turned_away == TurnedAway(4, 503, "only its baseline")


@pytest.mark.parametrize("status", FOR_GOOD)
async def test_who_says_twice_that_it_lacks_what_is_asked_for_is_asked_no_more(run: Run, status: int) -> None:
    lacks = turned_away(status)
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: [lacks, lacks, PASSED]}
    result = await one(run, stories, MITIGATED)
    assert (result.verdict, result.effect) == ("broken", "harms")
    assert result.facts.turned_away == TurnedAway(2, status, "only its baseline")


async def test_who_lacks_something_and_turns_the_baseline_away_too_is_asked_as_slowly_as_any_other(run: Run) -> None:
    lacks = turned_away(501)
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: [lacks, lacks, REFUSED, *[REFUSED] * 9]}
    assert (await one(run, stories, MITIGATED)).outcome == "blocked"


@pytest.mark.parametrize(
    "asked_again_beside",
    [
        [REFUSED, *[REFUSED, REFUSED, REFUSED] * 3],
        [REFUSED, *[PASSED, REFUSED, REFUSED] * 3],
        [REFUSED, PASSED, PASSED, REFUSED, REFUSED, PASSED, REFUSED, PASSED, PASSED, REFUSED],
    ],
    ids=["nothing is let through", "one in two is", "only once the baseline is"],
)
async def test_a_limit_that_meets_the_baseline_too_blocks_and_is_no_effect(
    run: Run, asked_again_beside: Sequence[Story]
) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: [REFUSED, *asked_again_beside]}
    result = await one(run, stories, MITIGATED)
    assert (result.outcome, result.effect) == ("blocked", None)
    assert result.facts.turned_away
    assert result.facts.turned_away.let_through == "nothing"
    assert "also when it and its baseline were asked again" in result.reason


async def test_where_nothing_is_ever_let_through_all_is_blocked_and_soon(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [REFUSED] * 4, MITIGATED.id: [REFUSED] * 2})
    results = await measured(run, bench, BARE, MITIGATED)
    assert {result.outcome for result in results.values()} == {"blocked"}
    assert results[BARE.id].reason.startswith("status 503 instead of 200: ")


async def test_a_mitigation_that_is_let_through_where_nothing_else_is_defeats_that(run: Run) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [REFUSED] * 4, MITIGATED.id: STREAMED}
    assert (await one(run, stories, MITIGATED)).effect == "defeats"


@pytest.mark.parametrize(("verdict", "outcome"), [("broken", "pass"), ("streamed", "blocked")])
async def test_who_expects_to_be_turned_away_is_not_blocked(run: Run, verdict: str, outcome: Outcome) -> None:
    expect = [Expectation("nginx*", "it wants a password", (verdict,))]  # type: ignore[arg-type]
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: [turned_away(401)] * 4}, BARE, expect)
    assert result.outcome == outcome


async def test_the_emitters_own_refusal_is_told_as_it_is(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: turned_away(404, "emitter")})
    result = (await measured(run, bench, BARE))[BARE.id]
    assert (result.outcome, result.verdict, bench.takes[BARE.id]) == ("fail", "broken", 1)


async def test_judged_again_from_disk_and_replayed_it_comes_to_the_same(run: Run, tmp_path: Path) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [REFUSED, HELD], MITIGATED.id: HARMED}
    results = list((await measured(run, Played(stories), CONTROL, BARE, MITIGATED)).values())
    traces = {result.id: load_traces(run.folder / str(result.evidence)) for result in results}
    assert rejudge(results, traces) == results

    def told(result: Result) -> Result:
        return replace(result, started_at="", duration_ms=0)

    again = Run.create(tmp_path / "again", run_info())
    async with Runner(Replay.of(Run.open(run.folder), Schedule(1)), again, CATALOGUE, REQUESTS) as runner:
        replayed = await runner.run([CONTROL, BARE, MITIGATED], lambda result: None)
    assert list(map(told, replayed)) == list(map(told, results))


# ---------------------------------------------------------------- limits, simulated


class Bucket:
    """A rate limit with a burst, as nginx has it, in place of a hop; who is let through keeps it busy for `lasts_s`."""

    def __init__(self, rate: float, room: float, burst: float, lasts_s: float, refuses_the_cell: bool) -> None:
        self._rate = rate
        self._room = room
        self._burst = burst
        self._lasts_s = lasts_s
        self._refuses_the_cell = refuses_the_cell

    async def ask(self, terms: Terms) -> list[Take]:
        trace = self._answer(terms, refused=self._refuses_the_cell)
        return [Take(trace, assess_one(trace))]

    async def ask_beside(self, cell: object, plan: object, terms: Terms) -> Trace:
        return self._answer(terms, refused=False)

    def _answer(self, terms: Terms, refused: bool) -> Trace:
        self._room = min(self._burst + 1, self._room + terms.rest_s * self._rate)
        if refused or self._room < 1:
            return REFUSED
        self._room = min(self._burst + 1, self._room - 1 + self._lasts_s * self._rate)
        return PASSED()


async def through(bucket: Bucket) -> LetThrough:
    _, let_through = await asked_again(cast(Streams, bucket), Baseline(BARE, PASSED().plan, refused=False))
    return let_through


rates = st.floats(0.001, 100)
rooms = st.floats(0, 0.999)


@example(rate=2.4, room=0.3, burst=10, lasts_s=0)  # in one round, only the baseline is let through
@given(rate=rates, room=rooms, burst=st.floats(0, 50), lasts_s=st.floats(0, 0.2))
async def test_no_rate_limit_is_ever_taken_for_a_mitigations_harm(
    rate: float, room: float, burst: float, lasts_s: float
) -> None:
    assert await through(Bucket(rate, room, burst, lasts_s, refuses_the_cell=False)) != "only its baseline"


@given(rate=st.floats(2, 100), room=rooms, burst=st.floats(0, 50), lasts_s=st.floats(0, 0.2))
async def test_what_is_refused_by_its_words_is_found_out_behind_a_limit(
    rate: float, room: float, burst: float, lasts_s: float
) -> None:
    assert await through(Bucket(rate, room, burst, lasts_s, refuses_the_cell=True)) == "only its baseline"


@given(rate=st.floats(2, 100), room=rooms, burst=st.floats(0, 50))
async def test_two_requests_a_second_are_few_enough_to_be_let_through(rate: float, room: float, burst: float) -> None:
    assert await through(Bucket(rate, room, burst, 0, refuses_the_cell=False)) == "it"


# ---------------------------------------------------------------- slowly from the start


async def test_who_goes_slowly_asks_alone_without_pulses_and_not_before_the_chain_has_rested(
    run: Run, rested: list[float]
) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: HELD}, jobs=4)
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        await runner.result(BARE)
        runner.slowly = True
        result = await runner.result(MITIGATED)
    assert [quiet for _, quiet in bench.asked] == [False, False, True], "the control is asked as ever"
    assert rested[:2] == [0, 0]
    assert 0 < rested[2] <= RESTS_S[-1]
    assert result.evidence
    assert [trace.alone for trace in load_traces(run.folder / result.evidence)] == [True]
