"""The model's client over a WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from model import MODEL_URL, target


async def listen(websocket: WebSocket) -> AsyncIterator[str]:
    """Ask the model for what the app was asked for; yield its messages until it closes."""
    async with connect(f"ws{MODEL_URL.removeprefix('http')}{target(websocket)}", proxy=None) as connection:
        async for message in connection:
            yield str(message)
