"""How long do the shipped matrices take, and how long would the same cells take paced, one after another?

    python -m benchmarks.matrices [--paced NAME]

Times `harness matrix` as a user runs it, proxy starts included. The paced time is the sum of what the workloads last,
which no client can beat; with `--paced smoke` that matrix is really run so, in a few minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import session
from harness.matrix.mitigations import plan

HARNESS = Path(sys.executable).with_name("harness")


def seconds(name: str, *options: str) -> float:
    """Return how long `harness matrix NAME` takes."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        subprocess.run(
            [HARNESS, "matrix", name, "--runs", folder, *options],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.monotonic() - began


def paced_seconds(job: session.Job) -> float:
    """Return how long the streams of a job's cells last together when paced."""
    emissions = (plan(cell, job.matrix.catalogue, job.matrix.requests).emission for cell in job.cells)
    return sum(e.workload.tokens * (e.workload.interval_ms + (e.delay_ms or 0)) for e in emissions) / 1e3


def main() -> None:
    for name in ("smoke", "default"):
        job = session.load(name)
        took, paced = seconds(name), paced_seconds(job)
        print(
            f"{name:8} {len(job.cells):4} cells  {took:5.1f} s   paced one by one {paced:6.0f} s   {paced / took:.0f}x",
            flush=True,
        )
    if "--paced" in sys.argv:
        name = sys.argv[sys.argv.index("--paced") + 1]
        print(f"{name} really paced, one by one: {seconds(name, '--pace', 'paced', '--jobs', '1'):.0f} s")


if __name__ == "__main__":
    main()
