"""Nothing that runs beside a cell is in its answer: one cell of each chain is asked for alone, too.

Briefly first, and in full only where that begins otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.errors import ProxyError
from harness.judge.reading import Hold
from harness.judge.rejudge import rejudge
from harness.judge.rules import HOLD_MS
from harness.judge.verdict import assess, assess_one
from harness.measure.beside import Beside
from harness.measure.replay import Replay
from harness.measure.runner import LASTS_MS, Runner
from harness.measure.streams import Measured
from harness.model import Cell, Result, Verdict
from harness.store.runs import Run, load_traces
from tests.factories import alone
from tests.hops import Lag
from tests.measure.playing import (
    BARE,
    BROKEN,
    COALESCED,
    CONTROL,
    DELAYED,
    HELD,
    MITIGATED,
    PULSED,
    STREAMED,
    Played,
    Stories,
    Story,
    Stream,
    measured,
    through,
)
from tests.measure.test_again import REFUSED
from tests.planning import REQUESTS
from tests.reports.samples import CATALOGUE, cell, run_info

OTHER = cell("nginx:default", "no-cache")
SIDE_BY_SIDE = 4

BESIDE, BRIEF, ALONE = (False, False), (True, True), (True, False)
"""Whether a take was alone, and whether it was brief."""

LET_GO = "s0 +400 hold0 s1 s2 s3-4 r0-2 end r3-4"
"""A brief stream that begins as a coalesced one does, and alone is too short to tell."""
TRIED_IN_VAIN = "s0 +400 hold0 s1 s2 s3-4 wait end r0-4"
"""One that begins as a buffered one does."""

LATE = "s0 +80 r0 s1 +80 r1 s2 +80 r2 end"
LATE_ONCE = "s0 +80 r0 s1 +80 r1 s2 r2 end"
LATER = LATE.replace("80", "120")
"""One that turns late as a delayed one does, one that is on time soon, and one that is later."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, run_info())


def asked(bench: Played, *cells: Cell) -> list[int]:
    return [bench.takes[some.id] for some in cells]


def takes(run: Run, result: Result) -> list[tuple[bool, bool]]:
    return [(trace.alone, trace.brief) for trace in load_traces(run.folder / str(result.evidence))]


async def test_one_cell_of_a_chain_is_asked_for_alone_the_first_that_does_not_stream(run: Run) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: STREAMED, MITIGATED.id: [HELD, HELD], OTHER.id: HELD}
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, CONTROL, BARE, MITIGATED, OTHER)
    assert asked(bench, CONTROL, BARE, MITIGATED, OTHER) == [1, 1, 2, 1]
    assert bench.brief.total() == bench.brief[MITIGATED.id] == 1
    assert takes(run, results[MITIGATED.id]) == [BESIDE, BRIEF]
    assert {result.facts.beside_others for result in results.values()} == {None}


async def test_where_all_stream_it_is_the_baseline(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [STREAMED, STREAMED], MITIGATED.id: STREAMED}, SIDE_BY_SIDE)
    await measured(run, bench, MITIGATED)
    assert asked(bench, CONTROL, BARE, MITIGATED) == [1, 2, 1]
    assert bench.brief[BARE.id] == 1


@pytest.mark.parametrize(
    ("beside", "brief", "verdict"), [(COALESCED, LET_GO, "coalesced"), (HELD, TRIED_IN_VAIN, "buffered")]
)
async def test_one_that_begins_alike_alone_stays_what_it_was_and_costs_one_brief_stream(
    run: Run, beside: Stream, brief: str, verdict: Verdict
) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: STREAMED, MITIGATED.id: [beside, brief], OTHER.id: STREAMED}
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, BARE, MITIGATED, OTHER)
    assert asked(bench, BARE, MITIGATED, OTHER) == [1, 2, 1]
    result, said = results[MITIGATED.id], assess([beside()], assess([STREAMED()]).metrics)
    assert takes(run, result) == [BESIDE, BRIEF]
    assert (result.verdict, result.facts.beside_others) == (verdict, None)
    assert (result.release, result.metrics) == (said.judgement.release, said.metrics), "the brief one is not judged"


@pytest.mark.parametrize(("brief", "alone"), [(LATE, 0), (STREAMED, 1), (LATE_ONCE, 1), (LATER, 1)])
async def test_one_that_was_late_stays_so_if_alone_it_turns_late(run: Run, brief: Stream, alone: int) -> None:
    stories: Stories = {
        CONTROL.id: STREAMED,
        BARE.id: STREAMED,
        MITIGATED.id: [DELAYED, brief, *[DELAYED] * alone],
        OTHER.id: STREAMED,
    }
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, BARE, MITIGATED, OTHER)
    assert results[MITIGATED.id].verdict == "delayed"
    assert takes(run, results[MITIGATED.id]) == [BESIDE, BRIEF, *[ALONE] * alone]


class OnceHeld(Lag):
    """A lag of 80 ms, and once of more than makes a hold: beside others something kept the token for so long."""

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.lag_ms = HOLD_MS + 20 if not self.pieces and self.lag_ms == 0 else 80.0
        return super().push(data, now_ns)


async def test_one_of_which_a_token_was_held_once_beside_others_stays_late_if_alone_it_turns_as_late(run: Run) -> None:
    held_once = through(partial(OnceHeld, lag_ms=0))
    assert [isinstance(one, Hold) for one in assess_one(held_once(), None).seen[:2]] == [True, False]
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: STREAMED, MITIGATED.id: [held_once, LATE], OTHER.id: STREAMED}
    results = await measured(run, Played(stories, SIDE_BY_SIDE), BARE, MITIGATED, OTHER)
    assert results[MITIGATED.id].verdict == "delayed"
    assert takes(run, results[MITIGATED.id]) == [BESIDE, BRIEF]


async def test_it_is_held_against_the_first_of_its_streams_which_had_pulses_too(run: Run) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [PULSED, STREAMED, PULSED], MITIGATED.id: STREAMED}
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, BARE, MITIGATED)
    assert takes(run, results[BARE.id]) == [BESIDE, BESIDE, BRIEF]
    assert (results[BARE.id].verdict, asked(bench, MITIGATED)) == ("streamed", [1])


async def test_one_that_begins_otherwise_alone_is_measured_in_full_and_if_it_is_the_same_then_nothing_else_is(
    run: Run,
) -> None:
    stories: Stories = {
        CONTROL.id: STREAMED,
        BARE.id: STREAMED,
        MITIGATED.id: [HELD, LET_GO, HELD],
        OTHER.id: HELD,
    }
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, BARE, MITIGATED, OTHER)
    assert asked(bench, BARE, MITIGATED, OTHER) == [1, 3, 1]
    assert takes(run, results[MITIGATED.id]) == [BESIDE, BRIEF, ALONE]
    assert (results[MITIGATED.id].verdict, results[MITIGATED.id].facts.beside_others) == ("buffered", None)


@pytest.mark.parametrize(("beside", "was"), [(DELAYED, "delayed"), (BROKEN, "broken")])
async def test_one_that_is_late_or_breaks_beside_others_only_is_told_as_what_it_is_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, beside: Story, was: Verdict
) -> None:
    monkeypatch.setattr("harness.measure.streams.DEATH_S", 0.0)
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [STREAMED, STREAMED], MITIGATED.id: [beside, STREAMED, STREAMED]}
    results = await measured(run, Played(stories, SIDE_BY_SIDE), BARE, MITIGATED)
    assert (results[MITIGATED.id].verdict, results[MITIGATED.id].facts.beside_others) == ("streamed", was)


async def test_what_is_doubtful_alone_in_its_chain_is_asked_for_once_more_alone_on_the_machine(run: Run) -> None:
    late, barely_held = f"{alone(0, 15, 250)} end", f"{alone(0, 15, 330)} end"
    stories: Stories = {
        CONTROL.id: STREAMED,
        BARE.id: STREAMED,
        MITIGATED.id: [late, LET_GO, barely_held, late],
        OTHER.id: STREAMED,
    }
    results = await measured(run, Played(stories, SIDE_BY_SIDE), BARE, MITIGATED, OTHER)
    assert takes(run, results[MITIGATED.id]) == [BESIDE, BRIEF, ALONE, ALONE]
    assert (results[MITIGATED.id].verdict, results[MITIGATED.id].facts.beside_others) == ("delayed", None)


async def test_one_of_which_only_some_tokens_are_late_is_no_sample_and_is_measured_alone_anyway(run: Run) -> None:
    partly = f"{alone(0, 7, 60)} {alone(8, 15)} end"
    stories: Stories = {
        CONTROL.id: STREAMED,
        BARE.id: [partly, STREAMED],
        MITIGATED.id: [STREAMED, STREAMED],
        OTHER.id: STREAMED,
    }
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, BARE, MITIGATED, OTHER)
    assert asked(bench, BARE, MITIGATED, OTHER) == [2, 2, 1]
    assert (takes(run, results[BARE.id]), bench.brief[MITIGATED.id]) == ([BESIDE, ALONE], 1)


async def test_where_it_is_another_thing_alone_all_cells_of_the_chain_are_measured_alone(run: Run) -> None:
    apart = cell("nginx:gzip")
    chain: Stories = {
        BARE.id: [HELD, STREAMED, STREAMED],
        MITIGATED.id: [HELD, STREAMED],
        OTHER.id: [STREAMED, STREAMED],
    }
    stories: Stories = {CONTROL.id: STREAMED, **chain, apart.id: HELD}
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, CONTROL, BARE, MITIGATED, OTHER, apart)
    assert asked(bench, BARE, MITIGATED, OTHER, apart) == [3, 2, 2, 1]
    assert takes(run, results[BARE.id]) == [BESIDE, BRIEF, ALONE]
    assert takes(run, results[MITIGATED.id]) == [BESIDE, ALONE], "only one of them is asked for briefly"
    told = {each: (results[each.id].verdict, results[each.id].facts.beside_others) for each in (BARE, MITIGATED, OTHER)}
    assert told == {BARE: ("streamed", "buffered"), MITIGATED: ("streamed", "buffered"), OTHER: ("streamed", None)}
    assert results[MITIGATED.id].effect == "not needed"


async def test_no_other_of_its_chain_waits_for_one_that_takes_its_time_however_it_goes(run: Run) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, OTHER.id: HELD, MITIGATED.id: HELD}
    bench = Played(stories, SIDE_BY_SIDE)
    slow = replace(CATALOGUE[MITIGATED.mitigations[0]], delay_ms=LASTS_MS)
    async with Runner(bench, run, {**CATALOGUE, slow.name: slow}, REQUESTS) as runner:
        await runner.run([BARE, OTHER, MITIGATED], lambda result: None)
    assert asked(bench, BARE, OTHER, MITIGATED) == [1, 1, 1]


@pytest.mark.parametrize(
    ("jobs", "serial", "cells"), [(1, False, [BARE, MITIGATED]), (4, True, [BARE, MITIGATED]), (4, False, [BARE])]
)
async def test_who_had_nobody_beside_it_is_measured_once(run: Run, jobs: int, serial: bool, cells: list[Cell]) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: HELD}
    bench = Played(stories, jobs, serial=frozenset({BARE.chain} if serial else ()))
    await measured(run, bench, *cells)
    assert set(asked(bench, *cells)) == {1}


@pytest.mark.parametrize(("beside", "verdict"), [(HELD, "buffered"), (STREAMED, "streamed")])
async def test_one_that_a_hop_turns_away_only_when_it_is_alone_stays_what_it_was(
    run: Run, monkeypatch: pytest.MonkeyPatch, beside: Story, verdict: Verdict
) -> None:
    monkeypatch.setattr("harness.measure.streams.DEATH_S", 0.0)
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [beside, *[REFUSED] * 5], MITIGATED.id: STREAMED}
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, BARE, MITIGATED)
    assert asked(bench, BARE, MITIGATED) == [6, 1], "briefly, in full, and again as often as any other"
    assert (results[BARE.id].verdict, results[BARE.id].outcome) == (verdict, "observed")


async def test_one_whose_proxy_dies_when_it_is_alone_says_so_and_costs_no_other(run: Run) -> None:
    died = ProxyError("nginx died")
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: STREAMED, MITIGATED.id: [HELD, died, died]}
    results = await measured(run, Played(stories, SIDE_BY_SIDE), BARE, MITIGATED)
    assert (results[BARE.id].outcome, results[MITIGATED.id].reason) == ("observed", "nginx died")


@pytest.mark.parametrize(
    ("bare", "mitigated"),
    [([HELD, STREAMED, STREAMED], [HELD, HELD]), ([HELD, LET_GO, HELD], [HELD]), ([COALESCED, LET_GO], [HELD])],
    ids=["another thing alone", "the same alone", "begins alike"],
)
async def test_judged_again_from_disk_and_replayed_it_comes_to_the_same(
    run: Run, tmp_path: Path, bare: Sequence[Story], mitigated: Sequence[Story]
) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: bare, MITIGATED.id: mitigated}
    cells = [CONTROL, BARE, MITIGATED]
    by_id = await measured(run, Played(stories, SIDE_BY_SIDE), *cells)
    results = [by_id[each.id] for each in cells]
    assert rejudge(results, {one.id: load_traces(run.folder / str(one.evidence)) for one in results}) == results
    again = Run.create(tmp_path / "again", run_info())
    async with Runner(Replay.of(Run.open(run.folder)), again, CATALOGUE, REQUESTS) as runner:
        replayed = await runner.run(cells, lambda result: None)

    def told(result: Result) -> Result:
        return replace(result, started_at="", duration_ms=0)

    assert list(map(told, replayed)) == list(map(told, results))


@pytest.mark.parametrize("is_left", [False, True])
async def test_a_cell_that_is_given_up_keeps_nobody_who_leaves_from_leaving(is_left: bool) -> None:
    asked: list[Cell] = []
    is_asked = asyncio.Event()
    given_up = asyncio.get_running_loop().create_future()

    async def meet(one: Cell) -> Measured:
        asked.append(one)
        is_asked.set()
        await given_up
        raise ProxyError("never reached")

    beside = Beside(meet, meet)
    beside.add(BARE.chain, [BARE, MITIGATED])
    waiting = asyncio.create_task(beside.wants_alone(BARE.chain, BARE))
    await is_asked.wait()
    beside.give_up(BARE)
    given_up.cancel()
    if is_left:
        for task in beside.tasks:
            task.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() is is_left
    assert asked == ([BARE] if is_left else [BARE, MITIGATED])
