"""Waits for the end of a response of which all was sent: as long as tokens come, and not for ever.

Rule: only tokens are progress, and the first bytes of the end. A hop may say that it lives again and again; whether a
machine stands still, the guard tells.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from harness.errors import StreamError
from harness.measure.guard import Guard


class Progress(Protocol):
    """What has come of a response."""

    progress_ns: int

    def awaits_end(self, from_ns: int) -> None:
        """Take note that all was sent, and that silence begins at `from_ns`."""

    def meanwhile(self) -> str | None:
        """Return what has come since the last progress, in words; None if nothing has."""

    async def awake(self) -> None:
        """Wait until whoever reads has seen what there was to see by now."""


async def ended(response: Progress, guard: Guard, silence_s: float, span_s: float = 0.0) -> None:
    """Wait until cancelled. Raises StreamError once there was no progress for `silence_s` on a machine that is awake.

    `span_s` is how long the backend still sends from now on.
    """
    response.awaits_end(time.monotonic_ns() + round(span_s * 1e9))
    while True:
        before_ns = response.progress_ns
        await asyncio.sleep(max(0.0, before_ns / 1e9 + silence_s - time.monotonic()))
        if response.progress_ns == before_ns:
            await guard.witnessed()
            if guard.pulses:
                await guard.witnessed_by_chain()
            await response.awake()
        if response.progress_ns == before_ns:
            meanwhile = response.meanwhile()
            silent = (
                f"no token came for {silence_s:g} s, but {meanwhile}"
                if meanwhile
                else f"nothing came for {silence_s:g} s"
            )
            raise StreamError(f"the response did not end: {silent}")
