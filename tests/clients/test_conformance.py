"""What every client promises, asked of each over every transport that it declares.

Those that start programs are marked `proxies`; of awks, one is asked that hands over every line.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, get_args

import pytest
import pytest_asyncio

from harness.clients import CLIENTS
from harness.clients.base import Launching
from harness.clients.declared import need
from harness.errors import StreamError, Unavailable
from harness.formats import TRANSPORTS
from harness.launchers.process import Launcher
from harness.model import HttpVersion, TransportName
from tests.clients.asking import DEADLINE_S, Asking, Clients, Kept
from tests.clients.piping import alive
from tests.clients.serving import Served, within
from tests.sampling import sampled

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error"),  # as of a connection that nobody closed
]

ENOUGH_BYTES = 2**14
ONE_READ_BYTES = 2**21
MOST_BYTES = 2**27
PROGRAMS = ("curl", "awk", "mawk", "gawk", "busybox")


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


def cases(over: TransportName | None = None) -> Iterator[Any]:
    """Yield every client with every transport that it declares, or with one."""
    for name, make in CLIENTS.items():
        client = make()
        started = isinstance(client, Launching)
        marks = [pytest.mark.proxies, pytest.mark.needs(name)] if started else []
        for transport in client.transports:
            if over in (None, transport):
                yield pytest.param((name, transport), id=f"{name}-{transport}", marks=marks)


@pytest.fixture
def asking(clients: Clients, request: pytest.FixtureRequest) -> Asking:
    name, transport = request.param
    return Asking(clients, name, transport, clients.client(name).http[0])


def each_and(name: str, values: Mapping[str, Any], each: int = 4) -> pytest.MarkDecorator:
    """Ask every client with each of some values; of browsers, which take a hundred times as long, one in `each`."""
    points: list[Any] = [
        pytest.param(*case.values, value, id=f"{case.id}-{told}", marks=case.marks)
        for told, value in values.items()
        for case in cases()
    ]
    browsers = [point for point in points if point.values[0][0].startswith("chromium")]
    others = [point for point in points if point not in browsers]
    return pytest.mark.parametrize(("asking", name), [*others, *sampled(browsers, each)], indirect=["asking"])


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


ENDS = {"cut": Served.cut, "reset": Served.reset, "nonsense": Served.babble}
COUNTS = {"before a head": None, "after it": 0, "in mid-stream": 2}


@each_and("bad_end", {f"{end} {count}": (ENDS[end], COUNTS[count]) for count in COUNTS for end in ENDS})
async def test_a_bad_end_is_the_streams_and_what_came_before_it_counts(
    asking: Asking, bad_end: tuple[Callable[[Served], None], int | None]
) -> None:
    end, count = bad_end

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


@each_and("wanted", {"at the head": 1, "at a read": 2})
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


@each_and("number", {"large": 2, "small": 0}, each=2)
async def test_of_a_flood_no_more_is_taken_than_the_sink_wants_and_the_server_is_hung_up_on(
    asking: Asking, number: int
) -> None:
    said_bytes, piece = 0, asking.pieces[number]

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


@each_and("odd", ODD_HEADERS)
async def test_whatever_a_header_is_like_its_value_is_told_under_its_name_or_not_at_all(
    asking: Asking, odd: tuple[str, str]
) -> None:
    async def answers(served: Served, kept: Kept) -> None:
        served.odd(*odd)
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


@each_and("count", {"before a head": None, "after it": 0, "in mid-stream": 1})
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
