"""An application that is asked: once, as a browser asks, what it answers is recorded, and bounded."""

from __future__ import annotations

import asyncio
import gc
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.errors import InputError
from harness.recordings.cutting import Recorded
from harness.session import recording
from harness.session.recording import MOST_ASKS, application, record
from tests.answering import CHUNKED, EVENTS, KEY, App, Handler, chunk, compressing, saying, silent, streaming


async def recorded(handler: Handler, http10: bool = False, **asked: Any) -> tuple[App, Recorded]:
    async with App(handler).listening() as app:
        return app, await record(application(app.url, **asked), lambda line: None, http10)


async def refusal(handler: Handler) -> str:
    with pytest.raises(InputError) as caught:
        await recorded(handler)
    return str(caught.value)


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
    app, found = await recorded(compressing(flushes=False))
    assert len(app.asked) == 2
    assert [write.data for write in found.recording.writes] == EVENTS
    assert (found.recording.coding, found.recording.coded, found.recording.coded_pieces) == ("gzip", "held", 1)
    app, _ = await recorded(compressing(flushes=False), http10=True)
    assert len(app.asked) == 3 <= MOST_ASKS, "that is all that anybody is ever asked"
    assert "compresses its answer itself (gzip) for who offers that; all of it comes at once" in found.facts[-1]


@pytest.mark.proxies
async def test_a_stream_that_goes_on_for_ever_is_replayed_as_far_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(request: bytes, writer: asyncio.StreamWriter) -> None:
        await streaming(request, writer)
        await silent(request, writer)

    async def without_end(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{CHUNKED}\r\n".encode() + b"".join(map(chunk, EVENTS)))
        await silent(request, writer)

    _, found = await recorded(endless)
    assert not found.cut, "the last chunk is the end, whoever hangs up when"
    monkeypatch.setattr(recording, "TAKE_S", 1.0)
    _, found = await recorded(without_end)
    assert found.cut == "it went on after 1 s"
    assert len(found.recording.writes) == len(EVENTS)


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


@pytest.mark.proxies
async def test_what_does_not_answer_is_told_in_words_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async with App(streaming).listening() as gone:
        """A port that was free a moment ago."""
    with pytest.raises(
        InputError, match=rf"is not reached at 127.0.0.1:{gone.port}: nobody listens there: is it started"
    ):
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


async def test_what_is_wrong_with_an_answer_that_nobody_waits_for_any_more_is_told_nobody() -> None:
    """Else whoever collects garbage prints it, in the middle of something else."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    heard = recording._Heard()
    heard.data_received(b"SSH-2.0-x\r\n\r\n")
    assert heard.over.done()
    del heard
    gc.collect()
    await asyncio.sleep(0)
    assert told == []
