"""A WebSocket that sends each message of the model's as it comes in."""

from __future__ import annotations

from fastapi import FastAPI, WebSocket
from model.socket import listen

app = FastAPI()


@app.websocket("/{path:path}")
async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in listen(websocket):
        await websocket.send_text(message)
    await websocket.close()
