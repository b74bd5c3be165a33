"""The model's client for code that knows no event loop: while it waits for the model, its thread waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
from starlette.requests import Request

from model import OPTIONS, head, question
from model.messages import Messages


@dataclass(frozen=True)
class Answer:
    """What the model answers with; see `model.Answer`."""

    status: int
    media_type: str | None
    headers: Mapping[str, str]
    messages: Iterator[bytes]


def ask(request: Request, body: bytes) -> Answer:
    """Ask the model what the app was asked; return once the head of its answer is here."""
    # With a pool of its own: a pool's lock is not reentrant, and an answer that nobody reads any more, collected while
    # another one has the lock, would stop the thread for ever (https://github.com/encode/httpcore/issues/996).
    client = httpx.Client(**OPTIONS)
    response = client.send(client.build_request(**question(request, body)), stream=True)
    return Answer(response.status_code, *head(response), _messages(client, response))


def _messages(client: httpx.Client, response: httpx.Response) -> Iterator[bytes]:
    cutter = Messages(response.headers.get("content-type", ""))
    try:
        for data in response.iter_raw():
            yield from cutter.feed(data)
        yield from cutter.rest()
    finally:
        response.close()
        client.close()
