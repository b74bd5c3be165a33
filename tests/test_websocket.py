"""WebSockets from the real emitter to the real client: what hops do to them, and how it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

import psutil
import pytest
import pytest_asyncio

from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Request, Unheard
from harness.formats import TRANSPORTS
from harness.judge.metrics import header_changes
from harness.judge.verdict import assess
from harness.matrix.mitigations import parse
from harness.model import Cell, Filler, Plan, Trace
from harness.resources import configs
from tests.factories import figures, judged
from tests.planning import plan
from tests.recording import LOAD, Rig, bound, rig
from tests.tunnelling import BINARY, CLOSE, CONTINUATION, LEAVE, PING, RESET, TEXT, Treat, Tunnel, at, frame, passes
from tests.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

CATALOGUE = parse((configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
CELL = Cell((), LOAD, format="websocket")
PACED = replace(CELL, pace="paced")
BROWSER = replace(CELL, request="browser")
AT_ONCE_S = 5.0  # half of what aiohttp would wait
LOST = "the connection ended without a Close of the WebSocket (1006)"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with rig(tmp_path_factory.mktemp("rig")) as running:
        yield running


def told(cell: Cell = CELL, **emission: Any) -> Plan:
    made = plan(cell, CATALOGUE)
    return replace(made, emission=replace(made.emission, **emission))


async def through(bench: Rig, treat: Treat = passes, cell: Cell = CELL, **emission: Any) -> Trace:
    """Record a stream through a tunnel."""
    async with Tunnel(bench.direct, treat) as tunnel:
        return await bench.record(told(cell, **emission), tunnel.endpoint)


# ---------------------------------------------------------------- what holds and what does not


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
@pytest.mark.parametrize("cell", [CELL, BROWSER], ids=["bare", "compressed"])
async def test_a_direct_stream_is_streamed_message_by_message(bench: Rig, cell: Cell, pace: Any) -> None:
    """At a pace, a machine that stalls decides how much comes together."""
    trace = await bench.record(told(replace(cell, pace=pace), prelude=Filler(9000), padding=Filler(40)))
    told_of = judged(trace)
    assert told_of.verdict == "streamed" or (pace == "paced" and told_of.verdict != "broken"), told_of.reason
    assert (trace.status, len(trace.reads)) == (101, 1 + 2 * len(trace.sent))
    assert len(trace.sent) >= LOAD.tokens
    names = {name.lower() for name, _ in trace.headers}
    assert ("sec-websocket-extensions" in names) == (cell.request == "browser")
    assert header_changes(trace) == ()
    asked = {name.lower(): value for name, value in trace.request_headers}
    assert (asked["upgrade"], asked["sec-websocket-version"]) == ("websocket", "13")


async def test_the_offer_of_compression_is_the_browsers_and_can_be_taken_away(bench: Rig) -> None:
    trace = await bench.record(told(BROWSER))
    offered = dict(trace.request_headers)["Sec-WebSocket-Extensions"]
    assert ("Sec-WebSocket-Extensions", offered) in trace.plan.request_headers
    trace = await bench.record(told(replace(BROWSER, mitigations=("no-permessage-deflate",))))
    assert "Sec-WebSocket-Extensions" not in {*dict(trace.request_headers), *dict(trace.headers)}


@pytest.mark.parametrize("cell", [CELL, PACED], ids=["lockstep", "paced"])
async def test_holding_all_messages_to_the_end_is_buffered_and_at_a_pace_one_burst(bench: Rig, cell: Cell) -> None:
    held: list[bytes] = []

    def holds(number: int, opcode: int, payload: bytes) -> Iterable[bytes]:
        held.append(frame(opcode, payload))
        if opcode == CLOSE:
            yield b"".join(held)

    trace = await through(bench, holds, replace(cell, workload=replace(LOAD, interval_ms=30)))
    shows = assess([trace]).shows
    assert shows
    assert shows.manner == "at the end"
    measured = figures(trace)
    assert len(trace.reads) == measured.tokens_received == len(trace.sent)
    if cell is PACED:
        assert (measured.bursts, measured.burst_tokens_max) == (1, LOAD.tokens)
        assert measured.tokens_per_read == LOAD.tokens
    else:
        assert judged(trace).verdict == "buffered", judged(trace).reason


async def test_holding_messages_until_four_are_there_is_coalesced(bench: Rig) -> None:
    held: list[bytes] = []

    def collects(number: int, opcode: int, payload: bytes) -> Iterable[bytes]:
        held.append(frame(opcode, payload))
        if len(held) == 4 or opcode == CLOSE:
            yield b"".join(held)
            held.clear()

    verdict = judged(await through(bench, collects, replace(CELL, workload=replace(LOAD, tokens=24))))
    assert verdict.verdict == "coalesced"
    assert verdict.release is not None
    assert verdict.release.after_tokens == 3


async def test_a_message_in_continuation_frames_is_one_message(bench: Rig) -> None:
    def fragments(number: int, opcode: int, payload: bytes) -> Iterable[bytes]:
        if opcode == CLOSE:
            return passes(number, opcode, payload)
        parts = (payload[:1], payload[1:30], b"", payload[30:])
        opcodes = (TEXT, CONTINUATION, CONTINUATION, CONTINUATION)
        return [frame(code, part, fin=n == 3) for n, (code, part) in enumerate(zip(opcodes, parts, strict=True))]

    trace = await through(bench, fragments)
    assert (judged(trace).verdict, len(trace.reads)) == ("streamed", len(trace.sent))


async def test_pings_in_mid_stream_are_answered_and_are_no_reads(bench: Rig) -> None:
    def pings(number: int, opcode: int, payload: bytes) -> Iterable[bytes]:
        return (frame(PING, b"?"), frame(opcode, payload))

    async with Tunnel(bench.direct, pings) as tunnel:
        trace = await bench.record(told(), tunnel.endpoint)
        assert (judged(trace).verdict, len(trace.reads)) == ("streamed", len(trace.sent))
        assert tunnel.said.count(b"\x8a\x81") == len(trace.sent) + 1


# ---------------------------------------------------------------- what is broken

TOKEN = b'{"n":4,"t":1,"d":"x"}\n'


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        ([RESET], LOST),
        ([LEAVE], LOST),
        ([frame(TEXT, b"half of a mess", fin=False), LEAVE], LOST),
        (
            [frame(CLOSE, (1011).to_bytes(2) + b"out of luck")],
            "the WebSocket closed with 1011 (INTERNAL_ERROR): out of",
        ),
        ([frame(CLOSE, (1001).to_bytes(2))], "the WebSocket closed with 1001 (GOING_AWAY)"),
        ([frame(CLOSE, (4321).to_bytes(2))], "the WebSocket closed with 4321 (unknown)"),
        ([frame(CLOSE)], "the WebSocket closed with 1005 (no code)"),
        ([frame(CLOSE, (1000).to_bytes(2))], "the response ended before the emitter ended it"),
        ([frame(TEXT, b"what?\n")], "not JSON at byte 400"),
        ([frame(TEXT, TOKEN * 2)], "a message is not one line, at byte 400"),
        ([frame(TEXT, TOKEN[:9]), frame(TEXT, TOKEN[9:])], "a message is not one line, at byte 400"),
        ([frame(TEXT, TOKEN)], "token 4 is not the one that was sent (replayed?)"),
        ([frame(BINARY, TOKEN)], 'a binary message came where text was sent: b\'{"n":4'),
        ([frame(TEXT, b"\xff\xfe\n")], "what came is no WebSocket (1007)"),
        ([frame(3, b"?")], "what came is no WebSocket (1002)"),
        ([frame(CONTINUATION, TOKEN)], "what came is no WebSocket (1002)"),
        ([frame(0x40 | TEXT, b"not compressed")], "what came is no WebSocket (1002)"),
    ],
)
async def test_what_breaks_a_stream_is_told(bench: Rig, instead: list[bytes], reason: str) -> None:
    trace = await through(bench, at(4, *instead))
    verdict = judged(trace)
    assert (verdict.verdict, verdict.reason[: len(reason)]) == ("broken", reason)
    assert trace.status == 101


async def test_an_altered_compressed_message_is_told(bench: Rig) -> None:
    verdict = judged(await through(bench, at(4, frame(0x40 | TEXT, b"\xff\xff\xff\xff")), BROWSER))
    assert verdict.verdict == "broken"
    assert "ebSocket" in verdict.reason


ACCEPTED = b"HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: "


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "status 200 instead of 101: hello"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nnot yours", "status 403 instead of 101: not yours"),
        (ACCEPTED + b"bm90IHJpZ2h0\r\n\r\n", "no WebSocket came about: Invalid challenge response"),
        (b"\r\n", "the connection closed instead of an answer to the handshake"),
    ],
)
async def test_a_refused_handshake_is_told_in_the_words_of_who_refused(bench: Rig, answer: bytes, reason: str) -> None:
    async with Tunnel(bench.direct, lambda *frame: [LEAVE], answer) as tunnel:
        verdict = judged(await bench.record(told(), tunnel.endpoint))
    assert (verdict.verdict, verdict.reason[: len(reason)]) == ("broken", reason)


async def test_a_hop_that_falls_silent_is_a_time_out(bench: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, silence_s=0.3)

    def swallows(number: int, opcode: int, payload: bytes) -> Iterable[bytes]:
        return () if number > 3 else passes(number, opcode, payload)

    verdict = judged(await through(bench, swallows))
    assert verdict.verdict == "broken"
    assert verdict.reason.startswith("the response did not end: nothing came for ")


# ---------------------------------------------------------------- what is left behind


async def test_a_client_that_has_enough_does_not_wait_for_an_answer_and_leaves_no_connection(bench: Rig) -> None:
    class Enough(Unheard):
        wanted = 2

        def read(self, data: bytes, at_ns: int) -> bool:
            self.wanted -= 1
            return self.wanted > 0

    client, plan = AiohttpReader(), told()
    before = len(psutil.Process().net_connections())
    async with Tunnel(bench.direct, deaf=True) as tunnel:
        control = await bench.backend.open(plan.emission)
        control.grant(1)
        url = f"{tunnel.endpoint.url}/stream/{control.stream_id}"
        request = Request(url, transport="websocket", status=TRANSPORTS["websocket"].status)
        async with asyncio.timeout(AT_ONCE_S):
            await client.stream(request, Enough())
        control.close()
    await client.close()
    await eventually(lambda: len(psutil.Process().net_connections()), lambda now: now <= before, AT_ONCE_S)
