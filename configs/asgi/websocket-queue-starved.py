"""A WebSocket fed from a queue whose producer never yields to the event loop: a shape that fits field report 001."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, WebSocket
from model import PAUSE_S
from model.blocking_socket import listen

app = FastAPI()


async def produce(websocket: WebSocket, queue: asyncio.Queue[str | None]) -> None:
    for message in listen(websocket):
        queue.put_nowait(message)
        if PAUSE_S is not None:
            await asyncio.sleep(PAUSE_S)
    queue.put_nowait(None)


@app.websocket("/{path:path}")
async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    producer = asyncio.create_task(produce(websocket, queue))
    while (message := await queue.get()) is not None:
        await websocket.send_text(message)
    await producer
    await websocket.close()
