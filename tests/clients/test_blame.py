"""Where any connection that nobody closed fails a test, it is one of its own: those of others were collected before."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from tests.clients.serving import Served, Server

LEAKING = """\
import asyncio

def test_leaves_a_connection_open():
    async def leave():
        accepted = asyncio.Event()
        server = await asyncio.start_server(lambda reader, writer: accepted.set(), "127.0.0.1", 0)
        _, asking = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        await accepted.wait()
        asking.close()
        server.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.close()
"""
STRICT = """\
import gc
import pytest

pytestmark = pytest.mark.filterwarnings("error")

def test_collects_what_there_is():
    gc.collect()
"""


@pytest.mark.parametrize(
    ("conftest", "came"),
    [
        ("from tests.clients.conftest import none_is_blamed_for_others", {"passed": 2}),
        ("", {"passed": 1, "failed": 1}),
    ],
)
def test_what_others_left_open_fails_no_test(pytester: pytest.Pytester, conftest: str, came: dict[str, int]) -> None:
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_1=LEAKING, test_2=STRICT)
    assert pytester.runpytest_subprocess("-p", "no:cacheprovider").parseoutcomes() == came


async def test_a_server_hangs_up_on_whom_it_has_not_begun_to_serve() -> None:
    async def script(served: Served) -> None: ...

    connected = Mock()
    async with Server(script) as server:
        server._connected(Mock(), connected)
    assert connected.transport.abort.called
