"""What is told of whoever cannot be asked, or is no emitter: what is wrong there and the way out, and no library's
words.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import NoReturn

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness.backends.elsewhere import Elsewhere
from harness.backends.posting import INSTANCE_HEADER, Patience
from harness.errors import BackendError, InputError
from harness.model import Endpoint

IMPATIENT = Patience(answer_s=10, busy_s=0.1, turned_away_s=0)
LIBRARYS = re.compile(r"Client\w+Error|Cannot connect|ssl:|\[Errno|Connect call|Server[A-Z]")
Listen = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


async def told(at: Endpoint, patience: Patience = IMPATIENT) -> str:
    """Return why there is no emitter, in one line, without the URL that it begins with."""
    emitter = Elsewhere(at, "open-sesame-open-sesame", patience)
    try:
        with pytest.raises((BackendError, InputError)) as raised:
            await emitter.ready()
    finally:
        await emitter.close()
    words = str(raised.value)
    assert at.url in words
    assert not LIBRARYS.search(words), words
    return words.partition(f"{at.url}: ")[2] or words.partition(f"{at.url} ")[2]


@contextlib.asynccontextmanager
async def answering(status: int, text: str = "", **headers: str) -> AsyncIterator[Endpoint]:
    """Answer every request so."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=status, text=text, headers=fields)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        assert server.port
        yield Endpoint(server.port)


@contextlib.asynccontextmanager
async def listening(listen: Listen, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Do something with every connection, over TLS or not."""
    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=tls)
    try:
        yield Endpoint(server.sockets[0].getsockname()[1])
    finally:
        server.close()  # whose end is not waited for: from Python 3.12 on that is the end of its connections, too


def secured(certificate: trustme.LeafCert) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(tls)
    return tls


def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


PYTHON = (
    "the emitter is `python -m harness.backends.public`, its path is that of the URL, and --control says where else"
)
LOGIN = "if whoever is in front asks for a login, let requests through to the emitter without: it has its own token"
PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in &amp; go on</title></head><body>...</body></html>"
UNAUTHORIZED = "wants another token than HARNESS_TOKEN says: no"


@pytest.mark.parametrize(
    ("status", "text", "headers", "words"),
    [
        (200, PAGE, {}, f"status 200, a page, 'Sign in & go on'; {PYTHON}"),
        (200, "{}", {}, f"status 200, '{{}}'; {PYTHON}"),
        (404, "<html><body>nothing</body></html>", {}, f"status 404, a page; {PYTHON}"),
        (401, "who are you?", {}, f"status 401, 'who are you?'; {LOGIN}"),
        (403, PAGE, {}, f"status 403, a page, 'Sign in & go on'; {LOGIN}"),
        (401, "no", {INSTANCE_HEADER: "0f"}, UNAUTHORIZED),
        (502, "bad gateway", {}, "status 502, 'bad gateway'; whoever is in front does not reach the emitter"),
        (400, "TLS, please", {}, "status 400, 'TLS, please'; if TLS is spoken there, say https://"),
        (302, "", {"Location": "https://login.example/in?to=secret"}, "status 302, which sends to https://login.exam"),
        (302, "", {"Location": "/login"}, f"status 302, which sends to /login; {LOGIN}"),
        (301, "", {"Location": "https://chat.example/api/control/pulse"}, "give https://chat.example/api as the URL"),
        (301, "", {"Location": "https://chat.example/api/control/pulse/"}, "give https://chat.example/api as the URL"),
        (308, "", {"Location": "/api/control/pulse"}, f"which sends to /api/control/pulse; {LOGIN}"),
        (
            308,
            "",
            {"Location": "//chat.example/control/pulse"},
            f"which sends to //chat.example/control/pulse; {LOGIN}",
        ),
        (303, "", {}, f"status 303, which sends to nowhere; {LOGIN}"),
    ],
)
async def test_who_is_no_emitter_is_told_with_what_to_do(
    status: int, text: str, headers: Mapping[str, str], words: str
) -> None:
    async with answering(status, text, **headers) as at:
        said = await told(at)
    assert words in said
    assert "secret" not in said


async def test_a_name_that_nobody_has_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*asked: object, **options: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = await told(Endpoint(80, host="caht.example"))
    assert said == "does not answer: its name cannot be looked up (Name or service not known): is it spelled right?"


async def test_a_port_that_nobody_listens_at_is_told_as_that() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as closed:
        at = Endpoint(closed.getsockname()[1])
    assert await told(at) == "does not answer: nobody listens there: is it started, and is that its port?"


async def test_who_stands_still_is_told_with_how_long_was_waited() -> None:
    held: list[asyncio.StreamWriter] = []  # or Python 3.13 closes what nobody knows of any more
    async with listening(lambda reader, writer: held.append(writer)) as at:
        said = await told(at, Patience(answer_s=0.1, busy_s=0.1, turned_away_s=0))
    assert said.startswith("has not answered for 0.1 s: a firewall may drop what is sent there, or whoever listens")


@pytest.mark.parametrize(
    ("name", "expired", "known", "words"),
    [
        ("127.0.0.1", False, False, "(unable to get local issuer certificate): --cacert FILE says who signed it"),
        ("other.example", False, True, "ask by a name that is in it"),
        ("127.0.0.1", True, True, "(certificate has expired): what is there needs a new one"),
    ],
)
async def test_a_certificate_that_is_not_trusted_is_told_with_what_mends_it(
    name: str, expired: bool, known: bool, words: str, tmp_path: Path
) -> None:
    signer, stranger, trusted = trustme.CA(), trustme.CA(), tmp_path / "ca.pem"
    (signer if known else stranger).cert_pem.write_to_path(str(trusted))
    ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1) if expired else None
    async with listening(hang_up, secured(signer.issue_cert(name, not_after=ago))) as at:
        said = await told(Endpoint(at.port, authority=str(trusted)))
    assert said.startswith("does not answer: the certificate is not trusted (")
    assert words in said


async def test_a_self_signed_certificate_is_told_as_one(tmp_path: Path) -> None:
    (trusted := tmp_path / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    signer = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with signer.private_key_pem.tempfile(dir=str(tmp_path)) as key, signer.cert_pem.tempfile(dir=str(tmp_path)) as cert:
        tls.load_cert_chain(cert, key)
    async with listening(hang_up, tls) as at:
        said = await told(Endpoint(at.port, authority=str(trusted)))
    assert re.search(r"\(self.signed certificate\): it is signed by itself, or by one that is: --cacert FILE", said)


async def test_https_where_no_tls_is_spoken_and_the_reverse_are_told(tmp_path: Path) -> None:
    signer = trustme.CA()
    signer.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with answering(200) as plain:
        said = await told(Endpoint(plain.port, authority=str(tmp_path / "ca.pem")))
    assert re.fullmatch(r"does not answer: no TLS is spoken there \(\w+\); is it http://\?", said)
    async with listening(hang_up) as plain:
        said = await told(Endpoint(plain.port, authority=str(tmp_path / "ca.pem")))
    assert said == "does not answer: whoever listens there hangs up on TLS; is it http://?"
    async with listening(hang_up, secured(signer.issue_cert("127.0.0.1"))) as at:
        assert await told(at) == "does not answer: its answer breaks off, or is no HTTP; is it https://?"
