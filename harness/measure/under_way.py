"""What is under way: coroutines for many keys, of which only so many go on at once, and for each key one at most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

K = TypeVar("K")
T = TypeVar("T")

UNDER_WAY = 1024
"""So many go on at once: many times what has a job, so that those which wait for one chain keep no job idle."""


async def each(keys: Collection[K], do: Callable[[K], Awaitable[None]]) -> None:
    """Do it for each key, in their order, as far as they may be under way at once. Raises the first fault alone."""
    todo = iter(keys)

    async def go_on() -> None:
        for key in todo:
            await do(key)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(keys), UNDER_WAY)):
                group.create_task(go_on())
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from faults


async def once(tasks: dict[K, asyncio.Task[T]], key: K, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what the key's task comes to, which is started for who asks first and outlives whoever asks."""
    if key not in tasks:
        tasks[key] = asyncio.create_task(start())
    return await asyncio.shield(tasks[key])
