"""What several tests start. A module shares one bench: it takes longer to start than most tests to run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from harness.bench import Bench
from harness.launchers.process import Launcher

pytest_plugins = ["pytester"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A running emitter with its guard; proxies start on demand. Its tests run in the module's loop."""
    async with Launcher() as launcher, Bench(launcher, tmp_path_factory.mktemp("bench")) as running:
        yield running
