"""What the tests of a module share: a browser, or an emitter whose streams curl reads."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.launchers.process import Launcher
from tests.clients.browsing import Rig
from tests.clients.piping import Running
from tests.recording import rig as recording


@pytest.fixture(scope="module", autouse=True)
def none_is_blamed_for_others() -> None:
    """Collect what tests before these have left open: where any connection that nobody closed fails a test, it is to be
    one of its own.
    """
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with Launcher() as launcher:
        rig = Rig(launcher, Chromium(), ChromiumEventSource())
        for client in (rig.fetch, rig.eventsource):
            client.equip(launcher, tmp_path_factory.mktemp("evidence"))
        yield rig
        await rig.fetch.close()
        await rig.eventsource.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with Launcher() as launcher, recording(tmp_path_factory.mktemp("rig")) as started:
        yield started, launcher
