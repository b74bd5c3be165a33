"""Measures one cell in a process of its own, which stops itself in the middle of it. Somebody has to continue it.

    python -m tests.measuring FOLDER CHAIN TOKENS TOKEN_BYTES WHERE

WHERE is `read` (some tokens are here, the next is granted) or the name of a step of the lockstep machine. Prints the
verdict.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.documents.hops import read as hop
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.lockstep import Lockstep
from harness.model import Emission, Plan, Workload
from tests.factories import judged
from tests.tapping import tapped

READS = 5


def plan(chain: str, tokens: int, token_bytes: int) -> Plan:
    """A plain GET of an event stream through a chain of one hop, or directly."""
    hops = () if chain == "direct" else (hop(chain),)
    load = Workload("stalled", tokens, token_bytes)
    return Plan(hops, "GET", (), Emission(load))


def acting(monkeypatch: pytest.MonkeyPatch, where: str, act: Callable[[], object]) -> str:
    """Arrange for `act` to happen once, at that place in the next stream; return the client to use."""
    if where == "read":
        return tapped(monkeypatch, READS, act)
    original = getattr(Lockstep, where)
    left = [act]

    def step(machine: Lockstep, now_ns: int) -> object:
        if left:
            left.pop()()
        return original(machine, now_ns)

    monkeypatch.setattr(Lockstep, where, step)
    return "aiohttp"


async def main(folder: str, chain: str, tokens: str, token_bytes: str, where: str) -> None:
    """Measure, and stop on the way."""
    told = plan(chain, int(tokens), int(token_bytes))
    async with Launcher() as launcher, Bench(launcher, Path(folder)) as bench:
        await bench.entry(told.chain)
        with pytest.MonkeyPatch.context() as monkeypatch:
            client = acting(monkeypatch, where, lambda: os.kill(os.getpid(), signal.SIGSTOP))
            trace, _ = await bench.record("cell", replace(told, client=client))
    print(judged(trace).verdict)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
