"""Reads a stream with curl itself, as people test one: `curl -N`, and with `--compressed` where a browser is played.

The body comes from its standard output; every read of that pipe is stamped on receipt. What was really asked and
answered is what `-v` tells on its standard error. curl tells of a head before it hands over what follows it, and we
read in that order, so that nothing overtakes it. A stream that ends badly does so in curl's own words.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, closing
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from harness.clients.base import Remote, Request, Sink
from harness.clients.limits import ANSWER_S, CONNECT_S, HEAD_BYTES
from harness.clients.quoting import unquoted
from harness.errors import ClientError, StreamError, Unavailable
from harness.launchers import commands, distribution
from harness.launchers.base import Program
from harness.launchers.process import Launcher, Process, until
from harness.model import HttpVersion, TransportName

SETUP_HINT = "install it: apt-get install curl, or brew install curl"
ARGUMENTS = ("-q", "-K", "-")
ESCAPES = {letter: f"\\{escape}" for letter, escape in zip('\\"\t\n\r\v', '\\"tnrv', strict=True)}
"""How a config of curl's has what would end a quoted text or its line."""
LINE_BYTES = 2**20
BROWSERS_CODINGS = {"gzip", "deflate", "br", "zstd"}
OUR_FAULTS = frozenset({2, 3, 4, 26, 43, 48, 77})
"""Exit statuses that tell of curl and us, not of the stream: an option that is unknown, a file that is missing.

23 is not among them: it means a body that curl cannot decode, too."""

Pipe = tuple[Process, ...]
"""curl, and what its output is piped to, in order. We read the last one's output, and curl's complaints."""

_STATUS = re.compile(r"HTTP/\S+ ([0-9]{3})\b")


def find() -> str:
    """Return the path of the system's curl. Raises Unavailable without one."""
    if program := shutil.which("curl"):
        return program
    raise Unavailable("curl is not installed", SETUP_HINT)


@cache
def _banner(program: str) -> str:
    return commands.asked([program, "-q", "--version"], SETUP_HINT).stdout


class Curl:
    """The client `curl`: a process of its own for every stream."""

    name = "curl"
    transports: tuple[TransportName, ...] = ("http",)
    lacks: Mapping[TransportName, str] = {"websocket": "hands over no messages of a WebSocket"}
    asks_within_s = CONNECT_S

    def __init__(self) -> None:
        self._launcher: Launcher | None = None

    @property
    def http(self) -> tuple[HttpVersion, ...]:
        return ("1.1", "2") if "HTTP2" in _banner(find()) else ("1.1",)

    def equip(self, launcher: Launcher, evidence: Path) -> None:
        self._launcher = launcher

    def version(self) -> str:
        return _banner(find()).split()[1]

    def install(self, progress: Callable[[str], None]) -> None:
        """Install the distribution's curl. Raises Unavailable."""
        distribution.install("curl", "curl", "curl", find=find, hint=SETUP_HINT, progress=progress)

    async def stream(self, request: Request, sink: Sink) -> None:
        assert self._launcher, "the bench has equipped it"
        decodes = _accepts(request) == BROWSERS_CODINGS
        async with self.piped(self._launcher, config(request, decodes)) as pipe:
            talk = await _read(pipe, sink, decodes)
            if talk is None:
                return
            await until(lambda: pipe[0].returncode is not None, ANSWER_S)
        if pipe[0].returncode != 0:
            raise _fault(pipe[0], talk.complaint)

    @asynccontextmanager
    async def piped(self, launcher: Launcher, config: str) -> AsyncIterator[Pipe]:
        """Run curl, told a config, and what its output is piped to, for as long as the block lasts."""
        async with told(launcher, config) as curl:
            yield (curl,)

    async def close(self) -> None:
        """Nothing is left running."""


def config(request: Request, decodes: bool) -> str:
    """Return what curl is to do, as a config of its own: nobody else can read that, as everybody can a command line.

    Whoever has the URL can take the stream, and headers may be secrets.
    """
    told = ["silent", "show-error", "no-buffer", "verbose", "globoff", 'noproxy = "*"']
    told += [f"connect-timeout = {CONNECT_S:g}"]
    if request.authority:
        told += [f"cacert = {_quoted(request.authority)}"]
    elif "1.1" not in request.http:
        told += ["http2-prior-knowledge"]
    if decodes:
        told += ["compressed"]
    if request.body is not None:
        told += [f"data-raw = {_quoted(request.body.decode())}"]
    if request.method != ("GET" if request.body is None else "POST"):
        told += [f"request = {_quoted(request.method)}"]
    told += [f"header = {_quoted(header)}" for header in _headers(request, decodes)]
    return "\n".join([*told, f"url = {_quoted(request.url)}", ""])


def _headers(request: Request, decodes: bool) -> Collection[str]:
    """Return headers as curl takes them. Accept-Encoding is its own where it decodes, as people have it."""
    given = {name.lower(): f"{name}: {value}" if value else f"{name};" for name, value in request.fields}
    if decodes:
        del given["accept-encoding"]
    for name in ("User-Agent", "Accept", "Content-Type"):  # what it would add on its own
        given.setdefault(name.lower(), f"{name}:")
    return given.values()


def _quoted(text: str) -> str:
    return '"' + "".join(ESCAPES.get(letter, letter) for letter in text) + '"'


def _accepts(request: Request) -> set[str]:
    accepted = {name.lower(): value for name, value in request.headers}.get("accept-encoding", "")
    return {coding.strip() for coding in accepted.split(",")}


@asynccontextmanager
async def told(launcher: Launcher, config: str) -> AsyncIterator[Process]:
    """Run curl, which reads all that it is told from a file without a name, for as long as the block lasts."""
    with TemporaryFile() as file:
        file.write(os.fsencode(config))
        file.seek(0)
        async with running(launcher, "curl", [find(), *ARGUMENTS], stdin=file) as curl:
            yield curl


@asynccontextmanager
async def running(
    launcher: Launcher, name: str, argv: list[str], stdin: IO[bytes] | None = None
) -> AsyncIterator[Process]:
    """Run a program whose pipes we read, for as long as the block lasts."""
    process = await launcher.launch(name, argv, log=None, stdin=stdin)
    try:
        yield process
    finally:
        for pipe in process.pipes:
            pipe.close()
        await process.stop()


async def _read(pipe: Pipe, sink: Sink, decoded: bool) -> _Talk | None:
    """Feed `sink` until all have closed their ends; return what curl has told, None if the sink had enough before."""
    loop = asyncio.get_running_loop()
    stdout, stderr = pipe[-1].pipes[0], pipe[0].pipes[1]
    talk, body = _Talk(), _Body(sink)
    talking, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(talk.told), stderr)
    with closing(talking):
        if not await talk.heads(sink, decoded, partial(_awake, pipe, stdout)):
            return None
        listening = asyncio.create_task(talk.rest())
        reading, _ = await loop.connect_read_pipe(lambda: body, stdout)
        with closing(reading):
            try:
                if not await body.ended:
                    return None
                for process in pipe[1:]:  # who lost its reader may never notice
                    await _ended_well(process)
                await listening
                talk.queued_ms = _queued_ms(pipe)
            finally:
                listening.cancel()
    return talk


class _Talk:
    """What curl tells with `-v`: `> ` what it asked, `< ` what was answered, `curl: (18) ` why it gave up."""

    def __init__(self) -> None:
        self.told = asyncio.StreamReader(limit=LINE_BYTES)
        self.complaint: str | None = None
        self.queued_ms: float | None = None

    async def heads(self, sink: Sink, decoded: bool, awake: Callable[[], Awaitable[None]]) -> bool:
        """Hand over the head of the request, then that of the response; return whether to go on.

        If curl ends before, it was all there is.
        """
        head: list[str] = []
        size_bytes = 0
        async for line in self._lines():
            size_bytes += len(line)
            if size_bytes > HEAD_BYTES:
                raise StreamError(f"what came is no HTTP response: a head of more than {HEAD_BYTES} bytes")
            mark, words = line[:2], line[2:]
            if mark == "< " and _STATUS.match(words):
                head = [words]  # some curls tell of no end of an interim response
            elif mark == "< " and words[:1].isspace() and head:
                head[-1] += words  # one that goes on in a line of its own
            elif mark in ("> ", "< ") and words:
                head.append(words)
            elif mark in ("> ", "< ") and head:
                headers = tuple((name, value.strip()) for name, _, value in (each.partition(":") for each in head[1:]))
                if mark == "> ":
                    sink.remote(Remote(awake, trip_ms=lambda: self.queued_ms))
                    sink.request(headers)
                elif (status := _status(head[0])) >= 200:
                    return sink.head(status, headers, time.monotonic_ns(), decoded)
                head = []
        return True

    async def rest(self) -> None:
        """Hear the rest, so that curl never waits for somebody to listen."""
        async for _ in self._lines():
            pass

    async def _lines(self) -> AsyncIterator[str]:
        async for line in self.told:
            text = line.decode("latin-1").rstrip("\r\n")
            if text.startswith("curl: ("):
                self.complaint = unquoted(text)
            yield text


def _status(line: str) -> int:
    if found := _STATUS.match(line):
        return int(found[1])
    raise StreamError("curl tells of a head without a status line")


class _Body(asyncio.Protocol):
    """Hands over what comes through a pipe, each read at once. `ended` tells whether the sink wanted it to its end."""

    def __init__(self, sink: Sink) -> None:
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._sink = sink

    def data_received(self, data: bytes) -> None:
        at_ns = time.monotonic_ns()
        if not self.ended.done() and not self._sink.read(data, at_ns):
            self.ended.set_result(False)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(True)


async def _ended_well(process: Process) -> None:
    await until(lambda: process.returncode is not None, ANSWER_S)
    if process.returncode != 0:
        said = process.pipes[1].read().decode(errors="replace").strip() if process.returncode is not None else ""
        raise ClientError(": ".join(filter(None, (f"in mid-stream, {process.death() or 'it did not end'}", said))))


async def _awake(pipe: Pipe, stdout: IO[bytes]) -> None:
    """Wait until all wait for more, and we have read what they had. Raises ClientError if that takes too long.

    In the order of the pipe: what one has written by the time it rests has woken the next.
    """
    if not await until(lambda: all(rests(process.pid) for process in pipe) and not readable(stdout), ANSWER_S):
        raise ClientError(f"{' and '.join(process.name for process in pipe)} have not come to rest for {ANSWER_S:g} s")


def rests(pid: int) -> bool:
    """Tell whether a process waits for something to come. Only Linux says so: elsewhere, it is taken to."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    except OSError:
        return True


def _queued_ms(pipe: Pipe) -> float | None:
    """Return how long each waited for a processor, in the mean: what a starved machine adds to every token.

    Only Linux tells, until a process is reaped.
    """
    queued_ms = 0.0
    for process in pipe:
        try:
            _, waited_ns, times = map(int, Path(f"/proc/{process.pid}/schedstat").read_text().split())
        except (OSError, ValueError):
            return None
        queued_ms += waited_ns / max(times, 1) / 1e6
    return queued_ms


def readable(pipe: IO[bytes]) -> bool:
    if pipe.closed:
        return False
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))


def _fault(program: Program, complaint: str | None) -> StreamError | ClientError:
    """Return whose fault it is that curl did not end well."""
    code = program.returncode
    if code is None or code < 0 or code in OUR_FAULTS:
        return ClientError(f"in mid-stream, {complaint or program.death() or 'curl did not end'}")
    return StreamError(complaint or f"curl ended with status {code}")
