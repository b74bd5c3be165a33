"""A middleware that reads all of response.body_iterator to log it, and only then hands it on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from model import ask

app = FastAPI()


@app.middleware("http")
async def log_answer(request: Request, call_next: Callable[[Request], Awaitable[StreamingResponse]]) -> Response:
    response = await call_next(request)
    parts = [part async for part in response.body_iterator]
    logging.info("answered with %d bytes", sum(map(len, parts)))

    async def again() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    response.body_iterator = again()
    return response


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)
    return StreamingResponse(answer.messages, answer.status, answer.headers, answer.media_type)
