"""How well does the harness keep time with many streams at once?

    python -m benchmarks.streams [STREAMS] [SECONDS]

Runs paced streams of 20 tokens/s side by side on the direct chain (500 for 10 s by default) and reports lost tokens,
the stamp error (arrival minus emission, which on this chain is all ours), the lag behind schedule, and peak memory.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from harness.backends.local import Local
from harness.judge.metrics import delivery
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.limits import EMITTER
from harness.model import Emission, Plan, Trace, Workload

TOKENS_PER_S = 20


def lags_ms(trace: Trace) -> list[float]:
    """Return how far each token left behind the stream's schedule."""
    start, gap_ns = trace.sent[0].at_ns, 1e9 / TOKENS_PER_S
    return [(sent.at_ns - start - sent.seq * gap_ns) / 1e6 for sent in trace.sent]


def percentiles(values: list[float]) -> str:
    """Return p50, p99 and maximum in words."""
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.2f} ms   p99 {cuts[98]:.2f} ms   max {max(values):.2f} ms"


def peak_mib(pid: int) -> float:
    """Return the peak resident memory of a process, from /proc/PID/status."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


async def main(streams: int, seconds: int) -> None:
    workload = Workload("benchmark", tokens=TOKENS_PER_S * seconds, token_bytes=96, interval_ms=1000 / TOKENS_PER_S)
    plan = Plan((), "GET", (), Emission(workload, pace="paced"))
    with tempfile.TemporaryDirectory() as folder:
        async with Launcher() as launcher:
            emitter = Local(launcher, Path(folder), EMITTER)
            async with Bench(launcher, Path(folder), backend=emitter) as bench:
                recording = (bench.record(f"stream {number}", plan) for number in range(streams))
                traces = [trace for trace, _ in await asyncio.gather(*recording)]
                emitter_mib = peak_mib(emitter.process.pid)
    harness_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    delivered = [delivery(trace) for trace in traces]
    arrivals = [arrival for one in delivered for arrival in one.arrivals]
    problems = sorted({one.problem for one in delivered if one.problem} | {t.failure for t in traces if t.failure})
    print(f"{streams} streams of {TOKENS_PER_S} tokens/s for {seconds} s")
    print(
        f"tokens lost    {streams * workload.tokens - len(arrivals)} of {streams * workload.tokens}  {problems or ''}"
    )
    print(f"stamp error    {percentiles([arrival.hold_ms for arrival in arrivals])}")
    print(f"behind schedule {percentiles([lag for trace in traces for lag in lags_ms(trace)])}")
    print(f"peak memory    harness {harness_mib:.0f} MiB, emitter {emitter_mib:.0f} MiB")


if __name__ == "__main__":
    asyncio.run(main(*[int(argument) for argument in (sys.argv[1:] + ["500", "10"][len(sys.argv) - 1 :])]))
