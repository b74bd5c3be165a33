"""What the recorder keeps of a stream: direct from a real emitter, and when one of the two ends goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from harness.backends.base import Log
from harness.backends.local import Local
from harness.clients.base import Headers
from harness.errors import BackendError
from harness.formats import CODECS, FORMATS
from harness.judge.metrics import header_changes
from harness.judge.rules import STREAK
from harness.launchers.fake import FakeProgram
from harness.launchers.process import Launcher
from harness.measure.bench import Bench, StartedChain
from harness.measure.conversation import record
from harness.measure.limits import EMITTER, Bounds
from harness.measure.lockstep import Lockstep
from harness.measure.recorder import Recorder
from harness.model import Body, Chain, Emission, Endpoint, Filler, Format, Hop, HopKind, Plan, Trace, Workload
from harness.proxies.base import Running
from tests.backends.emitting import expected_body, process_of
from tests.factories import figures, judged
from tests.measure.steps import record as short
from tests.processes import kill_at_once, signalled
from tests.tapping import tapped
from tests.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

LOAD = Workload("w", tokens=8, token_bytes=120, interval_ms=2)


def plan(method: Any = "GET", headers: Headers = (), load: Workload = LOAD, **emission: Any) -> Plan:
    transport, codec = FORMATS[emission.pop("format", "sse")]
    load = replace(load, token_bytes=max(load.token_bytes, codec.min_token_bytes))
    told = Emission(load, transport=transport.name, format=codec.name, content_type=codec.content_type, **emission)
    posted = method == "POST"
    said = (*headers, ("Content-Type", "application/json")) if posted else tuple(headers)
    return Plan((), method, said, told, path=codec.path, request_body=codec.request_body if posted else None)


def impatient(launcher: Launcher, folder: Path, **limits: float) -> Bench:
    """Return a bench that waits for its emitter as long as this."""
    return Bench(launcher, folder, backend=Local(launcher, folder, replace(EMITTER, **limits)))


async def direct(bench: Bench, told: Plan) -> Trace:
    trace, _ = await bench.record("cell", told)
    return trace


# ---------------------------------------------------------------- direct is streamed, whatever is sent


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", get_args(Body))
@pytest.mark.parametrize("form", get_args(Format))
async def test_direct_is_streamed(bench: Bench, form: Format, body: Body, method: str, pace: str) -> None:
    trace = await direct(bench, plan(method, format=form, body=body, pace=pace))
    assert judged(trace).verdict == "streamed", judged(trace).reason
    fixed = body == "length" or pace == "paced"
    assert figures(trace).tokens_received == (LOAD.tokens if fixed else STREAK)


@pytest.mark.parametrize("tokens", [1, 2])
@pytest.mark.parametrize("body", get_args(Body))
async def test_the_smallest_streams_are_streamed(bench: Bench, body: Body, tokens: int) -> None:
    trace = await direct(bench, plan(load=replace(LOAD, tokens=tokens), body=body))
    assert judged(trace).verdict == "streamed"


async def test_a_token_of_many_reads_is_one_step_of_the_conversation(bench: Bench) -> None:
    load = replace(LOAD, tokens=3, token_bytes=3_000_000, payload="random", exact=True)
    trace = await direct(bench, plan(load=load))
    assert len(trace.reads) > 3
    assert short(trace.steps) == "head-1 0-2 end2"
    assert figures(trace).tokens_received == 3
    assert judged(trace).verdict != "broken"


async def test_heartbeats_and_a_delay_are_streamed(bench: Bench) -> None:
    trace = await direct(bench, plan(heartbeat_ms=2, delay_ms=5))
    assert judged(trace).verdict == "streamed"
    assert 0 < len(trace.heartbeats) == trace.body.count(b": heartbeat\n\n")


async def test_many_streams_at_once_are_all_streamed(bench: Bench) -> None:
    traces = await asyncio.gather(*(direct(bench, plan()) for _ in range(50)))
    assert {judged(trace).verdict for trace in traces} == {"streamed"}


# ---------------------------------------------------------------- what is kept


async def test_the_body_is_kept_to_the_byte_and_the_reads_cut_it(bench: Bench) -> None:
    told = plan(prelude=Filler(500, "random"), padding=Filler(50))
    trace = await direct(bench, told)
    assert trace.body == expected_body(told.emission, Log(sent=list(trace.sent)))
    assert sum(read.size_bytes for read in trace.reads) == len(trace.body)
    assert trace.sent[-1].end_bytes == len(trace.body)


async def test_instants_are_in_order(bench: Bench) -> None:
    trace = await direct(bench, plan())
    assert trace.head_ns is not None
    assert trace.closed_ns is not None
    stamps = [trace.opened_ns, trace.head_ns, *(read.at_ns for read in trace.reads), trace.closed_ns]
    assert stamps == sorted(stamps)
    assert all(sent.at_ns < read.at_ns for sent, read in zip(trace.sent, trace.reads, strict=True))


async def test_in_lockstep_no_token_left_before_the_one_before_it_was_here(bench: Bench) -> None:
    trace = await direct(bench, plan())
    assert short(trace.steps) == "head-1 0-15 end15"
    arrived = [read.at_ns for read in trace.reads]
    assert all(here < sent.at_ns for here, sent in zip(arrived, trace.sent[1:], strict=False))


async def test_a_paced_stream_has_no_conversation(bench: Bench) -> None:
    assert (await direct(bench, plan(pace="paced"))).steps == ()


async def test_request_headers_are_kept_as_sent_and_none_that_proxies_look_at_is_added(bench: Bench) -> None:
    trace = await direct(bench, plan(headers=[("Accept-Encoding", "gzip, br"), ("X-Odd", "1")]))
    sent = {name.lower(): value for name, value in trace.request_headers}
    assert sent.pop("host").startswith("127.0.0.1:")
    assert sent == {"accept-encoding": "gzip, br", "x-odd": "1"}


async def test_a_post_says_what_it_sends(bench: Bench) -> None:
    trace = await direct(bench, replace(plan("POST"), request_body='{"stream": true}'))
    sent = {name.lower(): value for name, value in trace.request_headers}
    assert int(sent["content-length"]) == len('{"stream": true}')


async def test_what_comes_directly_is_the_emitters_answer(bench: Bench) -> None:
    trace = await direct(bench, plan())
    assert (trace.answered_by, trace.hops) == ("emitter", ())


async def test_direct_changes_no_header(bench: Bench) -> None:
    trace = await direct(bench, plan(headers=[("Accept", "text/event-stream")]))
    assert trace.sent_headers
    assert header_changes(trace) == ()


async def test_the_guard_ran_beside_it(bench: Bench) -> None:
    assert (await direct(bench, plan(delay_ms=10))).guard_ms is not None


# ---------------------------------------------------------------- what is wrong with a stream is kept


def head(recorder: Recorder, *headers: tuple[str, str]) -> bool:
    return recorder.head(200, headers, 1)


async def test_a_token_out_of_turn_stops_the_client_and_is_kept() -> None:
    recorder, codec = Recorder(plan(), Bounds.of(plan().emission, 0)), CODECS["sse"]
    assert head(recorder)
    assert recorder.read(codec.token(LOAD, 0, 1), 2)
    assert not recorder.read(codec.token(LOAD, 2, 1), 3)
    assert str(recorder.fault) == "token 2 came after token 0"
    assert len(recorder.reads) == 2, "what is wrong is evidence"


async def test_a_coding_that_nobody_knows_stops_the_client_at_the_head() -> None:
    recorder = Recorder(plan(), Bounds.of(plan().emission, 0))
    assert not head(recorder, ("Content-Encoding", "sdch"))
    assert "unknown content coding 'sdch'" in str(recorder.fault)
    assert recorder.status == 200


async def test_a_fault_of_ours_is_kept_too_and_is_no_verdict(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(machine: Lockstep, through: int, now_ns: int) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Lockstep, "arrived", fails)
    with pytest.raises(ZeroDivisionError, match="ours"):
        await direct(bench, plan())


class Played:
    """A proxy that is none: what stands behind it answers."""

    kind: HopKind = "application"

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: Launcher) -> Running:
        return Running("played", upstream, FakeProgram(), "0")


async def test_a_trace_says_of_what_kind_its_hops_are_and_an_application_has_one_stream_at_a_time(
    tmp_path: Path,
) -> None:
    hop, config = Hop("played", "x"), tmp_path / "x"
    config.touch()
    proxies: Any = {"played": Played()}
    async with Launcher() as launcher, Bench(launcher, tmp_path / "bench", {hop: config}, proxies=proxies) as own:
        trace, entry = await own.record("cell", replace(plan(), chain=(hop,)))
    assert trace.hops == ("application",)
    assert entry.serial == frozenset({(hop,)})


# ---------------------------------------------------------------- when an end goes wrong


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_an_emitter_that_dies_in_mid_stream_is_our_fault_and_the_next_stream_has_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async with Launcher() as launcher, Bench(launcher, tmp_path) as own:
        doomed = process_of(own)  # the guard may have started the next one by the time that the error is here
        killer = tapped(monkeypatch, 3, lambda: signalled(doomed, number))
        with pytest.raises(BackendError, match="emitter"):
            await own.record("cell", replace(plan(), client=killer))
        await eventually(doomed.death)
        assert judged(await direct(own, plan())).verdict == "streamed"


async def test_the_end_of_the_dead_emitters_control_stream_is_not_taken_for_that_of_the_next(tmp_path: Path) -> None:
    async with Launcher() as launcher, Bench(launcher, tmp_path) as own:
        with own._control.trips.watched():
            await own._control.trips.after(1)
            kill_at_once(process_of(own))
            assert judged(await direct(own, plan())).verdict == "streamed"


async def test_an_emitter_that_dies_is_noticed_although_the_chain_keeps_its_connection_up(tmp_path: Path) -> None:
    async with Launcher() as launcher, Bench(launcher, tmp_path) as own:
        direct_entry = await own.entry(())
        mute = await asyncio.start_server(lambda *_: signalled(process_of(own), signal.SIGKILL), "127.0.0.1", 0)
        async with mute:
            entry = Endpoint(mute.sockets[0].getsockname()[1])
            with pytest.raises(BackendError, match=r"^in mid-stream, the emitter was killed by SIGKILL$"):
                await record("cell", plan(), entry, own.backend, own.client("aiohttp"), direct_entry.guard)


async def test_a_stream_that_meets_a_dead_emitter_is_served_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(20), Launcher() as launcher, impatient(launcher, tmp_path, look_s=0.1) as own:
        first, start = process_of(own), own.entry

        async def entry(chain: Chain) -> StartedChain:
            """Let the emitter die between the look at it and the connection to it."""
            await first.kill()
            return await start(chain)

        monkeypatch.setattr(own, "entry", entry)
        assert judged(await direct(own, plan())).verdict == "streamed"
        assert process_of(own).pid != first.pid


async def test_a_recording_that_is_cancelled_leaves_nothing_behind_in_the_emitter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_files() -> int:
        return len(os.listdir(f"/proc/{process_of(bench).pid}/fd"))

    async def cancelled() -> None:
        client = tapped(monkeypatch, 3, lambda: recording.cancel())
        recording = asyncio.create_task(bench.record("cell", replace(plan(), client=client)))
        with pytest.raises(asyncio.CancelledError):
            await recording

    await direct(bench, plan())
    before = open_files()
    for _ in range(5):
        await cancelled()
    await eventually(open_files, lambda now: now <= before)
    assert judged(await direct(bench, plan())).verdict == "streamed"


async def test_an_emitter_that_ends_at_its_start_is_our_fault_and_noticed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no module of that name >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("harness.backends.local.sys", SimpleNamespace(executable=str(program)))
    says = "the emitter did not start: emitter exited with status 3:\nno module of that name"
    async with asyncio.timeout(20), Launcher() as launcher:
        with pytest.raises(BackendError, match=says):
            async with impatient(launcher, tmp_path, ready_s=3600):
                pass


async def test_an_emitter_that_does_not_answer_is_our_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr("harness.backends.local.sys", SimpleNamespace(executable=str(program)))
    async with Launcher() as launcher:
        with pytest.raises(BackendError, match=r"the emitter did not start: emitter did not answer within 0\.1 s"):
            async with impatient(launcher, tmp_path, ready_s=0.1):
                pass
