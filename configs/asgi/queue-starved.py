"""A producer that never yields to the event loop fills a queue; its consumer sends: a shape that fits report 001."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from model import PAUSE_S
from model.blocking import ask

app = FastAPI()


async def produce(messages: Iterator[bytes], queue: asyncio.Queue[bytes | None]) -> None:
    for message in messages:
        queue.put_nowait(message)
        if PAUSE_S is not None:
            await asyncio.sleep(PAUSE_S)
    queue.put_nowait(None)


async def consume(messages: Iterator[bytes]) -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    producer = asyncio.create_task(produce(messages, queue))
    while (message := await queue.get()) is not None:
        yield message
    await producer


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = ask(request, await request.body())
    return StreamingResponse(consume(answer.messages), answer.status, answer.headers, answer.media_type)
