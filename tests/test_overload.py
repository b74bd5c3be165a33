"""What the benchmark of many cells makes of results, and that it leaves nothing stopped behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.beside import part_of
from benchmarks.overload import OF_A_WORKLOAD, differing, matrix, usual
from benchmarks.publish import ROOT
from harness import session
from tests.reports.samples import LONG, SHORT, cell, result

ALIKE = [result(cell("nginx:gzip", workload=each), "streamed") for each in (SHORT, SHORT, LONG)]


def test_a_cell_is_compared_with_most_of_its_kind() -> None:
    odd = result(cell("nginx:gzip", workload=LONG), "buffered")
    expected = usual([*ALIKE, odd])
    assert list(differing(ALIKE, expected)) == []
    (line,) = differing([*ALIKE, odd], expected)
    assert odd.id in line
    assert "'streamed'" in line
    assert "'buffered'" in line


@pytest.mark.parametrize("workloads", [1, 3])
def test_its_matrix_has_as_many_cells_as_are_asked_for(tmp_path: Path, workloads: int) -> None:
    file = tmp_path / "overload.yaml"
    file.write_text(matrix(workloads * OF_A_WORKLOAD))
    assert len(session.load(str(file)).cells) == workloads * OF_A_WORKLOAD


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["python", "-P", "-m", "harness.backends.emitter", "--http-fd=3"], "harness.backends.emitter"),
        (["python", "-I", "-S", "/somewhere/janitor.py"], "janitor"),
        (["nginx: worker process"], "nginx"),
        (["/usr/bin/curl", "-q"], "curl"),
        (["/usr/bin/gunicorn"], "gunicorn"),
        ([], ""),
    ],
)
def test_parts_are_told_apart_by_their_command_lines(argv: list[str], part: str) -> None:
    assert part_of(argv) == part


@pytest.mark.proxies
def test_what_was_stopped_goes_on_when_nobody_is_left_who_would_see_to_it(tmp_path: Path) -> None:
    """The one stopped here is all that there is to stop, and nobody but the stopper can wake it."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], stderr=subprocess.DEVNULL)
    argv = [sys.executable, "-m", "benchmarks.beside", str(sleeper.pid), "--stops=1", "--burners=1"]
    beside = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        while psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED:
            assert beside.poll() is None
        burners = psutil.Process(beside.pid).children()
        told, _ = beside.communicate(timeout=60)
        assert told.startswith("harness ")
        assert sleeper.wait(60) in (-signal.SIGINT, 1)
        assert len(burners) == 1
        assert not any(burner.is_running() for burner in burners)
    finally:
        for process in (beside, sleeper):
            process.kill()
            process.wait()
