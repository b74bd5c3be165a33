"""A deployed emitter with something in front, as in somebody's cloud, and how that is measured from here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.backends.base import Announced
from harness.backends.elsewhere import Elsewhere
from harness.backends.posting import Patience
from harness.judge.verdict import assess_one
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.limits import ELSEWHERE
from harness.model import Chain, Clock, Emission, Endpoint, Hop, Plan, Trace
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
async def in_front(
    launcher: Launcher, folder: Path, chain: Chain, of: Endpoint, own: Mapping[Hop, Path] | None = None
) -> AsyncIterator[Endpoint]:
    """Start a chain in front of a deployed emitter."""
    async with Bench(launcher, folder, own, backend=Upstream(of)) as bench:
        yield (await bench.entry(chain)).endpoint


async def measured(
    launcher: Launcher,
    folder: Path,
    plan: Plan,
    at: Endpoint,
    quiet: bool = False,
    token: str = TOKEN,
    patience: Patience = ELSEWHERE,
    control: Endpoint | None = None,
) -> Trace:
    """Return the trace of one stream of a plan through whatever is there; of another one where it is doubtful, as a
    busy machine may have made what it says: so does a run."""
    emitter = Elsewhere(at, token, patience, control)
    try:
        async with Bench(launcher, folder, backend=emitter) as bench:
            trace, _ = await bench.record("cell", plan, quiet=quiet)
            if assess_one(trace).doubtful:
                trace, _ = await bench.record("cell", plan, quiet=quiet)
            return trace
    finally:
        await emitter.close()


@contextlib.asynccontextmanager
async def far_away(of: Endpoint, one_way_s: float) -> AsyncIterator[Endpoint]:
    """Stand before an endpoint, and hand on whatever comes from either side so much later."""
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                loop.call_later(one_way_s, writer.write, data)
        loop.call_later(one_way_s, writer.close)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, asking = await asyncio.open_connection(of.host, of.port)
        for one in (pump(reader, asking), pump(behind, writer)):
            pumps.add(task := asyncio.create_task(one))
            task.add_done_callback(pumps.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield replace(of, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
