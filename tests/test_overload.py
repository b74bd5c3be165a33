"""What the benchmark of many cells makes of results, and that it leaves nothing stopped behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks import overload
from benchmarks.beside import part_of
from benchmarks.overload import BOUND_MIB, KINDS, Ran, by_kind, differing, kind, matrix
from benchmarks.publish import ROOT
from harness import session
from harness.model import Result
from tests.reports.samples import LONG, SHORT, cell, result
from tests.waiting import wait_for

ONE = result(cell("nginx:gzip", workload=SHORT), "streamed")
OTHER = result(cell("nginx:gzip", pace="paced", workload=SHORT), "buffered")
MANY = [result(replace(one.cell, workload=LONG), one.verdict) for one in (ONE, OTHER, OTHER)]


def test_a_cell_is_compared_with_what_the_one_of_its_kind_came_to() -> None:
    assert list(differing(MANY, by_kind([ONE, OTHER]))) == []


@pytest.mark.parametrize("flipped", [MANY[:1], MANY[1:], MANY])
def test_a_kind_that_flips_as_a_whole_differs(flipped: list[Result]) -> None:
    lines = list(differing([replace(one, verdict="delayed") for one in flipped], by_kind([ONE, OTHER])))
    assert len(lines) == len(flipped)
    for line, one in zip(lines, flipped, strict=True):
        assert all(part in line for part in (one.id, repr(one.verdict), "'delayed'"))


def test_a_kind_without_a_verdict_is_nothing_to_compare_with() -> None:
    unknown = result(OTHER.cell, None, outcome="unavailable")
    with pytest.raises(ValueError, match=rf"^{re.escape(unknown.id)} came to no verdict: unavailable"):
        by_kind([ONE, unknown])


FLIPPED = [replace(one, verdict="delayed") for one in MANY]
SHORTER = MANY[1:]


@pytest.mark.parametrize(
    ("many", "loud", "mib", "status", "said"),
    [
        (MANY, MANY, 90.0, 0, "0 differ"),
        (MANY, FLIPPED, 90.0, 1, "3 differ"),
        (FLIPPED, MANY, 90.0, 1, "3 differ"),
        (MANY, SHORTER, 90.0, 1, "only 2 of 3 cells have a result"),
        (MANY, MANY, BOUND_MIB, 1, f"more than {BOUND_MIB} MiB"),
    ],
)
def test_it_fails_for_verdicts_cells_and_memory_and_tells_at_two_sizes_what_that_was(
    many: list[Result],
    loud: list[Result],
    mib: float,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = {
        "one": Ran([ONE, OTHER], 1.0, {"harness": 70.0}, "nothing"),
        "many": Ran(many, 1.0, {"harness": mib}, "nothing"),
        "loud": Ran(loud, 1.0, {"harness": 70.0}, "nginx 1"),
    }
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(overload, "KINDS", 2)
    monkeypatch.setattr(overload, "run", lambda text, root, *beside: runs[root.name])
    assert overload.main(cells=3, loud=3, burners=0, stops=1, seed=0) == status
    told = capsys.readouterr().out
    assert said in told
    assert f"{mib - 70:.0f} MiB more than for 2 cells" in told
    assert len(list(tmp_path.iterdir())) == status, "evidence is kept of what failed"


@pytest.mark.parametrize("workloads", [1, 3])
def test_its_matrix_has_as_many_cells_as_are_asked_for(tmp_path: Path, workloads: int) -> None:
    file = tmp_path / "overload.yaml"
    file.write_text(matrix(workloads * KINDS))
    cells = session.load(str(file)).cells
    assert len(cells) == workloads * KINDS
    assert len({kind(result(each)) for each in cells}) == KINDS
    assert {each.pace for each in cells} == {"lockstep", "paced"}


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
        wait_for(psutil.Process(sleeper.pid).status, lambda status: status == psutil.STATUS_STOPPED)
        burners = psutil.Process(beside.pid).children()
        told, _ = beside.communicate(timeout=60)
        assert told.startswith("harness ")
        assert sleeper.wait(60) == -signal.SIGTERM
        assert len(burners) == 1
        assert not any(burner.is_running() for burner in burners)
    finally:
        for process in (beside, sleeper):
            process.kill()
            process.wait()
