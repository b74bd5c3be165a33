"""Reads a stream with Chromium, as a page of an app does: with fetch, EventSource or WebSocket.

A read that the page hands over is at once put into the sink, and so is what lockstep takes for its acknowledgement: it
went from the page to us over a connection outside the chain. Bodies come decoded, as the browser shows no others.
EventSource shows no bytes at all: its events are written anew, without comments, so padding is not counted.

What a browser cannot be made to do is Unavailable: it sends its own request headers, those of profile `browser`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.clients import chromium_browser
from harness.clients.base import Headers, Request, Sink
from harness.clients.chromium_browser import Browser
from harness.clients.limits import BROWSER_S
from harness.errors import Unavailable
from harness.launchers import distribution
from harness.launchers.process import Launcher
from harness.model import HttpVersion, Remark, TransportName

ACCEPT_ENCODING = {"gzip", "deflate", "br", "zstd"}
ITS_OWN = frozenset({"user-agent", "accept-encoding", "accept-language"})
FORBIDDEN = frozenset(
    [
        "accept-charset",
        "connection",
        "content-length",
        "cookie",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ]
)
"""Of the forbidden request-headers of the Fetch standard, those that nobody but the browser may set."""


class Chromium:
    """The client `chromium`: fetch with a ReadableStream, or WebSocket where that carries the stream."""

    name = "chromium"
    http: tuple[HttpVersion, ...] = ("1.1", "2")
    transports: tuple[TransportName, ...] = ("http", "websocket")
    lacks: Mapping[TransportName, str] = {}
    asks_within_s = BROWSER_S
    seats = chromium_browser.SEATS
    remark: Remark | None = None

    def __init__(self) -> None:
        self._browser: Browser | None = None

    def equip(self, launcher: Launcher, evidence: Path) -> None:
        self._browser = Browser.of(launcher, evidence)

    def version(self) -> str:
        return chromium_browser.installed()

    def install(self, progress: Callable[[str], None]) -> None:
        """Install the distribution's Chromium, if Playwright is there to steer it. Raises Unavailable."""
        chromium_browser.need_playwright()
        hint = chromium_browser.SETUP_HINT
        find = chromium_browser.find
        distribution.install("Chromium", "chromium", "--cask chromium", find=find, hint=hint, progress=progress)

    async def stream(self, request: Request, sink: Sink) -> None:
        self.version()
        assert self._browser, "the bench has equipped it"
        way, request = self._asked(request)
        async with self._browser.tab("{0.scheme}://{0.netloc}".format(urlsplit(request.url))) as tab:
            await tab.read(request, way, sink, self.remark)

    async def close(self) -> None:
        if self._browser:
            await self._browser.close()

    def _asked(self, request: Request) -> tuple[str, Request]:
        """Return how the page reads, and what is left for it to say itself. Raises Unavailable if it cannot ask so."""
        headers = _left_to_say(self.name, request.headers)
        if request.transport == "websocket":
            own = ", ".join(name for name, value in headers if value != "no-cache")
            _refuse(self.name, own, f"a WebSocket has no way to send a header of one's own: {own}")
            return "websocket", replace(request, headers=())
        return "fetch", replace(request, headers=headers)


class ChromiumEventSource(Chromium):
    """The client `chromium-eventsource`."""

    name = "chromium-eventsource"
    transports: tuple[TransportName, ...] = ("http",)
    lacks: Mapping[TransportName, str] = {"websocket": "cannot ask so: EventSource only reads sse, not websocket"}
    remark = Remark("EventSource", rewritten=True)

    def _asked(self, request: Request) -> tuple[str, Request]:
        _refuse(self.name, request.format != "sse", f"EventSource only reads sse, not {request.format}")
        _refuse(self.name, request.method != "GET", f"EventSource asks with GET, not with {request.method}")
        headers = _left_to_say(self.name, request.headers)
        named = ", ".join(name for name, _ in headers)
        _refuse(self.name, headers, f"EventSource has no way to send a header of one's own: {named}")
        return "eventsource", replace(request, headers=())


def _left_to_say(client: str, wanted: Headers) -> Headers:
    """Return the headers that a page has to set, without those that the browser sends by itself."""
    sent = {name.lower(): value for name, value in wanted}
    coding = sent.get("accept-encoding", "none")
    _refuse(client, "Mozilla/" not in sent.get("user-agent", ""), "it sends the request headers of `request: browser`")
    _refuse(
        client,
        {part.strip() for part in coding.split(",")} != ACCEPT_ENCODING,
        f"it sends its own Accept-Encoding, which a page cannot set to {coding}",
    )
    forbidden = [name for name in sent if name in FORBIDDEN]
    _refuse(client, forbidden, f"a page cannot set the request headers {', '.join(forbidden)}")
    return tuple(
        (name, value)
        for name, value in wanted
        if name.lower() not in ITS_OWN and not name.lower().startswith("sec-") and (name, value) != ("Accept", "*/*")
    )


def _refuse(client: str, unable: object, why: str) -> None:
    if unable:
        raise Unavailable(f"{client} cannot ask so: {why}", "give such cells another client")
