"""Responses that do not end, flood or drip: broken off within their bounds, and told as what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
import pytest_asyncio

from harness.measure import guard
from harness.measure.limits import Bounds
from tests.factories import broken_as, figures, judged, plan
from tests.misbehaving import (
    Answer,
    Behaviour,
    Misbehaving,
    collects,
    lags,
    never_ends,
)
from tests.recording import LOAD, Rig, bound, rig

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

BOUNDED_S = 60.0
SOON_S = 30.0
ONE_READ_BYTES = 2**21
"""What a client takes in at once at most."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with rig(tmp_path_factory.mktemp("rig")) as running:
        yield running


async def test_a_response_that_does_not_end_is_broken_off_after_a_while(
    bench: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, silence_s=0.2)

    async def lingers(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        async for data in response.content.iter_any():
            answer.chunk(data)
        await asyncio.Event().wait()

    told = broken_as(await bench.record_through(lingers))
    assert told
    assert "the response did not end: nothing came for 0.2 s" in told


PING = b": ping\n\n"


@pytest.mark.parametrize(
    ("say", "every_s"), [(PING, 0.01), (PING, 0.2), (b":", 0.01)], ids=["often", "twice a silence", "in bytes"]
)
@pytest.mark.parametrize("pace", ["lockstep", "paced"])
async def test_who_says_for_ever_that_it_lives_does_not_end_its_response(
    bench: Rig, monkeypatch: pytest.MonkeyPatch, say: bytes, every_s: float, pace: str
) -> None:
    bound(monkeypatch, silence_s=0.5)
    async with asyncio.timeout(BOUNDED_S):
        trace = await bench.record_through(never_ends(say, every_s), pace=pace)
    assert (broken_as(trace) or "").startswith("the response did not end: no token came for 0.5 s, but ")
    assert figures(trace).tokens_received == len(trace.sent) >= LOAD.tokens, "what came before is evidence"


@pytest.mark.parametrize(
    ("say", "what", "bounds"),
    [
        (PING * 2**13, "bytes", {}),
        (b"x" * 2**16, "bytes", {}),
        (b"x", "reads", {"reads": 5000}),
    ],
    ids=["pings", "one endless line", "one byte a read"],
)
async def test_a_flood_is_broken_off_and_told_with_what_came_for_what_was_sent(
    bench: Rig, monkeypatch: pytest.MonkeyPatch, say: bytes, what: str, bounds: dict[str, int]
) -> None:
    bound(monkeypatch, **bounds)
    async with asyncio.timeout(BOUNDED_S):
        trace = await bench.record_through(never_ends(say))
    most = Bounds.of(trace.plan.emission, 0)
    number = most.body_bytes if what == "bytes" else most.reads
    told = f"flood: more than {number} {what} came for {trace.sent[-1].end_bytes} bytes sent, of late b'"
    assert (broken_as(trace) or "").startswith(told)
    assert len(trace.body) <= most.body_bytes + ONE_READ_BYTES
    assert len(trace.reads) <= most.reads + 1


@pytest.mark.parametrize(
    ("say", "every_s"), [(b"<p>no</p>", 0.01), (b"<p>no</p>" * 2**10, 0.0)], ids=["drips", "floods"]
)
@pytest.mark.parametrize("asks", [True, False], ids=["asked the backend", "did not ask it"])
async def test_a_refusal_whose_page_does_not_end_is_told_by_its_status_and_its_words(
    bench: Rig, monkeypatch: pytest.MonkeyPatch, say: bytes, every_s: float, asks: bool
) -> None:
    bound(monkeypatch, silence_s=0.3)
    refuses = never_ends(say, every_s, status=503)
    direct = bench.direct if asks else replace(bench.direct, path="/elsewhere")
    async with asyncio.timeout(BOUNDED_S), Misbehaving(direct, refuses) as proxy:
        trace = await bench.record(plan(LOAD), proxy.endpoint)
    assert (broken_as(trace) or "").startswith("status 503 instead of 200: no")
    assert len(trace.body) <= Bounds.of(trace.plan.emission, 0).page_bytes + ONE_READ_BYTES


async def test_a_head_that_does_not_end_is_no_response(bench: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def goes_on(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.raw(b"HTTP/1.1 200 OK\r\n")
        while True:
            answer.raw(b"X-More: and more\r\n")
            await answer.flush()

    async with asyncio.timeout(BOUNDED_S):
        assert (broken_as(await bench.record_through(goes_on)) or "").startswith("what came is no HTTP response")


async def test_a_head_that_drips_is_broken_off_after_a_while(bench: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, silence_s=0.3)

    async def drips(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.raw(b"HTTP/1.1 200 OK\r\nX-More: ")
        while True:
            answer.raw(b"x")
            await asyncio.sleep(0.01)

    async with asyncio.timeout(BOUNDED_S):
        told = broken_as(await bench.record_through(drips))
    assert told == "the response did not end: nothing came for 0.3 s"


@pytest.mark.parametrize(
    ("pulse", "refuses"),
    [(never_ends(PING, 0.01), False), (never_ends(PING * 2**13), False), (never_ends(b"x", 0.0, 503), True)],
    ids=["does not end", "floods", "refuses in single bytes"],
)
async def test_an_answer_to_a_pulse_that_does_not_end_is_an_answer_all_the_same(
    bench: Rig, pulse: Behaviour, refuses: bool
) -> None:
    """Once `BUSY_S` is waited for its end; to wait for each would take longer than the deadline."""
    proxy = Misbehaving(bench.direct, collects(10**9), pulse)
    async with asyncio.timeout(SOON_S), proxy:
        trace = await bench.record(plan(LOAD), proxy.endpoint)
    assert judged(trace).verdict == "buffered"
    assert proxy.pulses == 1 if refuses else proxy.pulses > guard.PULSE_TRIPS


async def test_a_stream_that_is_slow_for_ever_ends_at_its_deadline(bench: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, deadline_s=0.5)
    told = broken_as(await bench.record_through(lags(lambda number: 0.05), replace(LOAD, tokens=1000)))
    assert told == "the response did not end: a stream like this may take 0.5 s"


async def test_a_request_that_never_reaches_the_backend_is_broken_off_after_a_while(
    bench: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, asked_s=0.2)
    mute = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with mute:
        trace = await bench.record(entry=replace(bench.direct, port=mute.sockets[0].getsockname()[1]))
    assert broken_as(trace) == "time-out: the request did not reach the backend within 0.2 s"
