"""A real Chromium reads what a server writes by hand: every read as it came, every bad end in the browser's words."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from pathlib import Path

import psutil
import pytest
import trustme

from harness.clients import chromium_tab
from harness.clients.base import Request
from harness.errors import StreamError
from harness.judge.verdict import assess
from harness.measure.bench import Bench
from harness.model import Emission, Plan, Remark
from tests.clients.browsing import (
    DEADLINE_S,
    EVENTS,
    GOOD,
    HEAD,
    HEADERS,
    LOAD,
    ONE,
    WHOLE,
    Kept,
    Rig,
    Script,
    answering,
    chunks,
    inject,
    line_of,
    resets,
    whole,
)
from tests.sampling import some_of

pytestmark = [
    pytest.mark.proxies,
    pytest.mark.needs("chromium"),
]
in_modules_loop = pytest.mark.asyncio(loop_scope="module")


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
    assert kept.reader.remark == Remark("EventSource", rewritten=True)


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose socket it is")
@in_modules_loop
async def test_nobody_else_can_steer_it_for_no_process_of_it_listens(rig: Rig) -> None:
    await rig.read(GOOD)
    browser = rig.browser()
    family = [browser, *browser.children(recursive=True)]
    assert len(family) > 2
    listening = [each for some in family for each in some.net_connections("all") if each.status == psutil.CONN_LISTEN]
    assert [each.laddr for each in listening if each.family != socket.AF_UNIX] == []
    assert not [line for line in map(line_of, family) if "ws://" in line]


# ---------------------------------------------------------------- bad ends

MIME = r"EventSource's response has a MIME type \(\"text/plain\"\) that is not \"text/event-stream\""


@in_modules_loop
@some_of(
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
    each=3,
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


@in_modules_loop
async def test_a_page_reads_over_tls_whoever_signed_the_certificate(rig: Rig) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    kept = Kept()
    async with asyncio.timeout(DEADLINE_S), answering(WHOLE, tls=tls) as port:
        await rig.fetch.stream(Request(f"https://127.0.0.1:{port}/stream/1", headers=HEADERS), kept)
    assert b"".join(kept.reads) == b"data: one\n\n"


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
    assert assessed.facts.screen or not held
