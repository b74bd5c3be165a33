"""sse-starlette's EventSourceResponse with its default ping; it answers with an event stream, whatever it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from model import ask
from sse_starlette import EventSourceResponse

app = FastAPI()


async def events(messages: AsyncIterator[bytes]) -> AsyncIterator[dict[str, str]]:
    async for message in messages:
        lines = message.decode().splitlines()
        data = [line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:")]
        comments = [line[1:].removeprefix(" ") for line in lines if line.startswith(":")]
        event = {"data": "\n".join(data), "comment": "\n".join(comments)}
        yield {field: text for field, text in event.items() if text}


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def complete(request: Request) -> EventSourceResponse:
    answer = await ask(request)
    return EventSourceResponse(events(answer.messages), answer.status, answer.headers)
