"""What several tests start. A module shares one bench: it takes longer to start than most tests to run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from harness import resources
from harness.bench import Bench
from harness.launchers.process import Launcher

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session", autouse=True)
def cache_outlives_a_changed_home() -> Iterator[None]:
    """pytester moves HOME into its own folder; what set-up built stays where it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(resources.cache()))
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A running emitter with its guard; proxies start on demand. Its tests run in the module's loop."""
    async with Launcher() as launcher, Bench(launcher, tmp_path_factory.mktemp("bench")) as running:
        yield running
