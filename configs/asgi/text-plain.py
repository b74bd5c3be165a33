"""A StreamingResponse with media_type="text/plain", whatever it carries: field report 004 before the change."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from model import ask

app = FastAPI()


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)
    return StreamingResponse(answer.messages, answer.status, answer.headers, media_type="text/plain")
