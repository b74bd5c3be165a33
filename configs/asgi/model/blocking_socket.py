"""The model's client over a WebSocket for code that knows no event loop: while it waits, its thread waits."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.websockets import WebSocket
from websockets.sync.client import connect

from model import MODEL_URL, target


def listen(websocket: WebSocket) -> Iterator[str]:
    """Ask the model for what the app was asked for; yield its messages until it closes."""
    with connect(f"ws{MODEL_URL.removeprefix('http')}{target(websocket)}", proxy=None) as connection:
        yield from map(str, connection)
