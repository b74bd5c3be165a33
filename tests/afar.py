"""A deployed emitter with something in front, as in somebody's cloud, and how that is measured from here."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from harness.backends.base import Announced
from harness.backends.elsewhere import Elsewhere
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.limits import ELSEWHERE
from harness.model import Chain, Clock, Emission, Endpoint, Plan, Trace
from tests.backends.deploying import TOKEN


@dataclass
class Upstream:
    """Where chains end whose streams somebody else asks for."""

    endpoint: Endpoint
    clock: Clock = "its own"

    async def ready(self) -> None: ...

    async def open(self, emission: Emission) -> Announced:
        raise AssertionError("nobody measures here")

    async def close(self) -> None: ...


@contextlib.asynccontextmanager
async def in_front(launcher: Launcher, folder: Path, chain: Chain, of: Endpoint) -> AsyncIterator[Endpoint]:
    """Start a chain in front of a deployed emitter."""
    async with Bench(launcher, folder, backend=Upstream(of)) as bench:
        yield (await bench.entry(chain)).endpoint


async def measured(
    launcher: Launcher, folder: Path, plan: Plan, at: Endpoint, quiet: bool = False, token: str = TOKEN
) -> Trace:
    """Return the trace of one stream of a plan through whatever is there."""
    emitter = Elsewhere(at, token, ELSEWHERE)
    try:
        async with Bench(launcher, folder, backend=emitter) as bench:
            return (await bench.record("cell", plan, quiet=quiet))[0]
    finally:
        await emitter.close()
