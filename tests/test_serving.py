"""An ASGI application of this process, served while it is asked."""

from __future__ import annotations

import asyncio
import contextvars
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

from harness.errors import InputError
from harness.recordings.cutting import Recorded
from harness.session import serving
from harness.session.recording import Application, record
from harness.session.serving import served
from tests.answering import KEY

WHO = contextvars.ContextVar("who", default="nobody")


async def events(scope: Any, receive: Any, send: Any) -> None:
    """Answer whatever is asked with three events, which say in which process and context."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(3):
        body = f"data: {json.dumps({'n': number, 'who': WHO.get()})}\n\n".encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


async def asked(app: object, **said: Any) -> Recorded:
    async with served(app) as answering:
        said = {"method": "GET", "target": "/", "headers": (), "body": None, **said}
        return await record(Application(**said, served=answering), lambda line: None)


def only(monkeypatch: pytest.MonkeyPatch, *servers: str) -> None:
    """Let no other servers be installed than these."""
    monkeypatch.setattr(serving, "find_spec", lambda name: name in servers or None)


@pytest.mark.proxies
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
async def test_an_application_is_served_by_what_is_installed_and_ends(
    monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    only(monkeypatch, server)
    WHO.set("somebody")
    before = threading.active_count()
    async with served(events) as answering:
        assert answering.name.startswith(f"events on {server} ")
        address = (answering.endpoint.host, answering.endpoint.port)
        application = Application("GET", "/", (), None, served=answering)
        found = await record(application, lambda line: None)
    assert found.recording.source == f"GET / of {answering.name}"
    assert b"".join(write.data for write in found.recording.writes).count(b'"who": "somebody"') == 3
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address).close()
    assert threading.active_count() <= before + 1, "but for a thread of the loop's own pool"


@pytest.mark.proxies
async def test_what_a_test_overrides_and_the_lifespan_are_in_effect() -> None:
    happened = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        happened.append("started")
        yield
        happened.append("ended")

    def model() -> str:
        raise AssertionError("it is overridden")

    app = FastAPI(lifespan=lifespan)

    @app.get("/chat")
    async def chat(word: str = Depends(model)) -> StreamingResponse:
        return StreamingResponse((f"data: {word}\n\n" for _ in range(3)), media_type="text/event-stream")

    app.dependency_overrides[model] = lambda: "mine"
    found = await asked(app, target="/chat")
    assert {write.data for write in found.recording.writes} >= {b"data: mine\n\n"}
    assert happened == ["started", "ended"]


async def test_without_a_server_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    with pytest.raises(
        InputError, match=r"events needs a server, and none is installed: pip install uvicorn \(or hyper"
    ):
        await asked(events)


@pytest.mark.parametrize("app", [object(), json, FastAPI, lambda environ, start_response: [b""], "app:app"])
async def test_what_is_no_asgi_application_is_told(app: object) -> None:
    with pytest.raises(InputError, match="is no ASGI application, which takes scope, receive and send; of ano"):
        await asked(app)


def failing(at: str) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            if at == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.failed", "message": "no database"})
                raise RuntimeError("no database")
            raise AssertionError("unsupported")
        if at == "stream":
            await events(scope, receive, lambda message: send(message | {"more_body": True}))
        raise ExceptionGroup("of a task group", [ValueError(f"the model said {KEY}")])

    return app


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
async def test_an_application_that_does_not_start_up_is_told_with_its_exception(
    monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    only(monkeypatch, server)
    with pytest.raises(InputError) as told:
        await asked(failing("lifespan"))
    assert "no database" in str(told.value)


@pytest.mark.proxies
async def test_what_an_application_raises_after_it_has_answered_is_waited_for() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"no"})
            await asyncio.sleep(0.1)  # as a framework's own handler of errors may take before it lets them through
            raise ValueError("too late for the answer")

    with pytest.raises(InputError, match=r"status 500 .*: no; the application raised ValueError: too late"):
        await asked(app)


@pytest.mark.proxies
@pytest.mark.parametrize("at", ["head", "stream"])
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
async def test_what_an_application_raises_is_told_with_its_place_and_without_secrets(
    monkeypatch: pytest.MonkeyPatch, server: str, at: str
) -> None:
    only(monkeypatch, server)
    with pytest.raises(InputError) as told:
        await asked(failing(at), headers=(("Authorization", f"Bearer {KEY}"),))
    said = str(told.value)
    assert "; the application raised ValueError: the model said (redacted)" in said
    assert f"({__file__}:" in said
    assert KEY not in said
