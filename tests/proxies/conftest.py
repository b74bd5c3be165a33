"""The gated backend and its emulators, shared by the tests of one module, and a stage for programs that are played.

Nothing starts where nobody asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from harness.launchers.process import Launcher
from tests.proxies.gated import Backend, Emulators
from tests.proxies.staging import Stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_backend() -> AsyncIterator[Backend]:
    backend = Backend()
    runner = web.AppRunner(backend.application(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend.port = runner.addresses[0][1]
    yield backend
    await runner.cleanup()


@pytest.fixture
def backend(running_backend: Backend) -> Backend:
    running_backend.answers()
    return running_backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def emulators(running_backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Emulators]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(auto_decompress=False, connector=connector) as client,
        Launcher() as launcher,
    ):
        yield Emulators(launcher, tmp_path_factory.mktemp("emulators"), running_backend.port, client)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    with stage.sockets:
        yield stage
