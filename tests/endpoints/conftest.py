"""What tests of endpoints share: an application in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.answering import App


@pytest.fixture
def beside() -> Iterator[Callable[[App], App]]:
    """Let an application listen in a thread of its own, for as long as a test runs."""
    loop, stack = asyncio.new_event_loop(), contextlib.AsyncExitStack()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda app: asyncio.run_coroutine_threadsafe(stack.enter_async_context(app.listening()), loop).result(20)
    asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
