"""Do verdicts survive a starved machine?

    python -m benchmarks.stability [RUNS] [BURNERS] [MATRIX]

Runs a matrix (20 times, smoke) beside CPU burners (8, by stress-ng) and compares every verdict, effect and outcome
with those of a first run on the quiet machine. Exit status 1 if one differs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness import session
from harness.model import Result

Seen = dict[str, tuple[str | None, str | None, str]]


async def verdicts(job: session.Job, root: Path) -> Seen:
    """Run the matrix once and return what every cell came to."""
    results: list[Result] = []
    async with session.session(job, root) as (runner, _):
        results = await runner.run(job.cells, lambda result: None)
    return {r.id: (r.verdict, r.effect, r.outcome) for r in results}


def main(runs: int, burners: int, matrix: str) -> int:
    if not shutil.which("stress-ng"):
        sys.exit("the burners are stress-ng's, which is not installed: apt-get install stress-ng")
    with contextlib.ExitStack() as stack:
        root = Path(tempfile.mkdtemp())
        stack.callback(shutil.rmtree, root)
        if different := compare(runs, burners, session.load(matrix), root):
            stack.pop_all()
            print(f"evidence: {root}")
    print(f"{runs - different} of {runs} runs beside {burners} burners agree with the quiet one")
    return 1 if different else 0


def compare(runs: int, burners: int, job: session.Job, root: Path) -> int:
    """Return how many of the runs beside burners differ from the quiet one."""
    quiet = asyncio.run(verdicts(job, root))
    print(f"quiet: {len(quiet)} cells {dict(Counter(verdict for verdict, _, _ in quiet.values()))}", flush=True)
    different = 0
    stress = subprocess.Popen(["stress-ng", "--quiet", "--cpu", str(burners)], start_new_session=True)
    try:
        for number in range(1, runs + 1):
            began = time.monotonic()
            now = asyncio.run(verdicts(job, root))
            changed = [cell for cell in quiet if now[cell] != quiet[cell]]
            different += bool(changed)
            load = os.getloadavg()[0]
            print(
                f"run {number:2}: {time.monotonic() - began:5.1f} s, load {load:.1f}, {len(changed)} differ", flush=True
            )
            for cell in changed:
                print(f"    {cell}: {quiet[cell]} -> {now[cell]}", flush=True)
    finally:
        stress.terminate()
        stress.wait()
    return different


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m benchmarks.stability", description=__doc__.splitlines()[0])
    asked.add_argument("runs", type=int, nargs="?", default=20)
    asked.add_argument("burners", type=int, nargs="?", default=8)
    asked.add_argument("matrix", nargs="?", default="smoke", help="a matrix file, or the name of a shipped one")
    sys.exit(main(**vars(asked.parse_args())))
