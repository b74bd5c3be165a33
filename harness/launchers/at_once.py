"""Blocking work that launches programs, several at once; whoever is interrupted has all of it ended before going on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

K = TypeVar("K")
T = TypeVar("T")
AGAIN_S = 0.1

_over = threading.Event()
_running: set[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = set()


async def at_once(
    works: Iterable[tuple[K, Callable[[], object]]], jobs: int
) -> AsyncGenerator[tuple[K, BaseException | None]]:
    """Do works, so many at once, begun in their order; yield the key of each that has ended, with what it raised.

    Whoever closes this, or is cancelled in it, has those ended that run, and no other begun. That holds up the event
    loop, so that no second cancellation comes between.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Queue[Future[object]]()
    pool, keys = ThreadPoolExecutor(jobs), dict[Future[object], K]()

    def tell(done: Future[object]) -> None:
        loop.call_soon_threadsafe(ended.put_nowait, done)

    try:
        for key, work in works:
            keys[future := pool.submit(work)] = key
            future.add_done_callback(tell)
        for _ in keys:
            done = await ended.get()
            yield keys[done], done.exception()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        _over.set()
        for running, task in [*_running]:
            with suppress(RuntimeError):  # a loop that has ended meanwhile
                running.call_soon_threadsafe(task.cancel)
        pool.shutdown()
        _over.clear()


async def heard(work: Coroutine[Any, Any, T]) -> T:
    """Do work in a loop of its own, such that it can be ended from `at_once`."""
    task = asyncio.current_task()
    assert task
    _running.add(this := (asyncio.get_running_loop(), task))
    try:
        if _over.is_set():
            work.close()
            raise asyncio.CancelledError
        return await work
    finally:
        _running.discard(this)


def pause(seconds: float) -> None:
    """Wait that long between two looks at something. Raises CancelledError once all is to end."""
    if _over.wait(seconds):
        raise asyncio.CancelledError


@contextmanager
def alone(lock: threading.Lock) -> Iterator[None]:
    """Wait until no other work has a lock, and have it. Raises CancelledError once all is to end."""
    while not lock.acquire(blocking=False):
        pause(AGAIN_S)
    try:
        yield
    finally:
        lock.release()
