"""Records what comes of one stream: the client's Sink.

Reads are stamped and kept, and decoded on the way. What is wrong with a stream is kept, the client is told to stop, and
the fault is told once it has returned.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from harness.clients.base import Headers, Remote
from harness.errors import StreamError, shortened
from harness.formats import TRANSPORTS
from harness.formats.coding import ContentDecoder, content_coding, decoder
from harness.formats.replayed import decoder_of
from harness.measure.limits import Bounds
from harness.model import Plan, Read

QUOTED_BYTES = 60
"""How much of a body is worth to be quoted."""


class Flood(StreamError):
    """More came than can have been sent. `data` is what came last."""

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__(message)
        self.data = data


class Recorder:
    """One stream, recorded within its bounds. Use `record`.

    `refused` tells that an answer has come which is no stream, `progress_ns` when the last token came, or the first
    bytes after `awaits_end`: a hop may say that it lives for as long as it likes.
    """

    def __init__(self, plan: Plan, bounds: Bounds) -> None:
        self.sent_request: tuple[tuple[str, str], ...] = ()
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.head_ns: int | None = None
        self.reads: list[Read] = []
        self.body = bytearray()
        self.fault: Exception | None = None
        self.decoded = False
        self.reader: Remote | None = None
        self.asked_ns: int | None = None
        self.painted_ns: list[int] = []
        self.arrivals: list[tuple[int, int]] = []
        self.refused = asyncio.Event()
        self.progress_ns = 0
        self._bounds = bounds
        self._since = (0, 0)
        self._next_bytes_count = False
        self._silent_from_ns = 0
        self._status = TRANSPORTS[plan.emission.transport].status
        self._tokens = decoder_of(plan.emission)
        self._content: ContentDecoder | None = None
        self._through = -1
        self._on_head: Callable[[int], None] = lambda at_ns: None
        self._on_arrival: Callable[[int, int], None] = lambda through, at_ns: None

    def on_progress(self, head: Callable[[int], None], arrival: Callable[[int, int], None]) -> None:
        """Call back with the instant of the head, at once if it has come, and with (highest token up to which all are
        here, instant) whenever tokens come."""
        self._on_head, self._on_arrival = head, arrival
        if self.head_ns is not None:
            head(self.head_ns)

    def request(self, headers: Headers) -> None:
        self.sent_request = tuple(headers)

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        self.status, self.headers, self.head_ns, self.decoded = status, tuple(headers), at_ns, decoded
        self._on_head(at_ns)
        return self._goes_on(self._prepare)

    def remote(self, reader: Remote) -> None:
        self.reader, self.asked_ns = reader, time.monotonic_ns()

    def painted(self, reads: int, at_ns: int) -> None:
        self.painted_ns += [at_ns] * (reads - len(self.painted_ns))

    async def awake(self) -> None:
        """Wait until whoever reads has seen what there was to see by now."""
        if self.reader:
            await self.reader.awake()

    def read(self, data: bytes, at_ns: int) -> bool:
        self.reads.append(Read(at_ns, len(data)))
        self.body += data
        return self._goes_on(partial(self._understand, data, at_ns))

    def awaits_end(self, from_ns: int) -> None:
        """Take note that all was sent, and that the first bytes to come are of the end. Silence begins at `from_ns`."""
        self._next_bytes_count, self._silent_from_ns = True, from_ns
        self._progressed(from_ns)

    def meanwhile(self) -> str | None:
        reads, size_bytes = self._since
        if len(self.reads) == reads:
            return None
        first = bytes(self.body[size_bytes : size_bytes + QUOTED_BYTES])
        return f"{len(self.body) - size_bytes} bytes in {len(self.reads) - reads} reads: {shortened(first)}"

    def _progressed(self, at_ns: int) -> None:
        self.progress_ns = max(at_ns, self._silent_from_ns)
        self._since = len(self.reads), len(self.body)

    def _goes_on(self, take: Callable[[], None]) -> bool:
        """Take something in and say whether to go on. What is wrong with it is kept, whosever fault it is."""
        try:
            take()
        except Exception as fault:
            self.fault = fault
        return self.fault is None

    def _prepare(self) -> None:
        if self.status != self._status:
            self.refused.set()
        self._content = decoder(None if self.decoded else content_coding(self.headers))

    def _understand(self, data: bytes, at_ns: int) -> None:
        most_bytes = self._bounds.page_bytes if self.refused.is_set() else self._bounds.body_bytes
        if len(self.body) > most_bytes:
            raise Flood(f"flood: more than {most_bytes} bytes came", data)
        if len(self.reads) > self._bounds.reads:
            raise Flood(f"flood: more than {self._bounds.reads} reads came", data)
        if self._next_bytes_count:
            self._next_bytes_count = False
            self._progressed(at_ns)
        if self._content is None or self.refused.is_set():
            return
        for token in self._tokens.feed(self._content.feed(data)):
            if token.seq != self._through + 1:
                raise StreamError(f"token {token.seq} came after token {self._through}")
            self._through = token.seq
            self._progressed(at_ns)
        if self._through >= 0:
            self.arrivals.append((at_ns, self._through))
        self._on_arrival(self._through, at_ns)
