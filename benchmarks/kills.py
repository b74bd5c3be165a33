"""Is anything left of a run that is killed at a hostile moment?

    python -m benchmarks.kills [KILLS] [SEED]

Kills real runs through nginx, a Next.js dev server, gunicorn, Chromium and curl into awk by SIGKILL until so many (300)
were killed before they ended: half of them within 50 ms of the start of a program, the others anywhere; in a quarter of
them the janitor or the keeper of a program just before that. Says of each what was left: processes, which are known by
their environment, folder, command line and open files, sockets that listened at the kill and still do, folders. Exit
status 1 if anything was.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.sandbox import Sandbox, listening

MATRIX = """\
title: All kinds of programs
workloads: {short: {tokens: 24, token_bytes: 112}}
axes: {workload: short}
include:
  - {chain: [nginx:http10, nginx:buffering-off, "nginx:http10>nginx:http10"], client: [aiohttp, curl-awk]}
  - {chain: nextjs:dev, request: browser}
  - {chain: asgi:plain@gunicorn, client: [aiohttp, curl]}
  - {chain: nginx:http10, request: browser, client: chromium}
"""
SOON_MS = 50.0
TOGETHER_MS = 20.0
GONE_S = 30.0
LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: when it was killed, in words, its exit status, and the sockets that listened just before."""

    when: str
    status: int
    listened: Set[str]

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


@contextlib.contextmanager
def a_place() -> Iterator[Sandbox]:
    """A folder of its own for one run, so that what one has left disturbs no other."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(Path(folder)) as place:
        place.write("kills.yaml", MATRIX)
        yield place


def janitors(harness: psutil.Process) -> list[psutil.Process]:
    """Return the janitor of a run, once there is one; while it is being replaced, perhaps two."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in harness.children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "janitor.py" in " ".join(child.cmdline()):
                    found.append(child)
    return found


def keepers(harness: psutil.Process) -> list[psutil.Process]:
    """Return who keeps the programs of a run that run now."""
    found = []
    for janitor in janitors(harness):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += janitor.children()
    return found


def sockets(harness: psutil.Process) -> set[str]:
    """Return the listening sockets of a run that goes on."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return listening([harness, *harness.children(recursive=True)])
    return set()


def killed(place: Sandbox, chance: random.Random, starts: int, lasts_s: float) -> End:
    """Start a run and kill it."""
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
        listened = sockets(harness)
        others = [*janitors(harness), *keepers(harness)] if chance.random() < 0.25 else []
        if others:
            other = chance.choice(others)
            with contextlib.suppress(psutil.NoSuchProcess):
                other.kill()
            time.sleep(chance.uniform(0, TOGETHER_MS) / 1e3)
            when += f", {'a keeper' if other in others[1:] else 'its janitor'} first"
        run.send_signal(signal.SIGKILL)
        run.communicate()
        if run.returncode not in (0, -signal.SIGKILL) and not others:
            sys.exit(f"a run that nobody kills ends with status {run.returncode}")
        return End(when, run.returncode, listened)


def left(place: Sandbox, listened: Set[str]) -> list[str]:
    """Return what is left when there was time enough for all to go."""
    deadline = time.monotonic() + GONE_S
    while (still := place.left_behind(listened)) and time.monotonic() < deadline:
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
    ended = heard = 0
    with a_place() as place:
        starts, lasts_s = whole(place)
    print(f"a whole run: {starts} programs started, {lasts_s:.1f} s", flush=True)
    for number in itertools.count(1):
        with a_place() as place:
            end = killed(place, random.Random(f"{seed} {number}"), starts, lasts_s)
            still = left(place, end.listened)
        when = end.when if end.killed else f"{end.when}, when it had ended with status {end.status}"
        told = f"{number:4} {when}: {len(end.listened)} listened, {len(still)} left"
        print(told, *still, sep="\n       ", flush=True)
        found.update(thing.partition(" ")[0] for thing in still)
        ended += not end.killed
        heard += bool(end.listened)
        if number - ended == kills:
            break
    print(f"{kills} runs killed, {ended} had ended before, seed {seed}; in {heard} something listened")
    print(f"{found.total()} left {dict(found) or ''}")
    return 1 if found else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    asked = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__.splitlines()[0])
    asked.add_argument("kills", type=int, nargs="?", default=300)
    asked.add_argument("seed", type=int, nargs="?", default=1)
    sys.exit(main(**vars(asked.parse_args())))
