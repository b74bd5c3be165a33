"""The pulse, and what else is asked beside a stream, in memory: when it is lost, and what a guard sends of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

import pytest

from harness.backends.fake import Fake as FakeBackend
from harness.clients.base import Request, Sink
from harness.clients.fake import Fake as FakeClient
from harness.errors import BackendError, StreamError, Unavailable
from harness.measure import guard as module
from harness.measure.guard import (
    CONTROL_TRIPS,
    DISTANCE_TRIPS,
    PULSE_TRIPS,
    Answer,
    Beside,
    ControlStream,
    Guard,
    Pulse,
    Trips,
)
from harness.measure.limits import PULSE_BYTES
from harness.model import EMITTER_HEADER, Endpoint
from tests.measure.gates import LONG_S, Gate, Pieces, settle

Told = int | Literal["hangs up", "is silent", "never ends", "cannot"]


class Chain(FakeClient):
    """Answers one request after another with a status, marked as the emitter's or not, or in another way."""

    def __init__(self, *answers: Told, marked: bool = False) -> None:
        super().__init__(lambda request: FakeBackend().answer(request.url))
        self._answers = [*answers]
        self._headers = (("Server", "x"), (EMITTER_HEADER.lower(), "1")) if marked else (("Server", "x"),)
        self.asked = 0
        self.heard_out = 0

    async def stream(self, request: Request, sink: Sink) -> None:
        assert request.url.endswith("/pulse")
        self.asked += 1
        match self._answers.pop(0) if self._answers else 200:
            case int() as status:
                if sink.head(status, self._headers, 0):
                    sink.read(b"pulse", 0)
                    self.heard_out += 1
            case "hangs up":
                raise StreamError("hung up")
            case "is silent":
                await asyncio.Event().wait()
            case "never ends":
                if sink.head(200, self._headers, 0):
                    await asyncio.Event().wait()
            case "cannot":
                raise Unavailable("it speaks another tongue", "choose another")


def pulse_of(chain: Chain, **others: bool) -> Pulse:
    return Pulse(chain, Endpoint(80), **others)


@pytest.mark.parametrize(
    ("status", "marked", "lost"),
    [(200, False, False), (299, False, False), (300, False, True), (503, False, True), (503, True, False)],
)
async def test_a_refusal_that_is_not_the_emitters_loses_the_pulse_for_good(
    status: int, marked: bool, lost: bool
) -> None:
    chain = Chain(status, marked=marked)
    pulse = pulse_of(chain)
    await pulse.trips.after(PULSE_TRIPS)
    assert (pulse.lost, chain.asked) == (lost, 1 if lost else PULSE_TRIPS)
    pulse.try_again()
    assert pulse.lost is lost
    await pulse.trips.close()


@pytest.mark.parametrize("refuses", ["hangs up", 503])
async def test_one_that_was_answered_before_is_lost_for_good_as_well(refuses: Told) -> None:
    chain = Chain(200, refuses)
    pulse = pulse_of(chain)
    await pulse.trips.after(PULSE_TRIPS)
    pulse.try_again()
    assert (pulse.lost, chain.asked) == (True, 2)
    await pulse.trips.close()


def waits(monkeypatch: pytest.MonkeyPatch, busy_s: float, stalled_s: float) -> None:
    monkeypatch.setattr(module, "BUSY_S", busy_s)
    monkeypatch.setattr(module, "STALLED_S", stalled_s)


@pytest.mark.parametrize("answers", [["is silent"], ["cannot"]])
async def test_one_that_was_never_answered_is_lost_and_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, answers: Sequence[Told]
) -> None:
    waits(monkeypatch, LONG_S, 0.01)
    pulse = pulse_of(Chain(*answers))
    await pulse.trips.after(PULSE_TRIPS)
    pulse.try_again()
    assert (pulse.lost, pulse.way_ms) == (True, 0.0)
    await pulse.trips.close()


async def test_a_chain_that_answered_and_falls_silent_has_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    waits(monkeypatch, LONG_S, 0.01)
    pulse = pulse_of(Chain(200, "is silent"))
    with pytest.raises(BackendError, match="has not answered for"):
        await pulse.trips.after(PULSE_TRIPS)
    await pulse.trips.close()


async def test_a_serial_chain_that_is_busy_loses_its_pulse_for_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    waits(monkeypatch, 0.01, LONG_S)
    pulse = pulse_of(Chain(200, "is silent"), serial=True)
    await pulse.trips.after(PULSE_TRIPS)
    assert pulse.lost
    pulse.try_again()
    await pulse.trips.after(PULSE_TRIPS)
    assert not pulse.lost
    await pulse.trips.close()


async def test_where_one_has_begun_and_does_not_end_the_next_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    waits(monkeypatch, 0.01, LONG_S)
    chain = Chain("never ends")
    pulse = pulse_of(chain)
    await pulse.trips.after(PULSE_TRIPS)
    assert (pulse.lost, chain.asked, chain.heard_out) == (False, PULSE_TRIPS + 1, 0)
    await pulse.trips.close()


def test_no_more_of_an_answer_is_taken_than_that_it_came() -> None:
    answer = Answer()
    assert answer.head(200, (), 0)
    assert answer.begun
    assert answer.read(b"x" * (PULSE_BYTES - 1), 0)
    assert not answer.read(b"x", 0)
    assert not Answer(heard_out=False).head(200, (), 0)


# ---------------------------------------------------------------- what is asked beside, and the guard


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long is slept each time, in s; it takes no time."""
    rests: list[float] = []
    own = asyncio.sleep

    async def sleep(delay_s: float) -> None:
        if delay_s:
            rests.append(delay_s)
        await own(0)

    monkeypatch.setattr("harness.measure.guard.asyncio.sleep", sleep)
    return rests


class Paced(Chain):
    """Answers after so long, by the clock of the test."""

    def __init__(self, took: Callable[[int], None], ms: Sequence[int], *answers: Told) -> None:
        super().__init__(*answers)
        self._took, self._ms = took, iter(ms)

    async def stream(self, request: Request, sink: Sink) -> None:
        self._took(next(self._ms))
        await super().stream(request, sink)


async def test_requests_beside_a_stream_are_timed_one_by_one_until_it_ends_the_last_as_far_as_it_came(
    slept: list[float], took: Callable[[int], None]
) -> None:
    took(1)
    beside = Beside(Paced(took, (3, 5, 7, 9), 200, "hangs up", 200, "is silent"), Endpoint(80))
    asking = asyncio.create_task(beside.ask())
    await settle()
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert beside.durations_ns == [3_000_000, 5_000_000, 7_000_000, 9_000_000]
    assert slept == [module.BESIDE_S] * 4


class Counted:
    """A guard on gates that are open, and how often each went round."""

    def __init__(self, quiet: bool = False, pulse: Pulse | None = None) -> None:
        backend, self.control_gate, self.chain = FakeBackend(), Gate(free=1000), Chain()
        control = ControlStream(Pieces(backend), backend)
        control.trips = Trips(self.control_gate.trip)
        self.guard = Guard(control, pulse or pulse_of(self.chain), quiet)

    @property
    def went(self) -> tuple[int, int]:
        return self.control_gate.begun, self.chain.asked


@pytest.mark.parametrize(
    ("wait", "quiet", "went"),
    [
        (Guard.witnessed, False, (CONTROL_TRIPS, 0)),
        (Guard.witnessed_by_chain, False, (0, PULSE_TRIPS)),
        (Guard.barrier, False, (0, 1)),
        (Guard.barrier, True, (CONTROL_TRIPS, 0)),
        (Guard.distance_ms, False, (DISTANCE_TRIPS, 0)),
    ],
)
@pytest.mark.usefixtures("unhurried")
async def test_what_each_wait_of_a_guard_sends(
    wait: Callable[[Guard], object], quiet: bool, went: tuple[int, int]
) -> None:
    counted = Counted(quiet)
    await wait(counted.guard)  # type: ignore[misc]
    assert counted.went == went
    if wait is Guard.distance_ms:
        assert await counted.guard.distance_ms() == counted.guard.control.trips.least_ms
        assert counted.went == went, "how far away it is is known by now"


@pytest.mark.parametrize("known", range(DISTANCE_TRIPS + 2))
@pytest.mark.usefixtures("unhurried")
async def test_of_the_trips_that_tell_a_distance_those_are_made_that_are_missing(known: int) -> None:
    counted = Counted(quiet=False)
    if known:
        await counted.guard.control.trips.after(known)
    await counted.guard.distance_ms()
    assert counted.went == (max(known, DISTANCE_TRIPS), 0)


@pytest.mark.parametrize(("way_ms", "waited_ms"), [(0.0, 50.0), (20.0, 50.0), (30.0, 60.0), (1000.0, 2000.0)])
async def test_without_a_pulse_what_was_released_gets_twice_what_requests_took(
    monkeypatch: pytest.MonkeyPatch, slept: list[float], way_ms: float, waited_ms: float
) -> None:
    counted = Counted(quiet=True)
    monkeypatch.setattr(Pulse, "way_ms", way_ms)
    await counted.guard.barrier()
    assert slept == [waited_ms / 1e3]


def test_a_guard_sends_pulses_unless_it_is_quiet_or_they_are_lost() -> None:
    guard = Guard(ControlStream(Chain(), FakeBackend()), pulse_of(Chain()))
    assert guard.pulses
    assert not guard.quietly().pulses
    guard.pulse.lost = True
    assert not guard.pulses


async def test_the_way_through_a_chain_is_the_quickest_pulse(took: Callable[[int], None]) -> None:
    pulse = pulse_of(Paced(took, (9, 4, 6)))
    await pulse.trips.after(3)
    assert pulse.way_ms == 4
    await pulse.trips.close()
