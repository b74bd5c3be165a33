"""The browser that the tests of a module share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.launchers.process import Launcher
from tests.clients.browsing import Rig


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with Launcher() as launcher:
        rig = Rig(launcher, Chromium(), ChromiumEventSource())
        for client in (rig.fetch, rig.eventsource):
            client.equip(launcher, tmp_path_factory.mktemp("evidence"))
        yield rig
        await rig.fetch.close()
        await rig.eventsource.close()
