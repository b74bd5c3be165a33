"""Round trips, the control stream, the pulse and the guard in memory: what goes round, how often, and what it tells."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
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

DEADLINE_S = 60.0
LONG_S = 1e6
"""Longer than any test lasts: who waits for so long waits for ever."""


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


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trips rest for ever between two, unless somebody hurries them."""
    monkeypatch.setattr(module, "PERIOD_S", LONG_S)


@pytest.mark.usefixtures("unhurried")
async def test_who_waits_is_not_made_to_rest_and_no_trip_goes_that_nobody_waits_for() -> None:
    gate = Gate(free=1000)
    trips = Trips(gate.trip)
    for asked in (3, 1, 2):
        before, waiting = gate.begun, asyncio.create_task(trips.after(asked))
        await settle()
        assert waiting.done()
        assert gate.begun == before + asked
    await trips.close()


@pytest.mark.usefixtures("unhurried")
async def test_whoever_only_watches_lets_trips_rest_and_who_comes_to_wait_hurries_them() -> None:
    gate = Gate(free=1000)
    trips = Trips(gate.trip)
    with trips.watched():
        await settle()
        assert gate.begun == 1
        await asyncio.gather(trips.after(1), trips.after(3), trips.after(2))
        assert gate.begun == 4
        await settle()
        assert gate.begun == 4
    await trips.close()


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what lets time pass, in ms; it begins at 0."""
    now_ns = 0

    def passes(ms: int) -> None:
        nonlocal now_ns
        now_ns += ms * 10**6

    monkeypatch.setattr("harness.measure.guard.time.monotonic_ns", lambda: now_ns)
    return passes


@pytest.mark.parametrize(
    ("ms", "since_ms", "least", "median", "slow"),
    [
        ((), 0, None, None, None),
        ((7,), 0, 7, 7, 7),
        ((5, 2, 4, 8), 0, 2, 4.5, 8),
        ((8, 1, 7, 2, 6, 3, 5, 4), 0, 1, 4.5, 7),
        ((1, 9, 3), 10, 1, 6, 9),  # the second ends at this very instant
        ((1, 9, 3), 11, 1, 3, 3),
        ((1, 9, 3), 14, 1, None, None),
    ],
)
async def test_figures_are_of_the_trips_since_then_and_the_least_of_all(
    took: Callable[[int], None], ms: Sequence[int], since_ms: int, least: float, median: float, slow: float
) -> None:
    lasting = iter(ms)

    async def trip() -> None:
        took(next(lasting))

    trips = Trips(trip)
    if ms:
        await trips.after(len(ms))
    since_ns = since_ms * 10**6
    assert (trips.least_ms, trips.median_ms(since_ns), trips.slow_ms(since_ns)) == (least, median, slow)
    await trips.close()


# ---------------------------------------------------------------- the control stream


class Pieces(FakeClient):
    """Reads what the backend answers in pieces of so many bytes, and after so many tokens ends as if well."""

    def __init__(self, backend: FakeBackend, piece_bytes: int = 4096, ends_after: int | None = None) -> None:
        async def answer(request: Request) -> AsyncGenerator[bytes]:
            tokens = itertools.count()
            async for data in backend.answer(request.url):
                if next(tokens) == ends_after:
                    return
                for at in range(0, len(data), piece_bytes):
                    yield data[at : at + piece_bytes]

        super().__init__(answer)


async def sent(control: ControlStream) -> list[int]:
    assert control._stream is not None
    return [token.seq for token in (await control._stream.log()).sent]


@pytest.mark.parametrize("piece_bytes", [1, 95, 96, 4096])
async def test_a_trip_is_one_token_and_ends_with_its_last_byte(piece_bytes: int) -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend, piece_bytes), backend)
    for trips in (1, 3, 2):
        before = await sent(control) if control._stream else []
        await control.trips.after(trips)
        assert await sent(control) == [*before, *range(len(before), len(before) + trips)]
    await control.close()


async def test_a_token_of_which_a_byte_is_missing_has_not_come() -> None:
    control = ControlStream(FakeClient(lambda request: FakeBackend().answer(request.url)), FakeBackend())
    control._arrival, control._granted = asyncio.get_running_loop().create_future(), 1
    assert control.read(b"x" * 191, 0)
    assert not control._arrival.done()
    control.read(b"x", 0)
    assert control._arrival.result()
    control.read(b"x", 0)  # more than was granted: what it is, the reading of a stream tells, and not the guard


async def test_its_log_is_forgotten_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORGET_EVERY", 4)
    backend = FakeBackend()
    control = ControlStream(Pieces(backend), backend)
    await control.trips.after(3)
    assert await sent(control) == [0, 1, 2]
    await control.trips.after(3)
    assert await sent(control) == [4, 5]
    await control.close()


async def test_a_closed_one_leaves_no_task_and_no_stream_and_opens_anew() -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend), backend)
    for _ in range(2):
        await control.trips.after(1)
        stream, reader = control._stream, control._reader
        await control.close()
        assert stream is not None
        assert stream._closed  # type: ignore[attr-defined]
        assert reader is not None
        assert reader.done()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_one_that_ends_well_under_way_is_followed_by_another() -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend, ends_after=2), backend)
    await control.trips.after(5)
    assert len(backend._streams) == 3
    await control.close()


async def test_late_news_of_one_that_has_ended_are_none_of_the_next() -> None:
    backend, goes_on = FakeBackend(), asyncio.Event()

    class Slow(Pieces):
        async def stream(self, request: Request, sink: Sink) -> None:
            if len(backend._streams) > 1:
                await goes_on.wait()
            await super().stream(request, sink)

    control = ControlStream(Slow(backend, ends_after=2), backend)
    await control.trips.after(2)
    first, waiting = control._stream, asyncio.create_task(control.trips.after(2))
    await settle()
    assert first is not None
    assert control._stream is not first
    first.lost.set_result("it was killed")
    await settle()
    goes_on.set()
    await waiting
    await control.close()


async def test_one_that_ends_before_its_first_token_is_broken() -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend, ends_after=0), backend)
    with pytest.raises(BackendError, match="the control stream broke: the emitter ended it"):
        await control.trips.after(1)
    await control.close()


async def test_who_waits_while_the_backend_dies_is_told_and_the_next_gets_another_stream() -> None:
    unseen: list[object] = []  # what callbacks raise, only the event loop hears of
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unseen.append(told))
    backend, mute = FakeBackend(), True

    class Mute(Pieces):
        async def stream(self, request: Request, sink: Sink) -> None:
            await (asyncio.Event().wait() if mute else super().stream(request, sink))

    control = ControlStream(Mute(backend), backend)
    waiting = asyncio.create_task(control.trips.after(1))
    await settle()
    backend.die("it was killed")
    with pytest.raises(BackendError, match="the control stream broke: it was killed"):
        await waiting
    mute = False
    await control.trips.after(1)
    await settle()
    backend.die("it was killed again, and nobody waits")
    await settle()
    await control.trips.after(1)
    await control.close()
    assert unseen == []


# ---------------------------------------------------------------- the pulse

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


def pulse_of(chain: Chain, serial: bool = False) -> Pulse:
    return Pulse(chain, Endpoint(80), serial)


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
