"""Recorder and guard against a backend and a client in memory: no socket, no process, and a clock of any kind."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from harness.backends.fake import Fake
from harness.clients import fake
from harness.clients.base import Request
from harness.errors import BackendError, Unavailable
from harness.formats import CODECS
from harness.judge.reading import span_tokens
from harness.measure.conversation import record
from harness.measure.guard import CONTROL_TRIPS, DISTANCE_TRIPS, ControlStream, Guard, Pulse, Trips
from harness.measure.limits import Bounds
from harness.measure.recorder import Recorder
from harness.model import Endpoint, HttpVersion, Trace, TransportName, Workload
from tests.factories import judged, plan
from tests.measure.steps import record as short
from tests.recording import bound

pytestmark = pytest.mark.usefixtures("leaping")

LOAD = Workload("w", tokens=8, token_bytes=100, interval_ms=1)
FAR_AWAY = Endpoint(443, "/behind", host="hop.invalid")
SPAN = span_tokens(plan(LOAD).emission)
"""So many tokens are sent after one that is held."""


Body = AsyncGenerator[bytes]
Hop = Callable[[Body], Body]


async def passes(body: Body) -> Body:
    async for data in body:
        yield data


def collects(pieces: int) -> Hop:
    """Hand on so many pieces at once, and the rest at the end."""

    async def hop(body: Body) -> Body:
        held: list[bytes] = []
        async for data in body:
            held.append(data)
            if len(held) == pieces:
                yield b"".join(held)
                held.clear()
        if held:
            yield b"".join(held)

    return hop


class Chain:
    """A hop between a backend and its readers, which only streams that were asked for below `/behind` go through."""

    def __init__(self, backend: Fake, hop: Hop = passes) -> None:
        self.backend = backend
        self.client = fake.Fake(self._answer)
        self.control = ControlStream(self.client, backend)
        self._hop = hop
        self.acts: dict[int, Callable[[], object]] = {}
        """What to do when the chain has handed on so many pieces."""

    async def record(
        self, load: Workload = LOAD, quiet: bool = False, on_hold: Callable[[], object] = print, **emission: object
    ) -> Trace:
        pulse = Pulse(self.client, FAR_AWAY)
        try:
            guard = Guard(self.control, pulse, quiet)
            told = plan(load, **emission)
            return await record("cell", told, FAR_AWAY, self.backend, self.client, guard, on_hold=on_hold)
        finally:
            await pulse.trips.close()

    async def _answer(self, request: Request) -> Body:
        behind = request.url.startswith(FAR_AWAY.url)
        body = self.backend.answer(request.url.replace(FAR_AWAY.url, self.backend.endpoint.url))
        number = itertools.count(1)
        async for data in self._hop(body) if behind and "/stream/" in request.url else body:
            yield data
            if behind and "/stream/" in request.url and (act := self.acts.pop(next(number), None)):
                act()


@pytest.mark.parametrize(
    ("lacks", "asks_in", "says"),
    [
        ({"websocket": "reads no messages"}, ("1.1",), "client fake reads no messages"),
        ({}, ("2",), "client fake asks in HTTP/2, and the emitter, which it meets first, only answers in HTTP/1.1"),
    ],
)
async def test_what_a_client_does_not_declare_is_refused_before_anything_is_sent(
    lacks: dict[TransportName, str], asks_in: tuple[HttpVersion, ...], says: str
) -> None:
    async with chain() as made:
        made.client.lacks, made.client.http = lacks, asks_in
        made.client.transports = ("http",) if lacks else ("http", "websocket")
        with pytest.raises(Unavailable, match=re.escape(says)):
            await made.record(format="websocket")
        assert made.backend.open_streams == 0


@asynccontextmanager
async def chain(hop: Hop = passes, backend: Fake | None = None) -> AsyncIterator[Chain]:
    made = Chain(backend or Fake(), hop)
    yield made
    await made.control.close()


async def test_one_trip_during_which_the_machine_stood_still_is_no_distance() -> None:
    gone: list[int] = []

    async def trip() -> None:
        gone.append(len(gone))

    async with chain() as made:
        made.control.trips = Trips(trip)
        await Guard(made.control, Pulse(made.client, FAR_AWAY)).distance_ms()
        assert len(gone) >= DISTANCE_TRIPS


@pytest.mark.parametrize(("hop", "holds"), [(passes, False), (collects(3), True)])
async def test_of_a_hold_is_told_while_the_conversation_goes_on(hop: Hop, holds: bool) -> None:
    told_ns = list[int]()
    async with chain(hop) as made:
        trace = await made.record(on_hold=lambda: told_ns.append(time.monotonic_ns()))
    assert bool(told_ns) is any(step.kind == "hold" for step in trace.steps) is holds
    assert not holds or told_ns[0] < (trace.closed_ns or 0)


PASSED = "head-1 0-15 end15"
"""The conversation of what passes: as many tokens as it takes to know that it goes on so."""


async def test_what_passes_is_granted_token_by_token() -> None:
    async with chain() as made:
        trace = await made.record()
    assert short(trace.steps) == PASSED
    assert judged(trace).verdict == "streamed"
    assert trace.emitter_clock == "ours"


async def test_what_is_held_to_the_end_is_tried_with_bytes_and_waited_out() -> None:
    async with chain(collects(10 * SPAN)) as made:
        trace = await made.record()
    assert short(trace.steps) == f"head-1 g0 pulse0 hold0 g1-{SPAN} wait{SPAN} pulse0 end-1 a{SPAN}"
    assert judged(trace).verdict == "buffered"


def at(bytes_per_s: int) -> Hop:
    """Hand on everything, and no more than that in a second: a rate limit."""

    async def hop(body: Body) -> Body:
        async for data in body:
            await asyncio.sleep(len(data) / bytes_per_s)
            yield data

    return hop


async def test_a_rate_limit_ends_what_takes_longer_than_a_conversation_may_while_all_are_awake() -> None:
    """Each token in time on its own, so that no silence ends it: only the limit does, without what a standstill may."""
    bounds = Bounds.of(plan(LOAD).emission, 5.0)
    async with chain(at(200)) as made:
        began_ns = time.monotonic_ns()
        trace = await made.record()
        took_s = (time.monotonic_ns() - began_ns) / 1e9
    assert trace.failure == f"the response did not end: a stream like this may take {bounds.awake_s:g} s"
    assert bounds.awake_s <= took_s < bounds.awake_s + 5 < bounds.deadline_s


THREES = "head-1 g0 pulse0 hold0 g1 g2 a2 g3 pulse3 hold3 g4 g5 a5 stretch13 g13 a8 a11 pulse12 hold12 g14 a14 end14"


async def test_what_is_collected_comes_when_more_is_sent() -> None:
    async with chain(collects(3)) as made:
        trace = await made.record()
    assert short(trace.steps) == THREES
    assert judged(trace).verdict == "coalesced"


async def test_of_a_quiet_stream_nothing_but_its_own_goes_through_the_chain() -> None:
    async with chain(collects(3)) as made:
        trace = await made.record(quiet=True)
    assert short(trace.steps) == re.sub(r"pulse\d+ ", "", THREES)


@pytest.mark.parametrize(
    ("pieces", "steps"), [(1, "head-1 0-7 end7"), (8, "head-1 g0 pulse0 hold0 g1-6 wait6 pulse0 drain7 g7 end-1 a7")]
)
async def test_of_an_announced_length_the_last_token_is_the_end(pieces: int, steps: str) -> None:
    async with chain(collects(pieces)) as made:
        trace = await made.record(body="length")
    assert short(trace.steps) == steps
    assert judged(trace).verdict != "broken"


async def test_a_paced_stream_has_no_conversation() -> None:
    async with chain() as made:
        trace = await made.record(pace="paced")
    assert (trace.steps, len(trace.reads)) == ((), LOAD.tokens)


@pytest.mark.parametrize("first_ns", [0, 10**18])
async def test_a_backend_may_have_a_clock_of_its_own(first_ns: int) -> None:
    """It stands still, or is a lifetime ahead: the conversation is the same, and the trace says whose clock it was."""
    ticks = itertools.count(first_ns)
    for hop, steps in ((passes, PASSED), (collects(3), THREES)):
        async with chain(hop) as here, chain(hop, Fake(lambda: next(ticks))) as elsewhere:
            ours, its_own = await here.record(), await elsewhere.record()
        assert its_own.emitter_clock == "its own"
        assert short(its_own.steps) == short(ours.steps) == steps
        assert first_ns <= its_own.sent[0].at_ns < its_own.sent[-1].at_ns < first_ns + 10**6


async def test_a_backend_that_is_lost_says_why_whatever_was_noticed_first() -> None:
    async with chain() as made:
        made.acts[3] = lambda: made.backend.die("in mid-stream, it was unplugged")
        with pytest.raises(BackendError, match=r"^in mid-stream, it was unplugged$"):
            await made.record()
        assert judged(await made.record()).verdict == "streamed", "and the next stream is another's"


async def test_a_backend_that_is_lost_while_the_chain_keeps_silent_is_noticed() -> None:
    async with chain(collects(10 * SPAN)) as made:
        asyncio.get_running_loop().call_later(0.03, made.backend.die, "in mid-stream, it was unplugged")
        with pytest.raises(BackendError, match="unplugged"):
            await made.record(Workload("w", tokens=8, token_bytes=100))


async def test_a_chain_that_does_not_ask_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, asked_s=0.02)

    async def mute(body: Body) -> Body:
        await asyncio.Event().wait()
        yield b""

    async with chain(mute) as made:
        trace = await made.record()
    assert trace.failure == "time-out: the request did not reach the backend within 0.02 s"


async def test_a_chain_that_does_not_end_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, silence_s=0.02)

    async def lingers(body: Body) -> Body:
        async for data in body:
            yield data
        await asyncio.Event().wait()

    async with chain(lingers) as made:
        trace = await made.record()
    assert trace.failure == "the response did not end: nothing came for 0.02 s"


async def test_a_machine_that_stands_still_at_the_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, silence_s=0.02)
    goes_on = asyncio.Event()

    async def stands_still(body: Body) -> Body:
        async for data in body:
            yield data
        await goes_on.wait()

    async with chain(stands_still) as made:
        witness, asked = made.control.trips.after, 0

        async def after(trips: int) -> None:
            """Stand still with the rest of the machine, until the chain goes on: then it was no silence."""
            nonlocal asked
            asked += 1
            await witness(trips)
            goes_on.set()
            await asyncio.sleep(0)

        monkeypatch.setattr(made.control.trips, "after", after)
        trace = await made.record()
    assert (asked, trace.failure) == (1, None)


async def test_what_comes_without_a_token_is_no_progress_but_the_first_bytes_of_the_end_are() -> None:
    recorder = Recorder(plan(LOAD), Bounds.of(plan(LOAD).emission, 0))
    recorder.head(200, (), 1)
    recorder.read(CODECS["sse"].token(LOAD, 0, 1), 2)
    recorder.read(b": ping\n\n", 3)
    assert (recorder.progress_ns, recorder.meanwhile()) == (2, "8 bytes in 1 reads: b': ping\\n\\n'")
    recorder.awaits_end(4)
    assert (recorder.progress_ns, recorder.meanwhile()) == (4, None)
    recorder.read(b": ping\n\n", 5)
    recorder.read(b": ping\n\n", 6)
    assert recorder.progress_ns == 5
    recorder.read(CODECS["sse"].token(LOAD, 1, 1), 7)
    assert (recorder.progress_ns, recorder.meanwhile()) == (7, None)


# ---------------------------------------------------------------- the control stream


class Brief(Fake):
    """A backend that ends every response well after so many tokens, as some platforms do."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self._tokens = tokens
        self.opened = 0

    async def answer(self, url: str) -> Body:
        self.opened += "/stream/" in url
        if not self._tokens:
            return
        pieces = itertools.count(1)
        async for data in super().answer(url):
            yield data
            if "/stream/" in url and next(pieces) == self._tokens:
                return


async def test_a_control_stream_goes_on_when_a_response_ends_under_way() -> None:
    async with chain(backend=(backend := Brief(3))) as made:
        await made.control.trips.after(CONTROL_TRIPS)
        assert backend.opened >= CONTROL_TRIPS / 3


async def settled() -> None:
    """Let everything run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_token_of_the_control_stream_in_two_reads_is_one_round_trip() -> None:
    class Halving(Fake):
        """Hands on half a token, and the rest when it is let."""

        async def answer(self, url: str) -> Body:
            async for data in super().answer(url):
                yield data[:40]
                await rest.acquire()
                yield data[40:]

    rest = asyncio.Semaphore(0)
    async with chain(backend=Halving()) as made:
        with made.control.trips.watched():
            await settled()
            waiting = asyncio.create_task(made.control.trips.after(2))
            for _ in range(3):  # the first is under way when the wait begins
                await settled()
                assert not waiting.done()
                rest.release()
            await waiting


async def test_a_control_stream_that_never_has_a_token_is_a_fault_and_not_opened_for_ever() -> None:
    async with chain(backend=Brief(0)) as made:
        with pytest.raises(BackendError, match="the control stream broke: the emitter ended it"):
            await made.control.trips.after(1)


async def test_a_control_stream_whose_backend_died_is_opened_anew() -> None:
    async with chain() as made:
        with made.control.trips.watched():
            await made.control.trips.after(1)
            made.backend.die("it was unplugged")
            await made.backend.ready()
            await asyncio.gather(made.control.trips.after(1), return_exceptions=True)  # that was under way
            await made.control.trips.after(1)
