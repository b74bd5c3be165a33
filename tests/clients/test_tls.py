"""Clients over TLS: every handshake that fails is told, and what is cancelled is closed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Client, Request
from harness.clients.h2_reader import H2Reader
from harness.errors import StreamError, Unavailable
from harness.proxies import certificates
from harness.session import listing
from tests.clients.http2_peer import Seen

DEADLINE_S = 20.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]

each_client = pytest.mark.parametrize("make", [AiohttpReader, H2Reader], ids=["aiohttp", "h2"])


@contextlib.asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve on a free port; return the URL, which is one of TLS whatever the server speaks."""
    connections: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        if (serving := serve(reader, writer)) is not None:
            await serving

    async with await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls) as server:
        try:
            yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finally:
            for writer in connections:  # from Python 3.12 on a server that is closed waits until they have ended
                writer.close()


def server_tls(signer: trustme.CA, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert("127.0.0.1").configure_cert(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def pem(signer: trustme.CA, folder: Path) -> str:
    path = folder / "authority.pem"
    signer.cert_pem.write_to_path(str(path))
    return str(path)


async def failure(client: Client, url: str, authority: str | None) -> str:
    try:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(StreamError) as told:
                await client.stream(Request(url, authority=authority), Seen())
    finally:
        await client.close()
    return str(told.value)


@each_client
async def test_where_nobody_names_an_authority_those_of_the_system_count(make: Callable[[], Client]) -> None:
    async with serving(lambda reader, writer: None, server_tls(trustme.CA(), "h2", "http/1.1")) as url:
        told = await failure(make(), url, None)
    assert told == "TLS handshake failed: the certificate does not verify: unable to get local issuer certificate"


@each_client
async def test_a_certificate_of_another_authority_is_not_trusted(make: Callable[[], Client], tmp_path: Path) -> None:
    stranger = pem(trustme.CA(), tmp_path)
    async with serving(lambda reader, writer: None, server_tls(trustme.CA(), "h2", "http/1.1")) as url:
        told = await failure(make(), url, stranger)
    assert told == "TLS handshake failed: the certificate does not verify: unable to get local issuer certificate"


@each_client
async def test_a_server_without_tls_is_told(make: Callable[[], Client], tmp_path: Path) -> None:
    def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with serving(plain) as url:
        told = await failure(make(), url, pem(trustme.CA(), tmp_path))
    assert told.startswith("TLS handshake failed: ")
    assert "object at" not in told


@each_client
async def test_a_server_that_hangs_up_in_the_handshake_is_told(make: Callable[[], Client], tmp_path: Path) -> None:
    async with serving(lambda reader, writer: writer.close()) as url:
        told = await failure(make(), url, pem(trustme.CA(), tmp_path))
    assert told.startswith("TLS handshake failed: ")


@pytest.mark.parametrize(("protocols", "agreed"), [(("http/1.1",), "http/1.1"), ((), "no answer")])
async def test_a_server_that_does_not_agree_to_http2_is_told(
    protocols: tuple[str, ...], agreed: str, tmp_path: Path
) -> None:
    signer = trustme.CA()
    async with serving(lambda reader, writer: None, server_tls(signer, *protocols)) as url:
        told = await failure(H2Reader(), url, pem(signer, tmp_path))
    assert told == f"the server does not agree to HTTP/2 (ALPN: {agreed})"


async def test_a_port_where_nobody_listens_is_told() -> None:
    with pytest.raises(StreamError, match="cannot connect: "):
        await H2Reader().stream(Request("http://127.0.0.1:1/"), Seen())


async def test_a_server_that_never_answers_the_handshake_is_told(tmp_path: Path) -> None:
    async with serving(lambda reader, writer: None) as url:
        told = await failure(H2Reader(connect_timeout_s=0.1), url, pem(trustme.CA(), tmp_path))
    assert told == "cannot connect: no answer within 0.1 s"


@pytest.mark.parametrize("secure", [True, False])
async def test_a_stream_that_is_cancelled_closes_its_connection(secure: bool, tmp_path: Path) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24)  # the preface: the request is on its way
        asked.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        closed.set()

    signer = trustme.CA()
    authority = pem(signer, tmp_path) if secure else None
    async with asyncio.timeout(DEADLINE_S), serving(silent, server_tls(signer, "h2") if secure else None) as url:
        asking = Request(url if secure else url.replace("https", "http"), authority=authority)
        streaming = asyncio.create_task(H2Reader().stream(asking, Seen()))
        await asked.wait()
        streaming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await streaming
        await closed.wait()


async def test_without_the_h2_library_the_client_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "harness.clients.h2_exchange", raising=False)
    monkeypatch.setitem(sys.modules, "h2.config", None)
    with pytest.raises(Unavailable, match="h2 library is not installed") as told:
        await H2Reader().stream(Request("http://127.0.0.1:1/"), Seen())
    assert told.value.remedy == "pip install 'token-stream-harness[h2]'"


def test_a_client_without_its_library_is_listed_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    row = next(row for row in listing.rows("clients") if row[0] == "h2")
    assert row[1] == "missing: the h2 library is not installed (pip install 'token-stream-harness[h2]')"


def test_without_trustme_tls_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(Unavailable, match="trustme") as told:
        certificates.issue(tmp_path, tmp_path / "authority.pem")
    assert told.value.remedy == "pip install trustme"
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_a_key(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    certificates.issue(tmp_path / "folder", tmp_path / "authority.pem")
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "folder").iterdir()}
    assert modes[certificates.KEY] == 0
    assert set(modes) == {certificates.KEY, certificates.CERTIFICATE}
    assert "PRIVATE" not in (tmp_path / "authority.pem").read_text()
