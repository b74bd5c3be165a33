"""Collects the whole completion, then responds with all of it: field report 003's endpoint before the change."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from model import ask

app = FastAPI()


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> Response:
    answer = await ask(request)
    full_response = b"".join([message async for message in answer.messages])
    return Response(full_response, answer.status, dict(answer.headers), answer.media_type)
