"""How fast does a browser measure, and are its verdicts as steady as those of a plain client?

    python -m benchmarks.browser [RUNS]

Measures 30 cells with one Chromium, the start of everything included. Then reads the browser's smoke cells RUNS times
in a row (50), each time with a browser of its own, and compares every verdict, effect and outcome with the first run's
and with those of aiohttp. Exit status 1 if one differs.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.stability import Seen, verdicts
from harness import session
from harness.matrix.references import referenced

SMOKE = """\
title: The smoke cells of a browser
workloads: {short: {tokens: 24, token_bytes: 112}}
axes: {workload: short, request: browser}
include:
  - {chain: nginx:http10, client: [aiohttp, chromium, chromium-eventsource], mitigations: [none, x-accel-buffering]}
  - {chain: nginx:gzip, client: [aiohttp, chromium, chromium-eventsource], mitigations: [none, no-transform]}
"""
THIRTY = """\
title: Thirty cells of a browser
workloads: {short: {tokens: 24, token_bytes: 112}}
axes: {workload: short, request: browser}
include:
  - chain: [nginx:http10, nginx:gzip, nginx:buffering-off, nginx:http11, cloudrun:report]
    client: [chromium, chromium-eventsource]
    mitigations: [none, x-accel-buffering, no-transform]
"""


def load(folder: Path, name: str, text: str) -> session.Job:
    """Return the job of a matrix."""
    file = folder / f"{name}.yaml"
    file.write_text(text)
    return session.load(str(file))


def disagreeing(seen: Seen) -> list[str]:
    """Return the cells of a browser that came to something else than aiohttp's."""
    by_client = {cell: cell.split("/")[4] for cell in seen}
    return [c for c, who in by_client.items() if seen[c] != seen[c.replace(f"/{who}/", "/aiohttp/")]]


def main(runs: int) -> int:
    folder = Path(tempfile.mkdtemp())
    thirty = load(folder, "thirty", THIRTY)
    own = replace(thirty, cells=referenced((cell for cell in thirty.cells if cell.chain), thirty.matrix.stand_ins))
    began = time.monotonic()
    asyncio.run(verdicts(own, folder))
    print(f"{len(own.cells)} cells, 2 of them controls, with one browser: {time.monotonic() - began:.1f} s", flush=True)
    smoke = load(folder, "smoke", SMOKE)
    first = asyncio.run(verdicts(smoke, folder))
    different = disagreeing(first)
    print(f"{len(first)} smoke cells, {len(different)} unlike aiohttp's", flush=True)
    took_s = []
    for number in range(1, runs + 1):
        began = time.monotonic()
        now = asyncio.run(verdicts(smoke, folder))
        took_s.append(time.monotonic() - began)
        changed = [f"run {number}: {cell}: {first[cell]} -> {now[cell]}" for cell in first if now[cell] != first[cell]]
        different += changed
        print("\n".join(changed) or f"run {number:2}: {took_s[-1]:.1f} s, all alike", flush=True)
    shutil.rmtree(folder) if not different else print(f"evidence: {folder}")
    print(f"{runs} runs, {min(took_s):.1f} to {max(took_s):.1f} s each: {len(different)} cells differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
