"""The emitter as a WebSocket server, asked by aiohttp or over plain sockets: frames, handshakes, ends."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSMsgType

from harness.backends.control import Control
from harness.backends.websocket import FLUSHED, Frames
from harness.model import EMITTER_HEADER, Emission, Filler, Workload
from tests.backends.emitting import Emitter, emitter, expected_body
from tests.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

DEADLINE_S = 20.0
LOAD = Workload("w", tokens=5, token_bytes=100, interval_ms=1)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def emission(load: Workload = LOAD, **fields: Any) -> Emission:
    return Emission(load, transport="websocket", format="ndjson", **fields)


async def announced(running: Emitter, told: Emission, granted: int | None = None) -> tuple[Control, str]:
    """Announce a stream and let it send tokens up to `granted`, or all and the end; return where it is."""
    control = await running.announce(told)
    control.grant(told.workload.tokens - 1 if granted is None else granted)
    if granted is None:
        control.end()
    return control, f"http://127.0.0.1:{running.port}/stream/{control.stream_id}"


async def raw(running: Emitter, control: Control, headers: dict[str, str]) -> tuple[asyncio.StreamReader, Any]:
    """Ask over a plain socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    lines = [f"GET /stream/{control.stream_id} HTTP/1.1", "Host: x", *(f"{n}: {v}" for n, v in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


async def failed(control: Control) -> str:
    """Wait until the stream has failed; return why."""
    async with asyncio.timeout(DEADLINE_S):
        while (failure := (await control.log()).failure) is None:
            pass
    return failure


# ---------------------------------------------------------------- what is sent


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
@pytest.mark.parametrize("window_bits", [0, 9, 15])
async def test_every_line_is_a_text_message_and_the_end_is_close_1000(
    running: Emitter, session: aiohttp.ClientSession, window_bits: int, pace: Any
) -> None:
    told = emission(pace=pace, prelude=Filler(70_000), padding=Filler(333, "random"))
    control, url = await announced(running, told)
    async with session.ws_connect(url, compress=window_bits) as reader:
        messages = [message async for message in reader]
        assert (reader.close_code, bool(reader.compress)) == (1000, window_bits > 0)
    assert {message.type for message in messages} == {WSMsgType.TEXT}
    lines = [message.data.encode() for message in messages]
    log = await control.log()
    assert lines == expected_body(told, log).splitlines(keepends=True)
    assert len(lines) == 1 + 2 * LOAD.tokens
    assert (log.sent[-1].end_bytes, log.failure) == (sum(map(len, lines)), None)
    control.close()


async def test_heartbeats_are_messages_between_whole_tokens(running: Emitter, session: aiohttp.ClientSession) -> None:
    told = emission(replace(LOAD, interval_ms=20), pace="paced", heartbeat_ms=2)
    control, url = await announced(running, told)
    async with session.ws_connect(url) as reader:
        lines = [message.data.encode() async for message in reader]
    assert b"\n" in lines
    assert b"".join(lines) == expected_body(told, await control.log())
    control.close()


async def test_nothing_leaves_before_it_is_granted(running: Emitter, session: aiohttp.ClientSession) -> None:
    control, url = await announced(running, emission(), granted=1)
    async with session.ws_connect(url) as reader:
        for _ in range(2):
            await reader.receive_str()
        await (await running.ask("/pulse")).body()
        assert [sent.seq for sent in (await control.log()).sent] == [0, 1]
        control.grant(2)
        await reader.receive_str()
        control.close()


@pytest.mark.parametrize("size_bytes", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("window_bits", [0, 15])
async def test_frames_are_what_the_standard_says_at_every_size(size_bytes: int, window_bits: int) -> None:
    message = bytes(n * n % 251 for n in range(size_bytes))
    frame = Frames(window_bits, fresh=False).text(message)
    extended_bytes = {126: 2, 127: 8}.get(frame[1], 0)
    payload = frame[2 + extended_bytes :]
    length = int.from_bytes(frame[2 : 2 + extended_bytes]) if extended_bytes else frame[1]
    assert (frame[0], length) == (0xC1 if window_bits else 0x81, len(payload))
    if window_bits:
        payload = zlib.decompressobj(wbits=-window_bits).decompress(payload + FLUSHED)
    assert payload == message


async def test_compression_remembers_earlier_messages_unless_told_to_forget() -> None:
    line = b"the same few words over and over again"
    keeping, forgetting = (Frames(15, fresh) for fresh in (False, True))
    assert len(keeping.text(line)) > len(keeping.text(line))
    frames = [forgetting.text(line) for _ in range(2)]
    assert [zlib.decompressobj(wbits=-15).decompress(frame[2:] + FLUSHED) for frame in frames] == [line] * 2


async def test_a_reader_that_wants_no_memory_between_messages_gets_none(running: Emitter) -> None:
    control, _ = await announced(running, emission(), granted=1)
    offer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10"
    reader, writer = await raw(running, control, {**HANDSHAKE, "Sec-WebSocket-Extensions": offer})
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert "server_no_context_takeover" in head
    for seq in range(2):
        first, size_bytes = await reader.readexactly(2)
        assert first == 0xC1
        line = zlib.decompressobj(wbits=-10).decompress(await reader.readexactly(size_bytes) + FLUSHED)
        assert line.startswith(b'{"n":%d,' % seq), "every message can be read by itself"
    control.close()
    writer.close()


# ---------------------------------------------------------------- what it answers to


@pytest.mark.parametrize(
    ("dropped", "missing"),
    [
        (["Upgrade"], "Upgrade: websocket"),
        (["Upgrade", "Connection"], "Upgrade: websocket, Connection: upgrade"),
        (["Sec-WebSocket-Key"], "Sec-WebSocket-Key"),
        (["Sec-WebSocket-Version"], "Sec-WebSocket-Version: 13"),
    ],
)
async def test_what_is_no_handshake_is_told_what_is_missing_and_how_nginx_is_mended(
    running: Emitter, dropped: list[str], missing: str
) -> None:
    control = await running.announce(emission())
    kept = {name: value for name, value in HANDSHAKE.items() if name not in dropped}
    reader, writer = await raw(running, control, {**kept, "X-Last": "1"})
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 426 ")
    assert "Upgrade: websocket\r\n" in head
    assert f"{EMITTER_HEADER}: {control.stream_id}\r\n" in head
    text = (await reader.readline()).decode()
    assert f"came without {missing}: a hop dropped it" in text
    for directive in ("proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;"):
        assert directive in text
    assert (await control.log()).failure == text.strip()
    control.close()
    writer.close()


async def test_a_ping_is_answered_in_mid_stream(running: Emitter, session: aiohttp.ClientSession) -> None:
    control, url = await announced(running, emission(), granted=0)
    async with session.ws_connect(url, autoping=False) as reader:
        await reader.receive_str()
        await reader.ping(b"there?")
        answer = await reader.receive()
        assert (answer.type, answer.data) == (WSMsgType.PONG, b"there?")
        control.grant(1)
        await reader.receive_str()
    control.close()


# ---------------------------------------------------------------- ends and leaks


async def _closes(running: Emitter, session: aiohttp.ClientSession) -> None:
    control, url = await announced(running, emission(), granted=0)
    async with session.ws_connect(url) as reader:
        await reader.receive_str()
        await reader.close(code=1001)
        assert reader.close_code == 1000, "it is answered"
    assert await failed(control) == "the reader left before the end"
    control.close()


async def _vanishes(running: Emitter) -> None:
    control, _ = await announced(running, emission(), granted=0)
    reader, writer = await raw(running, control, HANDSHAKE)
    await reader.readuntil(b'{"n":0')
    writer.transport.abort()
    assert await failed(control) == "the reader left before the end"
    control.close()


async def _loses_control(running: Emitter) -> None:
    control, _ = await announced(running, emission(), granted=0)
    reader, writer = await raw(running, control, HANDSHAKE)
    await reader.readuntil(b'{"n":0')
    control.close()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_reader_that_closes_is_answered_and_told_in_the_log(
    running: Emitter, session: aiohttp.ClientSession
) -> None:
    await _closes(running, session)


async def test_a_reader_that_leaves_on_the_close_without_a_word_has_left_after_the_end(running: Emitter) -> None:
    control, _ = await announced(running, emission())
    reader, writer = await raw(running, control, HANDSHAKE)
    await reader.readuntil(b"\x88\x02\x03\xe8")
    writer.transport.abort()
    answer = await running.ask("/pulse")
    assert await answer.body() == b"pulse\n"
    before = running.open_files()
    answer.leave()
    await eventually(running.open_files, lambda now: now < before)
    log = await control.log()
    assert (log.failure, log.ended_ns is None) == (None, False)
    control.close()


async def test_nothing_is_left_open_of_streams_that_ended_badly(
    running: Emitter, session: aiohttp.ClientSession
) -> None:
    await _loses_control(running)
    await (await running.ask("/pulse")).body()
    before = running.open_files()
    for _ in range(5):
        await _closes(running, session)
        await _vanishes(running)
        await _loses_control(running)
    await eventually(running.open_files, lambda now: now <= before)


async def test_a_stream_nobody_grants_is_given_up(tmp_path: Any) -> None:
    async with emitter(tmp_path, abandoned_s=0.2) as short:
        before = short.open_files()
        control, _ = await announced(short, emission(replace(LOAD)), granted=0)
        reader, writer = await raw(short, control, HANDSHAKE)
        with contextlib.suppress(asyncio.IncompleteReadError), pytest.raises(ConnectionResetError):
            await reader.read()
        assert (await control.log()).failure == "nobody granted anything for 0.2 s"
        control.close()
        writer.close()
        await eventually(short.open_files, lambda now: now <= before)
