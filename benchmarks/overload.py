"""Does a run of any size, on a machine that stops now and then, say what a small quiet one says, in as much memory?

    python -m benchmarks.overload [--cells N] [--loud N] [--burners N] [--stops N] [--seed N]

Measures one cell of each kind on a quiet machine, and expects of every other cell what the one of its kind came to:
first of N cells (10,000) in one run, all reports included, then of fewer (2,000) beside CPU burners (8) while stoppers
(2) stop random parts of the run for up to three patiences each. Cells that differ in the name of their workload only
are of one kind; some are paced. Exit status 1 if a cell differs or is missing, if memory is over its bound, or if the
one of a kind came to no verdict.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import yaml

from benchmarks.beside import parts
from harness.model import Result, Workload
from harness.store.runs import Run, latest

BOUND_MIB = 200
LOOK_S = 0.05
END_S = 60.0
KINDS = 52
"""How many cells the matrix has of each workload, one of each kind, controls and baselines included."""

REPORTS = ("json", "markdown", "junit", "html")
SAME = Workload("", tokens=1, token_bytes=1)

Came = tuple[str | None, str | None, str]
"""A cell's verdict, effect and outcome."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: what its cells came to, how long it took, the peak memory of its parts, and what was stopped."""

    results: Sequence[Result]
    seconds: float
    peaks_mib: Mapping[str, float]
    stopped: str


def matrix(cells: int) -> str:
    """Return a matrix file of so many cells at least, through emulated and real proxies of all kinds of verdicts."""
    workloads = -(-cells // KINDS)
    streaming = {"chain": ["nginx:buffering-off", "nginx:http11", "cloudrun:streaming"]}
    paced = {"chain": ["nginx:buffering-off", "emulator:idle-flush", "emulator:store-and-forward"], "pace": "paced"}
    return yaml.safe_dump(
        {
            "title": f"{cells} cells",
            "workloads": {
                f"w{number:04}": {"tokens": 24, "token_bytes": 112, "interval_ms": 5} for number in range(workloads)
            },
            "axes": {"format": ["sse", "ndjson"]},
            "include": [
                {**streaming, "request": ["curl", "browser"], "body": ["chunked", "close"]},
                {"chain": ["emulator:idle-flush", "emulator:store-and-forward"]},
                {"chain": "nginx:http10", "mitigations": ["none", "x-accel-buffering"]},
                {"chain": "nginx:buffering-off", "client": "curl"},
                paced,
            ],
        }
    )


def came(result: Result) -> Came:
    return result.verdict, result.effect, result.outcome


def kind(result: Result) -> str:
    """Return what a cell is apart from the name of its workload."""
    return replace(result.cell, workload=SAME).id


def by_kind(results: Iterable[Result]) -> Mapping[str, Came]:
    """Return what the one of each kind came to. Raises ValueError if one came to no verdict: nothing is known of it."""
    for result in results:
        if result.verdict is None:
            raise ValueError(f"{result.id} came to no verdict: {result.outcome}: {result.reason}")
    return {kind(result): came(result) for result in results}


def differing(results: Iterable[Result], expected: Mapping[str, Came]) -> Iterator[str]:
    """Yield a line for every cell that came to something else than is expected of its kind."""
    for result in results:
        if came(result) != (wanted := expected[kind(result)]):
            yield f"    {result.id}: {wanted} -> {came(result)}: {result.reason}"


def peak_mib(pid: int) -> float:
    """Return the peak resident memory of a process so far, from /proc/PID/status; 0 if it is gone."""
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()):
            return int(found[1]) / 1024
    return 0.0


def run(text: str, root: Path, burners: int = 0, stops: int = 0, seed: int = 0) -> Ran:
    """Run a matrix as a user does, with all reports, beside burners and stoppers; what it started ends with it."""
    root.mkdir()
    file, log = root / "overload.yaml", root / "stderr.log"
    file.write_text(text)
    argv = [sys.executable, "-m", "harness", "matrix", str(file), "--runs", str(root / "runs")]
    argv += [word for name in REPORTS for word in (f"--{name}", str(root / f"report.{name}"))]
    peaks: dict[str, float] = defaultdict(float)
    began = time.monotonic()
    with log.open("wb") as told, subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=told) as running:
        others = [f"--burners={burners}", f"--stops={stops}", f"--seed={seed}"]
        argv = [sys.executable, "-m", "benchmarks.beside", str(running.pid), *others]
        beside = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            while running.poll() is None:
                found = parts(psutil.Process(running.pid))
                for name in ("harness", "harness.backends.emitter"):
                    of = max(map(peak_mib, (process.pid for process in found.get(name, ()))), default=0.0)
                    peaks[name] = max(peaks[name], of)
                time.sleep(LOOK_S)
        finally:
            stopped, _ = beside.communicate()  # it lets all go on, and interrupts what still runs
            end(running)
    seconds = time.monotonic() - began
    if not (root / "runs").is_dir():
        sys.exit(f"the run made nothing: {log.read_text()[-2000:]}")
    return Ran(Run.open(latest(root / "runs")).results, seconds, peaks, stopped.strip())


def end(running: subprocess.Popen[bytes]) -> None:
    """End a run that is interrupted, and whatever somebody who was killed has left stopped of it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for processes in parts(psutil.Process(running.pid)).values():
            for process in processes:
                process.resume()
    try:
        running.wait(END_S)
    except subprocess.TimeoutExpired:
        running.kill()


def told(name: str, ran: Ran, expected: Mapping[str, Came], cells: int) -> bool:
    """Print how a run went; return whether all was as it should be."""
    differ = [*differing(ran.results, expected)]
    verdicts = Counter(result.verdict or result.outcome for result in ran.results)
    memory = ", ".join(f"{part.rsplit('.')[-1]} {mib:.0f} MiB" for part, mib in ran.peaks_mib.items())
    rate = len(ran.results) / ran.seconds
    print(f"{name}: {len(ran.results)} cells in {ran.seconds:.0f} s, {rate:.0f} a second; peak memory {memory}")
    print(f"  stopped: {ran.stopped}\n  {dict(verdicts)}, {len(differ)} differ", flush=True)
    print("\n".join(differ), end="\n" * bool(differ), flush=True)
    flat = ran.peaks_mib["harness"] < BOUND_MIB
    if not flat:
        print(f"  the harness took more than {BOUND_MIB} MiB")
    if len(ran.results) < cells:
        print(f"  only {len(ran.results)} of {cells} cells have a result")
    return flat and not differ and len(ran.results) >= cells


def main(cells: int, loud: int, burners: int, stops: int, seed: int) -> int:
    with contextlib.ExitStack() as stack:
        root = Path(tempfile.mkdtemp())
        stack.callback(shutil.rmtree, root)
        one = run(matrix(KINDS), root / "one")
        try:
            expected = by_kind(one.results)
        except ValueError as error:
            sys.exit(f"nothing to expect: {error}")
        fine = told("one of each kind", one, expected, KINDS)
        many = run(matrix(cells), root / "many")
        fine &= told("many", many, expected, cells)
        grew_mib = many.peaks_mib["harness"] - one.peaks_mib["harness"]
        print(f"  the harness took {grew_mib:.0f} MiB more than for {len(one.results)} cells", flush=True)
        if loud:
            fine &= told("loud", run(matrix(loud), root / "loud", burners, stops, seed), expected, loud)
        if not fine:
            stack.pop_all()
            print(f"evidence: {root}")
    return 0 if fine else 1


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__.splitlines()[0])
    asked.add_argument("--cells", type=int, default=10_000, help="how many are measured in one run")
    asked.add_argument("--loud", type=int, default=2_000, help="how many beside burners and stoppers; 0 for none")
    asked.add_argument("--burners", type=int, default=8, help="processes that burn CPU")
    asked.add_argument("--stops", type=int, default=2, help="stoppers, each of which stops one part at a time")
    asked.add_argument("--seed", type=int, default=0, help="what the stoppers draw from")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(**vars(asked.parse_args())))
    except KeyboardInterrupt:
        sys.exit(130)
