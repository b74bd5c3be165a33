"""Nothing that runs beside a cell is in its answer: one cell of each chain is measured alone, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import ProxyError
from harness.judge.rejudge import rejudge
from harness.measure.replay import Replay
from harness.measure.runner import Runner
from harness.model import Cell, Result
from harness.store.runs import Run, load_traces
from tests.measure.playing import BARE, CONTROL, HELD, MITIGATED, STREAMED, Played, Stories, measured
from tests.measure.test_again import REFUSED
from tests.reports.samples import CATALOGUE, cell, run_info

OTHER = cell("nginx:default", "no-cache")
SIDE_BY_SIDE = 4


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, run_info())


def asked(bench: Played, *cells: Cell) -> list[int]:
    return [bench.takes[some.id] for some in cells]


async def test_one_cell_of_a_chain_is_measured_alone_the_first_that_does_not_stream(run: Run) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: STREAMED, MITIGATED.id: [HELD, HELD], OTHER.id: HELD}
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, CONTROL, BARE, MITIGATED, OTHER)
    assert asked(bench, CONTROL, BARE, MITIGATED, OTHER) == [1, 1, 2, 1]
    assert [trace.alone for trace in load_traces(run.folder / str(results[MITIGATED.id].evidence))] == [False, True]
    assert {result.facts.beside_others for result in results.values()} == {None}


async def test_where_all_stream_it_is_the_baseline(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [STREAMED, STREAMED], MITIGATED.id: STREAMED}, SIDE_BY_SIDE)
    await measured(run, bench, MITIGATED)
    assert asked(bench, CONTROL, BARE, MITIGATED) == [1, 2, 1]


async def test_where_it_is_another_thing_alone_all_cells_of_the_chain_are_measured_alone(run: Run) -> None:
    apart = cell("nginx:gzip")
    chain: Stories = {BARE.id: [HELD, STREAMED], MITIGATED.id: [HELD, STREAMED], OTHER.id: [STREAMED, STREAMED]}
    stories: Stories = {CONTROL.id: STREAMED, **chain, apart.id: HELD}
    bench = Played(stories, SIDE_BY_SIDE)
    results = await measured(run, bench, CONTROL, BARE, MITIGATED, OTHER, apart)
    assert asked(bench, BARE, MITIGATED, OTHER, apart) == [2, 2, 2, 1]
    told = {each: (results[each.id].verdict, results[each.id].facts.beside_others) for each in (BARE, MITIGATED, OTHER)}
    assert told == {BARE: ("streamed", "buffered"), MITIGATED: ("streamed", "buffered"), OTHER: ("streamed", None)}
    assert results[MITIGATED.id].effect == "not needed"


@pytest.mark.parametrize(
    ("jobs", "serial", "cells"), [(1, False, [BARE, MITIGATED]), (4, True, [BARE, MITIGATED]), (4, False, [BARE])]
)
async def test_who_had_nobody_beside_it_is_measured_once(run: Run, jobs: int, serial: bool, cells: list[Cell]) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: HELD}
    bench = Played(stories, jobs, serial=frozenset({BARE.chain} if serial else ()))
    await measured(run, bench, *cells)
    assert set(asked(bench, *cells)) == {1}


async def test_one_that_a_hop_turns_away_only_when_it_is_alone_stays_what_it_was(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.measure.streams.DEATH_S", 0.0)
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [HELD, *[REFUSED] * 4], MITIGATED.id: STREAMED}
    results = await measured(run, Played(stories, SIDE_BY_SIDE), BARE, MITIGATED)
    assert (results[BARE.id].verdict, results[BARE.id].outcome) == ("buffered", "observed")


async def test_one_whose_proxy_dies_when_it_is_alone_says_so_and_costs_no_other(run: Run) -> None:
    died = ProxyError("nginx died")
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: STREAMED, MITIGATED.id: [HELD, died]}
    results = await measured(run, Played(stories, SIDE_BY_SIDE), BARE, MITIGATED)
    assert (results[BARE.id].outcome, results[MITIGATED.id].reason) == ("observed", "nginx died")


async def test_judged_again_from_disk_and_replayed_it_comes_to_the_same(run: Run, tmp_path: Path) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [HELD, STREAMED], MITIGATED.id: [HELD, HELD]}
    cells = [CONTROL, BARE, MITIGATED]
    by_id = await measured(run, Played(stories, SIDE_BY_SIDE), *cells)
    results = [by_id[each.id] for each in cells]
    assert rejudge(results, {one.id: load_traces(run.folder / str(one.evidence)) for one in results}) == results
    again = Run.create(tmp_path / "again", run_info())
    async with Runner(Replay.of(Run.open(run.folder)), again, CATALOGUE) as runner:
        replayed = await runner.run(cells, lambda result: None)

    def told(result: Result) -> Result:
        return replace(result, started_at="", duration_ms=0)

    assert list(map(told, replayed)) == list(map(told, results))
