"""One page of the browser, which reads one stream after another.

A page has the origin of the proxy it reads from, as the page of a real app has, and so needs no CORS. Its HTML comes
from us: Playwright answers the one request for it. That interception ends before the stream begins.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.clients.base import Remote, Request, Sink
from harness.clients.chromium_channel import Line, Switchboard
from harness.clients.chromium_reading import Reading
from harness.clients.limits import ANSWER_S, CLOSE_S, OPEN_S
from harness.errors import ClientError
from harness.model import Remark

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Route

PAGE = Path(__file__).with_name("chromium_page.html")
PERIOD_S = 0.02
PATH = "/token-stream-harness.html"
EVENTS = (
    "Network.requestWillBeSent",
    "Network.requestWillBeSentExtraInfo",
    "Network.responseReceivedExtraInfo",
    "Network.loadingFinished",
    "Network.loadingFailed",
    "Network.webSocketCreated",
    "Network.webSocketWillSendHandshakeRequest",
    "Network.webSocketHandshakeResponseReceived",
    "Network.webSocketFrameError",
    "Log.entryAdded",
)


class Tab:
    """A browser context with one page in it, so that no other stream takes one of its connections to a host."""

    def __init__(self, context: BrowserContext, page: Page, session: CDPSession, switchboard: Switchboard) -> None:
        self.origin: str | None = None
        self.gone = False
        self._context = context
        self._page = page
        self._session = session
        self._switchboard = switchboard
        self._line: Line | None = None
        self._reading: Reading | None = None

    @classmethod
    async def open(cls, browser: Browser, switchboard: Switchboard) -> Tab:
        """Open a page that is nowhere yet. Raises ClientError if that takes too long."""
        async with _in_time():
            context = await browser.new_context(ignore_https_errors=True)
            page = await context.new_page()
            session = await context.new_cdp_session(page)
            tab = cls(context, page, session, switchboard)
            page.on("crash", lambda _: tab.heard_end())
            for event in EVENTS:
                session.on(event, _telling(tab, event))
            await session.send("Network.enable")
            await session.send("Log.enable")
            return tab

    async def read(self, request: Request, way: str, sink: Sink, remark: Remark | None) -> None:
        """Read one stream. Raises StreamError if it ends badly, ClientError if the page or its browser does."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(request.url))
        if self.origin != origin:
            async with _in_time():
                await self._visit(origin)
        assert self._line is not None
        reading = self._reading = Reading(request.url, request.status, sink)
        sink.remote(Remote(partial(self._awake, reading), self._line.trip_ms, self._line.clock.uncertainty_ms, remark))
        body = request.body.decode() if request.body else None
        spent = True
        pinging = asyncio.create_task(self._ping(self._line))
        try:
            await self._line.order(
                "read", way=way, url=request.url, method=request.method, headers=dict(request.headers), body=body
            )
            spent = not await reading.ended()
        finally:
            pinging.cancel()
            self._reading = None
            self.gone = self.gone or spent  # a page that still takes in a flood hears no order: it is closed

    async def close(self) -> bool:
        """Close the page and its context; return whether they are, which those of a browser that is gone are."""
        from playwright.async_api import Error

        self.gone = True
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._context.close()
        except TimeoutError:
            return False
        except Error:
            pass
        return True

    async def _visit(self, origin: str) -> None:
        """Go to a page of that origin, which then calls us."""
        self.origin = None
        if self._line:
            self._line.forget()
        line, called_at = self._switchboard.line(self)
        html = PAGE.read_text(encoding="utf-8").replace("CHANNEL", called_at)
        url = origin + PATH

        async def answer(route: Route) -> None:
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)

        await self._page.route(url, answer)
        await self._page.goto(url)
        await self._page.unroute(url, answer)
        await line.opened()
        self._line, self.origin = line, origin

    async def _ping(self, line: Line) -> None:
        """Keep asking while a stream runs, so that a browser that is slow is not taken for a chain that is."""
        with contextlib.suppress(ClientError):
            while True:
                await line.ping()
                await asyncio.sleep(PERIOD_S)

    async def _awake(self, reading: Reading) -> None:
        """Wait until the page has fetched something else: what it did not see until then was not there to be seen.

        Only that goes the way that the stream goes. A head that the page has seen comes by CDP, which answers after
        its events. Once the stream is over the page may be closed, and there is nothing left to see.
        """
        from playwright.async_api import Error

        assert self._line is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._line.asked("fetch", url=self._switchboard.pulse)
                await self._line.ping()
                if reading.lacks_head:
                    await self._session.send("Runtime.evaluate", {"expression": "0"})
        except (ClientError, Error, TimeoutError) as error:
            if self._reading is not reading:
                return
            self.gone = True
            raise ClientError(str(error) or f"the browser has not answered for {ANSWER_S:g} s") from error

    # ---------------------------------------------------------------- what is heard goes to the stream, if there is one

    def heard_read(self, data: bytes, at_ns: int) -> None:
        """Pass a read on."""
        if self._reading:
            self._reading.heard_read(data, at_ns)

    def heard(self, kind: str, at_ns: int, fields: dict[str, Any]) -> None:
        """Pass on what the page says."""
        if self._reading:
            self._reading.heard(kind, at_ns, fields)

    def heard_end(self) -> None:
        """Pass on that the page has gone."""
        self.gone = True
        if self._reading:
            self._reading.heard_end()

    def told(self, event: str, of: dict[str, Any]) -> None:
        """Pass on what the network stack says."""
        if self._reading:
            self._reading.told(event, of)


@contextlib.asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(OPEN_S):
            yield
    except TimeoutError:
        raise ClientError(f"the browser has not opened a page within {OPEN_S:g} s") from None


def _telling(tab: Tab, event: str) -> Callable[[dict[str, Any]], None]:
    return lambda of: tab.told(event, of)
