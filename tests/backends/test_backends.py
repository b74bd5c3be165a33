"""What every backend keeps of the Protocol: the fake in memory is held to it as the emitter is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from harness.backends.base import Announced, Backend
from harness.backends.elsewhere import Elsewhere
from harness.backends.fake import Fake
from harness.backends.local import Local
from harness.clients import fake
from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Client, Request, Unheard
from harness.errors import BackendError, StreamError
from harness.formats import CODECS
from harness.launchers.process import Launcher
from harness.measure.limits import ELSEWHERE, EMITTER
from harness.model import Emission, Endpoint, Workload
from tests.backends.deploying import TOKEN, deployed
from tests.processes import signalled

DEADLINE_S = 20.0
PATIENT = replace(ELSEWHERE, busy_s=3 * DEADLINE_S)  # nobody waits so long who finds several requests served at once
REAL = ("local", "elsewhere")
LOAD = Workload("w", tokens=4, token_bytes=100, interval_ms=1)


@dataclass(frozen=True)
class Place:
    """A backend, a client that reads from it, and what makes the backend die."""

    backend: Backend
    client: Client
    die: Callable[[], object]

    async def open(self, **emission: Any) -> Announced:
        return await self.backend.open(Emission(**{"workload": LOAD} | emission))

    def ask(self, stream: Announced, kept: Kept) -> asyncio.Task[None]:
        """Begin to read a stream."""
        request = Request(f"{self.backend.endpoint.url}/stream/{stream.stream_id}")
        return asyncio.create_task(self.client.stream(request, kept))


class Kept(Unheard):
    """Finds the tokens in what came, and lets others wait for them."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self._decoder = CODECS["sse"].decoder()
        self._more = asyncio.Event()

    def read(self, data: bytes, at_ns: int) -> bool:
        self.tokens += [token.seq for token in self._decoder.feed(data)]
        self._more.set()
        return True

    async def has(self, *tokens: int) -> None:
        while self.tokens != [*tokens]:
            self._more.clear()
            await self._more.wait()


@pytest_asyncio.fixture(params=["fake", *(pytest.param(real, marks=pytest.mark.proxies) for real in REAL)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with asyncio.timeout(DEADLINE_S), Launcher() as launcher:
        if request.param == "fake":
            memory = Fake()
            client: Client = fake.Fake(lambda asked: memory.answer(asked.url))
            yield Place(memory, client, lambda: memory.die("in mid-stream, the fake died"))
        elif request.param == "elsewhere":
            async with deployed(launcher, tmp_path) as public:
                emitter, client = Elsewhere(Endpoint(public.port), TOKEN, PATIENT), AiohttpReader()
                await emitter.ready()
                yield Place(emitter, client, lambda: signalled(public.process, signal.SIGKILL))
                await emitter.close()
        else:
            local, client = Local(launcher, tmp_path, EMITTER), AiohttpReader()
            await local.ready()
            yield Place(local, client, lambda: signalled(local.process, signal.SIGKILL))
            await local.close()
        await client.close()


async def test_a_token_leaves_when_it_is_granted_and_the_end_when_it_is_allowed(place: Place) -> None:
    stream, kept = await place.open(), Kept()
    reading = place.ask(stream, kept)
    await stream.asked
    for through in (0, 2):
        stream.grant(through)
        await kept.has(*range(through + 1))
        assert [sent.seq for sent in (await stream.log()).sent] == [*range(through + 1)]
    stream.grant(3)
    await kept.has(0, 1, 2, 3)
    assert not reading.done()
    stream.end()
    await reading
    log = await stream.log()
    assert (log.requests, log.failure) == (1, None)
    assert log.head_ns is not None
    assert log.ended_ns is not None
    assert log.head_ns <= log.sent[0].at_ns <= log.sent[-1].at_ns <= log.ended_ns
    assert [sent.end_bytes for sent in log.sent] == [100, 200, 300, 400]
    stream.close()


@pytest.mark.parametrize("delay_ms", [None, 5.0])
async def test_it_tells_when_all_has_left_that_is_waited_for(place: Place, delay_ms: float | None) -> None:
    stream, kept = await place.open(delay_ms=delay_ms), Kept()
    reading = place.ask(stream, kept)
    await stream.asked
    early = asyncio.create_task(stream.sent(1))
    stream.grant(0)
    await kept.has(0)
    assert not early.done(), "the second may not leave yet"
    early.cancel()
    stream.grant(2)
    await stream.sent(2)
    assert [sent.seq for sent in (await stream.log()).sent] == [0, 1, 2]
    await stream.sent(1)
    stream.close()
    await asyncio.gather(reading, return_exceptions=True)


async def test_a_stream_is_as_long_as_was_granted_before_its_end(place: Place) -> None:
    stream, kept = await place.open(), Kept()
    reading = place.ask(stream, kept)
    for through in (3, 5, 9):
        stream.grant(through)
        await kept.has(*range(through + 1))
    stream.end()
    await reading
    assert [sent.seq for sent in (await stream.log()).sent] == [*range(10)]
    stream.close()


@pytest.mark.parametrize(
    ("emission", "length"),
    [
        ({"workload": replace(LOAD, exact=True)}, 4),
        ({"body": "length"}, 4),
        ({"body": "length", "announced_tokens": 6}, 6),
        ({"pace": "paced"}, 4),
    ],
)
async def test_a_fixed_length_is_kept_whatever_is_granted(place: Place, emission: dict[str, Any], length: int) -> None:
    stream, kept = await place.open(**emission), Kept()
    stream.grant(100)
    stream.end()
    await place.ask(stream, kept)
    assert kept.tokens == [*range(length)]
    stream.close()


@pytest.mark.parametrize("body", ["chunked", "length"])
async def test_a_stream_does_not_end_before_its_least_length_is_sent(place: Place, body: str) -> None:
    stream, kept = await place.open(body=body), Kept()
    reading = place.ask(stream, kept)
    stream.grant(1)
    stream.end()
    await kept.has(0, 1)
    assert (await stream.log()).ended_ns is None
    stream.grant(3)
    await reading
    assert kept.tokens == [0, 1, 2, 3]
    stream.close()


async def test_what_was_granted_before_it_was_asked_for_leaves_at_once(place: Place) -> None:
    stream, kept = await place.open(), Kept()
    stream.grant(3)
    stream.end()
    assert not stream.asked.done()
    await place.ask(stream, kept)
    assert kept.tokens == [0, 1, 2, 3]
    stream.close()


async def test_a_paced_stream_needs_no_grant(place: Place) -> None:
    stream, kept = await place.open(pace="paced"), Kept()
    await place.ask(stream, kept)
    assert kept.tokens == [0, 1, 2, 3]
    stream.close()


async def test_a_stream_that_is_closed_under_way_ends_badly_and_its_loss_is_no_news(place: Place) -> None:
    stream, other, kept = await place.open(), await place.open(), Kept()
    assert stream.stream_id != other.stream_id
    reading = place.ask(stream, kept)
    stream.grant(0)
    await kept.has(0)
    stream.close()
    with pytest.raises(StreamError):
        await reading
    place.die()
    await other.lost
    assert not stream.lost.done()
    other.close()


async def test_what_is_forgotten_is_not_logged(place: Place) -> None:
    stream, kept = await place.open(), Kept()
    reading = place.ask(stream, kept)
    stream.grant(1)
    await kept.has(0, 1)
    stream.forget()
    stream.grant(2)
    await kept.has(0, 1, 2)
    assert [sent.seq for sent in (await stream.log()).sent] == [2]
    stream.close()
    await asyncio.gather(reading, return_exceptions=True)


async def test_a_backend_that_dies_loses_its_streams_with_the_reason_and_the_next_is_served(place: Place) -> None:
    endpoint, lost, kept = place.backend.endpoint, await place.open(), Kept()
    reading = place.ask(lost, kept)
    lost.grant(0)
    await kept.has(0)
    place.die()
    with pytest.raises(BackendError):
        await lost.log()
    assert (await lost.lost).startswith("in mid-stream, the ")
    with pytest.raises(StreamError):
        await reading
    lost.close()
    if isinstance(place.backend, Elsewhere):
        return  # whoever deployed it starts it anew
    await place.backend.ready()
    stream, again = await place.open(), Kept()
    assert place.backend.endpoint == endpoint
    stream.grant(3)
    stream.end()
    await place.ask(stream, again)
    assert again.tokens == [0, 1, 2, 3]
    stream.close()


async def test_a_second_request_for_a_stream_is_counted(place: Place) -> None:
    stream, kept = await place.open(), Kept()
    first = place.ask(stream, kept)
    await stream.asked
    await asyncio.gather(place.ask(stream, Kept()), return_exceptions=True)
    assert (await stream.log()).requests == 2
    stream.close()
    await asyncio.gather(first, return_exceptions=True)
