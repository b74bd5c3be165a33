"""The emitter as people deploy it: streams and their control on one port, for whoever has the token.

    HARNESS_TOKEN=... PORT=8080 python -m harness.backends.public --host 0.0.0.0

Rules: without a token it does not start, and no command line has it; control is a short POST that is answered at once
and kept by nobody; who opened a stream reaches it by its id, and no other; what one may ask for is limited, and what is
asked for within a minute, control of an open stream apart; to strangers it sends nothing, unless it is to be tried by
hand (`--demo`); told to stop (SIGTERM), it breaks off what still streams and
ends with status 0. Each process says by a header which one it is: that there are several shows in that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from aiohttp import web

from harness.backends.control import dump_log, load_emission
from harness.backends.emitter import ID_BYTES, Stream, application
from harness.backends.posting import INSTANCE_HEADER, TOKEN_HEADER, TOKEN_MAKER, TOKEN_VARIABLE, objection
from harness.formats import CODECS
from harness.model import Body, Emission, Turn, Workload

LEAST_TOKEN_CHARS = 16
OPENING_BYTES = 4 * 2**20
"""How large an announcement may be: a recording travels in it."""
MINUTE = 60.0
"""In seconds."""
STOPPED = "the emitter was told to stop"

DEMO = {"tokens": "40", "token_bytes": "120", "interval_ms": "250", "format": "sse", "body": "chunked"}
"""What `/demo?tokens=5` may ask for, and what it has if it does not."""
BODIES = get_args(Body)

LEAST_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """What one stream may be, how many there may be at once, and how much may be asked for within a minute.

    `goodbye_s` is how long what was broken off may take to be gone: platforms wait for ten seconds.
    """

    tokens: int = 100_000
    bytes: int = 16 * 2**20
    duration_s: float = 600.0
    streams: int = 64
    requests_per_minute: int = 1200
    abandoned_s: float = 60.0
    goodbye_s: float = 2.0

    def refusal(self, emission: Emission, through: int, beats_bytes: int = 0) -> str | None:
        """Return why tokens up to this one, and such heartbeats, may not be sent of an emission; None if they may."""
        if through >= self.tokens:
            return f"a stream may have {self.tokens} tokens here, not {through + 1}: --tokens allows more"
        if (size_bytes := emission.bytes_through(through) + beats_bytes) > self.bytes:
            return f"a stream may have {self.bytes} bytes here, not {size_bytes}: --bytes allows more"
        return None


class Limited(Stream):
    """A stream within limits."""

    def __init__(self, emission: Emission, on_asked: Callable[[], None], limits: Limits) -> None:
        super().__init__(emission, on_asked, limits.abandoned_s)
        self._limits = limits
        self._allowed = -1

    def refusal(self, through: int) -> str | None:
        """Allow tokens up to this one and return None, or return why they may not be sent."""
        if why := self._limits.refusal(self.emission, through, self.beats_bytes):
            return why
        self._allowed = max(self._allowed, through)
        return None

    def _objection(self) -> str | None:
        return self._limits.refusal(self.emission, self._allowed, self.beats_bytes)


class PerMinute:
    """Lets so many pass within any minute."""

    def __init__(self, most: int) -> None:
        self._passed: deque[float] = deque(maxlen=most)

    def wait_s(self, now_s: float) -> float:
        """Let one pass and return 0, or return how long it has to wait."""
        if len(self._passed) == self._passed.maxlen and (left_s := self._passed[0] + MINUTE - now_s) > 0:
            return left_s
        self._passed.append(now_s)
        return 0.0


Answer = Callable[[Limited, Mapping[str, Any]], dict[str, Any]]


@dataclass
class Public:
    """All that is open, and what may be."""

    token: str
    limits: Limits
    demo: bool = False
    streams: dict[str, Limited] = field(default_factory=dict)
    instance: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        most = self.limits.requests_per_minute
        self._passing = {ours: PerMinute(most) for ours in (True, False)}  # strangers keep nobody out but each other

    def application(self) -> web.Application:
        """Return what is served: what the emitter serves, and its control below `/control`."""
        app = application(self.streams, [self._counted], OPENING_BYTES)
        app.on_response_prepare.append(self._signed)
        if self.demo:
            app.router.add_get("/demo", self._demo)
        app.router.add_post("/control/pulse", self._control(self._pulse))
        app.router.add_post("/control/open", self._control(self._open))
        of_stream = {"grant": self._grant, "state": self._state, "log": self._log}
        of_stream |= {"forget": self._forget_log, "close": self._close}
        for verb, answer in of_stream.items():
            app.router.add_post(f"/control/{{id}}/{verb}", self._control(self._of_stream(answer)))
        return app

    def stop(self) -> None:
        """Break off whatever streams."""
        for stream in self.streams.values():
            stream.break_off(STOPPED)

    @web.middleware
    async def _counted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        opened = request.match_info.get("id") in self.streams
        ours = opened or self._knows_token(request)
        controls = opened and request.path.startswith("/control/")
        if not controls and (wait_s := self._passing[ours].wait_s(time.monotonic())):
            most = self.limits.requests_per_minute
            why = f"{most} requests a minute are answered here: --requests-per-minute allows more\n"
            return web.Response(status=429, text=why, headers={"Retry-After": str(int(wait_s) + 1)})
        return await handler(request)

    async def _signed(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers[INSTANCE_HEADER] = self.instance
        if request.path.startswith("/control/"):
            response.headers["Cache-Control"] = "no-store"

    def _knows_token(self, request: web.Request) -> bool:
        said = request.headers.get(TOKEN_HEADER, "")
        return secrets.compare_digest(said.encode(errors="replace"), self.token.encode())

    def _control(
        self, answer: Callable[[web.Request, Mapping[str, Any]], dict[str, Any]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Answer who has the token, and say what is wrong with what cannot be meant."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if not self._knows_token(request):
                raise web.HTTPUnauthorized(text=f"not without the token of this emitter, in {TOKEN_HEADER}\n")
            try:
                said = json.loads(await request.read() or b"{}")
                return web.json_response(answer(request, said))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise web.HTTPBadRequest(text=f"this is no announcement: {type(error).__name__}: {error}\n") from error

        return handle

    def _of_stream(self, answer: Answer) -> Callable[[web.Request, Mapping[str, Any]], dict[str, Any]]:
        def handle(request: web.Request, said: Mapping[str, Any]) -> dict[str, Any]:
            stream = self.streams.get(request.match_info["id"])
            if stream is None:
                raise web.HTTPNotFound(text="no such stream is open\n")
            stream.hear()
            return answer(stream, said)

        return handle

    def _pulse(self, request: web.Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    async def _demo(self, request: web.Request) -> web.StreamResponse:
        """Stream to whoever asks what their query describes."""
        self._check_room()
        try:
            emission = described(request.query)
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        stream_id = self._opened(emission, (), emission.workload.tokens - 1)
        try:
            return await self.streams[stream_id].serve(request)
        finally:
            self._forget(stream_id, "it was closed")

    def _open(self, request: web.Request, said: Mapping[str, Any]) -> dict[str, Any]:
        self._check_room()
        emission = load_emission(json.dumps(said["emission"]).encode())
        turns = [Turn(*turn) for turn in said.get("turns", ())]
        tokens = max(emission.workload.tokens, emission.announced_tokens or 0)
        return {"stream": self._opened(emission, turns, max([tokens - 1, *(turn.through for turn in turns)]))}

    def _check_room(self) -> None:
        if len(self.streams) >= self.limits.streams:
            why = f"{self.limits.streams} streams may be open here at once: --streams allows more\n"
            raise web.HTTPServiceUnavailable(text=why, headers={"Retry-After": "1"})

    def _opened(self, emission: Emission, turns: Sequence[Turn], last: int) -> str:
        """Return the id of a stream that is open now, if its tokens up to the `last` are not too much."""
        stream_id, loop = secrets.token_hex(ID_BYTES), asyncio.get_running_loop()
        stream = Limited(emission, lambda: _play(stream, turns), self.limits)
        self._allow(stream, last)
        stream.hear()
        self.streams[stream_id] = stream
        self._watch(stream_id)
        over = f"a stream may last {self.limits.duration_s:g} s here: --duration-s allows more"
        loop.call_later(self.limits.duration_s, self._forget, stream_id, over)
        return stream_id

    def _watch(self, stream_id: str) -> None:
        """Forget a stream once nobody has heard of it for long: it would keep its place from others."""
        if stream := self.streams.get(stream_id):
            left_s = self.limits.abandoned_s - stream.silent_s
            if left_s > 0:
                asyncio.get_running_loop().call_later(max(left_s, LEAST_LOOK_S), self._watch, stream_id)
            else:
                self._forget(stream_id, "nobody asked for it, or said anything of it")

    def _grant(self, stream: Limited, said: Mapping[str, Any]) -> dict[str, Any]:
        after_s, every_s = said.get("after_ms", 0) / 1e3, said.get("every_ms", 0) / 1e3
        loop = asyncio.get_running_loop()
        if "through" in said:
            through = int(said["through"])
            self._allow(stream, through)
            first = stream.sent_tokens if every_s else through
            for number, seq in enumerate(range(first, through + 1)):
                loop.call_later(after_s + number * every_s, stream.grant, seq)
        if said.get("end"):
            loop.call_later(after_s, stream.end)
        return {}

    def _allow(self, stream: Limited, through: int) -> None:
        if why := stream.refusal(through):
            raise web.HTTPRequestEntityTooLarge(self.limits.bytes, 0, text=f"{why}\n")

    def _state(self, stream: Limited, said: Mapping[str, Any]) -> dict[str, Any]:
        return {"asked": stream.log.requests > 0, "sent": stream.sent_tokens}

    def _log(self, stream: Limited, said: Mapping[str, Any]) -> dict[str, Any]:
        return {"log": json.loads(dump_log(stream.log))}

    def _forget_log(self, stream: Limited, said: Mapping[str, Any]) -> dict[str, Any]:
        stream.log.sent.clear()
        return {}

    def _close(self, stream: Limited, said: Mapping[str, Any]) -> dict[str, Any]:
        stream_id = next(stream_id for stream_id, one in self.streams.items() if one is stream)
        self._forget(stream_id, "it was closed")
        return {}

    def _forget(self, stream_id: str, why: str) -> None:
        if stream := self.streams.pop(stream_id, None):
            stream.break_off(why)


def described(query: Mapping[str, str]) -> Emission:
    """Return the paced stream that a query of `/demo` asks for. Raises ValueError that says what is allowed."""
    if unknown := set(query) - set(DEMO):
        raise ValueError(f"{min(unknown)}: a demo has {', '.join(DEMO)}")
    said = {**DEMO, **query}
    for name, known in (("format", tuple(CODECS)), ("body", BODIES)):
        if said[name] not in known:
            raise ValueError(f"{name} is {said[name]!r}: it may be {', '.join(known)}")
    codec = CODECS[said["format"]]
    least = {"tokens": 1, "token_bytes": codec.min_token_bytes, "interval_ms": 0}
    for name in least:
        if not said[name].isdecimal() or int(said[name]) < least[name]:
            raise ValueError(f"{name} is {said[name]!r}: it has to be a whole number, {least[name]} at least")
    tokens, token_bytes, interval_ms = (int(said[name]) for name in least)
    workload = Workload("demo", tokens, token_bytes, interval_ms)
    body = cast(Body, said["body"])
    return Emission(workload, format=codec.name, body=body, pace="paced", content_type=codec.content_type)


def _play(stream: Stream, turns: Sequence[Turn]) -> None:
    """Let go what was announced with the stream, now that it has been asked for; with the last of it comes the end.

    Each turn's silence begins with the turn before it: on a machine that stands still it grows, and is never cut short.
    """
    if not turns:
        return
    turn, *rest = turns

    def take() -> None:
        stream.grant(turn.through)
        if rest:
            _play(stream, rest)
        else:
            stream.end()

    asyncio.get_running_loop().call_later(turn.wait_ms / 1e3, take)


async def serve(public: Public, host: str, port: int, say: Callable[[str], object] = print) -> None:
    """Serve until told to stop. Raises OSError if nobody can listen there."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    app = public.application()
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=public.limits.goodbye_s)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        for listening in runner.addresses:
            say(f"listening on {listening[0]}:{listening[1]}")
        await stopping.wait()
        public.stop()
    finally:
        await runner.cleanup()


def main() -> None:
    usual = Limits()
    parser = argparse.ArgumentParser(
        prog="python -m harness.backends.public",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="where it listens: 0.0.0.0 in a container")
    parser.add_argument("--port", type=int, default=None, help="on which port: by default what PORT says, or 8080")
    parser.add_argument("--tokens", type=int, default=usual.tokens, help="so many tokens a stream may have")
    parser.add_argument("--bytes", type=int, default=usual.bytes, help="so many bytes a stream may have")
    parser.add_argument("--duration-s", type=float, default=usual.duration_s, help="so long a stream may last")
    parser.add_argument("--streams", type=int, default=usual.streams, help="so many streams may be open at once")
    parser.add_argument(
        "--requests-per-minute",
        type=int,
        default=usual.requests_per_minute,
        help="so many requests are answered, those that control an open stream not counted",
    )
    parser.add_argument(
        "--abandoned-s", type=float, default=usual.abandoned_s, help="give up a stream after this silence"
    )
    parser.add_argument(
        "--demo", action="store_true", help="stream to whoever asks for /demo?tokens=40: on your own machine only"
    )
    parser.add_argument("--goodbye-s", type=float, default=usual.goodbye_s, help="so long its end may take")
    options = vars(parser.parse_args())
    host, port, demo = options.pop("host"), options.pop("port"), options.pop("demo")
    if wrong := [name for name, value in options.items() if not 0 < value < math.inf]:
        parser.error(f"--{wrong[0].replace('_', '-')} has to be more than 0, and finite")
    token = os.environ.get(TOKEN_VARIABLE, "")
    if len(token) < LEAST_TOKEN_CHARS:
        what = f"has {len(token)} characters" if token else "is not set"
        parser.error(
            f"{TOKEN_VARIABLE} {what}: whoever has it may have this emitter send what they like, so it is needed, with"
            f" {LEAST_TOKEN_CHARS} characters at least, in the environment: {TOKEN_MAKER}"
        )
    if why := objection(token):
        parser.error(why)
    said = os.environ.get("PORT", "8080")
    if port is None and not said.isdecimal():
        parser.error(f"PORT is {said!r}, which is no port")
    port = int(said) if port is None else port
    if not 0 <= port < 2**16:
        parser.error(f"{port} is no port: it has to be less than {2**16}")
    try:
        asyncio.run(serve(Public(token, Limits(**options), demo), host, port, lambda line: print(line, flush=True)))
    except OSError as error:
        sys.exit(_unusable(host, port, error))


def _unusable(host: str, port: int, error: OSError) -> int:
    print(f"nobody can listen on {host}:{port}: {error.strerror or error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
