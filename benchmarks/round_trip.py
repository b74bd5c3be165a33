"""How much slower is a lockstep round trip than the machine allows?

    python -m benchmarks.round_trip

Compares the direct lockstep stream with a ping-pong of two blocking sockets in two processes, the same number of bytes,
turn by turn in one run, because a machine's speed varies more between runs than the two do.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Emission, Plan, Workload

ROUNDS = 5
TURNS = 2000
TOKEN_BYTES = 96


def echo(listening: socket.socket) -> None:
    """Answer every message with as many bytes."""
    connection, _ = listening.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(4096):
        connection.sendall(data)


def ping_pong() -> float:
    """Return the median round trip of blocking sockets, in µs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = multiprocessing.get_context("fork").Process(target=echo, args=(listening,))
        peer.start()
        with socket.create_connection(listening.getsockname()) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            turns = []
            for _ in range(TURNS):
                began = time.perf_counter_ns()
                connection.sendall(b"x" * TOKEN_BYTES)
                connection.recv(4096)
                turns.append(time.perf_counter_ns() - began)
        peer.join()
    return statistics.median(turns) / 1e3


async def lockstep(bench: Bench) -> float:
    """Return the median time from one grant to the next on the direct chain, in µs."""
    workload = Workload("benchmark", tokens=TURNS, token_bytes=TOKEN_BYTES)
    trace, _ = await bench.record("benchmark", Plan((), "GET", (), Emission(workload)))
    grants = [step.at_ns for step in trace.steps if step.kind == "grant"]
    assert len(grants) == TURNS, trace.failure
    return statistics.median(later - earlier for earlier, later in pairwise(grants)) / 1e3


async def main() -> None:
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        async with Launcher() as launcher, Bench(launcher, Path(folder)) as bench:
            for _ in range(ROUNDS):
                raw, ours = await asyncio.to_thread(ping_pong), await lockstep(bench)
                ratios.append(ours / raw)
                print(f"raw sockets {raw:6.1f} µs   lockstep {ours:6.1f} µs   {ours / raw:.1f}x")
    print(f"median {statistics.median(ratios):.1f}x (at most 6x, aim 3x)")


if __name__ == "__main__":
    asyncio.run(main())
