"""The token emitter: an HTTP server in its own process that sends what it is told, when it is told.

    python -m harness.backends.emitter --http-fd N --control-fd M --abandoned-s S

Rules: nothing is sent that was not announced over the control connection, by who knows the secret (`SECRET_VARIABLE`),
and is asked for by its id, which nobody can guess and which is always as long; lockstep tokens leave only on a grant,
as many as are granted before the end unless the length is fixed; paced tokens leave on an absolute schedule, so that
lateness does not add up, and the end so long after the last that what only the end lets go of is late; every answer,
refusals and the pulse too, bears the emitter's mark, which says what was asked for; whatever ends a stream (its own
end, a client that leaves, a control connection that breaks, nobody granting for a while) forgets it wholly.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from harness.backends.base import Log
from harness.backends.control import SECRET_VARIABLE, Lines, dump_log, load_emission
from harness.backends.http import HttpBody
from harness.backends.websocket import WebSocketBody
from harness.formats import CODECS
from harness.formats.body import EmittedBody
from harness.model import (
    ASKED_QUERY,
    EMITTER_HEADER,
    NO_STREAM_MARK,
    PULSE_MARK,
    Emission,
    Heartbeat,
    Sent,
    TransportName,
)

LINGER_S = 0.2
"""How long after its last token a paced stream ends at the earliest: four times what is late to a person."""
ID_BYTES = 16
OPENING_BYTES = 2**20
"""What may come before a stranger is known to be one."""
PULSE = b"pulse\n"
LEFT = "the reader left before the end"
RESET = struct.pack("ii", 1, 0)  # as SO_LINGER: to close is to reset

StreamBody = HttpBody | WebSocketBody
BODIES: Mapping[TransportName, type[StreamBody]] = {"http": HttpBody, "websocket": WebSocketBody}
"""As what a stream leaves, by the transport that carries it."""


class Stream:
    """One announced stream: what to send, how far it may go, what it did."""

    def __init__(self, emission: Emission, on_asked: Callable[[], None], abandoned_s: float) -> None:
        self.emission = emission
        self.log = Log()
        self.beats_bytes = 0
        self._on_asked = on_asked
        self._abandoned_s = abandoned_s
        self._body = EmittedBody(emission)
        self._granted = -1
        self._next = 0
        self._put: Callable[[bytes], None] | None = None
        self._may_end = False
        self._wake: asyncio.Future[None] | None = None
        self._wanted: tuple[int, Callable[[], None]] | None = None
        self._heard = 0.0
        self._listening: asyncio.TimerHandle | None = None
        self._bytes = 0
        self._finished = False
        self._handler: asyncio.Task[object] | None = None
        self._transport: asyncio.Transport | None = None

    def grant(self, through: int) -> None:
        """Let tokens up to `through` go, but none beyond a length that is fixed.

        They go at once if we can: waking the handler costs a turn of the event loop.
        """
        self._granted = max(self._granted, self._body.within(through))
        if self._put and self._transport:
            while self._next <= self._granted and not self._transport.is_closing():
                self._put(self._event())
        self._stir(only_note=self._put is not None and not self._may_end)

    def tell(self, through: int, say: Callable[[], None]) -> None:
        """Say it once all tokens up to `through` have left."""
        self._wanted = (through, say)
        self._told()

    def _told(self) -> None:
        if self._wanted and self._next > self._wanted[0]:
            self._wanted[1]()
            self._wanted = None

    def end(self) -> None:
        """Let the stream end."""
        self._may_end = True
        self._stir()

    @property
    def sent_tokens(self) -> int:
        """How many tokens have left."""
        return self._next

    @property
    def silent_s(self) -> float:
        """For how long nobody has said anything of it, nor read it."""
        return 0.0 if self._handler else asyncio.get_running_loop().time() - self._heard

    def hear(self) -> None:
        """Know that somebody still has to do with it."""
        self._heard = asyncio.get_running_loop().time()

    def break_off(self, why: str) -> None:
        """Break the stream off, if it still runs, and say in its log why."""
        self._fail(why)
        self.abort()

    def abort(self) -> None:
        """Break the stream off, visibly: a reset, not a clean end. One that has ended leaves its connection alone."""
        if self._finished:
            return
        if self._transport and not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()
        if self._handler:
            self._handler.cancel()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer the one request that the stream is for."""
        self.log.requests += 1
        if self.log.requests > 1:
            return web.Response(status=409, text="this stream was already asked for\n")
        self._handler, self._transport = asyncio.current_task(), request.transport
        try:
            return await self._answer(request)
        finally:
            self._handler = None
            self.hear()  # however it ended, its log may be asked for yet

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self._on_asked()
        body = BODIES[self.emission.transport]
        if refused := body.refusal(request):
            self._fail((refused.text or "").strip())
            self._finished = True
            return refused
        assert self._handler is not None
        response = body(request, self.emission, self._body.size_bytes, self._handler.cancel)
        try:
            head_ns = time.monotonic_ns()  # before the fact, as all stamps: a client may have it before we go on
            await response.prepare(request)
            self.log.head_ns = head_ns
            self.log.headers = list(response.headers.items())
            await self._emit(response)
            self.log.ended_ns = time.monotonic_ns()
            if closing := self._body.closing():
                await response.write(closing)
            self._finished = body.reader_may_leave_on_end
            await response.write_eof()
            self._finished = True
        except TimeoutError:
            self._fail(f"nobody granted anything for {self._abandoned_s:g} s")
            self.abort()
        except ConnectionError:
            self._fail(LEFT)
        except asyncio.CancelledError:
            self._fail(LEFT)
            raise
        return response

    def _fail(self, why: str) -> None:
        if self.log.failure is None and not self._finished:
            self.log.failure = why

    async def _emit(self, response: StreamBody) -> None:
        if before := self._body.opening():
            self._bytes += len(before)
            await response.write(before)
        beat = asyncio.create_task(self._heartbeats(response)) if self.emission.heartbeat_ms else None
        try:
            if self.emission.pace == "lockstep":
                await self._lockstep(response)
            else:
                await self._paced(response)
        finally:
            if self._listening:
                self._listening.cancel()
            if beat:
                beat.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await beat

    async def _lockstep(self, response: StreamBody) -> None:
        self.hear()
        self._listen()
        while not (self._may_end and self._next > self._granted and self._body.may_end_after(self._next)):
            if self._next > self._granted:
                self._put = None if self.emission.delay_ms else response.put
                await self._granting()
                continue
            if self.emission.delay_ms:
                await asyncio.sleep(self.emission.delay_ms / 1e3)
            await response.write(self._event())
            self._told()
        self._put = None

    async def _paced(self, response: StreamBody) -> None:
        gap_s = self.emission.gap_ms / 1e3
        loop = asyncio.get_running_loop()
        start = loop.time()
        for seq in range(self.emission.workload.tokens):
            if (wait := start + self.emission.sent_ms(seq) / 1e3 - loop.time()) > 0:
                await asyncio.sleep(wait)
            await response.write(self._event())
        if self.emission.body != "length":
            await asyncio.sleep(max(gap_s, LINGER_S))  # so that the last token can be told from the end

    def _objection(self) -> str | None:
        """Return why there are too many heartbeats now; None if there are not."""
        return None

    async def _heartbeats(self, response: StreamBody) -> None:
        beat, period_ms = CODECS[self.emission.format].heartbeat(), self.emission.heartbeat_ms
        while beat and period_ms:
            await asyncio.sleep(period_ms / 1e3)
            self.beats_bytes += len(beat)
            if why := self._objection():
                self.break_off(why)
                return
            self._bytes += len(beat)
            self.log.heartbeats.append(Heartbeat(time.monotonic_ns(), self._bytes))
            await response.write(beat)

    def _event(self) -> bytes:
        """Return the next token's event, which is as good as sent."""
        emission, seq = self.emission, self._next
        self._next += 1
        at_ns = time.monotonic_ns()
        event = self._body.token(seq, at_ns)
        self._bytes += len(event)
        self.log.sent.append(Sent(seq, at_ns, self._bytes))
        if emission.body == "length" and self._body.may_end_after(self._next):
            self._finished = True  # the last byte is the end; a reader may leave on it
        return event

    async def _granting(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        await self._wake

    def _listen(self) -> None:
        """Give up once nobody has granted anything for long: one timer a stream, not one a token."""
        loop = asyncio.get_running_loop()
        silent_s = loop.time() - self._heard
        if silent_s >= self._abandoned_s and self._wake and not self._wake.done():
            self._wake.set_exception(TimeoutError())
        self._listening = loop.call_later(max(self._abandoned_s - silent_s, 0.05), self._listen)

    def _stir(self, only_note: bool = False) -> None:
        self.hear()
        if only_note:
            return
        if self._wake and not self._wake.done():
            self._wake.set_result(None)


class Announcements(Lines):
    """The emitter's end of one control connection."""

    def __init__(self, streams: dict[str, Stream], secret: bytes, abandoned_s: float) -> None:
        super().__init__()
        self._streams = streams
        self._secret = secret
        self._abandoned_s = abandoned_s
        self._id = ""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._id and len(self._rest) > OPENING_BYTES and not self._knows_secret(self._rest):
            self.refuse()

    def _knows_secret(self, line: bytes) -> bool:
        secret, _, _ = line.removeprefix(b"open ")[: len(self._secret) + 1].partition(b" ")
        return secrets.compare_digest(secret, self._secret)

    def line(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        stream = self._streams.get(self._id)
        if stream is None:
            self._open(verb, argument)
            return
        if verb == b"grant":
            stream.grant(int(argument))
        elif verb == b"end":
            stream.end()
        elif verb == b"tell":
            stream.tell(int(argument), lambda: self.write(b"sent %b" % argument))
        elif verb == b"log":
            self.write(b"log " + dump_log(stream.log).encode())
        elif verb == b"forget":
            stream.log.sent.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        if stream := self._streams.pop(self._id, None):
            stream.abort()

    def _open(self, verb: bytes, argument: bytes) -> None:
        _, _, emission = argument.partition(b" ")
        if verb != b"open" or not self._knows_secret(argument):
            self.refuse()
            return
        self._id = secrets.token_hex(ID_BYTES)
        self._streams[self._id] = Stream(load_emission(emission), lambda: self.write(b"asked"), self._abandoned_s)
        self.write(b"stream " + self._id.encode())


def application(
    streams: Mapping[str, Stream], middlewares: Sequence[Middleware] = (), most_bytes: int = 2**20
) -> web.Application:
    """Return the HTTP side: `/stream/ID`, or what a format asks for below it, is the stream; `/pulse` is brief.

    Any other path is an app's own, and its query says which of them it asks for. No request may have more bytes.
    """

    async def stream(request: web.Request) -> web.StreamResponse:
        announced = streams.get(_stream_of(request))
        if announced is None:
            return _not_found(request, "no such stream was announced")
        return await announced.serve(request)

    async def pulse(request: web.Request) -> web.StreamResponse:
        return web.Response(body=PULSE, content_type="text/plain", headers={"Cache-Control": "no-store"})

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        if asked := _stream_of(request):
            return await (pulse if asked == PULSE_MARK else stream)(request)
        return _not_found(request, "a proxy has to pass /stream/N and /pulse on unchanged")

    async def marked(request: web.Request, response: web.StreamResponse) -> None:
        asked = _stream_of(request)
        is_pulse = request.match_info.handler is pulse or asked == PULSE_MARK
        nothing = PULSE_MARK if is_pulse else NO_STREAM_MARK
        response.headers[EMITTER_HEADER] = asked if asked in streams else nothing

    app = web.Application(middlewares=middlewares, client_max_size=most_bytes)
    app.on_response_prepare.append(marked)
    for path in {codec.path for codec in CODECS.values()}:
        app.router.add_route("*", f"/stream/{{id}}{path}", stream)
    app.router.add_route("*", "/pulse", pulse)
    app.router.add_route("*", "/{path:.*}", elsewhere)
    return app


def _stream_of(request: web.Request) -> str:
    """Return the id of the stream that is asked for, by a path of its own or by the query; empty if none is."""
    return request.match_info.get("id") or request.query.get(ASKED_QUERY, "")


def _not_found(request: web.Request, why: str) -> web.Response:
    """Say why in one short line: it is what a verdict quotes."""
    return web.Response(status=404, text=f"{why}; asked for {request.raw_path}\n")


async def serve(http: socket.socket, control: socket.socket, secret: bytes, abandoned_s: float) -> None:
    """Serve on two listening sockets until cancelled."""
    streams: dict[str, Stream] = {}
    runner = web.AppRunner(application(streams), handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.SockSite(runner, http).start()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Announcements(streams, secret, abandoned_s), sock=control)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--http-fd", type=int, required=True, help="listening socket for the streams")
    parser.add_argument("--control-fd", type=int, required=True, help="listening socket for control connections")
    parser.add_argument("--abandoned-s", type=float, required=True, help="give up a stream after this silence")
    options = parser.parse_args()
    http, control = (socket.socket(fileno=fd) for fd in (options.http_fd, options.control_fd))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(http, control, os.environ[SECRET_VARIABLE].encode(), options.abandoned_s))


if __name__ == "__main__":
    main()
