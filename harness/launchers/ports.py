"""Ports for programs that have to be told theirs: free ones, kept from all others until the program has bound them."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from harness.errors import ProxyError

T = TypeVar("T")


class PortTaken(ProxyError):
    """Somebody took the port between our asking for a free one and the program's binding it."""


async def on_free_port(start: Callable[[int], Awaitable[T]]) -> T:
    """Return `start(port)` with a free port; only if it raises PortTaken, try another, at most three in all."""
    attempts = AsyncRetrying(retry=retry_if_exception_type(PortTaken), stop=stop_after_attempt(3), reraise=True)
    with contextlib.ExitStack() as tried:  # they stay reserved, or the system may give the same one again
        async for attempt in attempts:
            with attempt:
                return await start(tried.enter_context(reserved_port()))
    raise AssertionError("tenacity returns or raises")


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port from all who ask for just any; who binds it by number, with SO_REUSEADDR as servers do, gets it.

    Else a port could be another run's by the time its program starts: that one would answer in its place. Only Linux
    lets two sockets share a port until one listens; elsewhere the port is merely free now.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        port = int(keeper.getsockname()[1])
        if sys.platform != "linux":
            keeper.close()
        yield port
