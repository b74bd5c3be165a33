"""What becomes of measured streams: stories replayed on a bench on which nothing runs."""

from __future__ import annotations

import gc
import operator
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.errors import BackendError, HarnessError, InputError, ProxyError, Unavailable
from harness.measure.announced import whole_tokens
from harness.measure.bench import StartedChain
from harness.measure.guard import Guard
from harness.measure.replay import Replay
from harness.measure.runner import Runner
from harness.measure.schedule import BUSY_MS, Schedule
from harness.measure.streams import TAKES
from harness.model import Chain, Expectation, Facts, Mitigation, StandIn, Trace
from harness.store.runs import Run, load_traces
from tests.hops import Lag
from tests.measure.playing import (
    BARE,
    BROKEN,
    COALESCED,
    CONTROL,
    DELAYED,
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
    takes_of,
    through,
)
from tests.planning import REQUESTS
from tests.reports.samples import CATALOGUE, cell, run_info
from tests.waiting import eventually

# ---------------------------------------------------------------- controls and baselines


async def test_who_reads_instead_is_named_with_its_version_and_whose_the_control_is(run: Run) -> None:
    asked = cell("nginx:default", "http2")
    catalogue = {**CATALOGUE, "http2": Mitigation("http2", "It streams.", "us", "config", client="h2")}
    (by_h2,) = takes_of(asked.id, STREAMED)
    assert isinstance(by_h2, Trace)
    by_h2 = replace(by_h2, plan=replace(by_h2.plan, client="h2"))
    bench, stand_in = Played({CONTROL.id: STREAMED, BARE.id: HELD, asked.id: by_h2}), StandIn("aiohttp")
    async with Runner(bench, run, catalogue, REQUESTS, stand_ins={"h2": stand_in}) as runner:
        _, bare, http2 = await runner.run([CONTROL, BARE, asked], lambda result: None)
    assert http2.effect == "defeats"
    assert (list(bare.versions), list(http2.versions)) == (["aiohttp", "nginx"], ["h2", "nginx"])
    assert http2.facts == Facts(stand_in=stand_in)
    assert bare.facts == Facts(tail_tokens=len(HELD().sent))


async def test_a_cell_is_held_against_its_control_and_its_baseline(run: Run) -> None:
    results = await measured(
        run, Played({CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: STREAMED}), CONTROL, BARE, MITIGATED
    )
    assert [results[some.id].verdict for some in (CONTROL, BARE, MITIGATED)] == ["streamed", "buffered", "streamed"]
    assert [results[some.id].effect for some in (CONTROL, BARE, MITIGATED)] == [None, None, "defeats"]
    assert results[CONTROL.id].control_id is None
    assert (results[BARE.id].control_id, results[BARE.id].baseline_id) == (CONTROL.id, None)
    assert (results[MITIGATED.id].control_id, results[MITIGATED.id].baseline_id) == (CONTROL.id, BARE.id)


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (HELD, "its direct control is buffered: token 0 was held while "),
        (BackendError("the emitter died in mid-stream"), f"{CONTROL.id} could not be measured: the emitter died"),
    ],
)
async def test_a_cell_whose_control_failed_is_blocked_whatever_it_looks_like(
    run: Run, control: Story, why: str
) -> None:
    expect = [Expectation("*", "it must", ("buffered",))]
    result = await one(run, {CONTROL.id: control, BARE.id: HELD}, BARE, expect)
    assert result.outcome == "blocked"
    assert result.reason.startswith(why)
    assert result.effect is None


async def test_what_the_control_needs_itself_is_taken_off(run: Run) -> None:
    slow_machine = through(partial(Lag, 40))
    result = await one(run, {CONTROL.id: slow_machine, BARE.id: DELAYED}, BARE)
    assert result.verdict == "streamed"
    assert result.metrics
    assert result.metrics.over_control_ms == pytest.approx(40)


async def test_a_control_that_does_not_stream_says_so_itself(run: Run) -> None:
    expect = [Expectation("direct/*", "nothing could hold it", ("streamed",))]
    result = await one(run, {CONTROL.id: HELD}, CONTROL, expect)
    assert (result.verdict, result.outcome) == ("buffered", "fail")
    assert result.reason == "expected streamed, got buffered: nothing could hold it"


@pytest.mark.parametrize("failure", [ProxyError("it did not start"), BackendError("the emitter died")])
async def test_a_baseline_without_a_verdict_leaves_no_effect(run: Run, failure: HarnessError) -> None:
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: failure, MITIGATED.id: STREAMED}, MITIGATED)
    assert (result.outcome, result.verdict, result.effect) == ("observed", "streamed", None)


async def test_every_cell_is_measured_once_even_if_many_rest_on_it(run: Run) -> None:
    many = [cell("nginx:default", name) for name in ("x-accel-buffering", "no-cache", "pad-2k")]
    bench = Played({CONTROL.id: STREAMED, BARE.id: HELD, **{some.id: STREAMED for some in many}})
    await measured(run, bench, *many, CONTROL, BARE)
    assert bench.takes == {some.id: 1 for some in (CONTROL, BARE, *many)}


async def test_references_that_nobody_asked_for_are_measured_but_not_reported(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: STREAMED})
    results = await measured(run, bench, MITIGATED)
    assert list(results) == [MITIGATED.id]
    assert results[MITIGATED.id].effect == "defeats"
    assert bench.takes[BARE.id] == 1


# ---------------------------------------------------------------- second streams


async def test_what_only_pulses_let_go_is_looked_at_without_them(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [PULSED, HELD]})
    result = (await measured(run, bench, BARE))[BARE.id]
    assert (result.outcome, result.verdict) == ("observed", "buffered")
    assert result.reason.endswith("; in a first stream, other requests through the chain let tokens go")
    assert bench.asked[1:] == [(None, False), (None, True)]
    assert len(load_traces(run.folder / str(result.evidence))) == 2


async def test_what_was_too_short_is_asked_for_longer(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [SHORT, LONGER]})
    result = (await measured(run, bench, BARE))[BARE.id]
    assert (result.outcome, result.verdict) == ("observed", "streamed")
    assert bench.asked[1:] == [(None, False), (LONGER().plan.emission.announced_tokens, False)]


async def test_what_stays_too_short_is_asked_for_some_times_and_no_verdict(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [SHORT] * (TAKES + 1)})
    result = (await measured(run, bench, BARE))[BARE.id]
    assert (result.outcome, result.verdict, bench.takes[BARE.id]) == ("too short", None, TAKES)


class Silent(Guard):
    """Lets nothing through the chain beside a stream, which is announced as a whole."""

    silences = True

    def quietly(self) -> Guard:
        return self


class SilentlyPlayed(Played):
    """Plays stories of chains that serve one request at a time."""

    async def entry(self, chain: Chain) -> StartedChain:
        entry = await super().entry(chain)
        return replace(entry, guard=Silent(entry.guard.control, entry.guard.pulse))


async def test_a_length_that_is_announced_is_asked_for_once_with_room_for_all_that_is_done_there(run: Run) -> None:
    short = SHORT()
    needed = whole_tokens(short.plan.emission)
    whole = replace(short.plan, emission=replace(short.plan.emission, announced_tokens=needed))
    bench = SilentlyPlayed({CONTROL.id: STREAMED, BARE.id: [short, LONGER()]})
    result = (await measured(run, bench, BARE))[BARE.id]
    assert (result.outcome, bench.asked[1:]) == ("observed", [(None, False), (needed, False)])
    bench = SilentlyPlayed({CONTROL.id: STREAMED, BARE.id: [short, replace(short, plan=whole), LONGER()]})
    untold = (await measured(Run.create(run.folder.parent, run_info(name="again")), bench, BARE))[BARE.id]
    assert (untold.outcome, bench.takes[BARE.id]) == ("too short", 2)


async def test_streams_of_which_one_is_broken_are_unstable_and_have_no_effect(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.measure.streams.DEATH_S", 0.0)
    expect = [Expectation("*", "it must", ("coalesced", "delayed"))]
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: HELD, MITIGATED.id: [PULSED, BROKEN]}
    result = await one(run, stories, MITIGATED, expect)
    assert (result.outcome, result.effect) == ("unstable", None)
    assert "then broken (" in result.reason


@pytest.mark.parametrize("certain", [STREAMED, HELD, COALESCED, DELAYED])
async def test_a_verdict_that_one_stream_shows_needs_no_second(run: Run, certain: Story) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [certain, "s0 end"]})
    assert (await measured(run, bench, BARE))[BARE.id].outcome == "observed"
    assert bench.takes[BARE.id] == 1


# ---------------------------------------------------------------- what is told and kept


async def test_a_result_names_the_versions_of_client_and_proxies(run: Run) -> None:
    results = await measured(run, Played({CONTROL.id: STREAMED, BARE.id: HELD}), CONTROL, BARE)
    assert results[CONTROL.id].versions == {"aiohttp": "0"}
    assert results[BARE.id].versions == {"aiohttp": "0", "nginx": "replayed"}


async def test_programs_that_differ_in_more_than_settings_are_named_apart(run: Run) -> None:
    told = cell("nginx:gzip@1.31.3>nginx:default>asgi:plain@hypercorn,A=1,starlette==0.45.3>asgi:plain@A=2")
    results = await measured(run, Played({CONTROL.id: STREAMED, told.id: STREAMED}), told)
    programs = ["nginx@1.31.3", "nginx", "asgi@hypercorn,starlette==0.45.3", "asgi"]
    assert results[told.id].versions == {"aiohttp": "0", **dict.fromkeys(programs, "replayed")}


async def test_a_result_tells_when_only_the_control_stream_guarded_its_patience(run: Run) -> None:
    results = await measured(run, Played({CONTROL.id: STREAMED, BARE.id: HELD}, mute=True), BARE)
    assert results[BARE.id].facts == Facts(unguarded=True, tail_tokens=len(HELD().sent))


async def test_a_stream_in_which_nothing_was_waited_for_needed_no_pulse(run: Run) -> None:
    results = await measured(run, Played({CONTROL.id: STREAMED, BARE.id: STREAMED}, mute=True), BARE)
    assert results[BARE.id].facts == Facts()


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("s0 r0 s1 r1 drain s2 s3 s4 s5 r2-5 end", 2),
        ("s0 r0 s1 r1 s2 r2 s3 r3 s4 r4 s5 r5 end", None),
        ("s0 +400 hold0 s1 r0-1 s2 +400 hold2 s3 r2-3 drain s4 s5 r4-5 end", None),
    ],
)
async def test_a_result_tells_when_only_its_first_tokens_were_waited_for(
    run: Run, words: str, after: int | None
) -> None:
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: words}, BARE)
    assert result.facts == Facts(sampled_after=after)


async def test_no_trace_stays_in_memory_once_its_cell_is_measured(run: Run) -> None:
    cells = [CONTROL, BARE, *(cell(f"nginx:{number}") for number in range(8))]
    ids = {some.id for some in cells}

    def kept() -> set[str]:
        return ids & {some.cell_id for some in gc.get_objects() if type(some) is Trace}

    async with Runner(Played({some.id: STREAMED for some in cells}), run, CATALOGUE, REQUESTS) as runner:
        await runner.run(cells, lambda result: None)
        gc.collect()
        await eventually(kept, operator.not_)  # a thread drops what it was given right after it has handed over its own


async def test_a_run_that_is_replayed_comes_to_what_it_came_to(run: Run, tmp_path: Path) -> None:
    stories: Stories = {CONTROL.id: STREAMED, BARE.id: [PULSED, HELD], MITIGATED.id: [SHORT, LONGER]}
    before = await measured(run, Played(stories), CONTROL, BARE, MITIGATED)
    again = Run.create(tmp_path / "again", run_info())
    async with Runner(Replay.of(Run.open(run.folder), Schedule(1)), again, CATALOGUE, REQUESTS) as runner:
        after = await runner.run([CONTROL, BARE, MITIGATED], lambda result: None)
    for now in after:
        assert now == replace(before[now.id], started_at=now.started_at, duration_ms=now.duration_ms)


# ---------------------------------------------------------------- what could not be measured


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (Unavailable("nginx is not installed", "apt-get install nginx"), "unavailable"),
        (ProxyError("nginx did not start: [emerg] unknown directive"), "error"),
        (BackendError("the emitter died in mid-stream"), "error"),
        (InputError("my.conf: cannot be read"), "error"),
    ],
)
async def test_what_could_not_be_measured_never_looks_like_a_verdict(
    run: Run, failure: HarnessError, outcome: str
) -> None:
    expect = [Expectation("*", "it must", ("buffered",))]
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: failure}, BARE, expect)
    assert (result.outcome, result.reason) == (outcome, str(failure))
    assert (result.verdict, result.effect, result.metrics, result.release) == (None, None, None, None)


async def test_a_broken_stream_is_the_proxys_error_if_the_proxy_died(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: BROKEN}, end=-signal.SIGKILL)
    result = (await measured(run, bench, BARE))[BARE.id]
    assert (result.outcome, result.verdict) == ("error", None)
    assert result.reason == "in mid-stream, nginx was killed by SIGKILL\nits last words"


async def test_a_proxy_that_dies_in_the_second_stream_has_died_and_is_not_unstable(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: [PULSED, BROKEN]}, end=-signal.SIGKILL)
    result = (await measured(run, bench, BARE))[BARE.id]
    assert (result.outcome, result.verdict) == ("error", None)
    assert result.reason.startswith("in mid-stream, nginx was killed by SIGKILL")


async def test_a_stream_that_came_whole_counts_even_if_the_proxy_died_after_it(run: Run) -> None:
    bench = Played({CONTROL.id: STREAMED, BARE.id: HELD}, end=-signal.SIGKILL)
    assert (await measured(run, bench, BARE))[BARE.id].verdict == "buffered"


async def test_a_broken_stream_through_a_living_proxy_is_a_verdict(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.measure.streams.DEATH_S", 0.0)
    result = await one(run, {CONTROL.id: STREAMED, BARE.id: "s0 r0 s1 s2 r2 end"}, BARE)
    assert (result.outcome, result.verdict) == ("fail", "broken")


# ---------------------------------------------------------------- on a busy machine


@pytest.mark.parametrize(("guard_ms", "at_most"), [(0.3, 4), (BUSY_MS + 0.2, 1)])
async def test_so_many_run_at_once_as_leave_round_trips_in_time(run: Run, guard_ms: float, at_most: int) -> None:
    cells = [replace(CONTROL, workload=replace(CONTROL.workload, name=f"w{number}")) for number in range(24)]
    busy = replace(STREAMED(), guard_ms=guard_ms, distance_ms=0.2)
    bench = Played({one.id: [replace(busy, cell_id=one.id)] * 2 for one in cells}, jobs=4)
    async with Runner(bench, run, CATALOGUE, REQUESTS) as runner:
        await runner.run(cells[:12], lambda result: None)
        assert bench.at_once_max == 4
        bench.at_once_max = 0
        await runner.run(cells[12:], lambda result: None)
    assert bench.at_once_max == at_most
