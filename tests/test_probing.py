"""Endpoints that run, probed: real servers in this process, real nginx before them, the program as people call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import Mock

import pytest
import trustme
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from harness.launchers.process import Launcher
from harness.model import Endpoint as Listening
from harness.probe.asking import Search
from harness.probe.takes import Asking, Take, lags_ms
from harness.resources import configs
from harness.session import Endpoint, probing
from tests.commanding import Harness
from tests.proxies.nginxes import started
from tests.sandbox import Sandbox

EVENTS = [b'data: {"n": %d}\n\n' % number for number in range(6)]
GAP_S = 0.005
"""Between the arrival of a message and the next one; more than twice of what would count as together."""
HELD_S = 0.05
"""What a message that does not arrive is waited for."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

needs_nginx = pytest.mark.needs("nginx")


@pytest.fixture(autouse=True)
def arrivals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tell who sends of what has arrived: sent by the clock, two messages become one on a machine that stands still."""
    read = probing._Seen.read

    def heard(seen: Any, data: bytes, at_ns: int) -> bool:
        goes_on = read(seen, data, at_ns)
        for loop, arrived in WAITING:
            loop.call_soon_threadsafe(arrived.set)
        return goes_on

    monkeypatch.setattr(probing._Seen, "read", heard)
    yield
    WAITING.clear()


WAITING: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []


def emitting(
    pieces: Sequence[bytes] = EVENTS,
    gap_s: float = GAP_S,
    headers: Mapping[str, str] = MappingProxyType({}),
    held_s: float = HELD_S,
) -> Handler:
    """Answer with these pieces, each once the one before has arrived, or is held."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"} | dict(headers))
        await response.prepare(request)
        arrived = asyncio.Event()
        WAITING.append((asyncio.get_running_loop(), arrived))
        for piece in pieces:
            arrived.clear()
            await response.write(piece)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(arrived.wait(), held_s)
            await asyncio.sleep(gap_s)
        WAITING.pop()
        return response

    return answer


async def packing(request: web.Request) -> web.StreamResponse:
    """Answer as a compressor does that is never flushed, to whoever takes gzip."""
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return await emitting()(request)
    packed = zlib.compressobj(wbits=31)
    pieces = [packed.compress(event) for event in EVENTS]
    return await emitting([*pieces, packed.flush()], headers={"Content-Encoding": "gzip"}, held_s=0)(request)


async def talking(request: web.Request) -> web.StreamResponse:
    """Say back in pieces what a WebSocket's other end says first."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    said = await socket.receive_str()
    for word in said.split():
        await socket.send_str(word)
        await asyncio.sleep(4 * GAP_S)
    await socket.close()
    return socket


@contextlib.asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve every path so; return the port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def probed(url: str, direct: str = "", body: bytes | None = None, **about: Any) -> Search:
    endpoint = Endpoint(url, direct, body, about.pop("authority", None))
    search = Search(probing.whose(endpoint.transport), direct=bool(direct), **about)
    async with asyncio.timeout(60):
        await probing.probe(endpoint, search, lambda words: None)
    return search


def hows(search: Search) -> list[str]:
    return [take.how for take in search.takes]


# ---------------------------------------------------------------- servers in this process


@pytest.mark.parametrize(
    ("pieces", "content_type", "message"),
    [
        (EVENTS, "text/event-stream", "server-sent event"),
        ([b'{"n": 1}\n'] * 6, "application/x-ndjson", "line of JSON"),
        ([b"once upon a time "] * 6, "text/plain", "read"),
    ],
)
async def test_what_streams_is_told_by_its_messages(pieces: Sequence[bytes], content_type: str, message: str) -> None:
    async with serving(emitting(pieces, headers={"Content-Type": content_type})) as port:
        search = await probed(f"http://127.0.0.1:{port}/any?thing=1")
    assert hows(search) == ["one by one"] * 2
    assert {(take.message, len(take.messages_ms)) for take in search.takes} == {(message, 6)}
    assert search.finding() is None


async def test_a_compressor_that_holds_is_found_by_its_coding() -> None:
    async with serving(packing) as port:
        search = await probed(f"http://127.0.0.1:{port}/")
    finding = search.finding()
    assert finding
    assert finding.by == "Accept-Encoding (gzip instead of none)"
    assert hows(search) == ["one by one", "at the end", "one by one", "at the end", "at the end", "at the end"]


async def test_a_websocket_is_told_what_to_say_first() -> None:
    async with serving(talking) as port:
        search = await probed(f"ws://127.0.0.1:{port}/", body=b"once upon a time")
    assert hows(search) == ["one by one"] * 2
    assert {(take.message, len(take.messages_ms)) for take in search.takes} == {("WebSocket message", 4)}


async def test_what_is_asked_is_what_was_given() -> None:
    asked: list[tuple[str, str, dict[str, str]]] = []

    async def keep(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, await request.text(), dict(request.headers)))
        return await emitting()(request)

    async with serving(keep) as port:
        own = (("Authorization", "Bearer mine"), ("Accept-Encoding", "br"))
        search = await probed(f"http://127.0.0.1:{port}/", body=b'{"a": 1}', own=own, methods=("POST",), most=1)
    assert hows(search) == ["one by one"]
    ((method, body, headers),) = asked
    assert (method, body) == ("POST", '{"a": 1}')
    assert (headers["Authorization"], headers["Accept-Encoding"]) == ("Bearer mine", "br")
    assert headers["User-Agent"].startswith("curl/")


async def test_a_stream_that_never_ends_is_broken_off_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TAKE_S", 0.1)
    async with serving(emitting(EVENTS * 1000)) as port:
        search = await probed(f"http://127.0.0.1:{port}/", most=1)
    (take,) = search.takes
    assert take.cut == "0.1 s were over"
    assert take.how == "one by one"


async def never_ending(request: web.Request) -> web.StreamResponse:
    """Answer with a stream that never ends, to whoever takes gzip with nothing but a head."""
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.Event().wait()
    return await emitting(EVENTS * 1000)(request)


async def silent(request: web.Request) -> web.StreamResponse:
    """Answer with nothing but a head."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@pytest.mark.parametrize("answer", [emitting(EVENTS * 1000), never_ending, silent])
@pytest.mark.parametrize("takes", [0.5, 1, 40])
async def test_each_request_is_cut_when_it_or_all_together_have_taken_what_they_may(
    monkeypatch: pytest.MonkeyPatch, answer: Handler, takes: float
) -> None:
    monkeypatch.setattr(probing, "TAKE_S", 0.3)
    budget_s = 0.3 * takes
    async with serving(answer) as port:
        endpoint = Endpoint(f"http://127.0.0.1:{port}/")
        search = Search(probing.whose(endpoint.transport))
        await probing.probe(endpoint, search, lambda words: None, budget_s)
    first, *others = [float(re.findall(r"[\d.]+", take.cut)[0]) for take in search.takes]
    assert [take.cut_by for take in search.takes] == ["time" if takes > 1 else "budget", *["time"] * len(others)]
    assert first == pytest.approx(min(0.3, budget_s), rel=0.1)
    assert answer is not silent or others == [pytest.approx(0.1)] * len(others)
    shorter = [take.cut for take, most_s in zip(search.takes[1:], others, strict=True) if most_s < 0.3]
    assert all("as one before had not ended in 0.3 s" in cut for cut in shorter)  # none, where ten messages take long
    assert len(shorter) == len(others) or answer is not silent
    assert first + sum(others) <= 1.01 * budget_s
    assert bool(search.spent) is (Search.next(replace(search, spent="")) is not None)
    assert bool(others) is (takes > 1)


async def by_the_clock(takes_s: Sequence[float], budget_s: float, search: Search) -> float:
    """Probe an endpoint that holds all to its end, which takes so long, the last for all further; return how long."""
    now = 0.0

    async def ask(
        endpoint: Endpoint, asking: Asking, takes: list[Take], say: object, within_s: float, left_s: float
    ) -> None:
        nonlocal now
        ends_s, may_s = takes_s[min(len(takes), len(takes_s) - 1)], min(within_s, left_s)
        now += min(ends_s, may_s)
        if ends_s <= may_s:
            at_ms = 1e3 * ends_s
            takes.append(Take(asking, status=200, messages_ms=(at_ms,) * 9, head_ms=at_ms, ended_ms=at_ms))
        else:
            takes.append(
                Take(asking, cut="over", cut_by="budget" if left_s < within_s else "time", ended_ms=1e3 * may_s)
            )

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(probing, "ask", ask)
        patching.setattr("harness.session.probing.time", Mock(monotonic=lambda: now))
        await probing.probe(Endpoint("http://nobody/"), search, lambda words: None, budget_s)
    return now


def asked_ten_times() -> Search:
    return Search({str(number): (("X-Number", str(number)),) for number in range(10)})


@pytest.mark.parametrize(
    ("takes_s", "budget_s", "requests"),
    [
        ((0.1,), 20.0, 10),  # a quick one is asked as often as is wanted
        ((9.0,), 30.0, 2),  # 12 s are left, and another may take 18
        ((9.0,), 40.0, 3),
        ((60.0,), 5.0, 1),
        ((5.0, 6.0, 25.0), 30.0, 3),  # 19 s are left, and 12 were likely to do
        ((5.0, 25.0), 40.0, 2),
        ((1.0, 60.0), 70.0, 5),  # after one that was cut each takes 10 s
        ((1.0, 60.0), 40.0, 2),
    ],
)
async def test_all_requests_together_have_the_budget_and_none_begins_that_is_likely_to_outlast_it(
    takes_s: Sequence[float], budget_s: float, requests: int
) -> None:
    search = asked_ten_times()
    assert await by_the_clock(takes_s, budget_s, search) <= budget_s
    assert len(search.takes) == requests
    assert bool(search.spent) is (requests < 10)


@given(takes_s=st.lists(st.floats(0.01, 29.9), min_size=1, max_size=10), budget_s=st.floats(0.1, 120.0))
async def test_whom_the_budget_cuts_is_held_against_no_other(takes_s: Sequence[float], budget_s: float) -> None:
    """All of them are answered alike, each in its own time: whatever is cut when, there is no difference to find."""
    search = asked_ten_times()
    assert await by_the_clock(takes_s, budget_s, search) <= budget_s * 1.001
    assert search.finding() is None
    cut = [take for take in search.takes if take.cut]
    assert cut in ([], search.takes[-1:])
    assert bool(search.spent) is (len(search.takes) < search.most)


async def test_a_flood_is_broken_off_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TAKE_BYTES", 2**20)
    async with serving(emitting([b"x" * 2**16] * 10_000, gap_s=0, held_s=0)) as port:
        search = await probed(f"http://127.0.0.1:{port}/", most=1)
    (take,) = search.takes
    assert take.cut == "more than 1 MB had come"
    assert take.size_bytes < 2**23


async def test_who_never_answers_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TAKE_S", 0.05)

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async with serving(silent) as port:
        search = await probed(f"http://127.0.0.1:{port}/")
    assert [(take.how, take.cut) for take in search.takes] == [("nothing", "0.05 s were over")]


async def test_where_nobody_listens_is_asked_once() -> None:
    async with serving(emitting()) as port:
        """A port that was free a moment ago."""
    (take,) = (await probed(f"http://127.0.0.1:{port}/")).takes
    assert take.how == "failed"
    assert take.fault.startswith("cannot connect")


async def test_where_nobody_listens_directly_is_asked_once() -> None:
    async with serving(emitting()) as gone:
        """A port that was free a moment ago."""
    async with serving(emitting()) as port:
        search = await probed(f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{gone}/")
    assert hows(search) == ["one by one", "failed"]


async def test_a_redirect_is_told_and_nothing_is_said_to_whom_it_leads() -> None:
    told: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        told.append(request.headers["Authorization"])
        return await emitting()(request)

    async with serving(elsewhere) as other:

        async def leads(request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{other}/")

        async with serving(leads) as port:
            search = await probed(f"http://127.0.0.1:{port}/", own=(("Authorization", "Bearer mine"),))
    assert {(take.how, take.status) for take in search.takes} == {("refused", 307)}
    assert told == []


async def test_an_answer_that_breaks_off_is_told_with_what_came() -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        response = await emitting()(request)
        assert request.transport
        request.transport.abort()
        return response

    async with serving(breaks) as port:
        (take,) = (await probed(f"http://127.0.0.1:{port}/", most=1)).takes
    assert take.how == "one by one"
    assert take.fault


async def test_an_undecodable_answer_is_told() -> None:
    async with serving(emitting(headers={"Content-Encoding": "snappy"})) as port:
        (take,) = (await probed(f"http://127.0.0.1:{port}/", most=1)).takes
    assert "unknown content coding 'snappy'" in take.fault


async def test_a_certificate_that_does_not_verify_ends_it_and_one_that_does_serves(tmp_path: Path) -> None:
    signer, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert("127.0.0.1").configure_cert(tls)
    signer.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(emitting(), tls) as port:
        (take,) = (await probed(f"https://127.0.0.1:{port}/", http2=True)).takes
        assert (
            take.fault
            == "TLS handshake failed: the certificate does not verify: unable to get local issuer certificate"
        )
        search = await probed(f"https://127.0.0.1:{port}/", http2=True, authority=str(tmp_path / "ca.pem"), most=3)
    assert hows(search) == ["one by one", "one by one", "failed"]
    assert "does not agree to HTTP/2" in search.takes[-1].fault


# ---------------------------------------------------------------- real hops


@pytest.mark.proxies
@needs_nginx
@pytest.mark.parametrize(
    ("variant", "how", "requests"),
    [("http10", "at the end", 2), ("buffering-off", "one by one", 2), ("h2-tls-buffering-off", "one by one", 3)],
)
async def test_what_nginx_does_is_seen_and_timed_beside_the_endpoint(
    tmp_path: Path, variant: str, how: str, requests: int
) -> None:
    held_s = 20 if how == "one by one" else HELD_S
    async with serving(emitting(held_s=held_s)) as port, Launcher() as launcher:
        running = await started(launcher, configs() / f"nginx/{variant}.conf", tmp_path, Listening(port))
        at = running.endpoint
        search = await probed(
            f"{at.url}/", f"http://127.0.0.1:{port}/", http2="2" in at.http, authority=at.authority, most=requests + 2
        )
    asked = [take for take in search.takes if not take.asking.direct]
    directly = [take for take in search.takes if take.asking.direct]
    assert [take.how for take in asked] == [how] * requests, [take.fault for take in asked]
    assert [take.how for take in directly] == ["one by one"] * 2
    if how == "at the end":
        lags = lags_ms(asked[0], directly[0])
        assert lags == sorted(lags, reverse=True)
        assert lags[0] > lags[-1] == 0


# ---------------------------------------------------------------- the program


@pytest.fixture
def beside() -> Iterator[Callable[[contextlib.AbstractAsyncContextManager[Any]], Any]]:
    """Enter what a test runs beside itself, in a thread, and leave it when the test is over."""
    started: Future[tuple[asyncio.AbstractEventLoop, contextlib.AsyncExitStack, asyncio.Event]] = Future()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            over = asyncio.Event()
            started.set_result((asyncio.get_running_loop(), stack, over))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, stack, over = started.result(20)
    yield lambda running: asyncio.run_coroutine_threadsafe(stack.enter_async_context(running), loop).result(60)
    loop.call_soon_threadsafe(over.set)
    thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        yield place


SECRET, PROMPT = "sk-it-is-a-secret", "what nobody may read"


@pytest.mark.proxies
def test_what_is_said_reaches_no_process_list_no_output_and_no_file(place: Sandbox, beside: Callable[..., int]) -> None:
    heard, go_on = threading.Event(), threading.Event()

    async def echo(request: web.Request) -> web.StreamResponse:
        words = f"{request.headers['Authorization']} said {await request.text()}"
        heard.set()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, 60)
        return web.Response(status=401, text=words)

    port = beside(serving(echo))
    place.write("headers", f"Authorization: Bearer {SECRET}\n")
    program = place.start(
        *("probe", f"http://127.0.0.1:{port}/", "--header=Accept-Language: " + SECRET, "-H", "@headers"),
        *("-d", f'{{"prompt": "{PROMPT}"}}', "--requests", "1"),
    )
    assert heard.wait(60)
    (itself,) = place.processes("probe")
    shown = Path(f"/proc/{itself.pid}/cmdline").read_bytes()
    go_on.set()
    said = place.said(program)
    assert f"127.0.0.1:{port}".encode() in shown
    assert said.status == 2
    assert "answered with 401" in said.out
    assert place.left_behind() == []
    everything = [shown.decode(), said.out, said.err]
    everything += [file.read_text() for file in place.folder.rglob("*") if file.is_file() and file.name != "headers"]
    assert [text for text in everything if SECRET in text or PROMPT in text] == []


@pytest.mark.proxies
def test_an_interrupted_probe_prints_what_there_is(place: Sandbox, beside: Callable[..., int]) -> None:
    sent = threading.Event()

    async def stalls(request: web.Request) -> web.StreamResponse:
        response = await emitting(EVENTS[:3])(request)
        sent.set()
        await asyncio.Event().wait()
        return response

    program = place.start("probe", f"http://127.0.0.1:{beside(serving(stalls))}/")
    assert sent.wait(60)
    program.send_signal(2)
    said = place.said(program)
    assert said.status == 130
    assert "it was interrupted" in " ".join(said.out.split())
    assert "Exit status 130: interrupted." in said.out
    assert "Interrupted." in said.err
    assert place.left_behind() == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("nowhere", "URL: an absolute URL is needed, as https://host/path; allowed: http, https, ws, wss"),
        ("ftp://a/", "URL: an absolute URL is needed"),
        ("http://", "URL: an absolute URL is needed"),
        ("http://a:port/", "URL: an absolute URL is needed"),
        ("http://a/ --direct b", "--direct: an absolute URL is needed"),
        ("http://me:word@a/", "URL: a name and a password stand in no URL here"),
        ("http://a/ --direct ws://b/", "--direct: the endpoint is the same: either both are WebSockets"),
        ("ws://a/ -X POST", "-X: a WebSocket is always asked for with GET"),
        ("http://a/ -X PUT", "-X: 'PUT' is not allowed; allowed: GET, POST"),
        ("http://a/ -X GET -d b", "-d: GET has no body"),
        ("http://a/ -H nothing", "-H: a header is NAME: VALUE, in one line"),
        ("http://a/ -H 'a b: c'", "-H: a header is NAME: VALUE"),
        ("http://a/ -H @none", "-H: there is no file none"),
        ("http://a/ -H @.", "-H: . is a folder, not a file"),
        ("http://a/ -H @h", "h:2: -H: a header is NAME: VALUE"),
        ("http://a/ -d @", "-d: a file is needed behind the @"),
        ("http://a/ -d @none", "-d: there is no file none"),
        ("https://a/ --cacert h", "--cacert: there is no certificate in h"),
        ("http://a/ --cacert none", "--cacert: there is no file none"),
        ("http://a/ --direct ws://b/ --cacert ca", "--cacert: only an https:// URL has a certificate: leave it out"),
        ("http://a/ --requests 0", "'--requests'"),
    ],
)
def test_what_cannot_be_asked_is_told_with_what_can(harness: Harness, argv: str, words: str) -> None:
    Path("h").write_text("A: b\nsecret\n")
    trustme.CA().cert_pem.write_to_path("ca")
    said = harness("probe", *shlex.split(argv))
    assert said.status == 2
    assert words in said.err
    assert "word" not in said.err.replace("password", "")
    assert "secret" not in said.err


def test_what_does_not_answer_is_told_and_ends_with_2(harness: Harness) -> None:
    said = harness("probe", "http://127.0.0.1:1/")
    assert said.status == 2
    assert "cannot connect" in said.out
    assert "1 request made. Exit status 2" in said.out
    assert "Between 2 and 10 requests are made, each of 30 s and 16 MB at most, all within 120 s." in said.err


def test_what_a_probe_may_take_as_a_whole_is_said_and_told_when_it_is_over(
    harness: Harness, beside: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "TAKE_S", 0.2)
    port = beside(serving(silent))
    said = harness("probe", f"http://127.0.0.1:{port}/", "--budget", "0.25", "--json", "out.json")
    assert said.status == 3
    assert "16 MB at most, all within 0.25 s." in said.err
    late = "another one might have ended later than the 0.25 s that all of them may take"
    assert f"1 request made, and no more: {late}. Exit status 3" in " ".join(said.out.split())
    assert json.loads(Path("out.json").read_text())["stopped"] == late


def test_after_one_that_shows_nothing_it_is_said_for_how_long_others_are_waited_for_and_why(
    harness: Harness, beside: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "TAKE_S", 0.3)
    said = harness("probe", f"http://127.0.0.1:{beside(serving(silent))}/")
    assert said.status == 3
    assert "request 2: browser, GET, HTTP/1.1, for 0.1 s at most ..." in said.err
    told = " ".join(said.out.split())
    assert "broken off from here: 0.3 s were over browser" in told
    assert "broken off from here: 0.1 s were over, as one before had not ended in 0.3 s The first answer" in told


def test_the_budget_that_the_help_and_the_page_name_is_the_one(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert f"({probing.TOTAL_S:g})" in " ".join(harness("probe", "--help").out.split())
    assert f"({probing.TOTAL_S:g})" in PAGE
    assert f"{probing.TOTAL_S:g} s" in PAGE


# ---------------------------------------------------------------- the page

PAGE = (configs().parent / "docs/probe.md").read_text(encoding="utf-8")


@contextlib.asynccontextmanager
async def nginx(config: Path, port: int) -> AsyncIterator[str]:
    """Run an nginx before a port; return its URL."""
    async with Launcher() as launcher:
        yield (await started(launcher, config, config.parent, Listening(port))).endpoint.url


def figureless(text: str) -> str:
    """Return what was told without figures, and however its lines are broken."""
    return " ".join(re.sub(r"[\d.]*\d", "#", text).split())


@pytest.mark.proxies
@needs_nginx
def test_the_page_shows_what_is_told(harness: Harness, beside: Callable[..., Any], tmp_path: Path) -> None:
    shown = re.search(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    typed = re.search(r"^\$ harness probe (\S+) --direct (\S+)$", PAGE, re.MULTILINE)
    config = re.search(r"^```nginx\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown
    assert typed
    assert config
    own = tmp_path / "gateway.conf"
    own.write_text(config[1])
    port = beside(serving(emitting([*EVENTS, *EVENTS[:2]], gap_s=0.1)))
    addresses = (f"{beside(nginx(own, port))}/chat", f"http://127.0.0.1:{port}/chat")
    said = harness("probe", addresses[0], "--direct", addresses[1])
    told = said.out.replace(addresses[0], typed[1]).replace(addresses[1], typed[2])
    assert said.status == 0
    assert figureless(told) == figureless(shown[1])
