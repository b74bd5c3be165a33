"""Applications that do not emit our tokens: asked once, whatever is then measured, and replayed through real hops."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import shlex
import signal
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.cli import cell_options
from harness.documents import recordings
from harness.errors import InputError
from harness.model import WORKLOAD_KEYS, Body, Deployment, digest_of
from harness.recordings.cutting import Recorded
from harness.resources import configs
from harness.session import recording
from harness.session.jobs import Job, in_front_of, may_ask_in_http10, one_cell
from harness.session.recording import MOST_ASKS, Application, application, record
from harness.store.runs import RECORDINGS, Run, latest
from tests.commanding import Harness
from tests.recorded import recording as recorded_by_hand
from tests.sandbox import Sandbox, missing
from tests.waiting import wait_for

needs_nginx = pytest.mark.skipif(missing("nginx") is not None, reason=missing("nginx") or "")
needs_asgi = pytest.mark.skipif(missing("asgi") is not None, reason=missing("asgi") or "")

KEY = "sk-very-secret-1"

PAGE = (configs().parent / "docs/endpoints.md").read_text(encoding="utf-8")
USUAL = {key: cell_options.WORKLOAD.get(key, one.default) for key, one in WORKLOAD_KEYS.items()}
COUNTING = """

answers = app


async def app(scope, receive, send):
    if scope["type"] == "http":
        with open("asked", "a") as file:
            file.write(f"{scope['method']} {scope['path']}\\n")
    await answers(scope, receive, send)
"""

COMMAND = """\
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Lines(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with Path(__file__).with_name("asked").open("a") as file:
            file.write("GET\\n")
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(12):
            line = b'{"n": %d, "text": "%b"}\\n' % (number, b"word " * (number % 4))
            self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(line), line))
        self.wfile.write(b"0\\r\\n\\r\\n")


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Lines).serve_forever()
"""

EVENTS = [b'data: {"n": %d}\n\n' % number for number in range(12)]
CHUNKED = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


COMPRESSING = """\
events {}
http {
    gzip on;
    gzip_types text/event-stream;
    server {
        listen ${LISTEN};
        location / {
            proxy_pass ${UPSTREAM};
            proxy_http_version 1.1;
        }
    }
}
"""


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def streaming(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer with events, each in a chunk; to HTTP/1.0 as they are, as most servers do."""
    if b"HTTP/1.0\r\n" in request:
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(EVENTS))
    else:
        await chunking(request, writer)


async def chunking(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer with chunks whoever asks, as uvicorn does on httptools."""
    writer.write(f"{CHUNKED}\r\n".encode())
    for event in EVENTS:
        writer.write(chunk(event))
        await writer.drain()
        await asyncio.sleep(0.003)
    writer.write(b"0\r\n\r\n")


def saying(answer: bytes) -> Handler:
    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return say


async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


class App:
    """An application on a socket in this process, which keeps what it was asked, whoever asked."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self.port = 0
        self._handler = handler
        self._tls = tls

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/chat"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            self.asked.append(head + (await reader.readexactly(int(length[1])) if length else b""))
            await self._handler(self.asked[-1], writer)
            await writer.drain()
            writer.close()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[App]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()


@pytest.fixture
def beside() -> Iterator[Callable[[App], App]]:
    """Let an application listen in a thread of its own, for as long as a test runs."""
    loop, stack = asyncio.new_event_loop(), contextlib.AsyncExitStack()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda app: asyncio.run_coroutine_threadsafe(stack.enter_async_context(app.listening()), loop).result(20)
    asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def recorded(handler: Handler, http10: bool = False, **asked: Any) -> tuple[App, Recorded]:
    async with App(handler).listening() as app:
        return app, await record(application(app.url, **asked), lambda line: None, http10)


async def refusal(handler: Handler) -> str:
    with pytest.raises(InputError) as caught:
        await recorded(handler)
    return str(caught.value)


# ---------------------------------------------------------------- asked and recorded


async def test_it_is_asked_once_as_a_browser_asks_with_what_was_said() -> None:
    said = (("Authorization", f"Bearer {KEY}"), ("Accept-Language", "fr"), ("Content-Type", "application/json"))
    app, found = await recorded(streaming, method="POST", headers=said, body=b'{"q": 1}')
    (asked,) = app.asked
    head, _, body = asked.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[:2] == ["POST /chat HTTP/1.1", f"Host: 127.0.0.1:{app.port}"]
    assert {f"Authorization: Bearer {KEY}", "Accept-Language: fr", "Content-Length: 8"} <= set(lines)
    assert any("Mozilla/" in line for line in lines)
    assert body == b'{"q": 1}'
    assert [write.data for write in found.recording.writes] == EVENTS
    assert found.recording.body == "chunked"
    assert not found.cut


async def test_one_that_compresses_for_browsers_is_asked_twice() -> None:
    async def compressing(request: bytes, writer: asyncio.StreamWriter) -> None:
        if b"gzip" in request:
            packed = gzip.compress(b"".join(EVENTS))
            writer.write(f"{CHUNKED}Content-Encoding: gzip\r\n\r\n".encode() + chunk(packed) + b"0\r\n\r\n")
        else:
            await streaming(request, writer)

    app, found = await recorded(compressing)
    assert len(app.asked) == 2
    assert [write.data for write in found.recording.writes] == EVENTS
    assert found.recording.coding == "gzip"
    app, _ = await recorded(compressing, http10=True)
    assert len(app.asked) == 3 <= MOST_ASKS, "that is all that anybody is ever asked"
    assert "compresses its answer itself (gzip) for who offers that; all of it comes at once" in found.facts[-1]


async def test_a_stream_that_goes_on_for_ever_is_replayed_as_far_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "TAKE_S", 0.2)

    async def endless(request: bytes, writer: asyncio.StreamWriter) -> None:
        await streaming(request, writer)
        await silent(request, writer)

    async def without_end(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{CHUNKED}\r\n".encode() + b"".join(map(chunk, EVENTS)))
        await silent(request, writer)

    _, found = await recorded(without_end)
    assert found.cut == "it went on after 0.2 s"
    assert len(found.recording.writes) == len(EVENTS)
    _, found = await recorded(endless)
    assert not found.cut, "the last chunk is the end, whoever hangs up when"


async def test_a_flood_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "TAKE_BYTES", 2**18)

    async def flooding(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{CHUNKED}\r\n".encode())
        while True:
            writer.write(chunk(b"data: %b\n\n" % (b"x" * 2000)))
            await writer.drain()

    _, found = await recorded(flooding)
    assert found.cut == "more than 0 MB had come"

    async def in_one_chunk(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{CHUNKED}\r\n10000000\r\n".encode())
        while True:
            writer.write(b"x" * 2**16)
            await writer.drain()

    told = "nothing but a head and the beginning of a chunk of 268435456 bytes by when more than 0 MB had come"
    assert told in await refusal(in_one_chunk)

    async def continuing(request: bytes, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 3000)
            await writer.drain()

    assert "no whole head by when more than 0 MB had come" in await refusal(continuing)

    async def in_small_ones(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{CHUNKED}\r\n".encode() + b"".join(map(chunk, EVENTS)))
        await silent(request, writer)

    monkeypatch.setattr(recording, "TAKE_WRITES", 5)
    _, found = await recorded(in_small_ones)
    assert found.cut == "more than 5 writes had come"


async def test_a_certificate_is_verified(tmp_path: Path) -> None:
    signer, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert("127.0.0.1").configure_cert(tls)
    signer.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with App(streaming, tls).listening() as app:
        with pytest.raises(InputError, match=r"the certificate is not trusted \(unable to get local issuer .*--cacert"):
            await record(application(app.url), lambda line: None)
        assert app.asked == []
        found = await record(application(app.url, authority=str(tmp_path / "ca.pem")), lambda line: None)
        assert len(found.recording.writes) == len(EVENTS)


async def test_what_does_not_answer_is_told_in_words_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async with App(streaming).listening() as gone:
        """A port that was free a moment ago."""
    with pytest.raises(InputError, match=rf"nobody answers at 127.0.0.1:{gone.port}: .*is it started\?"):
        await record(application(gone.url), lambda line: None)

    async def plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 What\r\n\r\n")
        writer.close()  # since Python 3.12 a server waits for its connections to end

    async with await asyncio.start_server(plainly, "127.0.0.1") as plain:
        port = plain.sockets[0].getsockname()[1]
        with pytest.raises(InputError, match=r"no TLS is spoken there \(.*\); is it http://\?"):
            await record(application(f"https://127.0.0.1:{port}/"), lambda line: None)
    assert "the answer broke off after" in await refusal(saying(f"{CHUNKED}\r\n".encode() + b"5\r\nda"))
    assert "the connection was closed before an answer had come" in await refusal(saying(b""))
    assert "what came is no HTTP/1.1: b'SSH" in await refusal(saying(b"SSH-2.0-x\r\n"))
    monkeypatch.setattr(recording, "TAKE_S", 0.2)
    assert "has sent nothing for 0.2 s" in await refusal(silent)

    async def head_only(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{CHUNKED}\r\n".encode())
        await silent(request, writer)

    assert "has sent nothing but a head for 0.2 s" in await refusal(head_only)


# ---------------------------------------------------------------- what is named


@pytest.mark.parametrize(
    ("given", "source", "target"),
    [
        ("http://h:1/a?key=1#f", "GET http://h:1/a?...", "/a?key=1"),
        ("https://h", "GET https://h", "/"),
        ("command: serve --port ${PORT}", "GET /p?... of command: serve", "/p?key=1"),
        ("asgi:plain", "GET /p?... of asgi:plain", "/p?key=1"),
    ],
)
def test_an_application_is_told_without_what_is_secret(given: str, source: str, target: str) -> None:
    asked = application(given, path="/p?key=1", headers=(("X", KEY),), body=KEY.encode())
    assert (asked.source, asked.target) == (source, target)
    assert KEY not in repr(asked)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("ftp://h/", "--backend: 'ftp://h/' is no application; allowed: a URL, asgi:./app.py"),
        ("nginx:default", "is no application"),
        ("command:", "there is no command behind command:"),
        ("command: 'x", "the command cannot be read: No closing quotation"),
        ("asgi:./none.py", r"none\.py"),
    ],
)
def test_what_is_no_application_is_told(given: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        application(given)


async def test_a_command_that_does_not_serve_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Application(
        "GET", "/", (("X", KEY),), None, command=(sys.executable, "-c", f"raise SystemExit('{KEY} is wrong')")
    )
    with pytest.raises(InputError, match=r"did not start: .*exited with status 1(.|\n)*\(redacted\) is wrong"):
        await record(asked, lambda line: None)
    monkeypatch.setattr(recording, "COMMAND_S", 0.3)
    deaf = Application("GET", "/", (), None, command=(sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(InputError, match=r"did not answer on port (.|\n)*it has to listen on \$\{PORT\}, or on \$PORT"):
        await record(deaf, lambda line: None)


# ---------------------------------------------------------------- the command line


def test_options_that_do_not_go_together_are_refused_before_anybody_is_asked(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(streaming))
    chain = ["--chain", f"nginx:http10>{app.url}"]
    for more, told in (
        (["--backend", app.url], "--backend and the URL at the end of the chain say each what answers"),
        (["-X", "GET", "-d", "x"], "-d: GET has no body"),
        (["-X", "GET", "-X", "POST"], "-X: an application is asked once"),
        (["-X", "PUT"], "-X: 'PUT' is not allowed; allowed: GET, POST"),
        (["-H", "Authorization"], "-H: a header is NAME: VALUE"),
        (["--path", "chat"], "--path: 'chat' is no path"),
    ):
        said = harness("run", *chain, *more)
        assert (said.status, told in said.err) == (2, True), said.err
    for argv, told in (
        (["run", "--chain", "nginx:http10", "-d", "x"], "-X, -H, -d and --cacert are for an application"),
        (["diagnose", "--hop", app.url, "--hop", "nginx:http10"], "--hop: a URL is what answers: it stands last"),
        (["run", "--chain", "nginx:http10>http://a b/"], "an absolute URL is needed"),
        (["run", "--chain", "nginx:http10>http://me:pw@h/"], "a name and a password stand in no URL here"),
        (["run", "--chain", "nginx:http10", "--replay", "none.json"], "none.json: this recording cannot be read"),
    ):
        said = harness(*argv)
        assert (said.status, told in said.err) == (2, True), said.err
    assert app.asked == []
    assert harness("diagnose", "--hop", app.url).err.count("direct has no hop that could hold anything") == 1


def test_what_is_recorded_says_itself_what_options_say_of_our_tokens(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(streaming))
    for option, told in (
        (["--format", "ndjson"], "--format: what is recorded says that itself: it is sse"),
        (["--body", "length"], "--body: what is recorded says that itself: it is chunked"),
        (["--tokens", "7"], "--tokens: what is recorded says that itself: its writes are replayed as they are"),
    ):
        said = harness("run", "--chain", "direct", "--backend", app.url, *option)
        assert (said.status, told in said.err) == (2, True), said.err
    assert (
        harness("run", "--chain", "direct", "--backend", app.url, "--format", "sse", "--expect", "streamed").status == 0
    )


LOAD = {"tokens": 1, "token_bytes": 100}
GATEWAY = """\
server {
    listen 80;
    location / { proxy_pass http://web:3000; }
    location /chat { proxy_pass http://localhost:8000; }
}
"""


def test_a_config_is_read_before_anybody_is_asked(harness: Harness, beside: Callable[[App], App]) -> None:
    app = beside(App(streaming))
    Path("gateway.conf").write_text(GATEWAY)
    said = harness("diagnose", "--hop", "nginx:./gateway.conf", "--hop", app.url)
    assert said.status == 2
    assert "`--map localhost:8000` says that this stands for the next hop" in said.err
    assert app.asked == []


def test_what_a_config_leaves_open_its_endpoint_says() -> None:
    made = one_cell({"chain": "direct"}, LOAD)

    def needs(*good: Deployment) -> Callable[[Deployment], Job]:
        def make(one: Deployment) -> Job:
            if one not in good:
                raise InputError(f"which is meant by {one}?")
            return made

        return make

    url, as_found, mapped = "http://app:8000/chat?key=1", Deployment(), Deployment(map=("app:8000",))
    with_path = Deployment(map=("app:8000",), path="/chat")
    assert in_front_of(url, as_found, needs(as_found, mapped)) == (as_found, made), "what is said is enough"
    assert in_front_of(url, as_found, needs(mapped, with_path)) == (mapped, made)
    assert in_front_of(url, as_found, needs(with_path)) == (with_path, made)
    elsewhere = replace(with_path, path="/a")
    assert in_front_of(url, Deployment(path="/a"), needs(elsewhere)) == (elsewhere, made)
    for given in (url, "asgi:./app.py", "command: serve"):
        with pytest.raises(InputError, match=r"which is meant by Deployment\(map=\(\), server='x'"):
            in_front_of(given, Deployment(server="x"), needs())


def config(top: str = "", of_the_location: str = "", elsewhere: str = "") -> str:
    return (
        f"events {{}}\nhttp {{ {top} server {{\nlisten ${{LISTEN}};\n"
        f"location / {{ proxy_pass ${{UPSTREAM}}; {of_the_location} }}\n"
        f"location /static/ {{ root /nowhere; {elsewhere} }} }} }}\n"
    )


@pytest.mark.parametrize(
    ("text", "may"),
    [
        (config(), True),
        (config("proxy_http_version 1.0;"), True),
        (config("proxy_http_version 1.1;"), False),
        (config("proxy_http_version 2;"), False),
        (config("gzip on; proxy_http_version 1.1;"), False),
        (config("# proxy_http_version 1.1;\n"), True),
        (config("include included.conf;"), False),
        (config(of_the_location="include included.conf;"), False),
        (config(of_the_location="proxy_http_version\n'1.1';"), False),
        (config(elsewhere="\nproxy_http_version 1.1;\n"), True),
        (config("proxy_http_version 1.1;", "proxy_http_version 1.0;"), True),
        (config("proxy_http_version 1.0;", "proxy_http_version 1.1;"), False),
    ],
)
def test_nginx_may_ask_in_http10_unless_another_is_in_effect_where_it_answers(
    tmp_path: Path, text: str, may: bool
) -> None:
    (tmp_path / "my.conf").write_text(text)
    (tmp_path / "included.conf").write_text("proxy_http_version 1.1;\n")
    assert may_ask_in_http10(one_cell({"chain": f"nginx:{tmp_path}/my.conf"}, LOAD)) is may


def test_who_may_ask_in_http10_is_looked_for_in_the_whole_chain() -> None:
    assert not may_ask_in_http10(one_cell({"chain": "nextjs:dev"}, LOAD))
    assert may_ask_in_http10(one_cell({"chain": "nextjs:dev>nginx:http10"}, LOAD))


def test_an_answer_in_one_piece_is_told_before_any_hop_is_measured(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\ndata: a\n\ndata: b\n\n")))
    said = harness("diagnose", "--hop", "nginx:http10", "--hop", app.url)
    assert said.status == 2
    assert "the application itself sends its answer in one piece: 18 bytes" in said.err
    assert "No proxy is at fault" in said.err
    assert not Path("runs").exists()


def test_a_command_is_started_and_asked_once(harness: Harness) -> None:
    Path("app.py").write_text(COMMAND)
    backend = ("--backend", f"command: {sys.executable} app.py", "--path", "/any")
    said = harness("run", "--chain", "direct", *backend, "--expect", "streamed")
    assert said.status == 0, said.out + said.err
    assert "GET /any of command: " in said.err
    assert "lines of JSON in chunks, 12 writes" in said.err
    assert "direct/ndjson/chunked/curl/aiohttp/recorded/none/lockstep" in said.out
    assert Path("asked").read_text() == "GET\n"


@pytest.mark.parametrize("behind", ["", "#f", f"#{KEY}", " "])
def test_the_query_of_a_url_is_in_no_list_of_arguments_and_no_file_of_the_run(
    harness: Harness, beside: Callable[[App], App], monkeypatch: pytest.MonkeyPatch, behind: str
) -> None:
    app = beside(App(streaming))
    argv = ("run", "--chain", f"direct>{app.url}?key={KEY}{behind}", "-H", "X: 1", "--tokens", "32", "-X", "GET")
    monkeypatch.setattr(sys, "argv", ["harness", *argv])
    said = harness(*argv)
    assert said.status == 0, said.out + said.err
    assert app.asked[0].startswith(f"GET /chat?key={KEY} HTTP/1.1\r\n".encode())
    hidden = ["run", "--chain", f"direct>{app.url}?(redacted)", "-H", "(redacted)", *argv[5:]]
    assert sys.argv == ["harness", *hidden]
    run = latest(Path("runs"))
    assert json.loads((run / "run.json").read_text())["options"] == hidden
    assert [path for path in run.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


def test_who_is_interrupted_leaves_nothing_and_no_process_list_has_what_was_said(
    tmp_path: Path,
) -> None:
    with Sandbox(tmp_path) as sandbox:
        sandbox.write("app.py", COMMAND.replace("self.send_response(200)", "time.sleep(600)"))
        said_to = ("--path", f"/chat?key={KEY}", "-H", f"Authorization: Bearer {KEY}", f"-HCookie: id={KEY}")
        command = ("run", "--chain", "direct", "--backend", f"command: {sys.executable} app.py", *said_to)
        program = sandbox.start(*command)
        wait_for((tmp_path / "asked").exists)
        if sys.platform == "linux":
            lines = [" ".join(process.cmdline()) for process in sandbox.processes()]
            assert any("app.py" in line for line in lines)
            assert [line for line in lines if KEY in line] == []
        program.send_signal(signal.SIGINT)
        said = sandbox.said(program)
        assert said.status == 130, said.err
        sandbox.wait_until_clean()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("body", "content_type", "more"),
    [
        ("length", "application/x-ndjson", []),
        ("close", "text/event-stream", ["--pace", "paced"]),
        ("chunked", "application/octet-stream", ["--request", "browser"]),
    ],
)
def test_an_answer_is_replayed_in_its_own_framing_and_format(
    harness: Harness, body: Body, content_type: str, more: list[str]
) -> None:
    writes = {
        "application/x-ndjson": [b'{"n": %d}\n' % (10**number) for number in range(9)],
        "text/event-stream": EVENTS,
        "application/octet-stream": [bytes([128 + number]) * (number + 1) for number in range(9)],
    }
    one = replace(recorded_by_hand(writes[content_type], content_type=content_type), body=body)
    one = replace(one, digest=digest_of(one))
    Path("r.json").write_text(recordings.dump(one))
    said = harness("run", "--chain", "direct", "--replay", "r.json", "--expect", "streamed", *more)
    assert said.status == 0, said.out + said.err


def test_who_compresses_for_browsers_is_diagnosed_as_curl_asks(harness: Harness) -> None:
    given = {"format": "sse", "body": "chunked", "client": "aiohttp", **USUAL}
    chain, compressing = "nginx:http10", replace(recorded_by_hand(), coding="gzip")
    job = cell_options.diagnosis(chain, (), None, given, Deployment(), compressing)
    assert {cell.request for cell in job.cells} == {"curl"}
    job = cell_options.diagnosis(chain, (), None, given, Deployment(), recorded_by_hand())
    assert {cell.request for cell in job.cells} == {"curl", "browser"}
    with pytest.raises(InputError, match="browser offers codings"):
        cell_options.diagnosis(chain, ("browser",), None, given, Deployment(), compressing)


def test_an_exact_one_is_as_long_as_it_was_and_too_short_to_tell(harness: Harness) -> None:
    Path("r.json").write_text(recordings.dump(recorded_by_hand(EVENTS[:4])))
    said = harness("run", "--chain", "direct", "--replay", "r.json", "--exact")
    assert "too short" in said.out
    assert "3 tokens are too few to tell" in said.out


# ---------------------------------------------------------------- through real proxies


@pytest.mark.proxies
@needs_nginx
def test_an_endpoint_behind_nginx_is_held_asked_once_and_replayed_to_the_same(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(streaming))
    Path("gateway.conf").write_text(COMPRESSING)
    first = harness("run", "--chain", f"nginx:./gateway.conf>{app.url}", "--request", "browser")
    assert "observed: buffered" in first.out, first.err
    run = latest(Path("runs"))
    (file,) = (run / RECORDINGS).iterdir()
    assert f"--replay {run}" in first.out
    Path("m.yaml").write_text(
        f"title: t\nworkloads: {{recorded: {{recording: {file}}}}}\n"
        "axes: {chain: nginx:./gateway.conf, request: browser, mitigations: [none, x-accel-buffering]}\n"
        "expect: [{cells: '*/x-accel-buffering/*', effect: defeats, why: nginx says so}]\n"
    )
    again = harness("matrix", "m.yaml")
    assert again.status == 0, again.out + again.err
    before, after = ({one.id: one.verdict for one in Run.open(one).results} for one in (run, latest(Path("runs"))))
    assert before["nginx:gateway/sse/chunked/browser/aiohttp/recorded/none/lockstep"] == "buffered"
    assert before.items() <= after.items()
    assert harness("report", "--rejudge").status == 0
    assert harness("run", "--chain", "direct", "--replay", run, "--expect", "streamed").status == 0
    assert len(app.asked) == 1


@pytest.mark.proxies
@needs_nginx
@pytest.mark.parametrize(("handler", "verdict"), [(streaming, "coalesced"), (chunking, "streamed")])
def test_how_it_answers_http10_is_asked_where_a_hop_may_ask_so_and_replayed(
    harness: Harness, beside: Callable[[App], App], handler: Handler, verdict: str
) -> None:
    app = beside(App(handler))
    said = harness("run", "--chain", f"nginx:http10>{app.url}", "--expect", verdict)
    assert said.status == 0, said.out + said.err
    assert [asked.split(b"\r\n")[0] for asked in app.asked] == [b"GET /chat HTTP/1.1", b"GET /chat HTTP/1.0"]


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def without_figures(text: str) -> list[str]:
    return re.sub(r"[\d.]+", "N", text).split()


@pytest.mark.proxies
@needs_nginx
@needs_asgi
def test_the_page_s_example_is_what_its_command_says_and_nothing_that_was_said_is_left(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        sandbox.write("app.py", block("python") + COUNTING)
        sandbox.write("gateway.conf", block("nginx"))
        _, *words = shlex.split(block("console").removeprefix("$ "))
        question = words[words.index("-d") + 1]
        secrets = ["-H", f"Authorization: Bearer {KEY}", "-H", f"Cookie: id={KEY}"]
        words[words.index("--path") + 1] += f"?key={KEY}"
        said = sandbox.run(*words, *secrets, "--json", "report.json", "--html", "report.html")
        sandbox.wait_until_clean()
    assert said.status == 0, said.out + said.err
    answer, _, _ = said.out.partition("as it is")
    example, table, _ = block("text").partition("as it is")
    assert table
    assert without_figures(answer) == without_figures(example)
    assert (tmp_path / "asked").read_text() == "POST /api/chat\n"
    given = {tmp_path / name for name in ("app.py", "gateway.conf")}
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path not in given]
    assert any(path.parent.name == RECORDINGS for path in kept)
    left = {path: path.read_bytes() for path in kept} | {Path("out"): said.out.encode(), Path("err"): said.err.encode()}
    for word in (KEY, *json.loads(question).values()):
        assert [path for path, data in left.items() if word.encode() in data] == []
