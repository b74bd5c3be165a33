"""Serves an ASGI application that is an object of this process, for as long as a block lasts.

Rules: it runs in a thread and an event loop of its own, with the globals, overrides and patches of whoever made it. The
server is uvicorn; where that is not installed, hypercorn. Its lifespan starts and ends with the block. What the
application raises is kept: to a client it is no more than an answer with status 500, or one that breaks off.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import socket
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from harness.errors import InputError
from harness.model import Endpoint

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""ASGI 3.0 (https://asgi.readthedocs.io/en/latest/specs/main.html#applications)."""

Serve = Callable[[App, socket.socket, threading.Event], Coroutine[Any, Any, None]]
"""Serves an application on a socket until an event is set, or its lifespan did not start."""
START_S = 30.0
"""How long its start-up may take."""
END_S = 5.0
"""How long its end is waited for; what does not end by then ends with the process."""


@dataclass
class Served:
    """An application that listens at `endpoint`; `name` says what it is and by which server it is served.

    `raised` has what came out of it last, by the type of its scope: of `lifespan`, and of `http`. `idle` is set while
    it is at no request.
    """

    name: str
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(1))
    raised: dict[str, Exception] = field(default_factory=dict)
    idle: threading.Event = field(default_factory=threading.Event)

    async def why_it_failed(self) -> str:
        """Return what the application raised over a request, once it is done with that: it may answer before."""
        await asyncio.to_thread(self.idle.wait, END_S)
        return self.why("http")

    def why(self, scope: str) -> str:
        """Return what the application raised last, in a line, with its place; nothing if it raised nothing."""
        if not (error := self.raised.get(scope)):
            return ""
        inner: BaseException = error
        frames = traceback.extract_tb(inner.__traceback__)
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
            frames = traceback.extract_tb(inner.__traceback__) or frames
        place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
        return f"{''.join(traceback.format_exception_only(inner)).strip()}{place}"


@asynccontextmanager
async def served(app: object) -> AsyncIterator[Served]:
    """Serve an application; when the block is left, its server has ended. Raises InputError for what cannot be served.

    What runs in the block does so in its own loop and thread.
    """
    served, serve = _server_for(app)
    ending, started = threading.Event(), threading.Event()
    watched = _watched(app, served, started)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else Nagle's algorithm is on
    with listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        served.endpoint = Endpoint(int(listening.getsockname()[1]))
        failure: list[BaseException] = []

        def live() -> None:
            try:
                asyncio.run(serve(watched, listening, ending))
            except BaseException as error:  # SystemExit, too, by which uvicorn ends
                failure.append(error)
            finally:
                started.set()

        context = contextvars.copy_context()  # that of whoever wants it served
        thread = threading.Thread(target=context.run, args=(live,), name="harness: an ASGI application", daemon=True)
        thread.start()
        try:
            await asyncio.to_thread(started.wait, START_S)
            if not started.is_set():
                raise InputError(f"{served.name}: its start-up takes longer than {START_S:g} s")
            if failure or not thread.is_alive():
                why = served.why("lifespan") or "".join(map(repr, failure))
                raise InputError(f"{served.name} did not start: {why}")
            yield served
        finally:
            ending.set()
            await asyncio.to_thread(thread.join, END_S)


def _server_for(app: object) -> tuple[Served, Serve]:
    """Return what is to be served, and what serves it. Raises InputError."""
    if not callable(app) or not _is_asgi(app):
        raise InputError(
            f"app: {type(app).__name__} is no ASGI application, which takes scope, receive and send; of another, give"
            " its command or its url"
        )
    named = getattr(app, "__qualname__", None) or type(app).__name__
    for name, serve in (("uvicorn", _uvicorn), ("hypercorn", _hypercorn)):
        if find_spec(name):
            return Served(f"{named} on {name} {version(name)}"), serve
    raise InputError(f"app: {named} needs a server, and none is installed: pip install uvicorn (or hypercorn)")


def _is_asgi(app: Callable[..., object]) -> bool:
    try:
        inspect.signature(app).bind({}, None, None)
    except TypeError:
        return False
    except ValueError:  # it does not tell what it takes
        return True
    return not inspect.isclass(app)


def _watched(app: Any, served: Served, started: threading.Event) -> App:
    """Return an application that tells when it has started, and keeps what it raises, which no log need tell, too."""

    async def at_start(scope: Message, receive: Any, send: Any) -> None:
        failed = False

        async def sending(message: Message) -> None:
            nonlocal failed
            failed = failed or message["type"] == "lifespan.startup.failed"
            await send(message)
            if not failed:
                started.set()

        try:
            await app(scope, receive, sending)
        except Exception as error:
            served.raised["lifespan"] = error
            raise
        finally:
            if not failed:  # it has no lifespan, or that has ended
                started.set()

    requests = 0
    served.idle.set()

    async def watched(scope: Message, receive: Any, send: Any) -> None:
        nonlocal requests
        if scope["type"] == "lifespan":
            await at_start(scope, receive, send)
            return
        requests += 1
        served.idle.clear()
        try:
            await app(scope, receive, send)
        except Exception as error:
            served.raised[scope["type"]] = error
        finally:
            requests -= 1
            if not requests:
                served.idle.set()

    return watched


async def _uvicorn(app: App, listening: socket.socket, ending: threading.Event) -> None:
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1, ws="none")
    )

    async def end() -> None:
        await asyncio.to_thread(ending.wait)
        server.should_exit = True

    await _until_ended(server.serve([listening]), end(), ending)


async def _hypercorn(app: App, listening: socket.socket, ending: threading.Event) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config, Sockets

    class Bound(Config):
        def create_sockets(self) -> Sockets:
            return Sockets([], [listening.dup()], [])

    config, over = Bound(), asyncio.Event()
    config.errorlog = config.accesslog = None
    config.graceful_timeout = 1

    async def end() -> None:
        await asyncio.to_thread(ending.wait)
        over.set()

    await _until_ended(serve(app, config, shutdown_trigger=over.wait), end(), ending)  # type: ignore[arg-type]


async def _until_ended(
    serving: Coroutine[Any, Any, None], asking: Coroutine[Any, Any, None], ending: threading.Event
) -> None:
    """Serve until that is over by itself, or has been asked to end."""
    waiting = asyncio.create_task(asking)
    try:
        await serving
    finally:
        ending.set()  # else a thread waits for it for ever
        await asyncio.gather(waiting, return_exceptions=True)
