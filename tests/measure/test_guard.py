"""The guard with a real emitter and real hops: what counts as a witness. Its parts in memory: test_pulse.py."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import pytest_asyncio

from harness.clients.base import Client
from harness.errors import BackendError, StreamError
from harness.measure import conversation
from harness.measure.guard import CONTROL_TRIPS, PULSE_TRIPS, ControlStream, Guard, Pulse, Trips
from harness.measure.lockstep import Lockstep
from harness.model import Endpoint
from tests.measure.gates import Gate
from tests.misbehaving import collects
from tests.recording import Rig, rig
from tests.waiting import DEADLINE_S, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

DELAY_MS = 20

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

    async def begins(trips: int) -> None:
        await eventually(lambda: slow.begun, lambda begun: begun >= trips)

    control = ControlStream(own_rig.client, own_rig.backend)
    pulse = Pulse(own_rig.client, own_rig.direct)
    control.trips, pulse.trips = Trips(gates["control"].trip), Trips(gates["pulse"].trip)
    waiting = asyncio.create_task(both(Guard(control, pulse)))
    for trips in range(1, PULSE_TRIPS + 1):
        await begins(trips)  # for ever, if one less were enough
        slow.permits.release()
    for _ in range(100):
        slow.permits.release()
    async with asyncio.timeout(DEADLINE_S):
        await waiting
    await control.close()
    await pulse.trips.close()


async def test_a_silence_is_witnessed_by_the_control_stream_and_the_chain(own_rig: Rig) -> None:
    control, pulse = await counted(own_rig, both)
    assert control >= CONTROL_TRIPS
    assert pulse == PULSE_TRIPS


async def test_a_barrier_is_one_request_through_the_chain(own_rig: Rig) -> None:
    _, pulse = await counted(own_rig, Guard.barrier)
    assert pulse >= 1


async def test_a_barrier_begins_when_all_is_sent_that_was_granted(
    own_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines: list[Lockstep] = []
    begun: list[tuple[int, int]] = []
    barrier = Guard.barrier

    def kept(*told: Any) -> Lockstep:
        machines.append(Lockstep(*told))
        return machines[-1]

    async def noted(guard: Guard) -> None:
        granted = [step.seq for step in machines[-1].steps if step.kind == "grant"]
        begun.append((time.monotonic_ns(), granted[-1]))  # the emitter's clock, which stands still for nobody
        await barrier(guard)

    monkeypatch.setattr(conversation, "Lockstep", kept)
    monkeypatch.setattr(Guard, "barrier", noted)
    trace = await own_rig.record_through(collects(1000), delay_ms=DELAY_MS)
    assert len({granted for _, granted in begun}) > 2
    assert all(trace.sent[granted].at_ns <= at_ns for at_ns, granted in begun)


async def test_a_quiet_guard_sends_nothing_through_the_chain(own_rig: Rig) -> None:
    control, pulse = await counted(own_rig, lambda guard: guard.quietly().barrier())
    assert (control >= CONTROL_TRIPS, pulse) == (True, 0)
    assert not Guard(own_rig.control, Pulse(own_rig.client, own_rig.direct)).quietly().pulses


class Hop:
    """A chain in one hop: answers every request with the next of some heads, or hangs up where there is none."""

    def __init__(self, *heads: str) -> None:
        self._heads = [*heads]
        self.asked = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            if self._heads:
                writer.write(f"HTTP/1.1 {self._heads.pop(0)}\r\nConnection: close\r\n\r\n".encode())
        writer.close()


@contextlib.asynccontextmanager
async def pulse_of(client: Client, hop: Hop) -> AsyncIterator[Pulse]:
    async with await asyncio.start_server(hop.answer, "127.0.0.1", 0) as server:
        pulse = Pulse(client, Endpoint(server.sockets[0].getsockname()[1]))
        yield pulse
        await pulse.trips.close()


async def test_an_answer_of_the_emitters_shows_that_the_chain_is_awake_even_a_refusal(own_rig: Rig) -> None:
    pulse = Pulse(own_rig.client, Endpoint(own_rig.direct.port, "/no-such-path"))
    await pulse.trips.after(PULSE_TRIPS)
    assert not pulse.lost
    await pulse.trips.close()


async def test_so_does_a_page_of_a_hops_own(own_rig: Rig) -> None:
    async with pulse_of(own_rig.client, Hop(*["204 No Content"] * PULSE_TRIPS)) as pulse:
        await pulse.trips.after(PULSE_TRIPS)
        assert not pulse.lost


@pytest.mark.parametrize("refuses", [["503 Busy"], ["429 Too many"], ["302 Found"], ["401 Who?"], []])
async def test_a_hop_that_refuses_a_pulse_or_hangs_up_is_asked_for_none_again(
    own_rig: Rig, refuses: Sequence[str]
) -> None:
    hop = Hop("204 No Content", *refuses)
    async with pulse_of(own_rig.client, hop) as pulse:
        guard = Guard(own_rig.control, pulse)
        await guard.witnessed_by_chain()
        assert not guard.pulses
        pulse.try_again()
        await guard.witnessed_by_chain()
        await guard.barrier()
        assert hop.asked == 2


async def test_no_pulse_is_sent_for_which_nobody_waits(own_rig: Rig) -> None:
    hop = Hop(*["204 No Content"] * 100)
    async with pulse_of(own_rig.client, hop) as pulse:
        guard = Guard(own_rig.control, pulse)
        await asyncio.gather(*(guard.witnessed_by_chain() for _ in range(10)))
        assert hop.asked == PULSE_TRIPS
        await guard.barrier()
        assert hop.asked == PULSE_TRIPS + 1


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
