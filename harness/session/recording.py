"""Asks somebody's application once, and records its answer as it comes, so that our emitter can replay it.

Rules: an application may be slow, paid and never twice the same, so nobody asks it but `_Asker`, MOST_ASKS times at
most: once as browsers ask; once as curl asks, if it compresses its answer for browsers; and once for no more than a
head, if a hop may ask in HTTP/1.0, to which servers frame a body each in its own way. To be started it is not asked at
all. Every answer is bounded in time and in bytes. What is said to it goes nowhere else, and what it writes to its log
is gone with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from harness.backends.unreached import why_no_connection
from harness.errors import InputError, ProxyError, StreamError
from harness.launchers.process import Launcher
from harness.measure.bench import adapter
from harness.model import Endpoint, Hop, Method
from harness.probe.asking import with_own
from harness.probe.secrets import Secrets, shown_url
from harness.probe.takes import Headers
from harness.proxies.asgi import Asgi
from harness.proxies.starting import Start, started
from harness.recordings.answer import Answer
from harness.recordings.cutting import COMMAND_LINE, Door, Recorded, Said, compressed, recorded
from harness.session.jobs import hops_of, one_cell
from harness.session.probing import CONNECT_S, TAKE_BYTES, TAKE_S, WORD_S, whose
from harness.session.serving import Served

MOST_ASKS = 5
TAKE_WRITES = 100_000
COMMAND_S = 30.0
"""How long a command may take until its port accepts connections."""
GRAMMAR = "a URL, asgi:./app.py, wsgi:./app.py, or 'command: uvicorn app:app --port ${PORT}'"

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Application:
    """What stands at the end of a chain and does not emit our tokens, and what it is asked. Use `application`.

    One of `url`, `hop` (with its `file`), `command` and what is `served` in this process is given.
    """

    method: Method
    target: str
    headers: Headers = field(repr=False)
    body: bytes | None = field(repr=False)
    url: str = ""
    hop: Hop | None = None
    file: Path = Path()
    command: tuple[str, ...] = ()
    served: Served | None = None
    authority: str | None = None
    door: Door = COMMAND_LINE

    @property
    def source(self) -> str:
        """What it is called wherever it is told: without what a query or a command line says."""
        path = shown_url(self.target)
        if self.url:
            return f"{self.method} {shown_url(self.url)}"
        named = self.served.name if self.served else self.hop or f"command: {self.command[0]}"
        return f"{self.method} {path} of {named}"


def application(
    given: str,
    path: str = "",
    method: Method = "GET",
    headers: Headers = (),
    body: bytes | None = None,
    authority: str | None = None,
    door: Door = COMMAND_LINE,
) -> Application:
    """Read what is to be recorded: a URL, `asgi:` or `wsgi:` with an app, or `command:`. Raises InputError for others.

    `path` is asked for where the URL says none; `door` is in whose words it is told what is wrong.
    """
    if given.startswith(("http://", "https://")):
        parts = urlsplit(given)
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        return Application(method, target, headers, body, url=given, authority=authority, door=door)
    target = path or "/"
    if given.startswith("command:"):
        try:
            words = tuple(shlex.split(given.removeprefix("command:")))
        except ValueError as error:
            raise InputError(f"{door.command}: the command cannot be read: {error}") from None
        if not words:
            raise InputError(f"{door.command}: there is no command behind command:; allowed: {GRAMMAR}")
        return Application(method, target, headers, body, command=words, door=door)
    if given.startswith(("asgi:", "wsgi:")):
        job = one_cell({"chain": given}, {"tokens": 1, "token_bytes": 256})
        ((hop, file),) = hops_of(job).items()
        return Application(method, target, headers, body, hop=hop, file=file, door=door)
    raise InputError(f"{door.command}: {shown_url(given)!r} is no application; allowed: {GRAMMAR}")


async def record(asked: Application, say: Say, http10: bool = False) -> Recorded:
    """Return what an application answers, as it can be replayed, and what it does by itself; also whether it answers
    HTTP/1.0 in chunks, if it may be asked so (`http10`).

    Raises InputError, in words of its own, for what does not start, does not answer, or is no stream.
    """
    secrets = Secrets(asked.headers, asked.body, asked.url or f"http://any{asked.target}")
    async with Launcher() as launcher:
        try:
            endpoint = await listens_at(asked, launcher)
        except (ProxyError, InputError) as error:
            raise InputError(f"{asked.source} did not start: {secrets.hidden(str(error))}") from None
        asker = _Asker(asked, endpoint, secrets, say)
        try:
            return await _recorded(asker, http10)
        except InputError as error:
            raised = await asked.served.why_it_failed() if asked.served else ""
            if not raised:
                raise
            raise InputError(f"{error}; the application raised {secrets.hidden(raised)}") from None


async def _recorded(asker: _Asker, http10: bool) -> Recorded:
    profiles = whose("http")
    answer, said, cut = await asker.ask(profiles["browser"])
    if itself := compressed(answer, cut):
        answer, said, cut = await asker.ask(profiles["curl"])
    found = recorded(answer, said, cut, itself)
    if http10 and answer.body == "chunked" and await asker.chunks_http10(profiles["curl"]):
        found = recorded(answer, said, cut, itself, chunks_http10=True)
    return found


async def listens_at(asked: Application, launcher: Launcher) -> Endpoint:
    """Return where an application listens, once it does. Raises HarnessError."""
    if asked.url:
        parts = urlsplit(asked.url)
        assert parts.hostname, "it was checked"
        return Endpoint(parts.port or (443 if parts.scheme == "https" else 80), host=parts.hostname)
    if asked.served:
        return asked.served.endpoint
    evidence = launcher.folder("application")
    if asked.hop:
        adapted = adapter(asked.hop)
        assert isinstance(adapted, Asgi), "no other words are read as applications"
        return await adapted.serve(asked.file, evidence, launcher)
    start = Start(
        name="command",
        command=[re.sub(r"\$PORT\b", "${PORT}", word) for word in asked.command],
        within_s=COMMAND_S,
        env={"PORT": "${PORT}"},
        cwd=Path.cwd(),
        is_asked=False,
    )
    try:
        return (await started(start, Endpoint(1), evidence, launcher))[1]
    except ProxyError as error:
        hint = (
            ""
            if any(re.search(r"\$(PORT\b|\{PORT\})", word) for word in asked.command)
            else "; it has to listen on ${PORT}, or on $PORT"
        )
        raise ProxyError(f"{error}{hint}") from error


class _Asker:
    """Asks one application, and counts."""

    def __init__(self, asked: Application, endpoint: Endpoint, secrets: Secrets, say: Say) -> None:
        self._asked = asked
        self._endpoint = endpoint
        self._secrets = secrets
        self._say = say
        self._asks = 0

    async def ask(self, profile: Headers, http: str = "1.1", head_only: bool = False) -> tuple[Answer, Said, str]:
        """Ask once; return the answer, what was said, and why there was no more of it. Raises InputError."""
        assert self._asks < MOST_ASKS, "nobody is asked more often"
        self._asks += 1
        source = self._asked.source
        self._say(f"{source} is asked (request {self._asks} of {MOST_ASKS} at most), for {TAKE_S:g} s at most ...")
        heard = _Heard(head_only)
        transport = await self._connected(heard)
        try:
            said = Said(source, self._asked.method, time.monotonic_ns(), self._secrets, self._asked.door)
            transport.write(self._request(profile, http))
            cut = await self._heard(heard)
        finally:
            transport.abort()
        return heard.answer, said, cut

    async def chunks_http10(self, profile: Headers) -> bool:
        """Tell whether it answers HTTP/1.0 in chunks. Of the answer no more is waited for than the head."""
        try:
            answer, *_ = await self.ask(profile, http="1.0", head_only=True)
        except InputError:  # it does not answer that at all, and so not in chunks
            return False
        return answer.status == 200 and answer.body == "chunked"

    async def _heard(self, heard: _Heard) -> str:
        """Wait for the answer's end; return why it was not waited for any longer, if it was not. Raises InputError."""
        source, answer = self._asked.source, heard.answer
        waited_s = 0.0
        while waited_s < TAKE_S and not (await asyncio.wait({heard.over}, timeout=min(WORD_S, TAKE_S)))[0]:
            waited_s += min(WORD_S, TAKE_S)
            self._say(f"  {answer.size_bytes} bytes after {waited_s:.0f} s")
        if not heard.over.done():
            if not answer.writes:
                raise InputError(f"{source} has sent {answer.begun} for {TAKE_S:g} s")
            return f"it went on after {TAKE_S:g} s"
        try:
            cut = heard.over.result()
        except StreamError as error:
            raise InputError(f"{source}: {self._secrets.hidden(str(error))}") from None
        if cut and not answer.writes:
            raise InputError(f"{source} has sent {answer.begun} by when {cut}: none of it can be replayed")
        return cut

    async def _connected(self, heard: _Heard) -> asyncio.Transport:
        """Connect. Raises InputError if nobody answers there, or not whom it should be."""
        endpoint, source = self._endpoint, self._asked.source
        place, context = f"{endpoint.host}:{endpoint.port}", None
        if self._asked.url.startswith("https://"):
            context = ssl.create_default_context(cafile=self._asked.authority)
        try:
            async with asyncio.timeout(CONNECT_S):
                connecting = asyncio.get_running_loop().create_connection(
                    lambda: heard, endpoint.host, endpoint.port, ssl=context
                )
                transport, _ = await connecting
        except TimeoutError:
            raise InputError(
                f"{source}: nobody answered at {endpoint.host}:{endpoint.port} within {CONNECT_S:g} s"
            ) from None
        except OSError as error:
            why = why_no_connection(error, self._asked.door.authority)
            raise InputError(f"{source} is not reached at {place}: {why}") from None
        return transport

    def _request(self, profile: Headers, http: str) -> bytes:
        asked = self._asked
        host = urlsplit(asked.url).netloc.rpartition("@")[2] or f"{self._endpoint.host}:{self._endpoint.port}"
        fields = [*with_own(profile, asked.headers)]
        if not any(name.lower() == "host" for name, _ in fields):
            fields.insert(0, ("Host", host))
        if asked.body is not None:
            fields.append(("Content-Length", str(len(asked.body))))
        lines = [f"{asked.method} {asked.target} HTTP/{http}", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (asked.body or b"")


class _Heard(asyncio.Protocol):
    """Hears one answer, or its head, each read at once. `over` is done with why no more of it is taken, or with what is
    wrong."""

    def __init__(self, head_only: bool = False) -> None:
        self._head_only = head_only
        self.answer = Answer()
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.over.add_done_callback(lambda over: over.cancelled() or over.exception())  # perhaps nobody waits any more

    def data_received(self, data: bytes) -> None:
        at_ns = time.monotonic_ns()
        with self._faults():
            self.answer.feed(data, at_ns)
            if self.answer.is_whole or (self._head_only and self.answer.status):
                self._end("")
            elif self.answer.came_bytes > TAKE_BYTES:
                self._end(f"more than {TAKE_BYTES // 2**20} MB had come")
            elif len(self.answer.writes) > TAKE_WRITES:
                self._end(f"more than {TAKE_WRITES} writes had come")

    def connection_lost(self, exc: Exception | None) -> None:
        with self._faults():
            if not self.over.done():
                self.answer.end()
                self._end("")

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Keep what is wrong with the answer."""
        try:
            yield
        except StreamError as error:
            if not self.over.done():
                self.over.set_exception(error)

    def _end(self, why: str) -> None:
        if not self.over.done():
            self.over.set_result(why)
