"""StreamingResponse over an async generator: each message goes out as it comes in."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from model import ask

app = FastAPI()


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)
    return StreamingResponse(answer.messages, answer.status, answer.headers, answer.media_type)
