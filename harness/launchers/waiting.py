"""Waits for what a started program does. Whatever it is, a program that ends or is late ends the wait: ProxyError."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, retry_if_not_result

from harness.errors import ProxyError
from harness.launchers.base import Program
from harness.launchers.process import POLL, until

T = TypeVar("T")


async def outlives(program: Program, work: Coroutine[Any, Any, T], within_s: float, what: str = "answer") -> T:
    """Return what `work` returns. Raises ProxyError with the program's last words if it ends or is late."""
    working, dying = asyncio.create_task(work), asyncio.create_task(until(program.death, within_s))
    try:
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        why = program.death() or f"{program.name} did not {what} within {within_s:g} s"
        raise ProxyError(":\n".join(filter(None, [why, program.log_tail()])))
    finally:
        working.cancel()
        dying.cancel()
        await asyncio.gather(working, dying, return_exceptions=True)


async def accepts(program: Program, port: int, within_s: float, host: str = "127.0.0.1") -> None:
    """Wait until `port` accepts connections."""
    await outlives(program, _connected(host, port), within_s, f"answer on port {port}")


async def announces(program: Program, pattern: re.Pattern[str], within_s: float) -> str:
    """Return the first group of `pattern` once the program has written such words."""

    async def look() -> str | None:
        announced = pattern.search(program.words())
        return announced[1] if announced else None

    looking = AsyncRetrying(retry=retry_if_not_result(bool), wait=POLL)
    return await outlives(program, looking(look), within_s, "listen") or ""


async def _connected(host: str, port: int) -> None:
    """Return once a connection is accepted."""
    async for attempt in AsyncRetrying(retry=retry_if_exception_type(OSError), wait=POLL):
        with attempt:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
