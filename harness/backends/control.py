"""The control connection: how the client tells the emitter what to send and when, outside the chain.

One TCP connection per stream, lines of text. To the emitter: `open SECRET {emission}`, then `grant N` (tokens up to N
may go, be it more than the workload has, unless the length is fixed), `end` (when these are sent, and the workload's at
least, the body may be closed as its format wants it), `log`, `forget` (the tokens logged so far). From the emitter:
`stream ID`, `asked` when the request has come through the chain, `log {...}`. Losing the connection ends the stream.
Every user of the machine can connect: who does not begin with the secret is hung up on.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any, cast

from harness.backends.base import Log
from harness.errors import BackendError
from harness.model import Emission, Filler, Heartbeat, Recording, Sent, Workload, Write

LOST = "the emitter died in mid-stream"
SECRET_VARIABLE = "HARNESS_CONTROL_SECRET"
"""Where the emitter finds the secret: unlike a command line, an environment can only be read by its user."""


def dump_emission(emission: Emission) -> bytes:
    """Return the emission as one line of JSON."""
    return json.dumps(asdict(emission), default=_as_text).encode()


def load_emission(line: bytes) -> Emission:
    """Read what `dump_emission` wrote."""
    fields = json.loads(line)
    if recording := fields["workload"]["recording"]:
        fields["workload"]["recording"] = _load_recording(recording)
    fields["workload"] = Workload(**fields["workload"])
    fields["headers"] = tuple((name, value) for name, value in fields["headers"])
    for name in ("prelude", "padding"):
        fields[name] = fields[name] and Filler(**fields[name])
    return Emission(**fields)


def _load_recording(fields: dict[str, Any]) -> Recording:
    headers = tuple((name, value) for name, value in fields["headers"])
    writes = tuple(Write(one["at_ms"], b64decode(one["data"]), one["whole"]) for one in fields["writes"])
    return Recording(**fields | {"headers": headers, "writes": writes})


def _as_text(data: bytes) -> str:
    """Return bytes of a recording as JSON can have them."""
    return b64encode(data).decode("ascii")


def dump_log(log: Log) -> str:
    """Return the log as one line of JSON."""
    return json.dumps(
        {
            "sent": [(sent.seq, sent.at_ns, sent.end_bytes) for sent in log.sent],
            "heartbeats": [(beat.at_ns, beat.end_bytes) for beat in log.heartbeats],
            "headers": log.headers,
            "requests": log.requests,
            "head_ns": log.head_ns,
            "ended_ns": log.ended_ns,
            "failure": log.failure,
        }
    )


def load_log(line: bytes) -> Log:
    """Read what `dump_log` wrote."""
    fields = json.loads(line)
    return Log(
        sent=[Sent(*row) for row in fields["sent"]],
        heartbeats=[Heartbeat(*row) for row in fields["heartbeats"]],
        headers=[(name, value) for name, value in fields["headers"]],
        requests=fields["requests"],
        head_ns=fields["head_ns"],
        ended_ns=fields["ended_ns"],
        failure=fields["failure"],
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

    def refuse(self) -> None:
        """Hang up on whoever is not to talk here."""
        if self.transport:
            self.transport.abort()

    def write(self, line: bytes) -> None:
        """Send one line; a connection that is gone swallows it (its loss is told elsewhere)."""
        if self.transport and not self.transport.is_closing():
            self.transport.write(line + b"\n")


class Control(Lines):
    """The client's end for one stream. Use `Control.open`."""

    def __init__(self, answer_s: float, why_lost: Callable[[], Coroutine[Any, Any, str]]) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self.stream_id = ""
        self.asked: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self._answer: asyncio.Future[bytes] = loop.create_future()
        self._sent: tuple[int, asyncio.Future[None]] = -1, loop.create_future()
        self._answer_s = answer_s
        self._why_lost = why_lost
        self._telling: asyncio.Task[str] | None = None
        self._closing = False

    @classmethod
    async def open(
        cls,
        address: tuple[str, int],
        secret: str,
        emission: Emission,
        answer_s: float,
        why_lost: Callable[[], Coroutine[Any, Any, str]] | None = None,
    ) -> Control:
        """Connect and announce a stream. `why_lost` is asked when the connection is lost, and says why.

        Raises BackendError if the emitter is not there, or has not answered for `answer_s`.
        """
        loop, make = asyncio.get_running_loop(), lambda: cls(answer_s, why_lost or _nobody_knows)
        try:
            _, control = await loop.create_connection(make, *address)
        except OSError as error:
            raise BackendError(f"the emitter's control port {address[1]} does not answer: {error}") from error
        control.write(b"open %b %b" % (secret.encode(), dump_emission(emission)))
        try:
            control.stream_id = (await control._take(b"stream ")).decode()
        except BaseException:
            control.close()
            raise
        return control

    def grant(self, through: int) -> None:
        self.write(b"grant %d" % through)

    def end(self) -> None:
        self.write(b"end")

    async def sent(self, through: int) -> None:
        self._sent = through, asyncio.get_running_loop().create_future()
        self.write(b"tell %d" % through)
        await self._sent[1]

    async def log(self) -> Log:
        self.write(b"log")
        return load_log(await self._take(b"log "))

    def forget(self) -> None:
        self.write(b"forget")

    def close(self) -> None:
        """Hang up; the emitter forgets the stream."""
        self._closing = True
        if self._telling:
            self._telling.cancel()
        if self.transport:
            self.transport.close()

    def lose(self) -> None:
        """Take note that the emitter is gone, whether or not the connection says so yet."""
        if self._closing or self._telling:
            return
        if not self._answer.done():
            self._answer.set_exception(BackendError("the emitter closed the control connection"))
            self._answer.exception()  # whoever asks next gets it; nobody asking is no fault
        self._telling = asyncio.create_task(self._why_lost())
        self._telling.add_done_callback(self._tell)
        if self.transport:
            self.transport.close()

    def line(self, line: bytes) -> None:
        if line == b"asked":
            self.asked.set_result(None)
        elif line.startswith(b"sent "):
            through, told = self._sent
            if int(line.removeprefix(b"sent ")) == through and not told.done():  # not of one that nobody waits for now
                told.set_result(None)
        elif not self._answer.done():
            self._answer.set_result(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose()

    def _tell(self, telling: asyncio.Task[str]) -> None:
        if not telling.cancelled():
            self.lost.set_result(telling.result())

    async def _take(self, prefix: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._answer_s):
                line = await self._answer
        except TimeoutError:
            raise BackendError(f"the emitter has not answered for {self._answer_s:g} s") from None
        self._answer = asyncio.get_running_loop().create_future()
        if not line.startswith(prefix):
            raise BackendError(f"the emitter answered {line[:200]!r}")
        return line.removeprefix(prefix)


async def _nobody_knows() -> str:
    return LOST
