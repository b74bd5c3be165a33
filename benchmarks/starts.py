"""What does it cost to start the programs of ours, and the smoke matrix with all that it starts?

    python -m benchmarks.starts [TIMES]

Starts each TIMES times (10), all in turn, as a machine's speed varies, and tells medians: wall, and CPU (user and
system) with that of whatever it started and waited for. A bare Python stands beside them: nothing can be cheaper.
What each of them loads is held by tests/test_starts.py.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from harness.backends.local import TRUSTS_NOBODY
from harness.launchers import janitor

RUN = (sys.executable, "-P", "-m")
TRUSTING_NOBODY = ("env", *(f"{name}={value}" for name, value in TRUSTS_NOBODY.items()))
"""As they are started: `env` itself takes a millisecond."""

STARTS: Mapping[str, Sequence[str]] = {
    "a bare Python": (sys.executable, "-c", "pass"),
    "harness --version": (*RUN, "harness", "--version"),
    "harness --help": (*RUN, "harness", "--help"),
    "harness run --help": (*RUN, "harness", "run", "--help"),
    "harness run --nonsense": (*RUN, "harness", "run", "--nonsense"),
    "harness list cells smoke": (*RUN, "harness", "list", "cells", "smoke"),
    "the emitter": (*TRUSTING_NOBODY, *RUN, "harness.backends.emitter", "--help"),
    "the emulator": (*TRUSTING_NOBODY, *RUN, "harness.proxies.emulator_server", "--help"),
    "the janitor": (sys.executable, "-I", "-S", janitor.__file__, str(os.getpid())),
}


def cost(argv: Sequence[str]) -> tuple[float, float]:
    """Return what a program takes, all that it waited for included: CPU and wall, in s."""
    began = time.monotonic()
    started = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,  # which is the end of a janitor
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, used = os.wait4(started.pid, 0)
    return used.ru_utime + used.ru_stime, time.monotonic() - began


def main(times: int) -> None:
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for _ in range(times):
        for name, argv in STARTS.items():
            took[name].append(cost(argv))
    for name, costs in took.items():
        cpu_s, wall_s = map(statistics.median, zip(*costs, strict=True))
        print(f"{name:24} {1e3 * cpu_s:5.0f} ms of CPU {1e3 * wall_s:5.0f} ms")
    with tempfile.TemporaryDirectory() as folder:
        cpu_s, wall_s = cost((*RUN, "harness", "matrix", "smoke", "--runs", folder))
    print(f"{'harness matrix smoke':24} {cpu_s:5.1f} s  of CPU {wall_s:5.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
