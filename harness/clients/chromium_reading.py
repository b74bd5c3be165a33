"""One stream in a page: what the page tells of it and what the browser's network stack tells of it, put together.

Rules: reads wait for the head, which a page does not see as it was sent, and for nothing else; a stream ends well only
if the page and the network stack both say so, and only once its head is told, which may come last (CDP gives the events
named ExtraInfo no order); of several reasons why it ended badly the browser's own words count. A sink that has enough
ends it at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from harness.clients.base import Sink
from harness.clients.limits import ANSWER_S, LAST_FRAME_S, LAST_WORDS_S
from harness.errors import ClientError, StreamError

ABORTED = "net::ERR_ABORTED"
MIME = "EventSource's response has a MIME type"


class Reading:
    """Listens to a page and to its CDP session for as long as one stream lasts. Use `ended`."""

    def __init__(self, url: str, status: int, sink: Sink) -> None:
        self._urls = (url, url.replace("http", "ws", 1))
        self._status = status
        self._sink = sink
        self._has_messages = False
        self._id: str | None = None
        self._asked: dict[str, Mapping[str, str]] = {}
        self._answered: dict[str, tuple[int, Mapping[str, str]]] = {}
        self._faults: dict[str, str] = {}
        self._finished: set[str] = set()
        self._words: str | None = None
        self._opened_ns: int | None = None
        self._headed = False
        self._goes_on = True
        self._early: deque[tuple[bytes, int]] = deque()
        self._reads = self._painted = 0
        self._changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._page: asyncio.Future[str | None] = loop.create_future()
        self._page.add_done_callback(lambda page: page.cancelled() or page.exception())  # it may end unobserved

    @property
    def lacks_head(self) -> bool:
        """Whether reads wait, or would, for the network stack to tell of a head that the page has seen."""
        return self._opened_ns is not None and not self._headed

    # ---------------------------------------------------------------- the page

    def heard_read(self, data: bytes, at_ns: int) -> None:
        """Hand a read on, at once."""
        self._reads += 1
        self._early.append((data, at_ns))
        self._hand_on()

    def heard(self, kind: str, at_ns: int, fields: dict[str, Any]) -> None:
        """Take what else the page says."""
        match kind:
            case "open":
                self._opened_ns = at_ns
                self._hand_on()
            case "painted" if self._goes_on:
                self._painted = fields["reads"]
                self._sink.painted(self._painted, at_ns)
                self._changed.set()
            case "end":
                self._end(None)
            case "failed":
                self._end(fields["why"])

    def heard_end(self) -> None:
        """Take that the page has gone."""
        if not self._page.done():
            self._page.set_exception(ClientError("the page of the browser has gone"))

    # ---------------------------------------------------------------- the network stack

    def told(self, event: str, of: Mapping[str, Any]) -> None:
        """Take an event of the CDP domains Network and Log."""
        request = of.get("requestId", "")
        match event:
            case "Network.requestWillBeSent" if of["request"]["url"] in self._urls:
                self._id = self._id or request
            case "Network.webSocketCreated" if of["url"] in self._urls:
                self._id, self._has_messages = request, True
            case "Network.requestWillBeSentExtraInfo":
                self._asked[request] = of["headers"]
            case "Network.webSocketWillSendHandshakeRequest":
                self._asked.setdefault(request, of["request"]["headers"])
            case "Network.responseReceivedExtraInfo":
                self._answered[request] = (of["statusCode"], of["headers"])
            case "Network.webSocketHandshakeResponseReceived":
                self._answered.setdefault(request, (of["response"]["status"], of["response"]["headers"]))
            case "Network.loadingFinished":
                self._finished.add(request)
            case "Network.loadingFailed":
                self._faults[request] = of["errorText"]
            case "Network.webSocketFrameError":
                self._faults[request] = of["errorMessage"]
            case "Log.entryAdded" if MIME in of["entry"]["text"]:
                self._words = of["entry"]["text"]
            case _:
                return
        self._hand_on()
        self._changed.set()

    # ---------------------------------------------------------------- the end

    async def ended(self) -> bool:
        """Wait for the stream's end, or for the sink's, and return whether all of it was painted.

        Raises StreamError if it was a bad end, ClientError if the page went or the head of what it read was not told.
        """
        why = await self._page
        if self._goes_on and not await self._until(self._is_over, LAST_WORDS_S if why else ANSWER_S):
            why = why or "the browser's network stack did not tell how the stream ended"
        self._head()
        if not self._goes_on:
            return False
        if self.lacks_head:
            raise ClientError("the browser's network stack did not tell of the response's head")
        if fault := self._fault(why):
            raise StreamError(fault)
        return await self._until(lambda: self._painted >= self._reads, LAST_FRAME_S)

    def _is_over(self) -> bool:
        return not self._goes_on or (self._done and not self.lacks_head)

    @property
    def _done(self) -> bool:
        return self._id in self._finished or self._id in self._faults or (self._has_messages and self._is_accepted)

    @property
    def _is_accepted(self) -> bool:
        """Whether the answer's status is that of a stream. Of one that has messages nothing else tells its end."""
        return self._id in self._answered and self._answered[self._id][0] == self._status

    def _fault(self, why: str | None) -> str | None:
        """Return why the stream ended badly, best words first; None if it ended well, or its status says enough."""
        fault = self._faults.get(self._id or "")
        if self._words:
            return self._words
        if fault == ABORTED and why is None and self._id in self._answered and not self._is_accepted:
            return None
        if fault is None and (why is None or self._id in self._finished):
            return why
        return next(said for said in (fault if fault != ABORTED else None, why, fault) if said)

    async def _until(self, condition: Callable[[], bool], within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _hand_on(self) -> None:
        """Hand on the head once page and network stack know it, and all reads after it."""
        if self._opened_ns is not None and self._id in self._answered:
            self._head()
        while self._goes_on and self._headed and self._early:
            self._goes_on = self._sink.read(*self._early.popleft())
        if not self._goes_on:
            self._end(None)

    def _head(self) -> None:
        if self._headed or self._id is None:
            return
        if asked := self._asked.get(self._id):
            self._sink.request(tuple(asked.items()))
        if answered := self._answered.get(self._id):
            status, headers = answered
            self._headed = True
            at_ns = self._opened_ns or time.monotonic_ns()
            self._goes_on = self._sink.head(status, _fields(headers), at_ns, decoded=True)

    def _end(self, why: str | None) -> None:
        if not self._page.done():
            self._page.set_result(why)


def _fields(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return header fields one by one: CDP joins repeated ones with a line feed."""
    return tuple((name, value) for name, values in headers.items() for value in values.split("\n"))
