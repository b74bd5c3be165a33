"""What does a hop cost beyond the start of its own program?

    python -m benchmarks.hops [TIMES] [HOP...]

Starts each hop TIMES times (5), all in turn, as a machine's speed varies: as the harness does, until it serves; then
by itself, with the very command that it was started with, until it passes a request on, asked again and again. Tells
medians of both, and of the difference, which is ours: config, janitor, and knowing that it serves. By default the first
variant of every proxy that a file describes and that can be had here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness import session
from harness.errors import HarnessError
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Endpoint, chain_text

ANY = {"tokens": 1, "token_bytes": 256}
POLL_S = 0.001
WITHIN_S = 60.0


async def cost(job: session.Job) -> tuple[float, float]:
    """Return how long the hop of a job took to start on a bench that is ready, and its program by itself, in s."""
    (chain,) = {cell.chain for cell in job.cells if cell.chain}
    with tempfile.TemporaryDirectory() as folder:
        async with Launcher() as launcher, Bench(launcher, Path(folder), job.own, proxies=job.proxies) as bench:
            await bench.entry(())
            began = time.monotonic()
            entry = await bench.entry(chain)
            took_s = time.monotonic() - began
            answer = await asyncio.to_thread(answered, entry.endpoint)
            await entry.hops[0].program.stop()
            command = (entry.evidence[0] / "command.txt").read_text()
            return took_s, await asyncio.to_thread(alone, command, entry.endpoint, answer)


def alone(command: str, endpoint: Endpoint, answer: bytes) -> float:
    """Run a command until it gives that answer; return how long that took, in s."""
    began = time.monotonic()
    program = subprocess.Popen(
        command, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while time.monotonic() - began < WITHIN_S:
            with suppress(OSError):
                if answered(endpoint) == answer:
                    return time.monotonic() - began
            time.sleep(POLL_S)
        raise SystemExit(f"nothing is passed on from port {endpoint.port}: {command}")
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def answered(endpoint: Endpoint) -> bytes:
    """Return the status line of an answer to a request that asks for no stream. Raises OSError."""
    with socket.create_connection((endpoint.host, endpoint.port), WITHIN_S) as connection:
        connection.sendall(f"GET {endpoint.path}/pulse HTTP/1.1\r\nHost: {endpoint.host}\r\n\r\n".encode())
        return connection.recv(65_536).split(b"\r\n", 1)[0]


def jobs(hops: Sequence[str]) -> dict[str, session.Job]:
    """Return what to measure, by hop; what cannot be had here is told and left out."""
    found = {}
    for hop in hops or [f"{name}:{next(iter(session.variants(name)))}" for name in session.described()]:
        try:
            job = session.fetched(session.one_cell({"chain": hop}, ANY), session.Fetching(print))
        except HarnessError as error:
            raise SystemExit(f"{hop}: {error}") from None
        for missing, why in job.missing.items():
            print(f"{chain_text((missing,))}: {why}")
        if not job.missing:
            found[hop] = job
    return found


def main(times: int, hops: Sequence[str]) -> None:
    measured = jobs(hops)
    took: dict[str, list[tuple[float, float]]] = {hop: [] for hop in measured}
    for _ in range(times):
        for hop, job in measured.items():
            took[hop].append(asyncio.run(cost(job)))
    for hop, costs in took.items():
        ours_s, theirs_s = (statistics.median(each) for each in zip(*costs, strict=True))
        more_s = statistics.median(ours - theirs for ours, theirs in costs)
        print(f"{hop:32} {1e3 * ours_s:6.0f} ms, alone {1e3 * theirs_s:6.0f} ms, ours {1e3 * more_s:6.0f} ms")


if __name__ == "__main__":
    given = sys.argv[1:]
    count = int(given.pop(0)) if given and given[0].isdigit() else 5
    main(count, given)
