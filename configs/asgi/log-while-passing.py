"""The twin of collect-to-log.py: its middleware hands each part on before it asks for the next, and logs at the end."""

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
    parts = response.body_iterator

    async def passed() -> AsyncIterator[bytes]:
        size_bytes = 0
        async for part in parts:
            size_bytes += len(part)
            yield part
        logging.info("answered with %d bytes", size_bytes)

    response.body_iterator = passed()
    return response


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)
    return StreamingResponse(answer.messages, answer.status, answer.headers, answer.media_type)
