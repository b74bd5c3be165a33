"""Reads a stream as field report 002 tests one: `curl -N URL | awk '{print strftime("%H:%M:%S"), $0; fflush()}'`.

A read is what awk prints, without the time it puts before each line; a token is here when it has come out of awk.
So an awk that reads its input in blocks holds tokens that curl had: that is what a person at this pipe sees. Whether
this awk does is tried once, and every result says it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache, partial

from harness.clients.base import Headers, Remote, Request, Sink
from harness.clients.curl import Curl, Pipe, readable, rests, running, told
from harness.clients.limits import ANSWER_S
from harness.errors import ClientError, Unavailable
from harness.launchers import commands, distribution
from harness.launchers.process import Launcher, until
from harness.model import Remark, StandIn

PROGRAM = '{print strftime("%H:%M:%S"), $0; fflush()}'
STAMP = re.compile(rb"[0-9]{2}:[0-9]{2}:[0-9]{2} ")
STAMP_BYTES = len("00:00:00 ")
SETUP_HINT = "install one that has it as awk: apt-get install gawk, or brew install gawk and link it as awk"
MAKES = {"mawk": "mawk", "GNU Awk": "gawk", "awk version": "awk", "BusyBox": "busybox"}
_TOLD = re.compile(rf"({'|'.join(MAKES)}) v?([0-9][0-9.]*[0-9](?: [0-9]{{8}})?)")
_VERSIONS = (("-W", "version"), ("--version",))


def find() -> str:
    """Return the path of the system's awk. Raises Unavailable without one, or if it cannot tell the time."""
    program = shutil.which("awk")
    if program is None:
        raise Unavailable("awk is not installed", SETUP_HINT)
    if not _tells_time(program):
        raise Unavailable(f"awk, which is {make(program)}, has no strftime", SETUP_HINT)
    return program


@cache
def _tells_time(program: str) -> bool:
    asked = [program, 'BEGIN {print strftime("%H:%M:%S"), ""; fflush()}']
    return bool(STAMP.fullmatch(_said(asked).rstrip("\n").encode()))


@cache
def make(program: str) -> str:
    """Return whose awk it is, with its version: `mawk 1.3.4 20200120`."""
    for option in _VERSIONS:
        if told := _TOLD.search(_said([program, *option])):
            return f"{MAKES[told[1]]} {told[2]}"
    return "of an unknown make"


def _said(argv: list[str]) -> str:
    done = commands.asked(argv, SETUP_HINT)
    return done.stdout + done.stderr


class CurlAwk(Curl):
    """The client `curl-awk`: curl and awk, a process each for every stream."""

    name = "curl-awk"
    stand_in = StandIn(Curl.name, holder="awk")

    def __init__(self) -> None:
        super().__init__()
        self._trying = asyncio.Lock()
        self._remark: Remark | None = None

    def version(self) -> str:
        return f"{super().version()} with {make(find())}"

    def install(self, progress: Callable[[str], None]) -> None:
        """Install the distribution's curl, and gawk where no awk tells the time. Raises Unavailable."""
        super().install(progress)
        distribution.install(self.name, "gawk", "gawk", find=find, hint=SETUP_HINT, progress=progress)

    async def stream(self, request: Request, sink: Sink) -> None:
        unstamped = Unstamped(sink, await self._tried())
        await super().stream(request, unstamped)
        if unstamped.fault:
            raise unstamped.fault

    @asynccontextmanager
    async def piped(self, launcher: Launcher, config: str) -> AsyncIterator[Pipe]:
        async with told(launcher, config) as curl:
            body = curl.pipes[0]
            async with running(launcher, "awk", [find(), PROGRAM], stdin=body) as awk:
                body.close()  # else curl would not hear that awk is gone
                yield curl, awk

    async def _tried(self) -> Remark:
        """Say which awk it is and, tried once, whether it holds lines itself."""
        assert self._launcher, "the bench has equipped it"
        async with self._trying:
            if self._remark is None:
                self._remark = Remark("awk", printed_by=make(find()), keeps_lines=await holds(self._launcher))
        return self._remark


async def holds(launcher: Launcher) -> bool | None:
    """Tell whether awk, given a line, waits for more before it prints that; None where nobody tells who waits.

    Raises ClientError if it does neither.
    """
    if sys.platform != "linux":
        return None
    with ExitStack() as ends:
        theirs, ours = (
            ends.enter_context(os.fdopen(end, mode, 0)) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
        )
        async with running(launcher, "awk", [find(), PROGRAM], stdin=theirs) as awk:
            os.write(ours.fileno(), b"a line\n")
            printed = partial(readable, awk.pipes[0])
            if not await until(lambda: printed() or (not readable(theirs) and rests(awk.pid)), ANSWER_S):
                raise ClientError(f"awk has not come to rest for {ANSWER_S:g} s")
            return not printed()


class Unstamped:
    """Stands before a sink and takes the time off every line, wherever the lines are cut.

    `fault` is what is wrong with what awk printed.
    """

    def __init__(self, sink: Sink, remark: Remark) -> None:
        self.fault: ClientError | None = None
        self._sink = sink
        self._remark = remark
        self._stamp = b""

    def request(self, headers: Headers) -> None:
        self._sink.request(headers)

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        return self._sink.head(status, headers, at_ns, decoded)

    def remote(self, reader: Remote) -> None:
        self._sink.remote(replace(reader, remark=self._remark))

    def painted(self, reads: int, at_ns: int) -> None:
        self._sink.painted(reads, at_ns)

    def read(self, data: bytes, at_ns: int) -> bool:
        """Take what awk printed; return whether to go on, which it does not after a line without a time."""
        lines = b"".join(self._lines(data))
        goes_on = self._sink.read(lines, at_ns) if lines else True
        return goes_on and self.fault is None

    def _lines(self, data: bytes) -> list[bytes]:
        found = []
        while data:
            if missing := STAMP_BYTES - len(self._stamp):
                self._stamp, data = self._stamp + data[:missing], data[missing:]
                if len(self._stamp) == STAMP_BYTES and not STAMP.fullmatch(self._stamp):
                    self.fault = ClientError(f"awk printed no time before a line, but {self._stamp!r}")
                    break
                continue
            line, end, data = data.partition(b"\n")
            found.append(line + end)
            if end:
                self._stamp = b""
        return found
