"""The control connection: how the client tells the emitter what to send and when, outside the chain.

One TCP connection per stream, lines of text. To the emitter: `open {emission}`, then `grant N` (tokens up to N may
go), `end`, `log`, `forget` (the tokens logged so far). From the emitter: `stream ID`, `asked` when the request has
come through the chain, `log {...}`. Losing the connection ends the stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import TypeAdapter

from harness.errors import BackendError
from harness.model import Emission, Heartbeat, Sent

ANSWER_S = 60.0
EMISSION = TypeAdapter(Emission)


@dataclass(slots=True)
class Log:
    """What the emitter says of one stream. `requests` above 1 means that the chain asked twice."""

    sent: list[Sent] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    requests: int = 0
    head_ns: int | None = None
    ended_ns: int | None = None
    failure: str | None = None

    def dump(self) -> str:
        """Return the log as one line of JSON."""
        return json.dumps(
            {
                "sent": [(s.seq, s.at_ns, s.end_bytes) for s in self.sent],
                "heartbeats": [(beat.at_ns, beat.end_bytes) for beat in self.heartbeats],
                "headers": self.headers,
                "requests": self.requests,
                "head_ns": self.head_ns,
                "ended_ns": self.ended_ns,
                "failure": self.failure,
            }
        )

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> Log:
        """Read what `dump` wrote."""
        return cls(
            sent=[Sent(*row) for row in raw["sent"]],
            heartbeats=[Heartbeat(*row) for row in raw["heartbeats"]],
            headers=[(name, value) for name, value in raw["headers"]],
            requests=raw["requests"],
            head_ns=raw["head_ns"],
            ended_ns=raw["ended_ns"],
            failure=raw["failure"],
        )


class Lines(asyncio.Protocol):
    """Cuts a connection into lines; both ends are one of these."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.line(line)

    def line(self, line: bytes) -> None:
        """Take one line without its end."""
        raise NotImplementedError

    def write(self, line: bytes) -> None:
        """Send one line; a connection that is gone swallows it (its loss is told elsewhere)."""
        if self.transport and not self.transport.is_closing():
            self.transport.write(line + b"\n")


class Control(Lines):
    """The client's end for one stream. Use `Control.open`."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self.stream_id = ""
        self.asked: asyncio.Future[None] = loop.create_future()
        self._answer: asyncio.Future[bytes] = loop.create_future()
        self._on_lost = on_lost
        self._closing = False

    @classmethod
    async def open(cls, port: int, emission: Emission, on_lost: Callable[[], None] = lambda: None) -> Control:
        """Connect and announce a stream. Raises BackendError if the emitter is not there."""
        try:
            _, control = await asyncio.get_running_loop().create_connection(lambda: cls(on_lost), "127.0.0.1", port)
        except OSError as error:
            raise BackendError(f"the emitter's control port {port} does not answer: {error}") from error
        control.write(b"open " + EMISSION.dump_json(emission))
        try:
            control.stream_id = (await control._take(b"stream ")).decode()
        except BaseException:
            control.close()
            raise
        return control

    def grant(self, through: int) -> None:
        """Let the emitter send all tokens up to `through`."""
        self.write(b"grant %d" % through)

    def end(self) -> None:
        """Let the emitter end the stream once it has sent what was granted."""
        self.write(b"end")

    async def log(self) -> Log:
        """Return what the emitter recorded so far. Raises BackendError if it is gone."""
        self.write(b"log")
        return Log.load(json.loads(await self._take(b"log ")))

    def forget(self) -> None:
        """Let the emitter drop what it has logged of tokens: a stream without end would else fill its memory."""
        self.write(b"forget")

    def close(self) -> None:
        """Hang up; the emitter forgets the stream."""
        self._closing = True
        if self.transport:
            self.transport.close()

    def line(self, line: bytes) -> None:
        if line == b"asked":
            self.asked.set_result(None)
        elif not self._answer.done():
            self._answer.set_result(line)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closing:
            return
        if not self._answer.done():
            self._answer.set_exception(BackendError("the emitter closed the control connection"))
            self._answer.exception()  # whoever asks next gets it; nobody asking is no fault
        self._on_lost()

    async def _take(self, prefix: bytes) -> bytes:
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await self._answer
        except TimeoutError:
            raise BackendError(f"the emitter has not answered for {ANSWER_S:g} s") from None
        self._answer = asyncio.get_running_loop().create_future()
        if not line.startswith(prefix):
            raise BackendError(f"the emitter answered {line[:200]!r}")
        return line.removeprefix(prefix)
