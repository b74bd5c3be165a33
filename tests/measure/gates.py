"""Round trips that go round when a test lets them, and a client whose reads are as long as a test likes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator

from harness.backends.fake import Fake as FakeBackend
from harness.clients.base import Request
from harness.clients.fake import Fake as FakeClient

LONG_S = 1e6
"""Longer than any test lasts: who waits for so long waits for ever."""


class Gate:
    """Round trips that go round when the test lets them."""

    def __init__(self, free: int = 0) -> None:
        self.begun = 0
        self.permits = asyncio.Semaphore(free)
        self.error: Exception | None = None

    async def trip(self) -> None:
        self.begun += 1
        await self.permits.acquire()
        if self.error:
            raise self.error


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


class Pieces(FakeClient):
    """Reads what the backend answers in pieces of so many bytes, and after so many tokens ends as if well."""

    def __init__(self, backend: FakeBackend, piece_bytes: int = 4096, ends_after: int | None = None) -> None:
        async def answer(request: Request) -> AsyncGenerator[bytes]:
            tokens = itertools.count()
            async for data in backend.answer(request.url):
                if next(tokens) == ends_after:
                    return
                for at in range(0, len(data), piece_bytes):
                    yield data[at : at + piece_bytes]

        super().__init__(answer)
