"""Starlette's GZipMiddleware, as it comes, around a StreamingResponse."""

# /// script
# dependencies = ["httpx", "starlette", "uvicorn"]
# ///

from __future__ import annotations

from model import ask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)
    return StreamingResponse(answer.messages, answer.status, answer.headers, answer.media_type)


app = Starlette(
    routes=[Route("/{path:path}", complete, methods=["GET", "POST"])],
    middleware=[Middleware(GZipMiddleware)],
)
