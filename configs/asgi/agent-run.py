"""Sends the run's id at once, then starves its queue: built to the two reads that field report 000 logged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from model import PAUSE_S
from model.blocking import ask

HANDSHAKE = b": " + b'{"type": "run", "id": "3f0c"}'.ljust(251) + b"\n\n"  # as long as the report's first read

app = FastAPI()


async def run_agent(messages: Iterator[bytes], queue: asyncio.Queue[bytes | None]) -> None:
    for message in messages:  # nothing else runs while this waits for the model
        queue.put_nowait(message)
        if PAUSE_S is not None:
            await asyncio.sleep(PAUSE_S)
    queue.put_nowait(None)


async def event_generator(messages: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield HANDSHAKE
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    agent = asyncio.create_task(run_agent(messages, queue))
    while (message := await queue.get()) is not None:
        yield message
    await agent


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = ask(request, await request.body())
    if answer.media_type is None or not answer.media_type.startswith("text/event-stream"):  # the harness's own requests
        return StreamingResponse(answer.messages, answer.status, answer.headers, answer.media_type)
    return StreamingResponse(event_generator(answer.messages), answer.status, answer.headers, answer.media_type)
