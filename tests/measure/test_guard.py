"""The guard: what counts as a witness, and that a machine which stalls in the middle of a cell changes no verdict.

A stall lasts three times the patience, or longer than the budget of patiences where that could be used up: that is
what it takes, and all that is ever slept for here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from harness.clients.limits import STALLED_S
from harness.errors import BackendError, StreamError
from harness.judge.release import PATIENCE_MS
from harness.launchers.process import until
from harness.measure.bench import Bench
from harness.measure.guard import CONTROL_TRIPS, PULSE_TRIPS, ControlStream, Guard, Pulse, Trips
from harness.measure.lockstep import BUDGET_PATIENCES
from harness.model import Endpoint, Judgement, Trace
from tests.backends.emitting import process_of
from tests.factories import judged
from tests.measuring import acting, plan
from tests.processes import process
from tests.recording import Rig, rig

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

STALL_S = 3 * PATIENCE_MS / 1e3
LONG_STALL_S = (BUDGET_PATIENCES + 3) * PATIENCE_MS / 1e3
DEADLINE_S = 60.0

SMALL = (12, 100)
LARGE = (400, 512)
CELLS = [
    ("nginx:buffering-off", SMALL, "streamed"),
    ("nginx:default", SMALL, "buffered"),
    ("nginx:default", LARGE, "coalesced"),
]
each_cell = pytest.mark.parametrize(
    ("chain", "size", "verdict"), CELLS, ids=[f"{chain}-{size[0]}x{size[1]}" for chain, size, _ in CELLS]
)


# ---------------------------------------------------------------- trips


class Gate:
    """Round trips that go round when the test lets them."""

    def __init__(self, free: int = 0) -> None:
        self.begun = 0
        self.permits = asyncio.Semaphore(free)
        self.error: Exception | None = None

    async def trip(self) -> None:
        self.begun += 1
        await self.permits.acquire()
        if self.error:
            raise self.error


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_trip_that_was_under_way_before_does_not_count() -> None:
    gate = Gate()
    trips = Trips(gate.trip)
    with trips.watched():
        await settle()
        waiting = asyncio.create_task(trips.after(2))
        await settle()
        for _ in range(3):
            assert not waiting.done()
            gate.permits.release()
            await settle()
        assert waiting.done()
    assert gate.begun == 3
    await trips.close()


async def test_nobody_watching_means_no_trips() -> None:
    gate = Gate(free=1000)
    trips = Trips(gate.trip)
    await trips.after(3)
    assert trips._task is not None
    await trips._task
    seen = gate.begun
    await settle()
    assert gate.begun == seen
    await trips.after(1)
    assert gate.begun > seen, "and they start again when somebody does"
    await trips.close()


async def test_a_trip_that_fails_is_told_to_all_who_wait() -> None:
    gate = Gate()
    gate.error = BackendError("the emitter is gone")
    trips = Trips(gate.trip)
    waiting = [asyncio.create_task(trips.after(1)) for _ in range(3)]
    await settle()
    gate.permits.release()
    for told in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(told, BackendError)
    await trips.close()


async def test_a_fault_of_ours_in_a_trip_is_told_too_and_the_next_who_waits_gets_new_trips() -> None:
    gate = Gate(free=1000)
    gate.error = ValueError("odd")
    trips = Trips(gate.trip)
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(BackendError, match="the guard failed: ValueError: odd") as told:
            await trips.after(1)
        assert told.value.__cause__ is gate.error
        gate.error = None
        await trips.after(1)
    await trips.close()


async def test_trips_that_stop_coming_are_an_error_and_not_a_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.measure.guard.TRIPS_S", 0.05)
    trips = Trips(Gate().trip)
    with pytest.raises(BackendError, match="nothing has gone round"):
        await trips.after(1)
    await trips.close()


async def test_the_median_is_that_of_the_trips_since_then() -> None:
    gate = Gate(free=1000)
    trips = Trips(gate.trip)
    await trips.after(3)
    now_ns = time.monotonic_ns()
    median_ms = trips.median_ms(0)
    assert median_ms is not None
    assert median_ms > 0
    assert trips.median_ms(now_ns + 10**12) is None
    await trips.close()


# ---------------------------------------------------------------- witnesses


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with rig(tmp_path_factory.mktemp("rig")) as running:
        yield running


async def counted(own_rig: Rig, wait: Callable[[Guard], object]) -> tuple[int, int]:
    """Return how many control and pulse trips went round during a wait."""
    pulse = Pulse(own_rig.client, own_rig.direct)
    before = own_rig.control.trips._count
    await wait(Guard(own_rig.control, pulse))  # type: ignore[misc]
    counts = own_rig.control.trips._count - before, pulse.trips._count
    await pulse.trips.close()
    return counts


async def test_the_log_of_the_control_stream_does_not_grow_with_the_run(
    own_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.measure.guard.FORGET_EVERY", 4)
    await own_rig.control.trips.after(20)
    assert own_rig.control._stream is not None
    assert len((await own_rig.control._stream.log()).sent) <= 4


async def test_a_control_stream_that_breaks_says_why(own_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: object) -> None:
        raise StreamError("the body broke off")

    monkeypatch.setattr(own_rig.client, "stream", breaks)
    control = ControlStream(own_rig.client, own_rig.backend)
    with pytest.raises(BackendError, match="the control stream broke: the body broke off"):
        await control.trips.after(1)
    await control.close()


async def both(guard: Guard) -> None:
    """Wait for both witnesses, in the order of a recording."""
    await guard.witnessed()
    await guard.witnessed_by_chain()


@pytest.mark.parametrize("who", ["control", "pulse"])
async def test_a_single_round_trip_may_be_luck_and_is_no_witness(own_rig: Rig, who: str) -> None:
    slow = Gate()
    gates = {"control": Gate(free=100), "pulse": Gate(free=100), who: slow}

    async def begins(trips: int) -> bool:
        return bool(await until(lambda: slow.begun >= trips, within_s=5))

    control = ControlStream(own_rig.client, own_rig.backend)
    pulse = Pulse(own_rig.client, own_rig.direct)
    control.trips, pulse.trips = Trips(gates["control"].trip), Trips(gates["pulse"].trip)
    waiting = asyncio.create_task(both(Guard(control, pulse)))
    for trips in range(1, 5):
        assert await begins(trips), f"{trips - 1} trips were enough"
        slow.permits.release()
    for _ in range(100):
        slow.permits.release()
    async with asyncio.timeout(DEADLINE_S):
        await waiting
    await control.close()
    await pulse.trips.close()


async def test_a_silence_is_witnessed_by_the_control_stream_and_the_chain(own_rig: Rig) -> None:
    control, pulse = await counted(own_rig, both)
    assert control > CONTROL_TRIPS
    assert pulse > PULSE_TRIPS


async def test_a_barrier_is_one_request_through_the_chain(own_rig: Rig) -> None:
    _, pulse = await counted(own_rig, Guard.barrier)
    assert pulse >= 1


async def test_a_quiet_guard_sends_nothing_through_the_chain(own_rig: Rig) -> None:
    control, pulse = await counted(own_rig, lambda guard: guard.quietly().barrier())
    assert (control >= 1, pulse) == (True, 0)
    assert not Guard(own_rig.control, Pulse(own_rig.client, own_rig.direct)).quietly().pulses


async def test_a_refusal_is_an_answer_too(own_rig: Rig) -> None:
    for endpoint in (Endpoint(1), Endpoint(own_rig.direct.port, "/no-such-path")):
        pulse = Pulse(own_rig.client, endpoint)
        await pulse.trips.after(PULSE_TRIPS)
        assert not pulse.lost
        await pulse.trips.close()


async def test_a_chain_that_answers_no_pulse_is_guarded_by_the_control_stream_alone(
    own_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.measure.guard.STALLED_S", 0.1)
    mute = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with mute:
        pulse = Pulse(own_rig.client, Endpoint(mute.sockets[0].getsockname()[1]))
        guard = Guard(own_rig.control, pulse)
        await guard.witnessed_by_chain()
        assert pulse.lost
        assert not guard.pulses
        before = own_rig.control.trips._count
        await guard.barrier()
        assert own_rig.control.trips._count > before, "what was released still gets its time"
        await pulse.trips.close()


async def test_a_serial_chain_that_stops_answering_loses_its_pulse_soon_even_if_it_answered_before(
    own_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.measure.guard.BUSY_S", 0.1)
    answers = 1

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        await reader.readuntil(b"\r\n\r\n")
        if answers:
            answers -= 1
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            writer.close()

    busy = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with busy:
        pulse = Pulse(own_rig.client, Endpoint(busy.sockets[0].getsockname()[1]), serial=True)
        async with asyncio.timeout(STALLED_S / 2):  # others are given all of it
            await pulse.trips.after(PULSE_TRIPS)
        assert answers == 0
        assert pulse.lost
        await pulse.trips.close()


# ---------------------------------------------------------------- stalls


async def stalled(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    chain: str,
    size: tuple[int, int],
    where: str,
    who: str,
    stall_s: float = STALL_S,
) -> tuple[Trace, Judgement]:
    """Measure one cell while the processes of the emitter or of nginx stall in the middle of it."""
    told = plan(chain, *size)
    entry = await bench.entry(told.chain)
    pid = process(entry.hops[0]).pid if who == "nginx" else process_of(bench).pid
    stopped_s: list[float] = []

    def stop() -> None:
        stopped_s.append(time.monotonic())
        os.killpg(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(stall_s, os.killpg, pid, signal.SIGCONT)

    client = acting(monkeypatch, where, stop)
    try:
        trace, _ = await bench.record("cell", replace(told, client=client))
    finally:
        os.killpg(pid, signal.SIGCONT)
    assert len(stopped_s) == 1, "the stall has to be in the middle of the cell"
    assert trace.closed_ns is not None
    assert trace.closed_ns / 1e9 - stopped_s[0] >= stall_s, "and the cell has to outlast it"
    return trace, judged(trace)


@each_cell
async def test_without_a_stall(bench: Bench, chain: str, size: tuple[int, int], verdict: str) -> None:
    trace, _ = await bench.record("cell", plan(chain, *size))
    assert judged(trace).verdict == verdict


@pytest.mark.parametrize("who", ["emitter", "nginx"])
@each_cell
async def test_a_stall_at_the_first_token_changes_no_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, chain: str, size: tuple[int, int], verdict: str, who: str
) -> None:
    _, told = await stalled(bench, monkeypatch, chain, size, "begin", who)
    assert told.verdict == verdict, told.reason


@pytest.mark.parametrize("who", ["emitter", "nginx"])
async def test_a_stall_between_tokens_that_stream_changes_no_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    trace, told = await stalled(bench, monkeypatch, "nginx:buffering-off", SMALL, "read", who, LONG_STALL_S)
    assert told.verdict == "streamed", told.reason
    assert {step.kind for step in trace.steps} - {"pulse"} == {"grant", "arrive", "end"}


@pytest.mark.parametrize("where", ["outwaited", "stepped"])
@pytest.mark.parametrize("who", ["emitter", "nginx"])
@pytest.mark.parametrize(("chain", "size", "verdict"), CELLS[1:], ids=["buffered", "coalesced"])
async def test_a_stall_while_it_is_found_out_what_releases_a_token_changes_no_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, chain: str, size: tuple[int, int], verdict: str, who: str, where: str
) -> None:
    _, told = await stalled(bench, monkeypatch, chain, size, where, who)
    assert told.verdict == verdict, told.reason


@pytest.mark.parametrize(
    ("chain", "size", "verdict", "where"),
    [
        *((*cell, "begin") for cell in CELLS),
        (*CELLS[0], "read"),
        *((*cell, where) for cell in CELLS[1:] for where in ("outwaited", "stepped")),
    ],
)
async def test_a_stall_of_the_harness_itself_changes_no_verdict(
    tmp_path: Path, chain: str, size: tuple[int, int], verdict: str, where: str
) -> None:
    argv = [sys.executable, "-m", "tests.measuring", str(tmp_path), chain, *map(str, size), where]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as measuring:
        try:
            process = psutil.Process(measuring.pid)
            deadline = time.monotonic() + DEADLINE_S
            while process.status() != psutil.STATUS_STOPPED:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.001)
            await asyncio.sleep(STALL_S)
        finally:
            measuring.send_signal(signal.SIGCONT)
        told, _ = measuring.communicate(timeout=DEADLINE_S)
    assert (measuring.returncode, told.strip()) == (0, verdict)


async def test_without_its_witnesses_a_stall_would_turn_a_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above test something: a stopped nginx reads two tokens at once when it goes on."""

    async def at_once(guard: Guard) -> None:
        return None

    monkeypatch.setattr(Guard, "witnessed", at_once)
    monkeypatch.setattr(Guard, "witnessed_by_chain", at_once)
    _, told = await stalled(bench, monkeypatch, "nginx:buffering-off", SMALL, "read", "nginx")
    assert told.verdict == "coalesced"
