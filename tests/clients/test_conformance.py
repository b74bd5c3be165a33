"""What every client promises, asked of each over every transport that it declares.

Those that start programs are marked `proxies`; of awks, one is asked that hands over every line.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
import trustme

from harness.clients import CLIENTS
from harness.clients.base import Client, Headers, Launching, Remote, Request, Unheard
from harness.clients.declared import need
from harness.errors import StreamError, Unavailable
from harness.formats import TRANSPORTS
from harness.launchers.process import Launcher
from harness.model import HttpVersion, TransportName
from tests.clients.piping import alive
from tests.clients.serving import Served, Server, within
from tests.planning import REQUESTS
from tests.sandbox import missing

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error"),  # as of a connection that nobody closed
]

DEADLINE_S = 60.0
ENOUGH_BYTES = 2**14
ONE_READ_BYTES = 2**21
MOST_BYTES = 2**27
EVENTS = (b"data: 1\n\n", "data: café\n\n".encode(), b"data: " + b"x" * 60_000 + b"\n\n", b"data: 4\n\n")
LINES = (b'{"n": 1}\n', '{"d": "café"}\n'.encode(), b'{"d": "' + b"x" * 60_000 + b'"}\n', b'{"n": 4}\n')
PIECES: dict[TransportName, tuple[bytes, ...]] = {"http": EVENTS, "websocket": LINES}
PROGRAMS = ("curl", "awk", "mawk", "gawk", "busybox")


class Kept(Unheard):
    """Keeps every call. It has enough after `wanted` calls of `head` and `read` together."""

    def __init__(self, wanted: int | None = None) -> None:
        self.calls: list[str] = []
        self.asked: dict[str, str] = {}
        self.status: int | None = None
        self.answered: Headers = ()
        self.reads: list[bytes] = []
        self.stamps: list[int] = []
        self._wanted = wanted
        self._changed = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.reads)

    async def has(self, size_bytes: int) -> None:
        """Wait until so much of the body is here."""
        while len(self.body) < size_bytes:
            self._changed.clear()
            await self._changed.wait()

    def remote(self, reader: Remote) -> None:
        self.calls.append("remote")

    def request(self, headers: Headers) -> None:
        self.calls.append("request")
        self.asked = {name.lower(): value for name, value in headers}

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        self.status, self.answered = status, headers
        return self._took("head", at_ns)

    def read(self, data: bytes, at_ns: int) -> bool:
        self.reads.append(data)
        return self._took("read", at_ns)

    def painted(self, reads: int, at_ns: int) -> None:
        self.calls.append("painted")

    def _took(self, call: str, at_ns: int) -> bool:
        self.calls.append(call)
        self.stamps.append(at_ns)
        self._changed.set()
        return len(self.stamps) != self._wanted


Script = Callable[[Served, Kept], Any]


class Clients:
    """The clients of a module, made on first use, each with what it starts programs with."""

    def __init__(self, launcher: Launcher, folder: Path) -> None:
        self.signer = trustme.CA()
        self.authority = str(folder / "authority.pem")
        self.signer.cert_pem.write_to_path(self.authority)
        self._launcher = launcher
        self._folder = folder
        self._clients: dict[str, Client] = {}

    def client(self, name: str) -> Client:
        """Return the client of that name."""
        if name not in self._clients:
            client = self._clients[name] = CLIENTS[name]()
            if isinstance(client, Launching):
                client.equip(self._launcher, self._folder)
        return self._clients[name]

    async def close(self) -> None:
        """Let go of all."""
        for client in self._clients.values():
            await client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clients]:
    folder = tmp_path_factory.mktemp("clients")
    with pytest.MonkeyPatch.context() as patch:
        if shutil.which("mawk"):  # it reads blocks unless it is told not to
            (folder / "awk").write_text('#!/bin/sh\nexec mawk -W interactive "$@"\n')
            (folder / "awk").chmod(0o755)
            patch.setenv("PATH", str(folder), prepend=":")
        async with Launcher() as launcher:
            clients = Clients(launcher, folder)
            yield clients
            await clients.close()


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No test leaves a program behind that was started for one stream."""
    yield
    assert alive(*PROGRAMS) == []


class Asking:
    """One client, over one transport."""

    def __init__(self, clients: Clients, name: str, transport: TransportName, version: HttpVersion) -> None:
        self.client = clients.client(name)
        self.pieces = PIECES[transport]
        self._transport = transport
        self._version = version
        self._profile = "browser" if name.startswith("chromium") else "curl"

    def server(self, script: Script, kept: Kept, tls: ssl.SSLContext | None = None) -> Server:
        """Return a server that answers by a script, which may wait for what was read."""
        return Server(lambda served: script(served, kept), self._transport, self._version, tls)

    async def stream(self, server: Server, kept: Kept, authority: str | None = None) -> None:
        """Ask it."""
        transport = TRANSPORTS[self._transport]
        headers = transport.request_headers(REQUESTS[self._profile])
        format: Any = "sse" if self._transport == "http" else "ndjson"
        told = {"format": format, "authority": authority, "http": (self._version,)}
        asked = Request(server.url, headers=headers, transport=transport.name, status=transport.status, **told)
        await self.client.stream(asked, kept)

    async def read(self, script: Script, kept: Kept | None = None) -> Kept:
        """Read one stream to its end; return what came."""
        kept = kept or Kept()
        async with within(DEADLINE_S, self.server(script, kept)) as server:
            await self.stream(server, kept)
        return kept

    async def one_by_one(self, served: Served, kept: Kept) -> None:
        """Answer piece by piece, each when those before it are here."""
        served.head()
        await self.some(served, kept)
        served.end()

    async def some(self, served: Served, kept: Kept, count: int | None = None) -> None:
        """Send the first pieces, each when those before it are here, and wait for the last."""
        sent_bytes = 0
        for piece in self.pieces[:count]:
            await served.say(piece)
            sent_bytes += len(piece)
            await kept.has(sent_bytes)

    async def reads_well(self) -> None:
        """Check that it reads a whole stream, whatever was before."""
        assert (await self.read(self.one_by_one)).body == b"".join(self.pieces)


def cases(over: TransportName | None = None) -> Iterator[Any]:
    """Yield every client with every transport that it declares, or with one."""
    for name, make in CLIENTS.items():
        client = make()
        started = isinstance(client, Launching)
        why = missing(name) if started else None
        marks = [pytest.mark.proxies, pytest.mark.skipif(bool(why), reason=str(why))] if started else []
        for transport in client.transports:
            if over in (None, transport):
                yield pytest.param((name, transport), id=f"{name}-{transport}", marks=marks)


@pytest.fixture
def asking(clients: Clients, request: pytest.FixtureRequest) -> Asking:
    name, transport = request.param
    return Asking(clients, name, transport, clients.client(name).http[0])


each = pytest.mark.parametrize("asking", list(cases()), indirect=True)
over_http = pytest.mark.parametrize("asking", list(cases("http")), indirect=True)


# ---------------------------------------------------------------- what is handed over


@each
async def test_calls_come_in_order_and_every_byte_at_once_and_unaltered(asking: Asking) -> None:
    kept = await asking.read(asking.one_by_one)
    calls = [call for call in kept.calls if call not in ("remote", "painted")]
    assert calls == ["request", "head", *["read"] * len(kept.reads)]
    assert kept.body == b"".join(asking.pieces)
    assert b"" not in kept.reads
    assert kept.stamps == sorted(kept.stamps)
    assert "remote" not in kept.calls[kept.calls.index("head") :], "who reads is told before"
    if kept.status == TRANSPORTS["websocket"].status:
        assert kept.reads == list(asking.pieces), "a message is a read"


@each
async def test_the_request_is_told_as_it_was_sent(asking: Asking) -> None:
    kept = Kept()
    async with within(DEADLINE_S, asking.server(asking.one_by_one, kept)) as server:
        await asking.stream(server, kept)
        assert kept.asked == server.served[-1].asked


@each
async def test_an_empty_body_is_a_good_end_without_a_read(asking: Asking) -> None:
    async def nothing(served: Served, kept: Kept) -> None:
        served.head()
        served.end()

    kept = await asking.read(nothing)
    assert kept.reads == []
    assert kept.calls[-2:] == ["request", "head"]


@over_http
async def test_an_interim_answer_is_not_the_answer(asking: Asking) -> None:
    async def hints(served: Served, kept: Kept) -> None:
        served.interim()
        await asking.one_by_one(served, kept)

    kept = await asking.read(hints)
    assert (kept.status, kept.calls.count("head")) == (200, 1)
    assert kept.body == b"".join(asking.pieces)


# ---------------------------------------------------------------- how it ends


@each
@pytest.mark.parametrize("end", [Served.cut, Served.reset, Served.babble], ids=["cut", "reset", "nonsense"])
@pytest.mark.parametrize("count", [None, 0, 2], ids=["before a head", "after it", "in mid-stream"])
async def test_a_bad_end_is_the_streams_and_what_came_before_it_counts(
    asking: Asking, count: int | None, end: Callable[[Served], None]
) -> None:
    async def ends(served: Served, kept: Kept) -> None:
        if count is not None:
            served.head()
            await asking.some(served, kept, count)
        end(served)

    kept = Kept()
    with pytest.raises(StreamError):
        await asking.read(ends, kept)
    assert kept.body == b"".join(asking.pieces[: count or 0])
    await asking.reads_well()


@each
@pytest.mark.parametrize("wanted", [1, 2], ids=["at the head", "at a read"])
async def test_a_sink_that_has_enough_ends_it_in_order_and_is_told_nothing_more(asking: Asking, wanted: int) -> None:
    async def goes_on(served: Served, kept: Kept) -> None:
        served.head()
        for piece in asking.pieces:
            await served.say(piece)

    kept = Kept(wanted)
    async with within(DEADLINE_S, asking.server(goes_on, kept)) as server:
        await asking.stream(server, kept)
        ended = list(kept.calls)
        assert alive(*PROGRAMS) == []
        await server.left()
    assert kept.calls == ended
    assert len(kept.stamps) == wanted
    await asking.reads_well()


class Enough(Kept):
    """Keeps what comes until it has enough of it."""

    def read(self, data: bytes, at_ns: int) -> bool:
        return super().read(data, at_ns) and len(self.body) < ENOUGH_BYTES


@each
@pytest.mark.parametrize("size", ["large", "small"])
async def test_of_a_flood_no_more_is_taken_than_the_sink_wants_and_the_server_is_hung_up_on(
    asking: Asking, size: str
) -> None:
    said_bytes, piece = 0, asking.pieces[2 if size == "large" else 0]

    async def floods(served: Served, kept: Kept) -> None:
        nonlocal said_bytes
        served.head()
        while True:
            await served.say(piece)
            said_bytes += len(piece)
            await asyncio.sleep(0)  # one who reads as fast as this must not keep us from anything else

    kept = Enough()
    async with within(DEADLINE_S, asking.server(floods, kept)) as server:
        await asking.stream(server, kept)
        ended = list(kept.calls)
        assert alive(*PROGRAMS) == []
        await server.left()
    assert kept.calls == ended
    assert ENOUGH_BYTES <= len(kept.body) < ENOUGH_BYTES + ONE_READ_BYTES
    assert said_bytes < MOST_BYTES, "nobody piles it up"
    await asking.reads_well()


@over_http
async def test_a_head_that_does_not_end_is_the_streams_fault(asking: Asking) -> None:
    async def goes_on(served: Served, kept: Kept) -> None:
        while True:
            await served.more_head()

    with pytest.raises(StreamError):
        await asking.read(goes_on)
    await asking.reads_well()


CANARY = "canary-5d1f0b77"
ODD_HEADERS = {
    "with a NUL": ("Set-Cookie", f"sid={CANARY}\0"),
    "with a control character": ("Set-Cookie", f"sid={CANARY}\x01"),
    "with a carriage return": ("Set-Cookie", f"sid={CANARY}\r; HttpOnly"),
    "with a line feed": ("Set-Cookie", f"sid=\n{CANARY}"),
    "folded": ("Set-Cookie", f"sid=\r\n {CANARY}: x"),
    "a space before its colon": ("Set-Cookie ", CANARY),
    "a NUL in its name": ("Set\0Cookie", CANARY),
    "too long": ("Set-Cookie", CANARY * 2**13),
    "spaces around it": ("Set-Cookie", f"  {CANARY}  "),
    "a length that is none": ("Content-Length", CANARY),
    "of the connection": ("TE", CANARY),
}


@each
@pytest.mark.parametrize(("name", "value"), ODD_HEADERS.values(), ids=ODD_HEADERS)
async def test_whatever_a_header_is_like_its_value_is_told_under_its_name_or_not_at_all(
    asking: Asking, name: str, value: str
) -> None:
    async def answers(served: Served, kept: Kept) -> None:
        served.odd(name, value)
        served.cut()

    kept = Kept()
    told = ""
    try:
        await asking.read(answers, kept)
    except StreamError as fault:
        told = str(fault)
    assert CANARY not in told
    assert not [field for field, _ in kept.answered if CANARY in field]
    assert kept.answered or told


@each
@pytest.mark.parametrize("count", [None, 0, 1], ids=["before a head", "after it", "in mid-stream"])
async def test_who_is_cancelled_leaves_nothing(asking: Asking, count: int | None) -> None:
    waits = asyncio.Event()

    async def stalls(served: Served, kept: Kept) -> None:
        if count is not None:
            served.head()
            await asking.some(served, kept, count)
        waits.set()

    kept = Kept()
    async with within(DEADLINE_S, asking.server(stalls, kept)) as server:
        streaming = asyncio.create_task(asking.stream(server, kept))
        await waits.wait()
        streaming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await streaming
        assert alive(*PROGRAMS) == []
        await server.left()
    await asking.reads_well()


# ---------------------------------------------------------------- what is declared


def versions() -> Iterator[Any]:
    for case in cases("http"):
        name, _ = case.values[0]
        with contextlib.suppress(Unavailable):
            for version in CLIENTS[name]().http:
                yield pytest.param(name, version, id=f"{name}-{version}", marks=case.marks)


@pytest.mark.parametrize(("name", "version"), list(versions()))
async def test_it_speaks_every_version_that_it_declares(clients: Clients, name: str, version: HttpVersion) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    clients.signer.issue_cert("127.0.0.1").configure_cert(tls)
    tls.set_alpn_protocols(["h2" if version == "2" else "http/1.1"])
    asking, kept = Asking(clients, name, "http", version), Kept()
    async with within(DEADLINE_S, asking.server(asking.one_by_one, kept, tls)) as server:
        await asking.stream(server, kept, clients.authority)
    assert kept.body == b"".join(asking.pieces)


@pytest.mark.parametrize("name", CLIENTS)
async def test_what_it_does_not_declare_is_refused_with_a_reason_and_a_way_out(name: str) -> None:
    client = CLIENTS[name]()
    for transport in get_args(TransportName):
        if transport in client.transports:
            need(client, transport, "a server", client.http)
            continue
        with pytest.raises(Unavailable, match=f"^client {name} {client.lacks[transport]}") as told:
            need(client, transport, "a server", client.http)
        assert told.value.remedy.startswith("choose client ")
