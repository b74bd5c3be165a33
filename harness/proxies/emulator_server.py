"""The emulator's own process: a streaming reverse proxy whose response bytes leave when a Hold lets them go.

    python -m harness.proxies.emulator_server --listen HOST:PORT --upstream URL --policy JSON

Rules: headers pass but for those of one connection (RFC 9110, 7.6.1), and no Via or Server comes in; a body keeps its
Content-Length unless it is compressed, and is chunked or closed by the client's version otherwise; what has been
read is written before more is read; a client that leaves ends the upstream request; an upstream that breaks off
breaks the client's connection off too, never a clean end. One request upstream is one connection.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import struct
import time

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping
from yarl import URL

from harness.proxies.hold import Heads, Hold, Policy

ONE_CONNECTION = (hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.TE, hdrs.TRAILER, hdrs.TRANSFER_ENCODING, hdrs.UPGRADE)
ONE_CONNECTION_ONLY = frozenset(name.lower() for name in (*ONE_CONNECTION, hdrs.EXPECT, "Proxy-Connection"))
HANDSHAKE = frozenset(name.lower() for name in (hdrs.SEC_WEBSOCKET_KEY, hdrs.SEC_WEBSOCKET_VERSION))
NEGOTIATED = frozenset(name.lower() for name in (hdrs.SEC_WEBSOCKET_EXTENSIONS, hdrs.SEC_WEBSOCKET_PROTOCOL))
AUTOMATIC = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT)
RESPONSE = "response"  # where a request keeps its response once there is one
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
CONNECT_S = 10.0
SHUTDOWN_S = 0.1
BACKLOG = 1024

WebSocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse

log = logging.getLogger("cloudrun")


class Passed(web.StreamResponse):
    """The response as the client gets it. The head goes with `prepare`."""

    def __init__(self, request: web.Request, upstream: aiohttp.ClientResponse, hold: Hold) -> None:
        headers = end_to_end(upstream.headers)
        self.named = frozenset(name.lower() for name in headers)
        if hold.compresses:
            headers.popall(hdrs.CONTENT_LENGTH, None)
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            headers.add(hdrs.VARY, hdrs.ACCEPT_ENCODING)
        super().__init__(status=upstream.status, reason=upstream.reason, headers=headers)
        self._request = request

    async def go(self, data: bytes) -> None:
        """Send what was let go, and before it the head, if that has not gone."""
        if data:
            if not self.prepared:
                await self.prepare(self._request)
            await self.write(data)

    async def finish(self, data: bytes, has_body: bool) -> None:
        """Send the last bytes and the end. A head that waited for them can tell how many they are."""
        if not self.prepared:
            if has_body and hdrs.CONTENT_LENGTH not in self.headers:
                self.content_length = len(data)
            await self.prepare(self._request)
        await self.write_eof(data)


class Emulator:
    """One hop in front of one upstream."""

    def __init__(self, upstream: str, policy: Policy, session: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._policy = policy
        self._session = session

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        try:
            async with asyncio.timeout(self._policy.request_timeout_s):
                if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                    return await self._websocket(request)
                return await self._http(request)
        except (aiohttp.ClientError, ConnectionError) as error:
            words = f": {error}" if isinstance(error, OSError) else ""  # others quote headers, which may be secrets
            status, why = 502, f"{type(error).__name__}{words}"
        except TimeoutError:
            status, why = 504, f"the response took longer than {self._policy.request_timeout_s} s"
        log.warning("%s %s: %d %s", request.method, request.path, status, why)
        response: web.StreamResponse | None = request.get(RESPONSE)
        if response is None or not response.prepared:
            return web.Response(status=status, text=f"{why}\n")
        break_off(request)
        return response

    async def _http(self, request: web.Request) -> web.StreamResponse:
        async with self._session.request(
            request.method,
            self._url(request),
            headers=end_to_end(request.headers),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        ) as upstream:
            closed = closing(upstream)
            heads = Heads(
                request.method,
                ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())),
                upstream.status,
                joined(upstream.headers),
            )
            hold = Hold(self._policy, heads)
            request[RESPONSE] = response = Passed(request, upstream, hold)
            if not hold.holds_head:
                await response.prepare(request)
            while (data := await next_bytes(upstream.content, hold)) is not None:
                await response.go(data)
            if closed and closed.done() and (error := closed.exception()):
                raise error
            await response.finish(hold.end(), heads.has_body)
            return response

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        offered = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ()))
        try:
            upstream = await self._session.ws_connect(
                self._url(request),
                headers=end_to_end(request.headers, HANDSHAKE | NEGOTIATED),
                protocols=[name.strip() for name in offered.split(",") if name.strip()],
                autoclose=False,
                autoping=False,
                max_msg_size=0,
            )
        except aiohttp.WSServerHandshakeError as refusal:
            why = f"{refusal.status}: does every hop behind this one pass Upgrade and Connection on?"
            return web.Response(status=refusal.status, text=f"the upstream refused the WebSocket with {why}\n")
        async with upstream:
            protocols = [upstream.protocol] if upstream.protocol else []
            request[RESPONSE] = response = web.WebSocketResponse(
                protocols=protocols, autoclose=False, autoping=False, compress=False, max_msg_size=0
            )
            await response.prepare(request)
            code, reason = await relay(upstream, response)
            await response.close(code=code, message=reason)
            await upstream.close(code=code, message=reason)
            return response

    def _url(self, request: web.Request) -> URL:
        return URL(self._upstream + request.raw_path, encoded=True)


async def next_bytes(content: aiohttp.StreamReader, hold: Hold) -> bytes | None:
    """Return what goes next, perhaps nothing: bytes came, or a timer ran out. None at the end of the body."""
    wait_s = None if hold.wake_ns is None else (hold.wake_ns - time.monotonic_ns()) / 1e9
    try:
        async with asyncio.timeout(wait_s):
            data = await content.readany()
    except TimeoutError:
        return hold.tick(time.monotonic_ns())
    return hold.feed(data, time.monotonic_ns()) if data else None


async def relay(upstream: WebSocket, client: WebSocket) -> tuple[int, bytes]:
    """Carry messages both ways until one side closes; return its code and reason."""
    ways = [asyncio.create_task(carry(upstream, client)), asyncio.create_task(carry(client, upstream))]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def carry(source: WebSocket, sink: WebSocket) -> tuple[int, bytes]:
    """Carry messages one way until the source closes. Raises ConnectionError if it breaks off instead."""
    while True:
        message = await source.receive()
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                await sink.send_str(message.data)
            case aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            case aiohttp.WSMsgType.PING:
                await sink.ping(message.data)
            case aiohttp.WSMsgType.PONG:
                await sink.pong(message.data)
            case aiohttp.WSMsgType.CLOSE:
                return message.data or aiohttp.WSCloseCode.OK, (message.extra or "").encode()
            case _:
                raise ConnectionError("a WebSocket broke off")


def end_to_end(headers: CIMultiDictProxy[str], dropped: frozenset[str] = frozenset()) -> CIMultiDict[str]:
    """Return the headers that are not about one connection only."""
    nominated = {name.strip().lower() for value in headers.getall(hdrs.CONNECTION, ()) for name in value.split(",")}
    dropped = dropped | ONE_CONNECTION_ONLY | nominated
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def joined(headers: MultiMapping[str]) -> dict[str, str]:
    """Return header values by name in lower case, repeated ones joined (RFC 9110, 5.3)."""
    return {name.lower(): ", ".join(headers.getall(name)) for name in headers}


def closing(upstream: aiohttp.ClientResponse) -> asyncio.Future[None] | None:
    """Return the future that tells how the connection ends, for a body that only this end delimits.

    aiohttp takes a reset for the end of such a body; for other bodies it raises by itself.
    """
    delimited = {hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING} & set(upstream.headers)
    if delimited or upstream.connection is None or upstream.connection.protocol is None:
        return None
    return upstream.connection.protocol.closed


def break_off(request: web.Request) -> None:
    """End the client's connection so that it cannot be taken for the end of a body."""
    if request.transport is None or request.transport.is_closing():
        return
    if request.version < aiohttp.HttpVersion11:  # where closing is a clean end, only a reset is not
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    request.transport.abort()


async def keep_quiet(request: web.Request, response: web.StreamResponse) -> None:
    """Take away what aiohttp adds to a head on its own account."""
    if isinstance(response, Passed):
        for name in (hdrs.SERVER, hdrs.CONTENT_TYPE):
            if name.lower() not in response.named:
                response.headers.popall(name, None)


async def run(host: str, port: int, upstream: str, policy: Policy) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        auto_decompress=False,
        skip_auto_headers=AUTOMATIC,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", Emulator(upstream, policy, session).serve)
        app.on_response_prepare.append(keep_quiet)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        await stop.wait()
        await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to listen")
    parser.add_argument("--upstream", required=True, help="URL that every request is passed to")
    parser.add_argument("--policy", type=Policy.from_json, required=True, help="hold policy as JSON")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    host, _, port = options.listen.rpartition(":")
    asyncio.run(run(host, int(port), options.upstream, options.policy))


if __name__ == "__main__":
    main()
