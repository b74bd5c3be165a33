"""Tells a held token from a stalled machine: a silence counts only while everything on the way is awake.

Two witnesses, both from this very process and event loop:

- the *control stream*: a lockstep stream of the run's own, straight to the emitter. Its round trips show that the
  emitter and the client are being scheduled;
- the *pulse* of a chain: a small complete request through the same proxies. Nothing buffers a response that has
  ended, so its round trips show that the proxies are awake too.

A token is only called held when its time has passed **and** both have gone round several times since. The pulse
goes second and leaves a mark in the record: a proxy that many streams share may let one go when it meets another.
And it must not use up what the streams need: no trip goes that nobody waits for, and a chain whose hops refuse a pulse
is asked for none again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from harness.backends.base import Announced, Backend
from harness.clients.base import Client, Headers, Request, Unheard
from harness.clients.limits import STALLED_S
from harness.errors import BackendError, StreamError, Unavailable
from harness.formats import CODECS
from harness.measure.limits import BUSY_S, PULSE_BYTES, TRIPS_S
from harness.measure.standstill import Standstill
from harness.model import EMITTER_HEADER, Emission, Endpoint, Workload

CONTROL_TRIPS = 4
PULSE_TRIPS = 3
"""So many trips begin and end after a silence before that counts: a machine that stood still meanwhile goes through
them only when it goes on, and then what was on its way comes, too."""

DISTANCE_TRIPS = 8
"""Of so many trips at least the shortest tells how far away the backend is."""

PERIOD_S = 0.02
BESIDE_S = 0.1
MEMORY = 4096
FORGET_EVERY = 1024
REFUSALS = 300
"""From which status on an answer is none that was asked for: a redirect, a refusal, an error."""

QUIET_MS = 50.0
"""How long what was just released may take through a chain that is asked for no pulse, at the least."""

ENDLESS = Workload("guard", tokens=2**53, token_bytes=96)


class Trips:
    """Counts round trips, one after another, and lets others wait for them. Only runs while somebody watches."""

    def __init__(self, trip: Callable[[], Awaitable[None]], stands_still: str = "the emitter stands still") -> None:
        self._trip = trip
        self._stands_still = stands_still
        self._count = 0
        self._under_way = False
        self._durations_ns: deque[tuple[int, int]] = deque(maxlen=MEMORY)
        self._watchers = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.standstill = Standstill()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Keep the trips going while the block runs."""
        self._watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._watchers -= 1

    async def close(self) -> None:
        """End the trips."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def after(self, trips: int) -> None:
        """Wait for `trips` whole trips that begin after this call. Raises BackendError if they stop coming."""
        gone_round: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((self._count + self._under_way + trips, gone_round))
        self._hurry.set()
        with self.watched():
            try:
                async with asyncio.timeout(TRIPS_S):
                    await gone_round
            except TimeoutError:
                raise BackendError(f"nothing has gone round for {TRIPS_S:g} s: {self._stands_still}") from None

    @property
    def remembered(self) -> int:
        """Of how many trips it is known how long they took."""
        return len(self._durations_ns)

    @property
    def least_ms(self) -> float | None:
        """The shortest of the trips of late; None as long as there was none."""
        return min((duration / 1e6 for _, duration in self._durations_ns), default=None)

    def median_ms(self, since_ns: int) -> float | None:
        """Return the median duration of the trips that ended after `since_ns`."""
        recent = self._since(since_ns)
        return statistics.median(recent) / 1e6 if recent else None

    def slow_ms(self, since_ns: int) -> float | None:
        """Return what a quarter of the trips that ended after `since_ns` took at least."""
        recent = sorted(self._since(since_ns))
        return recent[len(recent) * 3 // 4] / 1e6 if recent else None

    def _since(self, since_ns: int) -> list[int]:
        recent = itertools.takewhile(lambda trip: trip[0] >= since_ns, reversed(self._durations_ns))
        return [duration for _, duration in recent]

    async def _run(self) -> None:
        self.standstill.begins(time.monotonic_ns())
        try:
            while self._watchers:
                await self._go_round()
        except BackendError as error:
            self._fail(error)
        except Exception as error:  # a fault of ours; who waits would else wait in vain
            fault = BackendError(f"the guard failed: {type(error).__name__}: {error}")
            fault.__cause__ = error
            self._fail(fault)
        finally:
            self.standstill.ends()

    async def _go_round(self) -> None:
        began = time.monotonic_ns()
        self._under_way = True
        try:
            await self._trip()
        finally:
            self._under_way = False
        ended = time.monotonic_ns()
        self.standstill.sign(ended)
        self._durations_ns.append((ended, ended - began))
        self._count += 1
        for goal, waiter in self._waiters:
            if goal <= self._count and not waiter.done():
                waiter.set_result(None)
        self._waiters = [(goal, waiter) for goal, waiter in self._waiters if not waiter.done()]
        if not self._waiters:
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), PERIOD_S)

    def _fail(self, error: BackendError) -> None:
        """Tell all who wait. Who waits next starts the trips again, and hears of it if they fail again."""
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)


class ControlStream(Unheard):
    """The run's own direct lockstep stream. It opens itself anew when it has ended, or the backend was started anew."""

    def __init__(self, client: Client, backend: Backend) -> None:
        self.trips = Trips(self._trip)
        self._client = client
        self._backend = backend
        self._stream: Announced | None = None
        self._reader: asyncio.Task[None] | None = None
        self._arrival: asyncio.Future[bool] | None = None
        self._granted: int
        self._received_bytes: int

    def read(self, data: bytes, at_ns: int) -> bool:
        """Take what came of the token that completes a trip: it is one when all of it is here."""
        self._received_bytes += len(data)
        whole = self._received_bytes >= (self._granted + 1) * ENDLESS.token_bytes
        if whole and self._arrival and not self._arrival.done():
            self._arrival.set_result(True)
        return True

    async def close(self) -> None:
        """End the control stream. Whoever waits for trips next opens it anew."""
        await self.trips.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        stream, reader = self._stream, self._reader
        self._stream = self._reader = None
        if stream:
            stream.close()
        if reader:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _trip(self) -> None:
        stream = self._stream
        if stream is None or stream.lost.done() or self._reader is None or self._reader.done():
            stream = await self._open()
        self._arrival = asyncio.get_running_loop().create_future()
        self._granted += 1
        if self._granted % FORGET_EVERY == 0:  # nobody will ask for the log of a stream that lasts as long as the run
            stream.forget()
        stream.grant(self._granted)
        if not await self._arrival:
            await self._trip()

    async def _open(self) -> Announced:
        await self._hang_up()
        self._granted, self._received_bytes = -1, 0
        emission = Emission(ENDLESS, content_type=CODECS["sse"].content_type)
        stream = self._stream = await self._backend.open(emission)
        stream.lost.add_done_callback(lambda lost: self._broke(stream, BackendError(lost.result())))
        entry = self._backend.endpoint
        request = Request(entry.stream_url(stream.stream_id), authority=entry.authority)
        self._reader = asyncio.create_task(self._client.stream(request, self))
        self._reader.add_done_callback(lambda reader: self._broke(stream, _fault(reader)))
        return stream

    def _broke(self, stream: Announced, fault: BaseException | None) -> None:
        """Tell who waits for a token. A response may end well under way, as not all last for ever: on to the next."""
        if stream is not self._stream or self._arrival is None or self._arrival.done():
            return
        if fault is None and self._granted:
            self._arrival.set_result(False)
        else:
            self._arrival.set_exception(BackendError(f"the control stream broke: {fault or 'the emitter ended it'}"))


def _fault(reader: asyncio.Task[None]) -> BaseException | None:
    return asyncio.CancelledError() if reader.cancelled() else reader.exception()


class Answer(Unheard):
    """Takes an answer of which only counts that it came, and no more of it than `PULSE_BYTES`.

    `begun` tells that it has begun, and `on_begun` is called then. One not to be heard out is done with its head.
    `refused` tells that a hop has refused by itself: the emitter marks what it answers, its refusals too.
    """

    def __init__(self, on_begun: Callable[[], None] = lambda: None, heard_out: bool = True) -> None:
        self.begun = False
        self.refused = False
        self._on_begun = on_begun
        self._heard_out = heard_out
        self._left_bytes = PULSE_BYTES

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        self.begun = True
        marked = any(name.lower() == EMITTER_HEADER.lower() for name, _ in headers)
        self.refused = status >= REFUSALS and not marked
        self._on_begun()
        return self._heard_out

    def read(self, data: bytes, at_ns: int) -> bool:
        self._left_bytes -= len(data)
        return self._left_bytes > 0


def pulse_of(endpoint: Endpoint) -> Request:
    """Return the request by which a chain is asked for a small complete answer."""
    return Request(endpoint.pulse_url, authority=endpoint.authority, host=endpoint.name)


class Pulse:
    """Short complete requests through one chain, carried by a client that speaks what the chain answers in.

    Any answer counts that is no hop's own refusal: somebody was awake to give it. Where one has begun and does not end
    soon, those after it are hung up on as soon as they begin. A hop that refuses one by itself, or hangs up, may count
    what it is asked, and the pulse is lost for good. So it is where none was ever answered. A `serial` chain that does
    not answer soon may well be busy with the very stream that is guarded: its pulse is lost for that stream, and tried
    again for the next if it was ever answered.
    """

    def __init__(self, client: Client, endpoint: Endpoint, serial: bool = False) -> None:
        self._client = client
        self._serial = serial
        self._request = pulse_of(endpoint)
        self.lost = False
        self._proven = False
        self._refused = False
        self._ends = True
        self.trips = Trips(self._trip, f"{self._request.url} is not answered in time")

    @property
    def way_ms(self) -> float:
        """How long a request takes through the chain and back at the least; 0 if none was answered."""
        return (self.trips.least_ms or 0.0) if self._proven else 0.0

    def try_again(self) -> None:
        """Begin to guard another stream: a pulse that was answered before may be answered again."""
        if self._proven and not self._refused:
            self.lost = False

    async def _trip(self) -> None:
        if self.lost:
            return
        answer = Answer(lambda: limit.reschedule(asyncio.get_running_loop().time() + BUSY_S), self._ends)
        try:
            async with asyncio.timeout(BUSY_S if self._serial else STALLED_S) as limit:
                await self._client.stream(self._request, answer)
            self._proven = True
        except TimeoutError as error:
            if answer.begun and not answer.refused:
                self._ends = False
                await self._trip()
            elif self._proven and not self._serial and not answer.refused:
                raise BackendError(f"{self._request.url} has not answered for {STALLED_S:g} s") from error
            else:
                self.lost = True  # it serves one request at a time, say: the control stream has to do
        except Unavailable:
            self.lost = True
        except StreamError:
            self._refused = True
        self._refused = self._refused or answer.refused
        self.lost = self.lost or self._refused


class Beside:
    """Small requests through a chain while a stream of others runs through it: what else an application has time for.

    `durations_ns` has how long each took; of the one that was under way at the end, how long it had then.
    """

    def __init__(self, client: Client, endpoint: Endpoint) -> None:
        self._client = client
        self._request = pulse_of(endpoint)
        self.durations_ns: list[int] = []

    async def ask(self) -> None:
        """Ask again and again until cancelled."""
        while True:
            await asyncio.sleep(BESIDE_S)
            began = time.monotonic_ns()
            try:
                await self._client.stream(self._request, Answer())
            except StreamError:
                pass
            finally:
                self.durations_ns.append(time.monotonic_ns() - began)


class Control(Protocol):
    """What goes round beside the chain, or as short requests through it where there is no other way."""

    trips: Trips

    async def close(self) -> None: ...


class Guard:
    """Says when a silence in one chain means something. A quiet one sends nothing through the chain."""

    def __init__(self, control: Control, pulse: Pulse, quiet: bool = False) -> None:
        self.control = control
        self.pulse = pulse
        self._quiet = quiet

    def quietly(self) -> Guard:
        """Return one that does without the pulse, for a chain that other requests may make let go."""
        return Guard(self.control, self.pulse, quiet=True)

    @property
    def silences(self) -> bool:
        """Whether not even grants may go through the chain, so that a stream is announced as a whole."""
        return False

    @property
    def pulses(self) -> bool:
        """Whether requests of its own go through the chain."""
        return not (self._quiet or self.pulse.lost)

    async def distance_ms(self) -> float:
        """Return how long the control stream takes at least to go round: how far away the backend is, load apart.

        It takes several trips to know: during a single one the machine may have stood still.
        """
        if (missing := DISTANCE_TRIPS - self.control.trips.remembered) > 0:
            await self.control.trips.after(missing)
        return self.control.trips.least_ms or 0.0

    async def witnessed(self) -> None:
        """Wait until the control stream has gone round several times from now on."""
        await self.control.trips.after(CONTROL_TRIPS)

    async def witnessed_by_chain(self) -> None:
        """Wait until the pulse has gone round several times from now on."""
        await self.pulse.trips.after(PULSE_TRIPS)

    async def barrier(self) -> None:
        """Wait until one request has gone through the chain and back: time enough for what was just released.

        Where nothing may go through the chain, what earlier requests took tells how long that is.
        """
        if self.pulses:
            await self.pulse.trips.after(1)
        else:
            await asyncio.gather(self.witnessed(), asyncio.sleep(max(QUIET_MS, 2 * self.pulse.way_ms) / 1e3))
