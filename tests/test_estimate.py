"""How long a run will last: as its matrix took the last time, or as cells usually take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.measuring import how_long
from harness.session.estimate import CELL_S, estimated
from harness.session.jobs import load, one_cell
from harness.store.runs import Run
from tests.reports.samples import run_info


def test_a_matrix_takes_as_long_as_the_last_time_it_came_to_its_end(tmp_path: Path) -> None:
    job = load("smoke")
    before = run_info(name="smoke", matrix_file=job.matrix.file, cells=2 * len(job.cells))
    Run.create(tmp_path, replace(before, started_at="2025-11-20T08:22:00+00:00"))
    last = Run.create(tmp_path, before)
    Run.create(tmp_path, replace(before, started_at="2025-11-22T08:22:00+00:00", finished_at=None))
    Run.create(tmp_path, replace(before, started_at="2025-11-23T08:22:00+00:00", matrix_file="other.yaml"))
    assert estimated(job, tmp_path) == (20.5, f"as {last.folder} took")


def test_without_such_a_run_cells_take_what_they_usually_do_and_a_schedule_what_it_lasts(tmp_path: Path) -> None:
    (tmp_path / "20250101T000000Z-smoke").mkdir()
    (tmp_path / "20250101T000000Z-smoke/run.json").write_text("rubbish")
    job = load("smoke")
    assert estimated(job, tmp_path / "none")[0] == estimated(job, tmp_path)[0] == CELL_S * len(job.cells)
    paced = load("smoke", pace="paced")
    alone, together = (estimated(paced, tmp_path, jobs)[0] for jobs in (1, 4))
    scheduled_s = sum(c.workload.tokens * c.workload.interval_ms for c in paced.cells if c.pace == "paced") / 1000
    assert scheduled_s > 60
    assert alone - together == pytest.approx(scheduled_s * 3 / 4)


def test_what_options_ask_for_was_never_measured_before(tmp_path: Path) -> None:
    one = one_cell({"chain": "direct"}, {"tokens": 8, "token_bytes": 96})
    Run.create(tmp_path, run_info(name=one.matrix.name, matrix_file=one.matrix.file, cells=1))
    assert estimated(one, tmp_path)[1] == "as cells usually take"


@pytest.mark.parametrize(("lasts_s", "told"), [(60.0, ""), (61.0, "about 2 minutes, as r took"), (3600.0, "about 60")])
def test_who_starts_what_lasts_is_told_how_long(monkeypatch: pytest.MonkeyPatch, lasts_s: float, told: str) -> None:
    monkeypatch.setattr("harness.session.estimated", lambda *_: (lasts_s, "as r took"))
    said = how_long(load("smoke"), Path(), 4)
    assert told in said
    assert bool(said) == bool(told)
