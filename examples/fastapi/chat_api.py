"""Answers questions word by word, as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()

# no proxy is to change the stream, and so none compresses it; nginx is to hand on what it gets
STREAM = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


class Question(BaseModel):
    text: str


Model = Callable[[str], AsyncIterator[str]]


def model() -> Model:
    """Return the model that is asked; a test has another one."""

    async def think(text: str) -> AsyncIterator[str]:
        for word in f"You ask {text} That is an old question, and some have gone mad over it.".split():
            yield word
            await asyncio.sleep(0.05)

    return think


@app.post("/api/chat")
async def chat(question: Question, ask: Annotated[Model, Depends(model)]) -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        async for word in ask(question.text):
            yield f"data: {json.dumps({'text': word})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers=STREAM)
