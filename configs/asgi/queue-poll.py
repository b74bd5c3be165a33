"""A queue that is polled with a time-out of 0.1 s, and a heartbeat whenever that passes: field report 004's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from model import Answer, ask

app = FastAPI()


async def progress(answer: Answer) -> AsyncIterator[bytes]:
    progress_queue: asyncio.Queue[bytes] = asyncio.Queue()
    # A comment, where the report has a JSON event: that would be no token to who reads the stream.
    heartbeat = b": heartbeat\n\n" if "event-stream" in (answer.media_type or "") else b"\n"

    async def process() -> None:
        async for message in answer.messages:
            await progress_queue.put(message)

    processing_task = asyncio.create_task(process())
    while not processing_task.done():
        try:
            yield await asyncio.wait_for(progress_queue.get(), timeout=0.1)
        except TimeoutError:
            yield heartbeat
    while not progress_queue.empty():  # the report's loop ends before this, and loses what is still in the queue
        yield progress_queue.get_nowait()
    await processing_task


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)
    return StreamingResponse(progress(answer), answer.status, answer.headers, answer.media_type)
