"""In which order streams are measured, how many at once, and how a run ends before its last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import get_args

import pytest

from harness.errors import InputError, NoRoom, ProxyError, Unavailable
from harness.matrix.references import control_of
from harness.measure.bench import StartedChain
from harness.measure.runner import Runner
from harness.measure.sights import Sight
from harness.model import Body, Cell, Chain, Result, Trace, chain_text
from harness.session import shipped
from harness.store.runs import Run
from tests.factories import story, streamed
from tests.measure.playing import (
    BARE,
    CONTROL,
    HELD,
    MITIGATED,
    STREAMED,
    Played,
    Stories,
    Story,
    one,
)
from tests.measure.test_again import REFUSED, turned_away
from tests.planning import REQUESTS
from tests.reports.samples import CATALOGUE, cell
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(120)  # who waits for what was given up waits for ever


async def test_a_result_is_on_disk_before_anybody_is_told_of_it(run: Run) -> None:
    told = []

    def on_result(result: Result) -> None:
        told.append(result.id)
        assert result in Run.open(run.folder).results

    async with Runner(Played({CONTROL.id: STREAMED, BARE.id: HELD}), run, CATALOGUE, REQUESTS) as runner:
        await runner.run([BARE, CONTROL], on_result)
    assert sorted(told) == sorted([BARE.id, CONTROL.id])


class Told(Played):
    """Keeps what it was told to be needed, and which results there were then."""

    def __init__(self, stories: Stories) -> None:
        super().__init__(stories)
        self.done: set[str] = set()
        self.needed: list[tuple[set[str], set[str]]] = []

    async def needs(self, chains: Iterable[Chain]) -> None:
        self.needed.append((set(map(chain_text, chains)), {*self.done}))


async def test_a_chain_is_needed_until_all_cells_are_done_that_go_through_it_or_whose_baseline_does(run: Run) -> None:
    other = cell("nginx:gzip")
    elsewhere = cell("nginx:default", "nginx-buffering-off")  # its own chain is another
    cells = (CONTROL, other, BARE, MITIGATED, elsewhere)
    bench = Told({some.id: STREAMED for some in cells})
    async with Runner(bench, run, shipped.catalogue(), REQUESTS) as runner:
        await runner.run(cells, lambda result: bench.done.add(result.id))
    assert bench.needed[0] == ({"direct", "nginx:gzip", "nginx:default", "nginx:buffering-off"}, set())
    assert bench.needed[-1][0] == set()
    through = {other.id: "nginx:gzip", BARE.id: "nginx:default", MITIGATED.id: "nginx:default"}
    for needed, done in bench.needed:
        assert {chain for one, chain in through.items() if one not in done} <= needed
        assert elsewhere.id in done or {"nginx:default", "nginx:buffering-off"} <= needed
        assert other.id not in done or "nginx:gzip" not in needed


async def test_paced_cells_are_measured_when_all_else_is(run: Run) -> None:
    paced = [replace(some, pace="paced") for some in (CONTROL, BARE)]
    bench = Played({some.id: STREAMED for some in (*paced, CONTROL, BARE)})
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        results = await runner.run([*paced, CONTROL, BARE], lambda result: None)
    order = list(bench.takes)
    assert {*order[:2]} == {CONTROL.id, BARE.id}
    assert order[2] == "started"
    assert {*order[3:]} == {some.id for some in paced}
    assert [result.cell for result in results] == [*paced, CONTROL, BARE]


TOGETHER = "s0 +60 s1 +60 s2 +60 s3 r0-3 +200 end"


def at_a_pace(words: str, of: Cell) -> Trace:
    return replace(story(words, pace="paced"), cell_id=of.id)


async def test_a_paced_cell_carries_the_verdict_of_its_lockstep_twin_which_is_measured_first(run: Run) -> None:
    paced, its_control = (replace(some, pace="paced") for some in (BARE, CONTROL))
    streams = {paced.id: at_a_pace(TOGETHER, paced), its_control.id: at_a_pace(streamed(6), its_control)}
    bench = Played({CONTROL.id: STREAMED, BARE.id: HELD, **streams})
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        told, twin = await runner.result(paced), await runner.result(BARE)
    assert list(bench.takes).index(BARE.id) < list(bench.takes).index(paced.id)
    assert (told.twin_id, twin.twin_id) == (BARE.id, None)
    assert (told.verdict, told.reason, told.release) == (twin.verdict, twin.reason, twin.release)
    assert told.shows
    assert twin.shows
    assert (told.shows.manner, told.shows.seen, twin.shows.seen) == ("at the end", True, False)
    assert told.metrics
    assert told.metrics.holds == 1
    assert bench.takes[paced.id] == 1, "a paced stream needs no second to confirm it"


async def test_a_paced_cell_whose_twin_cannot_be_measured_fares_like_it(run: Run) -> None:
    paced, its_control = (replace(some, pace="paced") for some in (BARE, CONTROL))
    stories: Stories = {
        CONTROL.id: STREAMED,
        its_control.id: at_a_pace(streamed(6), its_control),
        BARE.id: ProxyError("in mid-stream, nginx died"),
    }
    told = await one(run, stories, paced)
    assert (told.outcome, told.fault, told.reason) == ("error", "proxy", "in mid-stream, nginx died")


@pytest.mark.parametrize("jobs", [1, 3])
async def test_as_many_streams_as_there_are_jobs_run_at_once(run: Run, jobs: int) -> None:
    cells = [cell(f"nginx:{number}") for number in range(8)]
    bench = Played({CONTROL.id: STREAMED, **{each.id: STREAMED for each in cells}}, jobs)
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        await runner.run(cells, lambda result: None)
    assert bench.at_once_max == jobs


@pytest.mark.parametrize(("serial", "at_once"), [(True, 1), (False, 6)])
async def test_what_serves_one_at_a_time_is_asked_for_one_stream_at_a_time(
    run: Run, serial: bool, at_once: int
) -> None:
    app = cell("asgi:plain")
    cells = [replace(app, format=form, body=body) for form in ("sse", "text") for body in get_args(Body)]
    stories = {control_of(each, {}).id: STREAMED for each in cells} | {each.id: STREAMED for each in cells}
    bench = Played(stories, 6, serial=frozenset({app.chain} if serial else ()))
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        await asyncio.gather(*(runner.result(control_of(each, {})) for each in cells))
        bench.at_once_max = 0
        await runner.run(cells, lambda result: None)
    assert bench.at_once_max == at_once


@pytest.mark.parametrize("said", [True, False])
async def test_of_cells_that_are_said_to_run_beside_each_other_one_is_looked_at_alone(run: Run, said: bool) -> None:
    later = cell("nginx:default", "pad-2k")
    bench = Played({each.id: [HELD] * 3 for each in (BARE, MITIGATED, later)} | {CONTROL.id: STREAMED}, jobs=4)
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        if said:
            runner.beside_each_other([BARE, MITIGATED])
        await asyncio.gather(*map(runner.result, (BARE, MITIGATED)))
        assert bench.brief.total() == said
        runner.beside_each_other([later])
        await runner.result(later)
        assert bench.brief.total() <= 1, "what shows of the chain, has shown"


async def test_chains_can_start_before_their_cells_and_what_fails_is_told_by_these(run: Run) -> None:
    started = list[Chain]()

    class Starting(Played):
        async def entry(self, chain: Chain) -> StartedChain:
            started.append(chain)
            if chain == BARE.chain:
                raise ProxyError("it does not start")
            return await super().entry(chain)

    async with Runner(Starting({CONTROL.id: STREAMED, BARE.id: HELD}), run, CATALOGUE, REQUESTS) as runner:
        await runner.started([CONTROL, BARE], BARE)
        assert {*started} == {(), BARE.chain}
        assert (await runner.result(BARE)).reason == "it does not start"


async def test_that_a_hop_turns_a_cell_away_is_known_while_it_is_asked_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.measure.streams.DEATH_S", 0.0)
    resting, seen = asyncio.Event(), list[tuple[Cell, Sight]]()

    class Resting(Played):
        async def rest(self, rest_s: float) -> None:
            if rest_s:
                resting.set()
                await asyncio.Event().wait()

    bench = Resting({CONTROL.id: STREAMED, BARE.id: replace(REFUSED, cell_id=BARE.id)})
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        runner.on_sight = lambda cell, sight: seen.append((cell, sight))
        asking = asyncio.create_task(runner.result(BARE))
        await resting.wait()
        assert seen == [(BARE, "limited")]
        asking.cancel()


async def test_what_a_cell_looks_like_is_told_before_others_of_its_chain_are_done(run: Run) -> None:
    """One is measured alone, too, when all are: until then no other has a result."""
    seen = dict[Cell, Sight]()
    async with Runner(Played({CONTROL.id: STREAMED, MITIGATED.id: STREAMED}, 8), run, CATALOGUE, REQUESTS) as runner:
        runner.on_sight = seen.__setitem__
        runner.beside_each_other([BARE, MITIGATED])
        asking = asyncio.create_task(runner.result(MITIGATED))
        await eventually(lambda: MITIGATED in seen)
        assert (seen[MITIGATED], asking.done()) == ("streams", False)
        asking.cancel()


async def test_who_waits_for_its_turn_keeps_no_other_cell_from_measuring(run: Run) -> None:
    endless, waiting, quick = cell("asgi:plain"), cell("asgi:plain", "pad-2k"), cell("nginx:quick")
    bench = Played({each.id: STREAMED for each in (CONTROL, waiting, quick)}, 2, serial=frozenset({endless.chain}))
    async with asyncio.timeout(10), Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        for each in (endless, waiting):
            running = asyncio.create_task(runner.result(each))
        await eventually(lambda: bench.takes[endless.id])
        assert (await runner.result(quick)).verdict == "streamed", "the other of the two jobs is free"
        assert not running.done()
    assert bench.takes[waiting.id] == 0


async def test_a_proxy_that_starts_slowly_keeps_no_other_cell_from_measuring(run: Run) -> None:
    started = asyncio.Event()

    class Slow(Played):
        async def entry(self, chain: Chain) -> StartedChain:
            if chain == BARE.chain:
                await started.wait()
            return await super().entry(chain)

    quick = cell("nginx:quick")
    bench = Slow({CONTROL.id: STREAMED, BARE.id: HELD, quick.id: STREAMED}, 1)
    async with asyncio.timeout(10), Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        slow = asyncio.create_task(runner.result(BARE))
        assert (await runner.result(quick)).verdict == "streamed"
        started.set()
        assert (await slow).verdict == "buffered"


async def test_leaving_gives_up_what_is_not_finished_and_writes_nothing_of_it(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED})
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        running = asyncio.create_task(runner.run([CONTROL, BARE, MITIGATED], lambda result: None))
        await eventually(lambda: bench.takes[BARE.id])
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bench.at_once
    assert bench.at_once == 0
    assert [result.id for result in Run.open(run.folder).results] == [CONTROL.id]


async def test_a_run_that_cannot_write_down_its_results_ends_with_the_reason(run: Run) -> None:
    lines = run.folder / "results.jsonl"
    lines.unlink()
    lines.mkdir()
    async with Runner(Played({CONTROL.id: STREAMED}), run, CATALOGUE, REQUESTS) as runner:
        with pytest.raises(InputError, match=r"cannot write .*results\.jsonl: Is a directory"):
            await runner.run([CONTROL], lambda result: None)


@pytest.mark.parametrize("where", [CONTROL, BARE])
async def test_a_full_disk_ends_the_run_and_does_not_look_like_a_fault_of_every_cell(run: Run, where: Cell) -> None:
    stories: dict[str, Story] = {CONTROL.id: STREAMED, BARE.id: HELD, where.id: NoRoom("cannot write trace.json")}
    async with Runner(Played(stories), run, CATALOGUE, REQUESTS) as runner:
        with pytest.raises(NoRoom, match=r"trace\.json"):
            await runner.run([BARE], lambda result: None)
    assert Run.open(run.folder).results == []


# ---------------------------------------------------------------- what a diagnosis asks for


class Refusing(Played):
    """Starts no chain that a fault is told of."""

    def __init__(self, faults: Mapping[str, Exception]) -> None:
        super().__init__({})
        self.faults = faults

    async def entry(self, chain: Chain) -> StartedChain:
        await asyncio.sleep(0)
        if fault := self.faults.get(chain_text(chain)):
            raise fault
        return await super().entry(chain)


@pytest.mark.parametrize(
    ("chain", "fault", "is_told"),
    [
        ("nginx:default", InputError("leads to several"), True),
        ("nginx:default", ProxyError("it died"), False),
        ("nginx:default", Unavailable("it is not here", "install it"), False),
        ("nginx:gzip", InputError("no path is known of it alone"), False),
    ],
)
async def test_what_is_wrong_in_a_config_of_the_chain_that_is_needed_ends_the_start(
    run: Run, chain: str, fault: Exception, is_told: bool
) -> None:
    async with Runner(Refusing({chain: fault}), run, CATALOGUE, REQUESTS) as runner:
        starting = runner.started([BARE, cell("nginx:gzip"), CONTROL], BARE)
        if is_told:
            with pytest.raises(InputError, match="leads to several"):
                await starting
        else:
            await starting


async def test_what_is_given_up_ends_and_nobody_waits_for_it_any_more(run: Run) -> None:
    never = cell("nginx:default", "no-cache")
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [HELD, HELD], MITIGATED.id: [STREAMED, STREAMED]}
    async with Runner(Played(stories, jobs=4), run, CATALOGUE, REQUESTS) as runner:
        runner.beside_each_other([BARE, MITIGATED, never])
        waiting = asyncio.create_task(runner.result(never))
        found = asyncio.create_task(runner.result(MITIGATED))
        await asyncio.sleep(0)
        waiting.cancel()
        runner.give_up([never])
        assert (await found).verdict == "streamed"
    assert {one.cell for one in run.results} == {MITIGATED}


@pytest.mark.parametrize(("status", "looks"), [(429, "limited"), (503, "limited"), (401, "refused"), (501, "refused")])
async def test_what_turns_a_stream_away_for_now_looks_like_a_limit(run: Run, status: int, looks: Sight) -> None:
    seen: list[Sight] = []
    async with Runner(
        Played({CONTROL.id: STREAMED, BARE.id: [turned_away(status), HELD]}), run, CATALOGUE, REQUESTS
    ) as runner:
        runner.on_sight = lambda cell, sight: seen.append(sight) if cell == BARE else None
        await runner.result(BARE)
    assert seen[0] == looks
