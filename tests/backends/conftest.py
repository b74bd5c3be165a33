"""A real emitter, which all tests of a module share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.backends.emitting import Emitter, emitter


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Emitter]:
    async with emitter(tmp_path_factory.mktemp("emitter")) as started:
        yield started
