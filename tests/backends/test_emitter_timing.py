"""When a real emitter sends: as it is granted, and at the pace that was asked for."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast, get_args

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from harness.backends import emitter
from harness.backends.emitter import LINGER_S
from harness.backends.http import HttpBody
from harness.formats import CODECS
from harness.model import (
    Body,
    CodecName,
)
from tests.backends.emitting import Emitter, all_granted, emission, expected_body

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

DEADLINE_S = 20.0
FORMATS = get_args(CodecName)
BODIES = get_args(Body)


async def test_nothing_leaves_before_it_is_granted(running: Emitter) -> None:
    told = emission()
    control = await running.announce(told)
    answer = await running.ask(f"/stream/{control.stream_id}")
    assert (await control.log()).sent == [], "the head comes at once, a token does not"
    for through in (0, 2):
        control.grant(through)
        async with asyncio.timeout(DEADLINE_S):
            while len((await control.log()).sent) <= through:
                pass
        await (await running.ask("/pulse")).body()
        assert [sent.seq for sent in (await control.log()).sent] == list(range(through + 1))
    control.close()
    answer.leave()


async def test_the_end_waits_for_permission_and_for_all_tokens(running: Emitter) -> None:
    control = await running.announce(emission())
    control.end()
    answer = await running.ask(f"/stream/{control.stream_id}")
    assert (await control.log()).ended_ns is None
    control.grant(4)
    await answer.body()
    log = await control.log()
    assert log.ended_ns is not None
    assert log.head_ns is not None
    assert log.head_ns <= log.sent[0].at_ns <= log.sent[-1].at_ns <= log.ended_ns
    control.close()
    answer.leave()


async def test_every_stamp_is_older_than_what_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever reads it has it before it was sent: by that way, all others are late where clocks are compared."""
    left: list[int] = []

    class Noting(HttpBody):
        async def prepare(self, request: web.BaseRequest) -> Any:
            done = await super().prepare(request)
            left.append(time.monotonic_ns())
            return done

        async def write(self, data: Any) -> None:
            left.append(time.monotonic_ns())
            await super().write(data)

        async def write_eof(self, data: bytes = b"") -> None:
            left.append(time.monotonic_ns())
            await super().write_eof(data)

    monkeypatch.setitem(cast("dict[str, Any]", emitter.BODIES), "http", Noting)
    stream = emitter.Stream(emission(pace="paced", tokens=2, interval_ms=1, format="text"), lambda: None, DEADLINE_S)
    app = web.Application()
    app.router.add_get("/", stream.serve)
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        await (await session.get(server.make_url("/"))).read()
    stamps = [stream.log.head_ns, *(sent.at_ns for sent in stream.log.sent), stream.log.ended_ns]
    assert None not in stamps
    assert [stamp <= seen for stamp, seen in zip(stamps, left, strict=False) if stamp] == [True] * 4


async def test_all_tokens_sent_is_not_the_end(running: Emitter) -> None:
    control = await running.announce(emission())
    control.grant(4)
    answer = await running.ask(f"/stream/{control.stream_id}")
    for _ in range(5):
        assert await answer.chunk()
    await (await running.ask("/pulse")).body()
    assert (await control.log()).ended_ns is None
    control.end()
    assert await answer.chunk() == b""
    control.close()
    answer.leave()


@pytest.mark.parametrize("delay_ms", [None, 1])
@pytest.mark.parametrize("form", FORMATS)
async def test_a_stream_goes_on_beyond_its_workload_while_granted_and_is_closed_at_its_end(
    running: Emitter, form: CodecName, delay_ms: float | None
) -> None:
    told = emission(format=form, delay_ms=delay_ms)
    control = await running.announce(told)
    control.grant(4)
    answer = await running.ask(f"/stream/{control.stream_id}")
    found, decoder = list[int](), CODECS[form].decoder()
    for through in (4, 5, 11):
        control.grant(through)
        while len(found) <= through:
            found += [token.seq for token in decoder.feed(await answer.chunk())]
    control.end()
    while chunk := await answer.chunk():
        assert decoder.feed(chunk) == []
    decoder.finish()
    log = await control.log()
    assert (found, [sent.seq for sent in log.sent]) == ([*range(12)], [*range(12)])
    assert (log.failure, log.ended_ns is None) == (None, False)
    control.grant(20)
    assert len((await control.log()).sent) == 12, "what is granted after the end is not sent"
    control.close()
    answer.leave()


@pytest.mark.parametrize("delay_ms", [None, 1])
@pytest.mark.parametrize("body", BODIES)
async def test_no_token_leaves_beyond_an_exact_length_whatever_is_granted(
    running: Emitter, body: Body, delay_ms: float | None
) -> None:
    told = emission(body=body, exact=True, announced_tokens=9, delay_ms=delay_ms)
    control = await running.announce(told)
    control.grant(1)
    answer = await running.ask(f"/stream/{control.stream_id}")
    control.grant(100)
    control.grant(200)
    control.end()
    assert len(await answer.body()) == 500
    assert [sent.seq for sent in (await control.log()).sent] == [0, 1, 2, 3, 4]
    control.close()
    answer.leave()


@pytest.mark.parametrize("form", FORMATS)
async def test_an_announced_length_may_be_longer_than_the_workload_and_its_last_token_is_the_end(
    running: Emitter, form: CodecName
) -> None:
    told = emission(format=form, body="length", announced_tokens=8)
    control = await running.announce(told)
    control.grant(5)
    control.end()
    answer = await running.ask(f"/stream/{control.stream_id}")
    assert (await control.log()).ended_ns is None, "an announced length has to be filled"
    control.grant(100)
    body, log = await answer.body(), await control.log()
    assert body == expected_body(told, log)
    assert [sent.seq for sent in log.sent] == [*range(8)]
    assert log.sent[-1].end_bytes == len(body)
    control.close()
    answer.leave()


async def test_asked_is_told_when_the_whole_request_is_here(running: Emitter) -> None:
    control = await running.announce(emission())
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(f"POST /stream/{control.stream_id} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf".encode())
    async with asyncio.timeout(DEADLINE_S):
        while (await control.log()).requests == 0:
            pass
        assert not control.asked.done()
        writer.write(b" more")
        await control.asked
    control.close()
    writer.close()


async def test_a_paced_stream_keeps_its_schedule_and_lateness_does_not_add_up(running: Emitter) -> None:
    """Sleeping from token to token loses about a millisecond each time, so 150 intervals by the last quarter."""
    told = emission(pace="paced", tokens=200, interval_ms=2)
    control = await running.announce(told)
    answer = await running.ask(f"/stream/{control.stream_id}")
    await answer.body()
    first, *others = (sent.at_ns for sent in (await control.log()).sent)
    late = [(at_ns - first) / 2e6 - number for number, at_ns in enumerate(others, 1)]  # in intervals
    assert min(late) > -1, "no token leaves before its time"
    assert min(late[-50:]) < 10, "the last tokens are as punctual as the first"
    control.close()
    answer.leave()


@pytest.mark.parametrize("interval_ms", [0.001, LINGER_S * 1e3 + 20])
async def test_a_paced_stream_ends_well_after_its_last_token(running: Emitter, interval_ms: float) -> None:
    told = emission(pace="paced", tokens=2, interval_ms=interval_ms)
    control = await running.announce(told)
    answer = await running.ask(f"/stream/{control.stream_id}")
    await answer.body()
    log = await control.log()
    assert log.ended_ns is not None
    assert log.ended_ns - log.sent[-1].at_ns >= max(interval_ms, LINGER_S * 1e3) * 1e6 - 1e6
    control.close()
    answer.leave()


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
async def test_a_delay_comes_before_every_token(running: Emitter, pace: Any) -> None:
    told = emission(pace=pace, interval_ms=1, delay_ms=15)
    control = await running.announce(told)
    all_granted(control, told)
    answer = await running.ask(f"/stream/{control.stream_id}")
    await answer.body()
    stamps = [sent.at_ns for sent in (await control.log()).sent]
    assert stamps[-1] - stamps[0] >= 4 * 14e6
    control.close()
    answer.leave()


async def test_streams_do_not_get_in_each_others_way(running: Emitter) -> None:
    one, other = await running.announce(emission()), await running.announce(emission(format="text"))
    answers = [await running.ask(f"/stream/{control.stream_id}") for control in (one, other)]
    other.grant(1)
    await answers[1].chunk()
    assert (await one.log()).sent == []
    all_granted(one, emission())
    assert len(await answers[0].body()) == 500
    for control, answer in zip((one, other), answers, strict=True):
        control.close()
        answer.leave()
