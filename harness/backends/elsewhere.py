"""The backend that somebody deployed: an emitter behind whatever stands in front of it, driven by short requests.

Rules: each thing that it is told is a POST of its own, on another connection than any stream's, one after another for a
stream; how long these take, measured first, sets how much later than its grant a token leaves. Where there is another
way in than the chain's, it leaves at once, and nothing but streams has to pass the chain. Several emitters behind one
address are refused: none knows the streams of another. Nothing that is told to people has the token in it, though
whoever is in front may repeat what it was sent.
"""

from __future__ import annotations

import asyncio
import functools
import html
import json
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp

from harness.backends.base import Log
from harness.backends.control import dump_emission, load_log
from harness.backends.posting import INSTANCE_HEADER, TOKEN_HEADER, Patience
from harness.backends.unreached import STREAMS, refusal, who_answers, why_unreached
from harness.errors import BackendError, HarnessError, InputError, shortened
from harness.model import (
    EMITTER_HEADER,
    LIMITS,
    NO_STREAM_MARK,
    Clock,
    Emission,
    Endpoint,
    Turn,
    Workload,
    shown_urls,
    spellings,
    without_said,
)

LOOKS = 8
"""So many requests at once find several instances, if there are some."""
TRIPS = 5
LEAD_TRIPS = 3
"""So many of the slowest trips after its grant a token leaves: its answer has then passed whatever is in front."""
LEAD_LEAST_MS = 20.0
"""What a machine that is busy adds to the shortest of trips."""
LOOK_S = 0.05
"""How often at most it is looked whether a stream has been asked for."""
SAY_S = 10.0
"""How often at most it is said that somebody takes no more requests."""
TRIAL = Emission(Workload("trial", tokens=1, token_bytes=96), headers=(("Cache-Control", "no-store"),))

ONE_INSTANCE = (
    "let there be one instance that takes several requests at once, as Cloud Run does with --min-instances 1"
    " --max-instances 1 --concurrency 80"
)


class Elsewhere:
    """An emitter at `endpoint`, of which the control is at another one, if `control` is given."""

    clock: Clock = "its own"

    def __init__(
        self,
        endpoint: Endpoint,
        token: str,
        patience: Patience,
        control: Endpoint | None = None,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.endpoint = endpoint
        self.lead_ms = 0.0
        self.serial = False
        self.has_own_way = control is not None
        self._control = control or endpoint
        self._token = token
        self._secrets = spellings([token, quote(token), html.escape(token)])
        self._patience = patience
        self._say = say
        self._said_s = -SAY_S
        self._instance = ""
        self._session: aiohttp.ClientSession | None = None
        self._reached = asyncio.Lock()
        self._streams: set[FarStream] = set()

    async def ready(self) -> None:
        """Find out at first who is there, and how far away. Raises InputError if that is no emitter, or are several."""
        async with self._reached:
            if self._session is None:
                self._session = aiohttp.ClientSession(
                    cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None), trust_env=False
                )
                await self._meet()

    async def trip(self) -> None:
        """Let one short request go round."""
        await self.post("pulse", {})

    async def open(self, emission: Emission) -> FarStream:
        stream = await self.announce(emission, ())
        stream.look()
        return stream

    async def announce(self, emission: Emission, turns: Sequence[Turn]) -> FarStream:
        said = {"emission": json.loads(dump_emission(emission)), "turns": turns}
        stream = FarStream(self, (await self.post("open", said))["stream"])
        self._streams.add(stream)
        return stream

    async def close(self) -> None:
        """Let go of every stream, and say so."""
        closing = []
        for stream in list(self._streams):
            stream.close()
            closing.append(asyncio.create_task(stream.closed()))
        if closing:  # who is gone, or does not answer, gives them up by itself
            await asyncio.wait(closing, timeout=self._patience.busy_s)
        if self._session:
            await self._session.close()

    def forget(self, stream: FarStream) -> None:
        """Know no more of a stream that is closed."""
        self._streams.discard(stream)

    async def post(self, path: str, said: Mapping[str, Any]) -> Any:
        """Tell the emitter something, and return what it answers. Raises InputError, BackendError.

        Who answers only so many requests a minute is asked again when that time has passed.
        """
        return self._read(await self._answered(self._control, f"/control/{path}", said))

    def recognise(self, headers: Iterable[tuple[str, str]]) -> None:
        """Look at the answer to a stream that is open. Raises BackendError if another emitter gave it."""
        if self._is_another(headers):
            raise BackendError(self._several(self.endpoint.url))

    def _is_another(self, headers: Iterable[tuple[str, str]]) -> bool:
        """Tell whether an answer is of an emitter that is not the one that is known."""
        told = {name.lower(): value for name, value in headers}
        instance = told.get(INSTANCE_HEADER.lower(), "")
        unknown = not instance and told.get(EMITTER_HEADER.lower()) == NO_STREAM_MARK
        return bool(self._instance) and (unknown or instance not in ("", self._instance))

    async def _answered(self, at: Endpoint, path: str, said: Mapping[str, Any] | None) -> str:
        """Return what is answered to a post, or to a look if nothing is said."""
        until_s = time.monotonic() + self._patience.turned_away_s
        while True:
            status, text, wait_s = await self._asked(at, path, said)
            if status == 200:
                return text
            if status not in LIMITS or time.monotonic() + wait_s > until_s:
                raise self._refusal(at, path, status, text)
            self._say_waiting(at, status, wait_s, until_s - time.monotonic())
            await asyncio.sleep(wait_s)

    def _say_waiting(self, at: Endpoint, status: int, wait_s: float, left_s: float) -> None:
        """Say that somebody is waited for, once for all who wait."""
        if (now_s := time.monotonic()) >= self._said_s + SAY_S:
            self._said_s = now_s
            who = f"{at.url} takes no more requests for now ({status})"
            self._say(f"{who}: it is asked again in {wait_s:g} s, and given up in {left_s:.0f} s")

    async def _asked(self, at: Endpoint, path: str, said: Mapping[str, Any] | None) -> tuple[int, str, float]:
        """Ask once; return status, body and for how long to wait before the next."""
        who = at.url
        for last in (False, True):
            try:
                async with asyncio.timeout(self._patience.answer_s), self._asking(at, path, said) as answer:
                    text, instance = await answer.text(errors="replace"), answer.headers.get(INSTANCE_HEADER)
                    retry = answer.headers.get("Retry-After", "1")
                    break
            except TimeoutError:
                raise BackendError(
                    f"{who} has not answered for {self._patience.answer_s:g} s: a firewall may drop what is sent there,"
                    " or whoever listens there stands still"
                ) from None
            except (aiohttp.ClientError, ConnectionError) as error:
                if last or isinstance(error, aiohttp.ClientConnectorError):
                    why = why_unreached(error, who.startswith("https:"), "--cacert FILE")
                    raise BackendError(f"{who} does not answer: {self._quoted(why)}") from None
                # a connection that was kept and is hung up on just now says nothing of who is there
        if self._is_another(answer.headers.items()):
            raise InputError(self._several(who))
        if instance is None and answer.status not in LIMITS:
            sends_to = shown_urls(self._quoted(answer.headers.get("Location", "")))
            spelled = self._quoted(html.unescape(self._quoted(text)))  # a page can spell what it repeats in many ways
            told = who_answers(answer.status, spelled, sends_to, shown_urls(path))
            raise InputError(f"no emitter answers at {who}: {told}")
        self._instance = self._instance or instance or ""
        return answer.status, text, float(retry) if retry.isdecimal() else 1.0

    def _asking(self, at: Endpoint, path: str, said: Mapping[str, Any] | None) -> Any:
        assert self._session, "it is ready"
        headers = {"Cache-Control": "no-store"} | ({} if said is None else {TOKEN_HEADER: self._token})
        method, trusting = "GET" if said is None else "POST", _trusting(at)
        url = f"{at.url}{path}"
        return self._session.request(method, url, json=said, headers=headers, allow_redirects=False, ssl=trusting)

    def _several(self, who: str) -> str:
        both = who if who == self._control.url else f"{who} and {self._control.url}"
        return f"several emitters answer at {both}, or it was started anew: {ONE_INSTANCE}"

    def _read(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            said = shortened(self._quoted(text))
            raise BackendError(f"what {self._control.url} answers is not the emitter's: {said}") from error

    def _quoted(self, text: str) -> str:
        """Return what others answered without the token: before it is cut, for a part of one tells, too."""
        return without_said(text, self._secrets)

    def _refusal(self, at: Endpoint, path: str, status: int, text: str) -> HarnessError:
        return refusal(at.url, path, status, self._quoted(text.strip())[:200], self._patience.turned_away_s)

    async def _meet(self) -> None:
        await asyncio.gather(*(self.trip() for _ in range(LOOKS)))
        trips_ms = []
        for _ in range(TRIPS):
            began = time.monotonic()
            await self.trip()
            trips_ms.append((time.monotonic() - began) * 1e3)
        if self.has_own_way:
            await asyncio.gather(*(self._look_there() for _ in range(LOOKS)))
        else:
            self.lead_ms = max(LEAD_LEAST_MS, LEAD_TRIPS * max(trips_ms))
            self.serial = await self._serves_one_at_a_time(max(trips_ms) / 1e3)

    async def _look_there(self) -> None:
        """Ask for a stream of one token there: the emitter that is told to send it has to be the one that is asked.

        What becomes of it on its way back is what cells measure. It ends by itself, for whoever is in front may avoid
        an emitter that breaks off.
        """
        stream = await self.announce(TRIAL, [Turn(0, 0)])
        path = f"{STREAMS}{stream.stream_id}"
        answering = asyncio.create_task(self._answered(self.endpoint, path, None))
        try:
            while not answering.done():
                await asyncio.wait({answering}, timeout=self._patience.busy_s)
                if await stream.is_asked():
                    return
            raise self._refusal(self.endpoint, path, 200, await answering)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            stream.close()
            await stream.closed()

    async def _serves_one_at_a_time(self, trip_s: float) -> bool:
        """Tell whether a short request is kept waiting while a stream is under way."""
        busy_s = self._patience.busy_s + 20 * trip_s
        stream = await self.announce(TRIAL, [Turn(2 * busy_s * 1e3, 0)])  # who waits for its end waits no longer
        streaming = asyncio.create_task(self._asked_for(stream))
        stream.look()
        try:
            ends: set[asyncio.Future[Any]] = {stream.asked, stream.lost}
            done, _ = await asyncio.wait(ends, timeout=busy_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                await asyncio.wait({streaming}, timeout=2 * busy_s)
            return not done
        finally:
            streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)
            stream.close()
            await stream.closed()

    async def _asked_for(self, stream: FarStream) -> None:
        assert self._session, "it is ready"
        url = self.endpoint.stream_url(stream.stream_id)
        async with self._session.get(url, ssl=_trusting(self.endpoint)) as answer:
            await answer.read()


class FarStream:
    """One stream of an emitter elsewhere."""

    def __init__(self, emitter: Elsewhere, stream_id: str) -> None:
        loop = asyncio.get_running_loop()
        self.stream_id = stream_id
        self.asked: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self._emitter = emitter
        self._telling: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Look from now on whether it has been asked for."""
        self._looking = asyncio.create_task(self._look(-1, self.asked))

    async def is_asked(self) -> bool:
        """Tell whether it has been asked for by now. Raises InputError, BackendError."""
        return bool((await self._post("state", {}))["asked"])

    def grant(self, through: int) -> None:
        self._tell("grant", {"through": through})

    def grant_later(self, through: int, every_ms: float = 0.0) -> None:
        """Let tokens up to `through` be sent `lead_ms` after this has arrived, so far apart."""
        self._tell("grant", {"through": through, "after_ms": self._emitter.lead_ms, "every_ms": every_ms})

    async def heard(self) -> None:
        if self._telling:
            await asyncio.wait({self._telling})

    def end(self) -> None:
        self._tell("grant", {"end": True})

    async def sent(self, through: int) -> None:
        await self._look(through, asyncio.get_running_loop().create_future())

    async def log(self) -> Log:
        if self._telling:
            await self._telling
        if self.lost.done():
            raise BackendError(self.lost.result())
        try:
            return load_log(json.dumps((await self._post("log", {}))["log"]).encode())
        except (BackendError, InputError) as error:
            self._lose(str(error))
            raise BackendError(str(error)) from error

    def forget(self) -> None:
        self._tell("forget", {})

    def close(self) -> None:
        if self._closing is None:
            if self._looking:
                self._looking.cancel()
            self._closing = asyncio.create_task(self._close())

    async def closed(self) -> None:
        """Return once the emitter has heard of it, or cannot."""
        if self._closing:
            await self._closing

    async def _close(self) -> None:
        if self._telling:
            self._telling.cancel()
        try:
            await self._post("close", {})
        except (BackendError, InputError):
            pass  # it has forgotten the stream already, or will
        finally:
            self._emitter.forget(self)

    def _tell(self, verb: str, said: Mapping[str, Any]) -> None:
        """Tell it after all that was told before, which a stream that is lost does not hear."""
        before = self._telling

        async def telling() -> None:
            if before:
                await before
            if self.lost.done():
                return
            try:
                await self._post(verb, said)
            except (BackendError, InputError) as error:
                self._lose(str(error))

        self._telling = asyncio.create_task(telling())

    async def _look(self, through: int, seen: asyncio.Future[None]) -> None:
        """Look again and again until the stream is asked for, and has sent that token."""
        while not self.lost.done():
            began = time.monotonic()
            try:
                state = await self._post("state", {})
            except (BackendError, InputError) as error:
                self._lose(str(error))
                return
            if state["asked"] and state["sent"] > through:
                if not seen.done():
                    seen.set_result(None)
                return
            await asyncio.sleep(max(LOOK_S, time.monotonic() - began))

    async def _post(self, verb: str, said: Mapping[str, Any]) -> Any:
        return await self._emitter.post(f"{self.stream_id}/{verb}", said)

    def _lose(self, why: str) -> None:
        if not self.lost.done() and self._closing is None:
            self.lost.set_result(f"in mid-stream, the emitter was lost: {why}")


@functools.cache
def _trusting(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """Return whom is trusted, once for all: a connection is only kept for who trusts the same."""
    return ssl.create_default_context(cafile=endpoint.authority) if endpoint.authority else True
