"""Ctrl-C and SIGTERM as a cancellation, so that whatever was started is ended in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from harness.errors import Interrupted

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
T = TypeVar("T")


def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; the first Ctrl-C or SIGTERM cancels it, so that it cleans up. No second one breaks into that."""
    before = {number: signal.getsignal(number) for number in INTERRUPTS}

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task

        def interrupt(*_: object) -> None:
            for number in INTERRUPTS:
                signal.signal(number, signal.SIG_IGN)
            loop.call_soon_threadsafe(task.cancel)

        try:
            for number, handler in before.items():
                if handler != signal.SIG_IGN:  # as a shell starts what it puts in the background
                    signal.signal(number, interrupt)
            return await work
        finally:
            for number, handler in before.items():
                if signal.getsignal(number) is interrupt:
                    signal.signal(number, handler)

    try:
        return asyncio.run(cancellable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted("Interrupted.") from None
