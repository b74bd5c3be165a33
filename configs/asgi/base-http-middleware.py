"""A StreamingResponse behind a middleware of the app's own, which Starlette's BaseHTTPMiddleware runs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from model import ask

app = FastAPI()


@app.middleware("http")
async def tell_time(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    start = time.perf_counter()
    response = await call_next(request)
    response.headers["X-Process-Time"] = f"{time.perf_counter() - start:.4f}"
    return response


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)
    return StreamingResponse(answer.messages, answer.status, answer.headers, answer.media_type)
