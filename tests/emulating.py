"""Emulated hops with policies drawn by seed: the emulator, emitter, recorder, guard and client are real.

python -m tests.invariance --real N        N of them, to be held against the oracle
python -m tests.emulating UPSTREAM         what that starts: one process that serves a policy per line of stdin,
                                           each at a port that it prints, until stdin ends
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from harness.judge.verdict import Assessment, assess, follow_up
from harness.model import Endpoint, Plan
from harness.proxies.emulator_server import AUTOMATIC, Emulator, keep_quiet
from harness.proxies.hold import Policy
from tests.hops import Blocks, Chain, Compresses, HoldsToEnd, Hop, Idle, Passes, Timer, head_held
from tests.invariance import DEAR, STREAMS, Answer, Case, held_against, some_bytes, some_ms, tokens_to_know
from tests.oracle import between, is_clear
from tests.recording import Rig, rig

PART, JOBS = 100, 16
HOST = "127.0.0.1"
NOISY_MS = (25.0, 100.0)
"""A real machine adds to a timer: one that takes so long is late or not by luck."""


@dataclass(frozen=True)
class Emulated:
    """A policy, and the case that the oracle knows it as."""

    policy: Policy
    case: Case

    @property
    def plan(self) -> Plan:
        return replace(self.case.plan, request_headers=(("Accept-Encoding", "gzip"),))


def drawn(seed: int) -> Emulated:
    """Return the policy of a seed."""
    rng = random.Random(seed)
    while True:
        policy, hop = some_policy(rng)
        case = Case(
            hop,
            token_bytes=rng.choice([64, 100, 333, 1000, 4096]),
            tokens=rng.randrange(1, 60),
            payload=rng.choice(["repetitive", "random"]),
        )
        noisy = between(policy.release_after_ms or policy.idle_ms or 0.0, NOISY_MS)
        holds_one = policy.release_bytes is None or policy.release_bytes > case.token_bytes
        if is_clear(hop, case.plan.emission) and not noisy and holds_one and tokens_to_know(case) <= DEAR:
            return Emulated(policy, case)


def some_policy(rng: random.Random) -> tuple[Policy, Hop]:
    """Draw a policy, and return with it what does the same without sockets."""
    told: dict[str, Any] = {}
    hop: Hop
    match rng.choice(["passes", "to the end", "blocks", "timer", "idle", "gzip", "gzip-flush"]):
        case "passes":
            return Policy(), Passes()
        case "to the end":
            return Policy(store_and_forward=True), head_held(HoldsToEnd())
        case "blocks":
            told["release_bytes"] = some_bytes(rng)
            hop = Blocks(told["release_bytes"])
        case "timer":
            told |= {"release_bytes": some_bytes(rng), "release_after_ms": some_ms(rng)}
            hop = Timer(told["release_after_ms"], told["release_bytes"])
        case "idle":
            told |= {"release_bytes": some_bytes(rng), "idle_ms": some_ms(rng)}
            hop = Idle(told["idle_ms"], told["release_bytes"])
        case "gzip":
            return Policy(compression="gzip"), Compresses("gzip")
        case _:
            return Policy(compression="gzip-flush"), Compresses("gzip", flushes=True)
    head = rng.random() < 1 / 4
    return Policy(hold_head=head, **told), head_held(hop) if head else Chain((hop,))


async def serve(upstream: str, policies: Iterable[str]) -> None:
    """Serve each policy, and print where: a port a line."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        skip_auto_headers=AUTOMATIC,
    ) as session:
        for policy in policies:
            app = web.Application()
            emulator = Emulator(upstream, Policy.from_json(policy), session)
            app.router.add_route("*", "/{path:.*}", emulator.serve)
            app.on_response_prepare.append(keep_quiet)
            runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, HOST, 0).start()
            print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.asynccontextmanager
async def emulators(upstream: Endpoint, policies: Sequence[Policy]) -> AsyncIterator[list[Endpoint]]:
    """Serve policies in a process of their own, for as long as the block lasts."""
    lines = [policy.to_json() for policy in policies]
    command = (sys.executable, "-m", __name__, upstream.url, str(len(lines)))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        yield [Endpoint(int(await process.stdout.readline())) for _ in lines]
    finally:
        process.stdin.close()
        await process.wait()


async def assessed(running: Rig, told: Plan, entry: Endpoint) -> Assessment:
    """Measure what comes through an emulated hop, in as many streams as are asked for."""
    traces = [await running.record(told, entry)]
    while (more := follow_up(traces, assess(traces))) and len(traces) < STREAMS:
        traces.append(await running.record(more.plan, entry, more.quiet))
    return assess(traces)


async def answers(seeds: Sequence[int], folder: Path, jobs: int = JOBS) -> dict[int, Answer]:
    """Measure the policies of these seeds, so many at once; what is doubtful alone after that, as a run does."""
    all_drawn, seats = [drawn(seed) for seed in seeds], asyncio.Semaphore(jobs)

    async def beside_others(emulated: Emulated, entry: Endpoint) -> Assessment:
        async with seats:
            return await assessed(running, emulated.plan, entry)

    async with rig(folder) as running, emulators(running.direct, [one.policy for one in all_drawn]) as entries:
        said = await asyncio.gather(*map(beside_others, all_drawn, entries))
        for at, emulated in enumerate(all_drawn):
            if said[at].doubtful:
                said[at] = await assessed(running, emulated.plan, entries[at])
    held = (held_against(one.case, told) for one, told in zip(all_drawn, said, strict=True))
    return dict(zip(seeds, held, strict=True))


def answered(seeds: range) -> Iterator[tuple[int, Answer]]:
    """Measure these policies in parts, a process for each."""
    for first in range(seeds.start, seeds.stop, PART):
        with tempfile.TemporaryDirectory() as folder:
            part = range(first, min(first + PART, seeds.stop))
            yield from asyncio.run(answers(part, Path(folder))).items()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], [sys.stdin.readline() for _ in range(int(sys.argv[2]))]))
