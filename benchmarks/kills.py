"""Is anything left of a run that is killed at a hostile moment?

    python -m benchmarks.kills [KILLS] [SEED]

Kills real runs (300) through nginx, a Next.js dev server, gunicorn, Chromium and curl into awk by SIGKILL, half of them
within 50 ms of the start of a program, the others anywhere; in a quarter of them the janitor or the keeper of a program
just before that. Says of each what was left: processes, which are known by their environment, folder, command line
and open files, listening sockets, folders. Exit status 1 if anything was.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from tests.sandbox import Sandbox

MATRIX = """\
title: All kinds of programs
workloads: {short: {tokens: 24, token_bytes: 112}}
axes: {workload: short}
include:
  - {chain: [nginx:default, nginx:buffering-off, "nginx:default>nginx:default"], client: [aiohttp, curl-awk]}
  - {chain: nextjs:dev, request: browser}
  - {chain: asgi:plain@gunicorn, client: [aiohttp, curl]}
  - {chain: nginx:default, request: browser, client: chromium}
"""
SOON_MS = 50.0
TOGETHER_MS = 20.0
GONE_S = 30.0
LONGEST_S = 120.0


def keepers(program: psutil.Process) -> list[psutil.Process]:
    """Return who keeps the programs of a run that run now."""
    with contextlib.suppress(psutil.Error):
        for janitor in program.children():
            return janitor.children()
    return []


def killed(place: Sandbox, chance: random.Random, starts: int, lasts_s: float) -> tuple[str, set[str]]:
    """Start a run and kill it; return when that was, in words, and what was listening if there was time to look."""
    listening: set[str] = set()
    with place.start("matrix", "kills.yaml") as run, contextlib.ExitStack() as interrupted:
        interrupted.callback(run.kill)
        harness, began = psutil.Process(run.pid), time.monotonic()
        if chance.random() < 0.5:
            start, within_ms = chance.randint(0, starts), chance.uniform(0, SOON_MS)
            seen: set[psutil.Process] = set()
            while len(seen) < start and run.poll() is None and time.monotonic() - began < LONGEST_S:
                seen.update(keepers(harness))
            time.sleep(within_ms / 1e3)
            when = f"{within_ms:.1f} ms after start {start}"
        else:
            time.sleep(after_s := chance.uniform(0, lasts_s))
            when = f"{after_s:.2f} s after its own start"
            listening = place.listening()
        if chance.random() < 0.25 and (others := [*harness.children(), *keepers(harness)]):
            other = chance.choice(others)
            with contextlib.suppress(psutil.Error):
                other.kill()
            time.sleep(chance.uniform(0, TOGETHER_MS) / 1e3)
            when += f", {'its janitor' if other in others[:1] else 'a keeper'} first"
        run.send_signal(signal.SIGKILL)
        run.communicate()
        return when if run.returncode == -signal.SIGKILL else f"{when}, when it had ended", listening


def left(place: Sandbox, listening: set[str]) -> list[str]:
    """Return what is left when there was time enough for all to go."""
    deadline = time.monotonic() + GONE_S
    while (still := place.left_behind(listening)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return still


def whole(place: Sandbox) -> tuple[int, float]:
    """Let one run get through; return how many programs it started and how many seconds it took."""
    with place.start("matrix", "kills.yaml") as run, contextlib.ExitStack() as interrupted:
        interrupted.callback(run.kill)
        harness, began = psutil.Process(run.pid), time.monotonic()
        seen: set[psutil.Process] = set()
        while run.poll() is None:
            seen.update(keepers(harness))
        said = run.communicate()[0]
    print(said, flush=True)
    if run.returncode:
        sys.exit(f"a run that nobody kills ends with status {run.returncode}")
    return len(seen), time.monotonic() - began


def main(kills: int, seed: int) -> int:
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, Sandbox(Path(folder)) as place:
        place.write("kills.yaml", MATRIX)
        starts, lasts_s = whole(place)
        print(f"a whole run: {starts} programs started, {lasts_s:.1f} s", flush=True)
        for number in range(1, kills + 1):
            when, listening = killed(place, random.Random(f"{seed} {number}"), starts, lasts_s)
            still = left(place, listening)
            print(f"{number:4} {when}: {len(still)} left", *still, sep="\n       ", flush=True)
            found.update(thing.partition(" ")[0] for thing in still)
    print(f"{kills} runs killed, seed {seed}: {found.total()} left {dict(found) or ''}")
    return 1 if found else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    asked = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__.splitlines()[0])
    asked.add_argument("kills", type=int, nargs="?", default=300)
    asked.add_argument("seed", type=int, nargs="?", default=1)
    sys.exit(main(**vars(asked.parse_args())))
