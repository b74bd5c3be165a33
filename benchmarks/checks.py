"""What does a regression check add to its matrix, how soon is a save told, and how long does one cell take in pytest?

    python -m benchmarks.checks

A check is timed beside the same matrix without one, in turns, by the clock and in CPU, whatever it finds; a third time
is that of the checking alone, of a run that was kept. A save is timed from the write to the line that says that all
cells stream; pytest runs in a folder of its own, in turns with one nginx cell that streams and with none.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.resources import cache

BIN = Path(sys.executable).parent
TURNS = 3
SAVES = 5
MEASURED = (0, 1, 3)
"""On a busy machine a cell may be another, or unstable: it took its time all the same."""
CONFIG = """\
events {}
http {
  upstream app { server app:8000; }
  server { listen 80; location / { proxy_pass http://app; proxy_buffering off; } }
}
"""
MATRIX = """\
title: One config
workloads: {chat: {tokens: 24, token_bytes: 96}}
axes: {chain: nginx:./n.conf, request: [curl, browser]}
"""
BARE = """\
def test_nothing():
    pass
"""
TEST = """\
import pytest

@pytest.mark.proxies("nginx:buffering-off")
def test_streams(harness_result):
    assert harness_result.verdict == "streamed"
"""


def timed(folder: Path, *argv: str) -> tuple[float, float]:
    """Return how long a program takes, in s: by the clock, and in CPU of it and all that it waited for."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "HARNESS_CACHE": str(cache())}
    quiet = subprocess.DEVNULL
    words = [str(BIN / argv[0]), *argv[1:]]
    done = subprocess.run(words, cwd=folder, env=environment, stdout=quiet, stderr=subprocess.PIPE, text=True)
    assert done.returncode in MEASURED, done.stderr
    if done.returncode:
        print(f"  {' '.join(argv)} ended with status {done.returncode}", flush=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def told(name: str, seconds: Sequence[float]) -> str:
    return f"{name:44} {statistics.median(seconds):6.2f} s   ({min(seconds):.2f} to {max(seconds):.2f})"


def checks(folder: Path) -> None:
    """Tell how long the default matrix takes, with and without a check, and how long the check alone."""
    timed(folder, "harness", "check", "default", "--update")
    names = ("matrix", "check")
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(TURNS):
        for name in names:
            took[name].append(timed(folder, "harness", name, "default"))
    last = max((folder / "runs").glob("2*"))
    took["check --measured"] = [
        timed(folder, "harness", "check", "default", "--measured", str(last)) for _ in range(TURNS)
    ]
    for name in took:
        print(told(f"harness {name}, default", [clock for clock, _ in took[name]]), flush=True)
        print(told("  CPU", [cpu for _, cpu in took[name]]), flush=True)


def saves(folder: Path) -> None:
    """Tell how long after a save it is said that all cells stream."""
    (folder / "n.conf").write_text(CONFIG)
    (folder / "my.yaml").write_text(MATRIX)
    with (folder / "told.txt").open("w") as file:
        argv = [str(BIN / "harness"), "watch", "my.yaml"]
        watching = subprocess.Popen(argv, cwd=folder, stdout=file, stderr=file)
    try:
        found = []
        for number in range(SAVES + 1):
            began = time.monotonic()
            if number:
                (folder / "n.conf").write_text(f"{CONFIG}# {number}\n")
            while (folder / "told.txt").read_text().count("2 of 2 cells stream") <= number:
                assert watching.poll() is None, (folder / "told.txt").read_text()
                time.sleep(0.01)
            found.append(time.monotonic() - began)
        print(told("a save under harness watch, told", found[1:]), flush=True)
    finally:
        watching.terminate()
        watching.wait()


def sessions(folder: Path) -> None:
    """Tell how long a session of pytest takes that has one cell, and one that has none."""
    tests = {"one that measures nothing": BARE, "one nginx cell that streams": TEST}
    took: dict[str, list[float]] = {name: [] for name in tests}
    for _ in range(TURNS):
        for name, text in tests.items():
            (folder / "test_it.py").write_text(text)
            took[name].append(timed(folder, "pytest", "-q", "test_it.py")[0])
    for name in tests:
        print(told(f"pytest, {name}", took[name]), flush=True)


def main() -> None:
    for measured in (saves, sessions, checks):
        with tempfile.TemporaryDirectory() as folder:
            measured(Path(folder))


if __name__ == "__main__":
    main()
