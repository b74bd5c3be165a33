"""The gated backend and its emulators, shared by the tests of one module; nothing starts where nobody asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from harness.launchers.process import Launcher
from tests.proxies.gated import Backend, Emulators


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
