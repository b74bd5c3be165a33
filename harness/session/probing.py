"""Asks somebody's endpoint, one request after another, until no more is wanted, and keeps what each brought.

Rules: every request is bounded in time and in bytes, and all together in time: none begins that is likely to outlast
that, and what does is cut. What came until then is told, but it is held against no other. A redirect is not followed:
what the headers tell was meant for whoever was named. Nothing that was said to the endpoint is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Request, Unheard
from harness.clients.h2_reader import H2Reader
from harness.errors import StreamError, Unavailable
from harness.formats import TRANSPORTS
from harness.model import HttpVersion, RequestProfile, TransportName
from harness.probe.asking import Search
from harness.probe.messages import Messages
from harness.probe.takes import Asking, CutBy, Headers, Take
from harness.session.shipped import requests

TAKE_S = 30.0
"""How long one request may take."""
TOTAL_S = 120.0
"""How long all of them may take, if nothing else is said."""
TAKE_BYTES = 2**24
"""How much it may bring, decoded."""
CONNECT_S = 10.0
WORD_S = 5.0
"""A word is said so often while one waits."""
TICK_S = 0.01
WHO = ("curl", "browser")
"""Whose requests are made: the plainest, and the one that most people look at a stream with."""
CLIENTS: Mapping[HttpVersion, Callable[[], AiohttpReader | H2Reader]] = {
    "1.1": lambda: AiohttpReader(connect_timeout_s=CONNECT_S),
    "2": lambda: H2Reader(connect_timeout_s=CONNECT_S),
}
HTTP_OF: Mapping[str, tuple[str, TransportName]] = {
    "http": ("http", "http"),
    "https": ("https", "http"),
    "ws": ("http", "websocket"),
    "wss": ("https", "websocket"),
}
"""What a URL's scheme means: that of HTTP, and what carries the messages."""

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is asked, and for what: an absolute URL, the same where it listens itself, who signed its certificate."""

    url: str
    direct: str = ""
    body: bytes | None = None
    authority: str | None = None

    @property
    def transport(self) -> TransportName:
        return HTTP_OF[urlsplit(self.url).scheme][1]

    @property
    def over_tls(self) -> bool:
        return HTTP_OF[urlsplit(self.url).scheme][0] == "https"

    def request(self, asking: Asking) -> Request:
        """Return the request of that asking."""
        url = urlsplit(self.direct if asking.direct else self.url)
        scheme, transport = HTTP_OF[url.scheme]
        return Request(
            url._replace(scheme=scheme, netloc=url.netloc.rpartition("@")[2], fragment="").geturl(),
            method=asking.method,
            headers=asking.headers,
            body=self.body if asking.method == "POST" or transport == "websocket" else None,
            transport=transport,
            status=TRANSPORTS[transport].status,
            authority=self.authority if scheme == "https" else None,
            http=(asking.http,),
        )


def whose(transport: TransportName) -> dict[str, Headers]:
    """Return the headers of those whose requests are made, by their names."""
    profiles: Mapping[str, RequestProfile] = requests()
    return {who: tuple(TRANSPORTS[transport].request_headers(profiles[who])) for who in WHO}


def speaks_http2() -> bool:
    """Tell whether HTTP/2 can be asked in here."""
    try:
        H2Reader().version()
    except Unavailable:
        return False
    return True


async def probe(endpoint: Endpoint, search: Search, say: Say, budget_s: float = TOTAL_S) -> None:
    """Ask until nothing more is wanted, or what is left of `budget_s` is likely to be too little for another request.

    What came is in the search's takes, when it is interrupted, too.
    """
    began = time.monotonic()
    while asking := search.next():
        left_s = budget_s - (time.monotonic() - began)
        if left_s < search.needs_s(asking, TAKE_S):
            search.spent = f"another one might have ended later than the {budget_s:g} s that all of them may take"
            return
        where, within_s = "directly, " if asking.direct else "", search.within_s(asking, TAKE_S)
        shorter = f", for {within_s:.3g} s at most" if within_s < TAKE_S else ""
        say(f"request {len(search.takes) + 1}: {where}{asking.who}, {asking.method}, HTTP/{asking.http}{shorter} ...")
        await ask(endpoint, asking, search.takes, say, within_s, left_s)
        last, *before = reversed(search.takes)
        if last.status is None and last.had_its_time and all(one.asking.direct != asking.direct for one in before):
            return  # nobody is there


async def ask(
    endpoint: Endpoint,
    asking: Asking,
    takes: list[Take],
    say: Say,
    within_s: float | None = None,
    left_s: float = math.inf,
) -> None:
    """Ask once, for TAKE_S unless something else is said, and put what came among the takes, however it ends.

    `left_s` is what is left for all requests: one that this cuts did not have its time.
    """
    within_s = TAKE_S if within_s is None else within_s
    request = endpoint.request(asking)
    seen = _Seen(Take(asking, request.transport), time.monotonic_ns())
    client = CLIENTS[asking.http]()
    try:
        async with _watching(seen, say), asyncio.timeout(min(within_s, left_s)):
            await client.stream(request, seen)
        seen.ended()
    except TimeoutError:
        if left_s < within_s:
            seen.tell("budget", f"the {left_s:.3g} s that were left were over")
        else:
            why = f", as one before had not ended in {TAKE_S:g} s" if within_s < TAKE_S else ""
            seen.tell("time", f"{within_s:.3g} s were over{why}")
    except StreamError as error:
        seen.tell(fault=str(error))
    except asyncio.CancelledError:
        seen.tell("user", "it was interrupted")
        raise
    finally:
        takes.append(seen.take)
        await client.close()


@asynccontextmanager
async def _watching(seen: _Seen, say: Say) -> AsyncIterator[None]:
    """Say a word now and then, and see how long this end stands still itself."""

    async def watch() -> None:
        said = last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            seen.stood_still_ms = max(seen.stood_still_ms, (now - last - TICK_S) * 1e3)
            last = now
            if now - said >= WORD_S:
                said = now
                say(f"  {len(seen.messages_ms)} messages after {seen.since_ms(time.monotonic_ns()) / 1e3:.0f} s")

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


@dataclass
class _Seen(Unheard):
    """Keeps what comes, and has enough after TAKE_BYTES, or of a body that it cannot decode."""

    so_far: Take
    begun_ns: int
    messages_ms: list[float] = field(default_factory=list)
    stood_still_ms: float = 0.0
    _messages: Messages | None = None
    _ended_ms: float | None = None

    @property
    def take(self) -> Take:
        found = self._messages
        return replace(
            self.so_far,
            messages_ms=tuple(self.messages_ms),
            message=(found.message if found else "") or "message",
            size_bytes=found.size_bytes if found else 0,
            words=found.start.decode("utf-8", "ignore") if found else "",
            ended_ms=self.since_ms(time.monotonic_ns()) if self._ended_ms is None else self._ended_ms,
            stood_still_ms=self.stood_still_ms,
        )

    def since_ms(self, at_ns: int) -> float:
        return (at_ns - self.begun_ns) / 1e6

    def tell(self, cut_by: CutBy = "", cut: str = "", fault: str = "") -> None:
        """Take why there is no more of it, unless it was told already."""
        self._ended_ms = self.since_ms(time.monotonic_ns()) if self._ended_ms is None else self._ended_ms
        if not self.so_far.cut and not self.so_far.fault:
            self.so_far = replace(self.so_far, cut_by=cut_by, cut=cut, fault=fault)

    def ended(self) -> None:
        """Take that the answer is whole, as far as it was wanted."""
        self.tell()
        try:
            whole = not self.so_far.cut and not self.so_far.fault
            completed = self._messages.end() if self._messages and whole else 0
        except StreamError as error:
            self.tell(fault=str(error))
        else:
            self.messages_ms += [self._ended_ms or 0.0] * completed

    def head(self, status: int, headers: Sequence[tuple[str, str]], at_ns: int, decoded: bool = False) -> bool:
        given = tuple(headers)
        self.so_far = replace(self.so_far, status=status, headers=given, head_ms=self.since_ms(at_ns))
        try:
            self._messages = Messages(given, self.so_far.transport if status == 101 else "http")  # a refusal has a body
        except StreamError as error:
            self.tell(fault=str(error))
        return self._messages is not None

    def read(self, data: bytes, at_ns: int) -> bool:
        assert self._messages, "it has begun"
        try:
            completed = self._messages.feed(data, TAKE_BYTES)
        except StreamError as error:
            self.tell(fault=str(error))
            return False
        self.messages_ms += [self.since_ms(at_ns)] * completed
        if self._messages.size_bytes > TAKE_BYTES:
            self.tell("size", f"more than {TAKE_BYTES // 2**20} MB had come")
        return not self.so_far.cut
