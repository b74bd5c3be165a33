"""Has the conversation of one stream: asks through the chain, grants what the lockstep machine says, keeps the trace.

Every arrival is answered at once from within the read; a watch on the side only wakes when nothing has come for long.
Where nothing can be granted beside a stream, it is announced as a whole, and read afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, cast

from harness.backends.base import Announced, Backend, Distant, Forewarned, Log
from harness.clients.base import Client, Headers, Remote, Request
from harness.clients.declared import need
from harness.errors import BackendError, StreamError, shortened
from harness.formats import TRANSPORTS
from harness.judge.rules import HOLD_MS
from harness.measure.announced import Left, Seen, steps, turns
from harness.measure.ending import ended
from harness.measure.grants import Grant, Phase
from harness.measure.guard import Guard
from harness.measure.limits import LOSS_S, READER_TRIPS, Bounds
from harness.measure.lockstep import Lockstep
from harness.measure.recorder import QUOTED_BYTES, Flood, Recorder
from harness.measure.standstill import Clock
from harness.model import EMITTER_HEADER, NO_STREAM_MARK, Answerer, Endpoint, Plan, Trace, Turn, masked_trace

LOOK_S = 0.02
"""How long it takes at least to look again whether time has passed."""


async def record(
    cell_id: str,
    plan: Plan,
    entry: Endpoint,
    backend: Backend,
    client: Client,
    guard: Guard,
    brief: bool = False,
    on_hold: Callable[[], object] = lambda: None,
) -> Trace:
    """Run one stream through the chain whose client side is `entry`, up to its first hold if `brief`; return its trace.

    `on_hold` is told whenever a token is held, or nearly was. Whatever the chain does ends up in the trace. Raises
    BackendError if the backend fails, Unavailable if the client cannot ask so.
    """
    first = str(plan.chain[0]) if plan.chain else "the emitter"
    need(client, plan.emission.transport, first, entry.http)
    bounds = Bounds.of(plan.emission, client.asks_within_s)
    recorder = Recorder(plan, bounds)
    told: Sequence[Turn] = ()
    if isinstance(backend, Distant) and guard.silences and plan.emission.pace == "lockstep":
        distance_ms = await guard.distance_ms()
        told = turns(plan.emission, distance_ms)
        stream = await backend.announce(plan.emission, told)
    else:
        stream = await backend.open(plan.emission)
    opened_ns = time.monotonic_ns()
    clock = Clock(guard.control.trips.standstill, opened_ns)
    request = request_of(plan, entry, stream.stream_id)
    lead_ms = backend.lead_ms if isinstance(backend, Distant) else None
    conversation = Conversation(plan, recorder, stream, guard, bounds, clock, brief, lead_ms, on_hold)
    reading = asyncio.create_task(client.stream(request, recorder))
    watch = _for_ever() if told else conversation.watch()
    watching = asyncio.create_task(_in_time(watch, bounds.deadline_s))
    closed_ns: int | None = None
    try:
        with guard.control.trips.watched():
            ends: set[asyncio.Future[Any]] = {reading, watching, stream.lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if isinstance(backend, Distant):
                backend.recognise(recorder.headers)
            if stream.lost.done():
                raise BackendError(stream.lost.result())
            failure = _failure(recorder.fault or (reading if reading.done() else watching).exception())
            closed_ns = time.monotonic_ns() if reading.done() and not failure else None
        log = await stream.log()
    except BackendError as error:
        if (await asyncio.wait({stream.lost}, timeout=LOSS_S))[0]:  # whatever we noticed first came of that
            raise BackendError(stream.lost.result()) from error
        raise
    finally:
        for task in (reading, watching):
            task.cancel()
        await asyncio.gather(reading, watching, return_exceptions=True)
        stream.close()
    guard_ms = _guard_ms(guard, opened_ns, recorder.reader)
    if told:
        left = Left(log.sent, log.head_ns, log.ended_ns)
        seen = Seen(recorder.head_ns, recorder.arrivals, closed_ns)
        conversation.distance_ms, kept = distance_ms, steps(plan.emission, told, left, seen, int(distance_ms * 1e6))
        guard_ms = max(guard_ms or 0.0, distance_ms)  # each turn is told as granted a round trip before its token
    else:
        kept = conversation.machine.steps if conversation.machine else []
    trace = Trace(
        cell_id=cell_id,
        plan=plan,
        request_headers=recorder.sent_request,
        opened_ns=recorder.asked_ns or opened_ns,
        head_ns=recorder.head_ns,
        status=recorder.status,
        headers=recorder.headers,
        reads=tuple(recorder.reads),
        body=bytes(recorder.body),
        sent=tuple(log.sent),
        sent_headers=tuple(log.headers),
        ended_ns=log.ended_ns,
        closed_ns=closed_ns,
        steps=tuple(kept),
        guard_ms=guard_ms,
        guard_slow_ms=guard.control.trips.slow_ms(opened_ns),
        failure=_for_what(recorder.fault, log) or failure or _complaint(log),
        heartbeats=tuple(log.heartbeats),
        decoded=recorder.decoded,
        painted_ns=tuple(recorder.painted_ns),
        distance_ms=conversation.distance_ms,
        clock_uncertainty_ms=recorder.reader.clock_uncertainty_ms if recorder.reader else None,
        remark=recorder.reader.remark if recorder.reader else None,
        answered_by=_answered_by(recorder.status, recorder.headers, stream.stream_id),
        emitter_clock=backend.clock,
        brief=brief,
    )
    return masked_trace(clock.told(trace) if plan.emission.pace == "lockstep" else trace)


def _answered_by(status: int | None, headers: Headers, stream_id: str) -> Answerer:
    """Return whose answer to this stream it is: the emitter's bears the mark of it, whoever handed it on.

    Where a hop asked it for something else, the emitter answers that there is no stream; one that bears the mark of
    another stream, or of the pulse, was kept by a hop and given again.
    """
    if status is None:
        return "nobody"
    marks = {value for name, value in headers if name.lower() == EMITTER_HEADER.lower()}
    return "emitter" if marks and marks <= {stream_id, NO_STREAM_MARK} else "hop"


def _guard_ms(guard: Guard, since_ns: int, reader: Remote | None) -> float | None:
    """Return the median round trip of the control stream, or of questions to a remote reader if those took longer."""
    trips_ms = [guard.control.trips.median_ms(since_ns), reader.trip_ms() if reader else None]
    return max((trip_ms for trip_ms in trips_ms if trip_ms is not None), default=None)


def request_of(plan: Plan, entry: Endpoint, stream_id: str) -> Request:
    """Return the request by which a plan asks for a stream at `entry`."""
    return Request(
        url=entry.stream_url(stream_id, plan.path),
        method=plan.method,
        headers=plan.request_headers,
        body=plan.request_body.encode() if plan.request_body else None,
        transport=plan.emission.transport,
        status=TRANSPORTS[plan.emission.transport].status,
        authority=entry.authority,
        format=plan.emission.format,
        http=entry.http,
        host=entry.name,
    )


class Conversation:
    """Carries a lockstep machine's grants to the backend, and what it waits for through the guard."""

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        stream: Announced | Forewarned,
        guard: Guard,
        bounds: Bounds,
        clock: Clock,
        brief: bool,
        lead_ms: float | None,
        on_hold: Callable[[], object],
    ) -> None:
        self.machine: Lockstep | None = None
        self.distance_ms: float | None = None
        self._emission = plan.emission
        self._recorder = recorder
        self._stream = stream
        self._guard = guard
        self._bounds = bounds
        self._clock = clock
        self._brief = brief
        self._lead_ms = lead_ms
        self._on_hold = on_hold
        self._turned = asyncio.Event()

    async def watch(self) -> None:
        """Lead the conversation until it is over, then wait for the end of the body, but not for ever."""
        await self._asked()
        if self._emission.pace == "paced":
            await self._led()
            return
        ends = [asyncio.create_task(self._led()), asyncio.create_task(self._over(self._bounds.awake_s))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await next(end for end in ends if end.done())
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _over(self, span_s: float) -> None:
        """Raise StreamError when so much of the stream's time has passed: what stands still takes none of it."""
        by_ns = self._now_ns() + int(span_s * 1e9)
        while (left_s := (by_ns - self._now_ns()) / 1e9) > 0:  # noqa: ASYNC110 - nothing tells but the clock
            await asyncio.sleep(max(left_s, LOOK_S))
        raise _endless(span_s)

    async def _led(self) -> None:
        if self._emission.pace == "lockstep" and self._stream.asked.done():
            self.distance_ms = await self._guard.distance_ms()
            began_ns = time.monotonic_ns()
            machine = self.machine = Lockstep(
                self._emission,
                int(self.distance_ms * 1e6),
                self._brief,
                lambda: self._guard.control.trips.slow_ms(began_ns) or 0.0,
                None if self._lead_ms is None else int(self._lead_ms * 1e6),
            )
            machine.begin(self._clock.at_ns(began_ns))
            self._recorder.on_progress(self._head, self._arrived)
            while machine.phase is not Phase.ENDED:
                await self._wait(machine)
        paced = self._emission.pace == "paced"
        span_s = self._bounds.span_s if paced else 0.0  # a buffered stream is silent for as long as it lasts
        await ended(self._recorder, self._guard, self._bounds.silence_s, span_s)

    async def _wait(self, machine: Lockstep) -> None:
        """Wait for what is due, and say so unless something has come meanwhile."""
        due, before = machine.due, (machine.phase, machine.progress_ns)
        self._turned.clear()
        if due.what == "told":
            if await self._is_heard() and (machine.phase, machine.progress_ns) == before:
                machine.heard(self._now_ns())
            return
        by_ns = machine.progress_ns + due.ns
        left_s = (by_ns - self._now_ns()) / 1e9
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._turned.wait()
                    return  # something else is due now
            if (left_s := (by_ns - self._now_ns()) / 1e9) <= 0:
                break
            left_s = max(left_s, LOOK_S)  # it may stand still, and time with it
        if due.what == "barrier":
            await self._all_sent(machine.granted)
            await self._guard.barrier()
            await self._recorder.awake()
        if due.what == "silence" and (machine.phase, machine.progress_ns) == before:
            await self._witnessed(machine, before)
        if (machine.phase, machine.progress_ns) == before:
            say = machine.outwaited if due.what == "silence" else machine.stepped
            self._say(say(self._now_ns()))

    async def _is_heard(self) -> bool:
        """Wait until the emitter has heard what it was told, unless something else is due before: that tells which."""
        hearing = asyncio.ensure_future(cast(Forewarned, self._stream).heard())
        ends: set[asyncio.Future[Any]] = {hearing, asyncio.ensure_future(self._turned.wait())}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return hearing.done()
        finally:
            for end in ends:
                end.cancel()

    async def _all_sent(self, through: int) -> None:
        """Let the emitter say that all has left which waits for a delay: a busy machine makes that longer.

        A chain that takes no more keeps it from that: it has had its time after that of a hold, by the stream's clock.
        """
        if not self._emission.delay_ms:
            return
        sent, by_ns = asyncio.ensure_future(self._stream.sent(through)), self._now_ns() + int(HOLD_MS * 1e6)
        try:
            while not sent.done() and self._now_ns() < by_ns:
                await asyncio.wait({sent}, timeout=LOOK_S)
        finally:
            sent.cancel()

    async def _witnessed(self, machine: Lockstep, before: tuple[Phase, int]) -> None:
        """Let everything on the way show that it is awake, the reader last."""
        await self._guard.witnessed()
        if (machine.phase, machine.progress_ns) == before and self._guard.pulses:
            machine.pulsed(self._now_ns())
            await self._guard.witnessed_by_chain()
        for _ in range(READER_TRIPS):
            await self._recorder.awake()

    async def _asked(self) -> None:
        """Wait until the request has reached the backend, or somebody on the way has refused it."""
        refusing = asyncio.create_task(self._recorder.refused.wait())
        ends: set[asyncio.Future[Any]] = {self._stream.asked, refusing}
        try:
            done, _ = await asyncio.wait(ends, timeout=self._bounds.asked_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            refusing.cancel()
        if not done:
            raise StreamError(f"time-out: the request did not reach the backend within {self._bounds.asked_s:g} s")

    def _head(self, at_ns: int) -> None:
        assert self.machine is not None
        self._say(self.machine.head(self._clock.at_ns(at_ns)))
        self._turned.set()

    def _arrived(self, through: int, at_ns: int) -> None:
        assert self.machine is not None
        phase = self.machine.phase
        self._say(self.machine.arrived(through, self._clock.at_ns(at_ns)))
        if self.machine.phase is not phase:
            self._turned.set()

    def _now_ns(self) -> int:
        return self._clock.at_ns(time.monotonic_ns())

    def _say(self, grant: Grant | None) -> None:
        if self.machine and self.machine.is_holding:
            self._on_hold()
        if grant is None:
            return
        if grant.later:
            cast(Forewarned, self._stream).grant_later(grant.through, grant.every_ms)
        else:
            self._stream.grant(grant.through)
        if grant.end:
            self._stream.end()


async def _for_ever() -> None:
    """Leave it to whoever reads to tell that it is over."""
    await asyncio.get_running_loop().create_future()


async def _in_time(watching: Coroutine[Any, Any, None], deadline_s: float) -> None:
    """Watch a stream, but not for ever."""
    try:
        async with asyncio.timeout(deadline_s):
            await watching
    except TimeoutError:
        raise _endless(deadline_s) from None


def _endless(span_s: float) -> StreamError:
    return StreamError(f"the response did not end: a stream like this may take {span_s:g} s")


def _for_what(fault: Exception | None, log: Log) -> str | None:
    """Return how much came, what it was, and for how much; None if that was not the fault."""
    if not isinstance(fault, Flood):
        return None
    sent_bytes = log.sent[-1].end_bytes if log.sent else 0
    return f"{fault} for {sent_bytes} bytes sent, of late {shortened(fault.data[:QUOTED_BYTES])}"


def _failure(error: BaseException | None) -> str | None:
    """Return what was wrong with the stream, None if nothing was; what is no fault of the stream's is raised."""
    if error is None or isinstance(error, StreamError):
        return str(error) if error else None
    raise error


def _complaint(log: Log) -> str | None:
    if log.requests > 1:
        return f"the chain asked {log.requests} times for one stream"
    return log.failure
