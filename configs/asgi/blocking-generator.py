"""An async generator over a blocking LLM client: the event loop stands still between two messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from model import PAUSE_S
from model.blocking import ask

app = FastAPI()


async def events(messages: Iterator[bytes]) -> AsyncIterator[bytes]:
    for message in messages:  # nothing else runs while this waits for the model
        yield message
        if PAUSE_S is not None:
            await asyncio.sleep(PAUSE_S)


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = ask(request, await request.body())
    return StreamingResponse(events(answer.messages), answer.status, answer.headers, answer.media_type)
