"""What is told of whoever answers in an emitter's place: never the token, though an answer may repeat it."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness.backends.elsewhere import LOOKS, Elsewhere
from harness.backends.posting import INSTANCE_HEADER, TOKEN_HEADER, Patience
from harness.errors import BackendError, InputError
from harness.model import EMITTER_HEADER, NO_STREAM_MARK, Endpoint
from tests.backends.emitting import emission

TOKEN = 'open "sésame" & barley'
IMPATIENT = Patience(answer_s=10, busy_s=0.1, turned_away_s=0)


def echo(request: web.Request) -> str:
    """Return what a debugging page does: all headers, as they came and as pages write them, the token's again at the
    end, which is cut.
    """
    said = request.headers[TOKEN_HEADER]
    return "\n".join([said, json.dumps(dict(request.headers)), html.escape(said), quote(said), said[:-2]])


@contextlib.asynccontextmanager
async def answered_by(
    answer: Callable[[web.Request], web.Response | Awaitable[web.Response]],
    patience: Patience = IMPATIENT,
    say: Callable[[str], object] = lambda line: None,
) -> AsyncIterator[Elsewhere]:
    """Return an emitter elsewhere, at an address where somebody answers every request so."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        answered = answer(request)
        return answered if isinstance(answered, web.Response) else await answered

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        assert server.port
        emitter = Elsewhere(Endpoint(server.port), TOKEN, patience, say=say)
        try:
            yield emitter
        finally:
            await emitter.close()


def told(request: web.Request, asked: bool = True, instance: str = "0f") -> web.Response:
    """Answer as an emitter does what it is told, of a stream that has been asked for or not."""
    said = {"stream": "5e"} if request.path == "/control/open" else {"asked": asked, "sent": int(asked)}
    return web.json_response(said, headers={INSTANCE_HEADER: instance})


def assert_hides(told: str) -> None:
    assert "(redacted)" in told
    assert_tells_nothing(told)


def assert_tells_nothing(told: str) -> None:
    for part in ("open", "sésame", "s\\u00e9same", "barley"):
        assert part not in told


@pytest.mark.parametrize("status", [200, 302, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("is_behind", [False, True], ids=["no emitter", "an emitter behind it"])
async def test_who_repeats_the_token_has_nobody_be_told_it(status: int, is_behind: bool) -> None:
    def answer(request: web.Request) -> web.Response:
        headers = {"Location": f"https://{quote(TOKEN)}.example/"} if status == 302 else {}
        headers |= {INSTANCE_HEADER: "0f"} if is_behind else {}
        return web.Response(status=status, text=echo(request), headers=headers)

    async with answered_by(answer) as emitter:
        with pytest.raises((BackendError, InputError)) as raised:
            await emitter.ready()
    assert_hides(str(raised.value))


@pytest.mark.parametrize(
    "answered",
    [
        "HTTP/1.1 200 OK\r\n{}\0: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n\r\n",
        "HTTP/1.1 200 {}\r\n",
        "HTTP/1.1 200 OK\r\nX-Seen: {}\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}",
        "",
    ],
    ids=["a bad header", "a bad chunk", "cut in its reason", "cut in its headers", "cut in its body", "nothing"],
)
async def test_nor_does_who_answers_what_is_no_http_or_hangs_up(answered: str) -> None:
    """What cannot be read, or was read by half, is quoted by who reads it."""

    def answer(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.write(answered.format(request.headers[TOKEN_HEADER]).encode())
        request.transport.close()
        return web.Response()

    async with answered_by(answer) as emitter:
        with pytest.raises(BackendError, match="does not answer: its answer breaks off, or is no HTTP") as raised:
            await emitter.ready()
    assert_tells_nothing("".join(traceback.format_exception(None, raised.value, None)))


async def test_nor_does_the_title_of_a_page_in_which_the_token_is_spelled_as_html_can() -> None:
    def answer(request: web.Request) -> web.Response:
        title = "".join(f"&#{ord(one)};" for one in request.headers[TOKEN_HEADER])
        return web.Response(text=f"<html><title>{'x' * 45}{title}</title>")

    async with answered_by(answer) as emitter:
        with pytest.raises(InputError, match="a page, 'xxx") as raised:
            await emitter.ready()
    assert_tells_nothing(str(raised.value))


async def test_who_is_waited_for_is_said_once_for_all_who_wait_and_for_how_long() -> None:
    turned_away = 0

    def answer(request: web.Request) -> web.Response:
        nonlocal turned_away
        if turned_away < 30:
            turned_away += 1
            return web.Response(status=429, headers={"Retry-After": "0"})
        return told(request)

    said: list[str] = []
    async with answered_by(answer, Patience(answer_s=10, busy_s=0.1, turned_away_s=600), said.append) as emitter:
        emitter.has_own_way = True
        await emitter.ready()
        url = emitter.endpoint.url
    (line,) = said
    assert re.fullmatch(
        rf"{url} takes no more requests for now \(429\): it is asked again in 0 s, and given up in \d+ s", line
    )


async def test_nor_who_does_in_the_middle_of_a_stream() -> None:
    def answer(request: web.Request) -> web.Response:
        if is_ready and request.path.endswith("/state"):
            return web.Response(status=500, text=echo(request), headers={INSTANCE_HEADER: "0f"})
        return told(request)

    is_ready = False
    async with answered_by(answer) as emitter:
        emitter.has_own_way = True
        await emitter.ready()
        is_ready = True
        stream = await emitter.open(emission())
        why = await stream.lost
        await stream.closed()
    assert "in mid-stream, the emitter was lost" in why
    assert_hides(why)


MARKED = {EMITTER_HEADER: NO_STREAM_MARK}
OURS = {INSTANCE_HEADER: "0f"}
SEVERAL = "several emitters answer at .* one instance that takes several requests"
ANOTHER_PATH = (
    r"leads to the emitter, but /stream/\.\.\., which has to be passed on unchanged, came there as another path"
)
NOT_PASSED = r"whoever is in front has to pass on GET /stream/\.\.\. to the emitter that --control reaches"


@pytest.mark.parametrize(
    ("is_asked", "status", "headers", "complaint"),
    [
        (True, 200, OURS, None),
        (True, 200, {}, None),
        (True, 502, {}, None),
        (False, 200, {INSTANCE_HEADER: "1e"}, SEVERAL),
        (False, 404, {INSTANCE_HEADER: "1e"}, SEVERAL),
        (False, 404, MARKED, SEVERAL),
        (
            False,
            404,
            OURS | MARKED,
            f"{ANOTHER_PATH}: status 404, what came",
        ),
        (False, 200, OURS, f"{ANOTHER_PATH}: status 200, what came"),
        (False, 401, OURS, f"{ANOTHER_PATH}: status 401, what came"),
        (False, 200, {}, f"no emitter answers at .*: status 200, 'what came'; {NOT_PASSED}"),
        (False, 404, {}, f"no emitter answers at .*: status 404, 'what came'; {NOT_PASSED}"),
        (False, 401, {}, "no emitter answers at .*: status 401, 'what came'; if whoever is in front asks for a login"),
        (False, 502, {}, "no emitter answers at .*: status 502, 'what came'; whoever is in front does not reach"),
        (False, 429, {}, r"takes no more requests \(429\)"),
        (False, 503, {}, "refuses streams with 503: what came"),
    ],
)
async def test_where_control_has_a_way_of_its_own_the_same_emitter_has_to_be_asked_for_streams(
    is_asked: bool, status: int, headers: Mapping[str, str], complaint: str | None
) -> None:
    """Nothing else is asked for there, and what becomes of a stream on its way back is measured, not refused."""
    looks: list[str] = []
    opened: list[str] = []

    def answer(request: web.Request) -> web.Response:
        if request.path == "/control/open":
            opened.append(f"{len(opened):x}")
            return web.json_response({"stream": opened[-1]}, headers=OURS)
        if request.method == "POST":
            return told(request, is_asked)
        assert TOKEN_HEADER not in request.headers
        looks.append(request.path_qs)
        return web.Response(status=status, text="what came", headers=headers)

    async with answered_by(answer) as emitter:
        emitter.has_own_way = True
        if complaint:
            with pytest.raises((InputError, BackendError), match=complaint):
                await emitter.ready()
            assert set(looks) <= {f"/stream/{one}" for one in opened}
        else:
            await emitter.ready()
            assert sorted(looks) == sorted(f"/stream/{one}" for one in opened)
            assert len(looks) == LOOKS, "one may be asked of several"
    assert looks


async def test_a_stream_that_is_asked_for_and_held_for_ever_is_not_waited_for() -> None:
    """That is what is to be measured, and ends when the emitter has heard of all that were asked for."""
    held = asyncio.Event()
    closed: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        if request.method == "GET":
            await held.wait()
        if request.path.endswith("/close"):
            closed.append(request.path)
        return told(request)

    async with answered_by(handle) as emitter:
        emitter.has_own_way = True
        await emitter.ready()
        held.set()
    assert len(closed) == LOOKS


@pytest.mark.parametrize(
    ("headers", "is_another"),
    [
        ([(INSTANCE_HEADER, "0f")], False),
        ([(INSTANCE_HEADER.lower(), "1e")], True),
        ([], False),
        ([(EMITTER_HEADER, NO_STREAM_MARK)], True),
        ([(EMITTER_HEADER, NO_STREAM_MARK), (INSTANCE_HEADER, "0f")], False),
    ],
    ids=["the same", "another", "a hop's own", "one that knows no such stream", "asked for another path"],
)
async def test_a_stream_that_another_instance_answers_is_no_stream(
    headers: list[tuple[str, str]], is_another: bool
) -> None:
    async with answered_by(told) as emitter:
        emitter.has_own_way = True
        await emitter.ready()
        if is_another:
            with pytest.raises(BackendError, match="several emitters answer at"):
                emitter.recognise(headers)
        else:
            emitter.recognise(headers)
