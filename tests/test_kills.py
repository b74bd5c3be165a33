"""What the benchmark of kills looks at and counts; what it finds is for itself to say."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks import kills
from benchmarks.kills import SOON_MS, End, janitors, keepers, killed
from tests.sandbox import Sandbox
from tests.waiting import wait_for

KILLED, WHOLE = End("soon", -9, {"1"}), End("late", 0, set())
STARTS = """\
import os, subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", "input()", name]) for name in sys.argv[1:]]
print("ready", flush=True)
input()
"""
"""Has a child of each name until its standard input ends."""


@pytest.mark.parametrize("ends", [[KILLED, KILLED], [WHOLE, KILLED, WHOLE, WHOLE, KILLED]])
def test_a_run_that_had_ended_by_itself_is_no_kill(
    ends: list[End], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    coming = iter(ends)
    monkeypatch.setattr(kills, "whole", lambda place: (1, 1.0))
    monkeypatch.setattr(kills, "killed", lambda *_: next(coming))
    assert kills.main(kills=2, seed=1) == 0
    assert list(coming) == []
    told = f"2 runs killed, {len(ends) - 2} had ended before, seed 1; in 2 something listened"
    assert told in capsys.readouterr().out


@pytest.mark.proxies
def test_the_janitor_is_known_among_all_that_a_run_has_started(tmp_path: Path) -> None:
    script = tmp_path / "harness.py"
    script.write_text(STARTS)
    argv = [sys.executable, str(script), "another", "janitor.py"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout
        harness.stdout.readline()
        (janitor,) = wait_for(lambda: janitors(psutil.Process(harness.pid)))
        assert janitor.cmdline()[-1] == "janitor.py"
        assert keepers(psutil.Process(harness.pid)) == []
        harness.communicate("")


class Soon(random.Random):
    """Kills as late after the last start as is drawn, and nobody before."""

    def __init__(self) -> None:
        self._draws = iter([0.0, 1.0])

    def random(self) -> float:
        return next(self._draws)

    def randint(self, a: int, b: int) -> int:
        return b

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.proxies
@pytest.mark.needs("nginx")
def test_what_listens_is_looked_at_before_a_kill_that_is_soon_after_a_start(tmp_path: Path) -> None:
    endless = "workloads: {endless: {tokens: 8, token_bytes: 112, interval_ms: 600000}}"
    with Sandbox(tmp_path) as place:
        place.write("kills.yaml", f"title: t\n{endless}\naxes: {{chain: nginx:http10, pace: paced}}\n")
        end = killed(place, Soon(), starts=2, lasts_s=0.0)
        assert (end.when, end.killed) == (f"{SOON_MS:.1f} ms after start 2", True)
        assert end.listened, "the emitter, at the least"
        place.wait_until_clean(end.listened)
