"""A real Chromium reads what a server writes by hand: every read as it came, every bad end in the browser's words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from harness.bench import Bench
from harness.clients import chromium_channel, chromium_tab
from harness.clients.base import Headers, Remote, Request, Unheard
from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.errors import ClientError, StreamError
from harness.launchers.process import Launcher
from harness.mitigations import REQUEST_HEADERS
from harness.model import Emission, Format, Plan, Workload
from harness.verdict import assess
from tests.misbehaving import Answer
from tests.sandbox import Sandbox, missing, wait_for

pytestmark = [
    pytest.mark.proxies,
    pytest.mark.skipif(missing("chromium") is not None, reason=missing("chromium") or ""),
]
in_modules_loop = pytest.mark.asyncio(loop_scope="module")

DEADLINE_S = 60.0
HEADERS = REQUEST_HEADERS["browser"]
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {0}\r\nTransfer-Encoding: chunked\r\n\r\n"
LOAD = Workload("w", tokens=12, token_bytes=112, interval_ms=40, patience_ms=300)


class Kept(Unheard):
    """Keeps what came, and lets others wait for it."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.frames: list[int] = []
        self.status: int | None = None
        self.asked: dict[str, str] = {}
        self.reader: Remote | None = None
        self.more = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()

    def remote(self, reader: Remote) -> None:
        self.reader = reader

    def request(self, headers: Headers) -> None:
        self.asked = {name.lower(): value for name, value in headers}

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> None:
        self.status = status

    def read(self, data: bytes, at_ns: int) -> None:
        self.reads.append(data)
        telling = asyncio.create_task(self._tell())
        self._telling.add(telling)

    def painted(self, reads: int, at_ns: int) -> None:
        self.frames.append(reads)

    async def has(self, reads: int) -> None:
        """Wait until so many reads are here."""
        async with self.more:
            await self.more.wait_for(lambda: len(self.reads) >= reads)

    async def _tell(self) -> None:
        async with self.more:
            self.more.notify_all()


Script = Callable[[Answer, Kept], Awaitable[None]]
"""What the server writes; it may wait for what the browser has read."""


@dataclass(frozen=True)
class Rig:
    """A browser, shared by its two clients."""

    launcher: Launcher
    fetch: Chromium
    eventsource: ChromiumEventSource

    async def read(
        self, script: Script, client: Chromium | None = None, format: Format = "sse", act: Callable[[], object] = list
    ) -> Kept:
        """Read one response; `act` when the first read is here. What ends badly raises."""
        kept = Kept()
        serving: list[asyncio.Task[None] | None] = []

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.append(asyncio.current_task())
            try:
                with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # a connection made in advance
                    await reader.readuntil(b"\r\n\r\n")
                    await script(Answer(writer), kept)
                    await writer.drain()
            finally:
                writer.close()

        async def acting() -> None:
            await kept.has(1)
            act()

        async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream/1"
            action = asyncio.create_task(acting())
            try:
                await (client or self.fetch).stream(Request(url, headers=HEADERS, format=format), kept)
            finally:
                for task in (action, *serving):
                    task and task.cancel()
        return kept

    def processes(self, *named: str) -> list[psutil.Process]:
        """Return the processes of the browser, or its driver, that have all of this in their command line."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if all(part in line for part in named):
                    found.append(process)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with Launcher() as launcher:
        rig = Rig(launcher, Chromium(), ChromiumEventSource())
        for client in (rig.fetch, rig.eventsource):
            client.equip(launcher, tmp_path_factory.mktemp("evidence"))
        yield rig
        await rig.fetch.close()
        await rig.eventsource.close()


def chunks(*data: bytes, content_type: str = "text/event-stream", end: bool = True) -> Script:
    """Write chunk after chunk, each when the browser has read the one before."""

    async def script(answer: Answer, kept: Kept) -> None:
        answer.raw(HEAD.format(content_type).encode())
        for number, each in enumerate(data):
            answer.chunk(each)
            await answer.flush()
            await kept.has(number + 1)
        if end:
            answer.end()

    return script


def whole(*parts: bytes) -> Script:
    """Write this at once, and hang up."""

    async def script(answer: Answer, kept: Kept) -> None:
        answer.raw(b"".join(parts))

    return script


async def resets(answer: Answer, kept: Kept) -> None:
    await chunks(b"data: one\n\n", end=False)(answer, kept)
    answer.reset()


GOOD = chunks(b"data: caf\xc3", b"\xa9\n\n", b"data: 2\n", b"\n")
"""Cut through a character, and through an event."""

EVENTS = chunks(b"data: 1\n\n", b"data: 2\n\n")


# ---------------------------------------------------------------- reads


@in_modules_loop
async def test_fetch_hands_over_every_chunk_as_it_was_cut(rig: Rig) -> None:
    kept = await rig.read(GOOD)
    assert kept.reads == [b"data: caf\xc3", b"\xa9\n\n", b"data: 2\n", b"\n"]
    assert kept.status == 200
    assert kept.frames[-1] == 4
    assert kept.frames == sorted(set(kept.frames))


@in_modules_loop
async def test_eventsource_hands_over_events_written_anew(rig: Rig) -> None:
    kept = await rig.read(chunks(b": padding\ndata: caf\xc3\xa9\ndata: 2\n\n"), rig.eventsource)
    assert kept.reads == ["data: café\ndata: 2\n\n".encode()]
    assert kept.reader
    assert "written anew" in (kept.reader.remark or "")


@in_modules_loop
async def test_a_page_asks_as_that_of_a_real_app_and_nothing_is_between(rig: Rig) -> None:
    asked = (await rig.read(GOOD)).asked
    assert asked["accept-encoding"] == "gzip, deflate, br, zstd"
    assert asked["sec-fetch-site"] == "same-origin"
    assert asked["referer"].endswith(chromium_tab.PATH)
    assert "pragma" not in asked, "as long as requests are intercepted, they are sent with the cache switched off"


@in_modules_loop
@pytest.mark.parametrize("content_type", ["text/plain", "text/plain; charset=utf-8", "application/octet-stream"])
async def test_fetch_holds_nothing_back_to_guess_the_content_type(rig: Rig, content_type: str) -> None:
    kept = await rig.read(chunks(b"a", b"b", content_type=content_type))
    assert kept.reads == [b"a", b"b"], "the second was only sent when the first was here"


# ---------------------------------------------------------------- bad ends

MIME = r"EventSource's response has a MIME type \(\"text/plain\"\) that is not \"text/event-stream\""
ONE = b"b\r\ndata: one\n\n\r\n"


@in_modules_loop
@pytest.mark.parametrize(
    ("script", "way", "said"),
    [
        (chunks(b"data: one\n\n", end=False), "fetch", r"ERR_INCOMPLETE_CHUNKED_ENCODING"),
        (chunks(b"data: one\n\n", end=False), "eventsource", r"ERR_INCOMPLETE_CHUNKED_ENCODING"),
        (resets, "fetch", "ERR_CONNECTION_RESET"),
        (resets, "eventsource", "ERR_CONNECTION_RESET"),
        (whole(), "fetch", "ERR_EMPTY_RESPONSE"),
        (whole(HEAD.format("text/plain").encode(), ONE, b"0\r\n\r\n"), "eventsource", MIME),
        (whole(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "fetch", "ERR_CONTENT_LENGTH_MISMATCH"),
    ],
)
async def test_a_bad_end_is_told_in_the_browsers_words_and_the_next_stream_is_read(
    rig: Rig, script: Script, way: str, said: str
) -> None:
    client = getattr(rig, way)
    with pytest.raises(StreamError, match=said):
        await rig.read(script, client)
    assert len((await rig.read(EVENTS, client)).reads) == 2


@in_modules_loop
async def test_another_status_is_handed_on_with_its_body_and_a_redirect_is_not_followed(rig: Rig) -> None:
    refused = await rig.read(whole(b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"))
    assert (refused.status, b"".join(refused.reads)) == (503, b"busy")
    moved = await rig.read(whole(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"))
    assert (moved.status, moved.reads) == (302, [])


# ---------------------------------------------------------------- deaths


@in_modules_loop
@pytest.mark.parametrize(
    ("victim", "said"),
    [
        (("--user-data-dir", "--remote-debugging-port"), r"chromium was killed by SIGKILL"),
        (("run-driver",), "driver"),
        (("--type=renderer",), "has gone"),
    ],
    ids=["browser", "driver", "renderer"],
)
async def test_what_dies_in_mid_stream_is_told_and_the_next_stream_is_read(
    rig: Rig, victim: tuple[str, ...], said: str
) -> None:
    async def waits(answer: Answer, kept: Kept) -> None:
        await chunks(b"data: one\n\n", end=False)(answer, kept)
        await asyncio.Event().wait()

    def kill() -> None:
        for process in rig.processes(*victim):
            if not victim[0].startswith("--user") or "--type=" not in " ".join(process.cmdline()):
                process.kill()

    await rig.read(GOOD)
    with pytest.raises(ClientError, match=said):
        await rig.read(waits, act=kill)
    assert len((await rig.read(GOOD)).reads) == 4


def inject(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Have the next page that is opened run a script before its own."""
    page = folder / "page.html"
    html = chromium_tab.PAGE.read_text(encoding="utf-8")
    page.write_text(html.replace("<script>", f"<script>{{{script}}}</script><script>", 1), encoding="utf-8")
    monkeypatch.setattr(chromium_tab, "PAGE", page)


BLOCKED = """
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) { if (typeof data !== "string") for (;;); return send.call(this, data); };
"""


@in_modules_loop
async def test_a_page_that_hangs_is_our_fault_and_not_a_verdict_on_the_stream(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium_channel, "ANSWER_S", 2.0)
    told = Plan((), "GET", HEADERS, Emission(LOAD), client="chromium")
    async with Bench(rig.launcher, tmp_path) as bench:
        with monkeypatch.context() as patch:
            inject(patch, tmp_path, BLOCKED)
            with pytest.raises(ClientError, match=r"has not answered for 2 s"):
                await bench.record("cell", told)
        trace, _ = await bench.record("cell", told)
        assert assess([trace]).judgement.reason == "every token came before the next was sent"


# ---------------------------------------------------------------- what the user sees

LATE_FRAMES = f"""
const frame = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = function late(then) {{
  const all = document.querySelector("main").textContent.includes('"n":{LOAD.tokens - 1},');
  all ? frame(then) : setTimeout(late, 5, then);
}};
"""


@in_modules_loop
@pytest.mark.parametrize(("script", "held"), [("", False), (LATE_FRAMES, True)], ids=["as it is", "at the end"])
async def test_tokens_that_come_one_by_one_but_are_painted_at_the_end_are_told(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, held: bool
) -> None:
    inject(monkeypatch, tmp_path, script)
    told = Plan((), "GET", HEADERS, Emission(LOAD, pace="paced"), client="chromium")
    async with Bench(rig.launcher, tmp_path) as bench:
        trace, _ = await bench.record("cell", told)
    assessed = assess([trace])
    assert assessed.metrics.tokens_received == LOAD.tokens
    assert (assessed.metrics.frames == 1) is held
    assert any(note.startswith("screen: ") for note in assessed.notes) or not held


# ---------------------------------------------------------------- nothing is left

MATRIX = """\
title: A cell that takes its time in a browser
workloads: {patient: {tokens: 24, token_bytes: 112, patience_ms: 60000}}
axes: {request: browser, client: chromium}
include: [{chain: nginx:default}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", MATRIX)
        yield place


@pytest.mark.skipif(missing("nginx") is not None, reason=missing("nginx") or "")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ends_in_mid_stream_leaves_no_browser_behind(place: Sandbox, number: signal.Signals) -> None:
    program = place.start("matrix", "m.yaml")
    wait_for(lambda: place.processes("--type=renderer") and place.streaming("default"))
    assert place.processes("run-driver")
    listening = place.listening()
    os.killpg(program.pid, number)
    said = place.said(program)
    wait_for(lambda: place.is_clean(listening))
    assert said.status == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said.err
