"""The real curl: what it asks, what it hands over, how it ends, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import signal
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from harness.clients.base import Remote, Request, Sink, Unheard
from harness.clients.curl import Curl, config
from harness.documents.hops import read as hop
from harness.errors import ClientError, Unavailable
from harness.measure.bench import Bench
from harness.model import Body, Cell, CodecName, Endpoint, Trace, Workload
from harness.session import catalogue
from tests.clients.piping import Running, alive, pipes, read_through, signalled
from tests.factories import figures, judged
from tests.misbehaving import Answer, Behaviour, after, codes, passes
from tests.planning import plan
from tests.sandbox import missing
from tests.tapping import Tap
from tests.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.proxies,
    pytest.mark.needs("curl"),
]

LOAD = Workload("w", tokens=12, token_bytes=300, interval_ms=5)
FORMATS = get_args(CodecName)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No test leaves a curl behind."""
    yield
    assert alive("curl") == []


def cell(**axes: Any) -> Cell:
    chain = (hop(axes.pop("chain")),) if "chain" in axes else ()
    return Cell(chain, axes.pop("workload", LOAD), client="curl", **axes)


def in_lockstep(trace: Trace) -> bool:
    """Tell whether every token came before the next was sent; no clock is asked, as many share this machine.

    The head is waited for, and may be held until a token is sent, as by nginx with HTTP/2 over TLS. Where the machine
    is busy, a flow is sent without waiting at last.
    """
    kinds = [step.kind for step in trace.steps if step.kind != "head"]
    kinds = kinds[kinds.index("grant") :] if "grant" in kinds else []
    alone = kinds[: kinds.index("stretch")] if "stretch" in kinds else kinds[:-1]
    one_by_one = alone == ["grant", "arrive"] * max(len(alone) // 2, LOAD.tokens)
    return judged(trace).verdict != "broken" and one_by_one and "hold" not in kinds


async def measured(bench: Bench, **axes: Any) -> Trace:
    for each in [axes["chain"].split(":")[0]] if "chain" in axes else []:
        if why := missing(each):
            pytest.skip(why)
    asked = cell(**axes)
    trace, _ = await bench.record(asked.id, plan(asked, catalogue()))
    return trace


class Acting(Curl):
    """A curl whose user acts once, right after so many reads."""

    def __init__(self, reads: int, act: Callable[[Sink], object]) -> None:
        super().__init__()
        self._reads = reads
        self._act = act

    async def stream(self, request: Request, sink: Sink) -> None:
        await super().stream(request, Tap(sink, self._reads, lambda: self._act(sink)))


async def recorded(running: Running, behave: Behaviour, request: Any = "curl", client: Curl | None = None) -> Trace:
    return await read_through(running, behave, cell(request=request), client or Curl())


# ---------------------------------------------------------------- what it reads


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
@pytest.mark.parametrize("body", get_args(Body))
@pytest.mark.parametrize("form", FORMATS)
async def test_direct_is_streamed(bench: Bench, form: CodecName, body: Body, pace: str) -> None:
    trace = await measured(bench, format=form, body=body, pace=pace)
    assert (trace.status, figures(trace).tokens_received) == (200, len(trace.sent))
    lasts = len(trace.sent) > LOAD.tokens
    assert lasts == (pace == "lockstep" and body != "length"), "a schedule and an announced length are the workload's"
    assert judged(trace).verdict != "broken", judged(trace).reason
    assert in_lockstep(trace) == (pace == "lockstep")


async def test_many_at_once_are_all_streamed_and_leave_no_descriptor(bench: Bench) -> None:
    await measured(bench)
    before = pipes()
    traces = await asyncio.gather(*(measured(bench) for _ in range(40)))
    assert all(map(in_lockstep, traces))
    await eventually(pipes, lambda now: now <= before)


@pytest.mark.parametrize(
    ("flush", "passed"), [(zlib.Z_SYNC_FLUSH, True), (zlib.Z_NO_FLUSH, False)], ids=["flushed", "not"]
)
@pytest.mark.parametrize(("request_", "decoded"), [("curl", False), ("browser", True)])
async def test_a_coding_comes_off_in_curl_where_it_asked_for_it(
    running: Running, request_: str, decoded: bool, flush: int, passed: bool
) -> None:
    trace = await recorded(running, codes(flush), request_)
    assert (in_lockstep(trace), trace.decoded) == (passed, decoded)
    assert passed or judged(trace).verdict == "buffered"
    assert ("Content-Encoding", "gzip") in trace.headers
    assert (b"data: " in trace.body) == decoded


@pytest.mark.parametrize("chain", ["nginx:h2", "nginx:h2-tls", "nginx:tls"])
async def test_http_2_and_tls_are_spoken(bench: Bench, chain: str) -> None:
    trace = await measured(bench, chain=chain, mitigations=("x-accel-buffering",))
    assert in_lockstep(trace), judged(trace).reason
    answers = (await bench.entry((hop(chain),))).endpoint.http
    http2 = chain == "nginx:h2-tls" or "1.1" not in answers  # by ALPN, or where nothing else is understood
    assert all(name.islower() for name, _ in trace.headers) == http2


# ---------------------------------------------------------------- what it asks


async def test_it_says_what_the_profile_says_and_nothing_else(bench: Bench) -> None:
    sent = dict((await measured(bench)).request_headers)
    assert sent.pop("Host").startswith("127.0.0.1:")
    assert sent == dict(plan(cell(), {}).request_headers)


async def test_the_codings_of_a_browser_are_curls_own(bench: Bench) -> None:
    sent = dict((await measured(bench, request="browser")).request_headers)
    wanted = dict(plan(cell(request="browser"), {}).request_headers)
    assert "gzip" in sent.pop("Accept-Encoding")
    assert sent.pop("Host")
    assert {"Accept-Encoding": wanted["Accept-Encoding"], **sent} == wanted


async def test_other_codings_are_asked_for_as_planned(bench: Bench) -> None:
    trace = await measured(bench, request="browser", mitigations=("accept-encoding-identity",))
    assert dict(trace.request_headers)["Accept-Encoding"] == "identity"
    assert not trace.decoded


async def test_a_post_arrives_with_its_body(bench: Bench) -> None:
    trace = await measured(bench, mitigations=("post-instead-of-get",))
    sent = dict(trace.request_headers)
    assert (sent["Content-Type"], sent["Content-Length"]) == ("application/json", "16")
    assert in_lockstep(trace)


async def test_what_the_user_has_set_for_curl_changes_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".curlrc").write_text('header = "X-Mine: 1"\nfail\n')
    for name, value in {
        "CURL_HOME": str(tmp_path),
        "http_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "socks5://x",
    }.items():
        monkeypatch.setenv(name, value)
    trace = await measured(bench)
    assert in_lockstep(trace)
    assert "X-Mine" not in dict(trace.request_headers)


async def test_headers_that_nobody_planned_are_kept_from_curl() -> None:
    request = Request("http://x/", headers=[("X-Empty", "")], body=b"{}", method="POST")
    told = config(request, decodes=False).splitlines()
    assert {f'header = "{name}"' for name in ("User-Agent:", "Accept:", "Content-Type:", "X-Empty;")} <= set(told)


async def test_all_that_it_is_told_stands_in_no_command_line_and_is_sent_to_the_letter(running: Running) -> None:
    value, body = r'Bearer a "b" \n c\\', '{"a": "\\"}\r\n\t\v\'é'
    sent, commands = list[str](), list[list[str]]()
    told = plan(cell(), {})
    asked = (*told.request_headers, ("X-Quoted", value), ("Authorization", value))
    _, launcher = running

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands.extend(each.cmdline() for each in alive("curl"))
        sent.append((await reader.readuntil(body.encode())).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    client = Curl()
    client.equip(launcher, Path())
    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream/[a]{{b}}?c=%20&d"
        await client.stream(Request(url, "GET", asked, body.encode()), Unheard())
    head = sent[0].split("\r\n")
    assert head[0] == "GET /stream/[a]{b}?c=%20&d HTTP/1.1"
    assert {f"X-Quoted: {value}", f"Authorization: {value}", f"Content-Length: {len(body.encode())}"} <= set(head)
    assert [command[1:] for command in commands] == [["-q", "-K", "-"]]


async def test_a_missing_curl_is_told_with_the_way_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for ask in (Curl().version, lambda: Curl().http):
        with pytest.raises(Unavailable, match=r"curl is not installed .*apt-get install curl"):
            ask()
    with pytest.raises(Unavailable, match="curl is not installed"):
        await measured(bench)


# ---------------------------------------------------------------- how streams end


async def babbles(answer: Answer, words: bytes) -> None:
    answer.raw(words)
    await answer.flush()


def says(words: bytes) -> Behaviour:
    return lambda response, answer: babbles(answer, words)


def gzipped(whole: bool, coding: str = "gzip") -> Behaviour:
    """Hand on half of a gzipped body, or what is none, and end it cleanly."""
    body = zlib.compressobj(wbits=31)
    data = body.compress(b"data: x\n\n" * 500) + body.flush()
    data = data if whole else data[: len(data) // 2]
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(data)}\r\n\r\n"
    return says(head.encode() + data)


@pytest.mark.parametrize(
    ("behave", "request_", "reason"),
    [
        (after(3, Answer.reset), "curl", "curl: (56) "),
        (after(3, lambda answer: None), "curl", "curl: (18) transfer closed with outstanding read data remaining"),
        (after(3, lambda answer: None, "Content-Length: 9999"), "curl", "curl: (18) transfer closed with "),
        (after(3, lambda answer: answer.raw(b"what?\r\n\r\n")), "curl", "curl: (56) "),
        (after(3, Answer.end), "curl", "the response ended before the emitter ended it"),
        (says(b""), "curl", "curl: (52) Empty reply from server"),
        (says(b"\x16\x03\x01"), "curl", "curl: (1) Received HTTP/0.9 when not allowed"),
        (says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000), "curl", "curl: ("),
        (says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\ngone\n"), "curl", "status 404 instead of 200: gone"),
        (
            says(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
            "curl",
            "status 302 instead of 200: ",
        ),
        (gzipped(whole=True, coding="br"), "browser", "curl: ("),
        (gzipped(whole=True, coding="sdch"), "browser", "curl: (61) Unrecognized content encoding type. "),
        (gzipped(whole=True, coding="sdch"), "curl", "unknown content coding 'sdch'"),
    ],
)
async def test_a_bad_end_is_told_in_curls_own_words(
    running: Running, behave: Behaviour, request_: str, reason: str
) -> None:
    told = judged(await recorded(running, behave, request_))
    assert told.verdict == "broken"
    assert told.reason.startswith(reason)


async def test_gzip_that_breaks_off_is_broken_whoever_decodes(running: Running) -> None:
    for request in ("curl", "browser"):
        assert judged(await recorded(running, gzipped(whole=False), request)).verdict == "broken"


async def test_a_port_where_nobody_listens_is_broken_not_buffered(running: Running) -> None:
    started, launcher = running
    client = Curl()
    client.equip(launcher, Path())
    told = judged(await replace(started, client=client).record(entry=Endpoint(1)))
    assert (told.verdict, told.reason[:10]) == ("broken", "curl: (7) ")


# ---------------------------------------------------------------- when it is curl that fails, or is left


async def test_a_curl_that_is_killed_is_our_fault_and_not_the_streams(running: Running) -> None:
    client = Acting(3, lambda sink: signalled("curl", signal.SIGKILL))
    with pytest.raises(ClientError, match="in mid-stream, curl was killed by SIGKILL"):
        await recorded(running, passes, client=client)


async def test_what_curl_cannot_do_is_our_fault_and_not_the_streams(running: Running) -> None:
    started, launcher = running
    client = Curl()
    client.equip(launcher, Path())
    with pytest.raises(ClientError, match=r"curl: \(77\) "):
        await client.stream(Request(f"https://127.0.0.1:{started.direct.port}/", authority="/nowhere.pem"), Unheard())


class Continuing(Unheard):
    """A sink that lets a stopped curl go on as soon as somebody waits for it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name) if name in ("remote", "_sink") else getattr(self._sink, name)

    def remote(self, reader: Remote) -> None:
        async def awake() -> None:
            signalled("curl", signal.SIGCONT)
            await reader.awake()

        self._sink.remote(replace(reader, awake=awake))


class Stopped(Acting):
    async def stream(self, request: Request, sink: Sink) -> None:
        await super().stream(request, Continuing(sink))


async def test_a_curl_that_stands_still_makes_no_hold(running: Running) -> None:
    trace = await recorded(running, passes, client=Stopped(3, lambda sink: signalled("curl", signal.SIGSTOP)))
    assert [step.kind for step in trace.steps if step.kind == "hold"] == []
    assert figures(trace).tokens_received == len(trace.sent) >= LOAD.tokens
