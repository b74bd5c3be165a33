"""What a browser cannot ask is refused with a reason, before it is started; what is missing comes with the way out."""

from __future__ import annotations

import importlib.util
import shutil
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from harness.clients.base import Request, Unheard
from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.errors import Unavailable
from harness.formats import TRANSPORTS
from tests.planning import REQUESTS

BROWSER = REQUESTS["browser"].headers
URL = "http://127.0.0.1:1/stream/1"


def asked(client: Chromium, *more: tuple[str, str], **request: Any) -> tuple[str, Request]:
    return client._asked(Request(URL, headers=(*BROWSER, *more), **request))


def test_a_page_only_says_what_the_browser_does_not() -> None:
    more = (("Content-Type", "application/json"), ("Accept", "text/event-stream"))
    way, left = asked(Chromium(), *more, method="POST", body=b"{}")
    assert (way, left.headers, left.body) == ("fetch", more, b"{}")
    assert asked(ChromiumEventSource()) == ("eventsource", Request(URL))


def test_a_websocket_is_asked_for_as_a_browser_does() -> None:
    headers = TRANSPORTS["websocket"].request_headers(REQUESTS["browser"])
    request = Request(URL, headers=headers, transport="websocket", format="ndjson")
    assert Chromium()._asked(request)[0] == "websocket"


@pytest.mark.parametrize(
    ("client", "request_", "why"),
    [
        (
            Chromium,
            Request(URL, headers=REQUESTS["curl"].headers),
            "it sends the request headers of `request: browser`",
        ),
        (Chromium, Request(URL, headers=BROWSER[:2]), "its own Accept-Encoding, which a page cannot set to none"),
        (Chromium, Request(URL, headers=(*BROWSER, ("Accept-Encoding", "identity"))), "cannot set to identity"),
        (Chromium, Request(URL, headers=(*BROWSER, ("Cookie", "a=b"))), "cannot set the request headers cookie"),
        (Chromium, Request(URL, headers=(*BROWSER, ("X-A", "b")), transport="websocket"), "header of one's own: X-A"),
        (ChromiumEventSource, Request(URL, "POST", BROWSER), "EventSource asks with GET, not with POST"),
        (ChromiumEventSource, Request(URL, headers=(*BROWSER, ("X-A", "b"))), "no way to send a header .*: X-A"),
        (ChromiumEventSource, Request(URL, headers=BROWSER, format="ndjson"), "only reads sse, not ndjson"),
    ],
)
def test_what_a_browser_cannot_ask_is_told(client: type[Chromium], request_: Request, why: str) -> None:
    with pytest.raises(Unavailable, match=f"{client.name} cannot ask so: .*{why}"):
        client()._asked(request_)


async def test_a_missing_browser_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **others: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleSpec(name, None))
    for client in (Chromium(), ChromiumEventSource()):
        with pytest.raises(Unavailable, match="Chromium is not installed") as told:
            await client.stream(Request(URL, headers=BROWSER), Unheard())
        assert "apt-get install chromium" in told.value.remedy
        with pytest.raises(Unavailable, match="Chromium is not installed"):
            client.install(lambda line: None)


async def test_a_missing_playwright_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for ask in (Chromium().version, lambda: Chromium().install(lambda line: None)):
        with pytest.raises(Unavailable, match="Playwright is not installed") as told:
            ask()
        assert told.value.remedy == "pip install 'token-stream-harness[browser]'"
