"""Records streams with the real recorder, guard and client, from a real emitter; what is between is the test's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends.local import Local
from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Client
from harness.judge.verdict import Assessment, assess, follow_up
from harness.launchers.process import Launcher
from harness.measure.conversation import record
from harness.measure.guard import ControlStream, Guard, Pulse
from harness.measure.limits import EMITTER, Bounds
from harness.model import Emission, Endpoint, Plan, Trace, Workload
from tests.factories import plan
from tests.misbehaving import Behaviour, Misbehaving

LOAD = Workload("w", tokens=12, token_bytes=100, interval_ms=5)


def bound(monkeypatch: pytest.MonkeyPatch, **bounds: Any) -> None:
    """Give every stream these bounds, and else those of its own."""
    own = Bounds.of

    def of(emission: Emission, asks_within_s: float) -> Bounds:
        return replace(own(emission, asks_within_s), **bounds)

    monkeypatch.setattr(Bounds, "of", of)


@dataclass(frozen=True)
class Rig:
    """An emitter and all that is needed to record its streams. `carrier` carries the pulse, whatever client reads."""

    backend: Local
    control: ControlStream
    carrier: AiohttpReader
    client: Client

    @property
    def direct(self) -> Endpoint:
        """Where the emitter itself listens."""
        return self.backend.endpoint

    async def record(self, told: Plan | None = None, entry: Endpoint | None = None, quiet: bool = False) -> Trace:
        """Record one stream through whatever listens at `entry`, or directly."""
        entry = entry or self.direct
        pulse = Pulse(self.carrier, entry)
        try:
            guard = Guard(self.control, pulse, quiet)
            return await record("cell", told or plan(LOAD), entry, self.backend, self.client, guard)
        finally:
            await pulse.trips.close()

    async def record_through(self, behave: Behaviour, load: Workload = LOAD, **emission: Any) -> Trace:
        """Record one stream through a proxy that behaves like this."""
        async with Misbehaving(self.direct, behave) as proxy:
            return await self.record(plan(load, **emission), proxy.endpoint)

    async def assess_through(self, proxy: Misbehaving, load: Workload = LOAD) -> Assessment:
        """Judge what comes through a proxy, in other streams too if the first asks for some."""
        async with proxy:
            traces = [await self.record(plan(load), proxy.endpoint)]
            while more := follow_up(traces, assess(traces)):
                traces.append(await self.record(more.plan, proxy.endpoint, more.quiet))
            return assess(traces)


@contextlib.asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    """Run an emitter, with a control stream and a client; after the block it must have written nothing."""
    async with Launcher() as launcher:
        backend, client = Local(launcher, folder, EMITTER), AiohttpReader()
        control = ControlStream(client, backend)
        await backend.ready()
        try:
            yield Rig(backend, control, client, client)
        finally:
            await control.close()
            await client.close()
            await backend.close()
        assert backend.process.death() is None
        assert backend.process.log_tail() == ""
