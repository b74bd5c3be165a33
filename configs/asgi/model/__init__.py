"""The model's client: asks the LLM at MODEL_URL and hands its answer out message by message.

An app here asks the model for the path, query, method and body that it was itself asked for, so that the model can be
the harness's emitter, or whatever stands behind the app in a chain. `blocking` does the same without the event loop,
`socket` and `blocking_socket` over a WebSocket.
"""

from __future__ import annotations

import math
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
from starlette.requests import Request

from model.messages import Messages

MODEL_URL = os.environ["MODEL_URL"]
NUMBER = re.compile(r"[0-9]*\.?[0-9]+(?:e-?[0-9]+)?")


def _seconds(name: str) -> float | None:
    """Return a setting that is a time, None if it is not set. Raises ValueError with what it is and may be."""
    if (text := os.environ.get(name)) is None:
        return None
    seconds = float(text) if NUMBER.fullmatch(text) else math.inf
    if seconds == math.inf:
        raise ValueError(f"{name} must be a number of seconds such as 0.01, not {text!r}")
    return seconds


PAUSE_S = _seconds("PAUSE_S")
"""How long a variant that has a place for it sleeps after each message; None: it does not sleep at all."""

OPTIONS = {
    "headers": {"Accept-Encoding": "identity"},  # as a model's API answers: whatever compresses is not the model
    "timeout": httpx.Timeout(600),
    "trust_env": False,
    "verify": ssl.create_default_context(),  # which heeds SSL_CERT_FILE
}
NOT_PASSED_ON = {"connection", "content-length", "content-type", "date", "keep-alive", "server", "transfer-encoding"}

_client = httpx.AsyncClient(**OPTIONS)


@dataclass(frozen=True)
class Answer:
    """What the model answers with. `headers` are those that an app passes on; the content type is apart."""

    status: int
    media_type: str | None
    headers: Mapping[str, str]
    messages: AsyncIterator[bytes]


async def ask(request: Request) -> Answer:
    """Ask the model what the app was asked; return once the head of its answer is here."""
    asked = _client.build_request(**question(request, await request.body()))
    response = await _client.send(asked, stream=True)
    return Answer(response.status_code, *head(response), _messages(response))


def question(request: Request, body: bytes) -> dict[str, object]:
    """Return the request to the model, as httpx takes it."""
    headers = {"Content-Type": request.headers["content-type"]} if "content-type" in request.headers else {}
    return {"method": request.method, "url": MODEL_URL + target(request), "content": body, "headers": headers}


def target(request: object) -> str:
    """Return path and query of a request or of a WebSocket."""
    url = request.url  # type: ignore[attr-defined]
    return f"{url.path}?{url.query}" if url.query else str(url.path)


def head(response: httpx.Response) -> tuple[str | None, dict[str, str]]:
    """Return content type and the headers to pass on."""
    passed_on = {name: value for name, value in response.headers.items() if name.lower() not in NOT_PASSED_ON}
    return response.headers.get("content-type"), passed_on


async def _messages(response: httpx.Response) -> AsyncIterator[bytes]:
    cutter = Messages(response.headers.get("content-type", ""))
    try:
        async for data in response.aiter_raw():
            for message in cutter.feed(data):
                yield message
        for message in cutter.rest():
            yield message
    finally:
        await response.aclose()
