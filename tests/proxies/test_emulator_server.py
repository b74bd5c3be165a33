"""The emulator's process as a proxy like any other: headers, framing, faults, WebSocket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from harness.model import Endpoint
from tests.proxies.gated import END, RESET, Backend, Emulators

pytestmark = [pytest.mark.proxies, pytest.mark.asyncio(loop_scope="module")]

# ---------------------------------------------------------------- headers and framing


async def test_headers_pass_but_for_those_of_one_connection(backend: Backend, emulators: Emulators) -> None:
    backend.answers({"Connection": "X-Mine", "X-Mine": "1", "Keep-Alive": "timeout=9", "X-Yours": "1"})
    backend.response.headers.update({"Server": "backend", "Content-Type": "text/plain"})
    backend.response.headers.extend([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    backend.send(b"body", END)
    asked = {"Host": "service.example", "Connection": "X-Hop", "X-Hop": "1", "TE": "trailers", "X-End": "1"}
    response = await emulators.get("streaming", "/stream?a=%2Fb&c=ä", headers=asked)
    assert await response.read() == b"body"
    assert (response.headers["X-Yours"], response.headers["Server"]) == ("1", "backend")
    assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert not {"X-Mine", "Keep-Alive", "Via"} & set(response.headers)
    assert (backend.asked["Host"], backend.asked["X-End"]) == ("service.example", "1")
    assert not {"X-Hop", "TE", "Via", "X-Forwarded-For"} & set(backend.asked)


async def test_no_header_is_added_to_a_bare_request(backend: Backend, emulators: Emulators) -> None:
    backend.send(END)
    reader = await emulators.raw("streaming", b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readuntil(b"0\r\n\r\n")
    assert set(backend.asked) <= {"Host", "Connection"}


async def test_a_length_is_kept_and_a_request_body_arrives(backend: Backend, emulators: Emulators) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"in "
        yield b"pieces"

    url = await emulators.url("streaming") + "/stream"
    for data, body, framing in ((b"whole", b"whole", "Content-Length"), (pieces(), b"in pieces", "Transfer-Encoding")):
        backend.answers({"Content-Length": "5"})
        backend.send(b"12345", END)
        async with emulators.client.put(url, data=data) as response:
            assert response.headers["Content-Length"] == "5"
            assert await response.read() == b"12345"
        assert backend.body == body
        assert framing in backend.asked


async def test_responses_without_a_body(backend: Backend, emulators: Emulators) -> None:
    url = await emulators.url("store-and-forward") + "/stream"
    backend.answers({"Content-Length": "5"})
    backend.send(END)
    async with emulators.client.head(url) as response:
        assert (response.status, response.headers["Content-Length"]) == (200, "5")
    backend.answers(status=304)
    backend.send(END)
    async with emulators.client.get(url) as response:
        assert (response.status, await response.read()) == (304, b"")


async def test_an_http_1_0_client_gets_a_body_that_the_connection_ends(backend: Backend, emulators: Emulators) -> None:
    reader = await emulators.raw("streaming", b"GET /stream HTTP/1.0\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    backend.send(b"token")
    assert await reader.readexactly(5) == b"token"
    backend.send(END)
    assert await reader.read() == b""


async def test_a_body_that_the_connection_ends_is_passed_on_chunked(backend: Backend, emulators: Emulators) -> None:
    response = await emulators.get("streaming", "/closing")
    assert await response.content.readany() == b"body"
    backend.send(END)
    assert await response.content.readany() == b""
    assert response.headers["Transfer-Encoding"] == "chunked"


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "500"}])
@pytest.mark.parametrize("profile", ["streaming", "report"])
async def test_an_upstream_reset_is_not_a_clean_end(
    backend: Backend, emulators: Emulators, profile: str, headers: dict[str, str]
) -> None:
    backend.answers(headers)
    response = await emulators.get(profile)
    backend.send(b"token", RESET)
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_a_reset_is_not_a_clean_end_even_where_only_the_end_delimits(
    backend: Backend, emulators: Emulators
) -> None:
    response = await emulators.get("streaming", "/closing")
    assert await response.content.readany() == b"body"
    backend.send(RESET)
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.content.readany()

    reader = await emulators.raw("streaming", b"GET /stream HTTP/1.0\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    backend.send(RESET)
    with pytest.raises(ConnectionResetError):
        await reader.read()


async def test_a_held_response_that_breaks_off_is_a_bad_gateway(backend: Backend, emulators: Emulators) -> None:
    asking = asyncio.create_task(emulators.get("store-and-forward"))
    backend.send(b"token", RESET)
    response = await asking
    assert response.status == 502


async def test_a_client_that_leaves_is_seen_upstream(backend: Backend, emulators: Emulators) -> None:
    for profile in ("streaming", "report"):
        backend.answers()
        response = await emulators.get(profile)
        backend.send(b"token")
        response.close()
        await asyncio.wait_for(backend.left.wait(), 10)


async def test_a_client_that_does_not_read_stops_the_backend(backend: Backend, emulators: Emulators) -> None:
    many, one = 64, b"x" * 2**20
    response = await emulators.get("report")
    backend.send(*[one] * many)
    for _ in range(20):
        await emulators.turns("report")
    assert backend.sent_bytes < many * len(one)
    response.close()
    await asyncio.wait_for(backend.left.wait(), 10)


async def test_the_request_timeout_is_a_504_before_the_head_and_breaks_off_after_it(
    backend: Backend, emulators: Emulators
) -> None:
    profile = "release_bytes: 9\nhold_head: true\nrequest_timeout_s: 0.2\n"
    backend.send(b"token")
    response = await emulators.get(profile)
    assert response.status == 504
    backend.answers()
    backend.send(b"more tokens")
    response = await emulators.get(profile)
    assert response.status == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_an_upstream_that_is_not_there_is_a_bad_gateway(emulators: Emulators) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        running = await emulators.start("streaming", Endpoint(nobody.getsockname()[1]))
        async with emulators.client.get(running.endpoint.url) as response:
            assert response.status == 502


async def test_what_a_bad_gateway_says_quotes_nothing_of_the_answer(emulators: Emulators) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=canary\0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answers, "127.0.0.1", 0) as server:
        running = await emulators.start("streaming", Endpoint(server.sockets[0].getsockname()[1]))
        async with emulators.client.get(running.endpoint.url) as response:
            assert (response.status, await response.text()) == (502, "ClientResponseError\n")


# ---------------------------------------------------------------- WebSocket


async def test_a_websocket_passes_both_ways_and_closes_with_its_code(emulators: Emulators) -> None:
    url = await emulators.url("report") + "/echo"
    async with emulators.client.ws_connect(url, protocols=["other", "tokens"]) as tokens:
        assert tokens.protocol == "tokens"
        await tokens.send_str("text")
        assert await tokens.receive_str() == "text"
        await tokens.send_bytes(b"\x00" * 100_000)
        assert await tokens.receive_bytes() == b"\x00" * 100_000
        await tokens.send_str("bye")
        assert await tokens.receive_str() == "bye"
        closing = await tokens.receive()
        assert (closing.type, closing.data, closing.extra) == (aiohttp.WSMsgType.CLOSE, 4000, "as you wish")


async def test_a_websocket_that_breaks_off_upstream_is_not_closed_cleanly(emulators: Emulators) -> None:
    async with emulators.client.ws_connect(await emulators.url("report") + "/echo") as tokens:
        await tokens.send_str("reset")
        assert (await tokens.receive()).type is not aiohttp.WSMsgType.CLOSE
        assert tokens.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE


async def test_a_websocket_that_the_backend_refuses_is_refused(emulators: Emulators) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await emulators.client.ws_connect(await emulators.url("report") + "/nowhere")
    assert refusal.value.status == 404
