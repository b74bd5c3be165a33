"""What `benchmarks.overload` has beside a run: processes that burn CPU, and stops of random parts of the run.

    python -m benchmarks.beside PID [--burners N] [--stops N] [--seed N]

A part is a kind of program among the process PID and all below it: the harness itself, its janitor, the emitter, each
kind of proxy, a client. Each stopper takes one process of a random part, stops it for up to three patiences, and rests.

Rules: this ends when its standard input does, however whoever holds the other end did; what it has stopped goes on
then, PID is interrupted if it still runs, and a burner ends with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import psutil

from harness.judge.rules import TIME_MS

PATIENCE_S = TIME_MS / 1e3
"""What a held token is waited for at the longest."""

STOPPED_S = 3 * PATIENCE_S
RESTS_S = PATIENCE_S / 2
PARTS = ("harness.backends.emitter", "janitor", "emulator", "chrom", "next", "nginx", "curl")
"""What tells parts apart by their command lines; what is none of these goes by its program's name."""

BURN = """\
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**6):
        pass
"""


def part_of(argv: Sequence[str]) -> str:
    """Return which part of a run a process is, by its command line."""
    said = " ".join(argv)
    return next((part for part in PARTS if part in said), os.path.basename(argv[0]) if argv else "")


def parts(root: psutil.Process) -> Mapping[str, Sequence[psutil.Process]]:
    """Return the processes of a run by part; what ends meanwhile is left out."""
    found: dict[str, list[psutil.Process]] = defaultdict(list)
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if part := part_of(process.cmdline()):
                    found[part].append(process)
        found["harness"] = [root]
    return found


async def stop_parts(root: psutil.Process, chance: random.Random, stopped: Counter[str]) -> None:
    """Stop random parts, one after another, until cancelled; `stopped` counts them."""
    while True:
        await asyncio.sleep(chance.uniform(0, 2 * RESTS_S))
        found = parts(root)
        if not found:
            return
        part = chance.choice(sorted(found))
        process = chance.choice(found[part])
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
            stopped[part] += 1
            try:
                await asyncio.sleep(chance.uniform(0, STOPPED_S))
            finally:
                process.resume()


async def beside(pid: int, burners: int, stops: int, seed: int) -> None:
    """Burn and stop until our standard input ends, then say what was stopped how often."""
    root, stopped = psutil.Process(pid), Counter[str]()
    burning = [subprocess.Popen([sys.executable, "-c", BURN, str(os.getpid())]) for _ in range(burners)]
    stopping = [asyncio.create_task(stop_parts(root, random.Random(f"{seed} {n}"), stopped)) for n in range(stops)]
    lifeline = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lifeline), sys.stdin)
    try:
        await lifeline.read()
    finally:
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)
        for burner in burning:
            burner.kill()
            burner.wait()
        with contextlib.suppress(psutil.NoSuchProcess):
            root.send_signal(signal.SIGTERM)  # whoever was started in the background ignores SIGINT
    print(", ".join(f"{part} {times}" for part, times in sorted(stopped.items())) or "nothing")


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__.splitlines()[0])
    asked.add_argument("pid", type=int)
    for option in ("burners", "stops", "seed"):
        asked.add_argument(f"--{option}", type=int, default=0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whoever holds our standard input gets them, too
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(beside(**vars(asked.parse_args())))


if __name__ == "__main__":
    main()
