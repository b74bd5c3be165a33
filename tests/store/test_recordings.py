"""What a run keeps of a recording: one file for all of its cells, and nothing of it twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import RECORDINGS, Cell, Emission, Plan
from harness.store.runs import RECORDING_CHARS, Run, load_recording, load_traces
from tests.hops import Passes
from tests.recorded import EVENTS, load, recording
from tests.reports.samples import result, run_info
from tests.simulation import simulate

LOAD = load()
CELL = Cell((), LOAD)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path, run_info())
    run.keep_recording(recording())
    return run


def test_a_trace_has_only_the_name_and_is_read_back_with_the_writes(run: Run) -> None:
    trace = simulate(Plan((), "GET", (), Emission(LOAD)), Passes())
    folder = run.save_trace(trace, CELL)
    assert "writes" not in json.loads((folder / "trace.json").read_text())["plan"]["emission"]["workload"]["recording"]
    assert load_traces(folder) == (trace,)
    (again,) = load_traces(folder)
    assert again.plan.emission.workload.recording
    assert again.plan.emission.workload.recording.writes == recording().writes
    assert run.first_trace(CELL).plan == trace.plan


def test_a_result_has_only_the_name(run: Run) -> None:
    run.append(result(CELL, "streamed"))
    assert '"writes"' not in run.results_file.read_text()
    (again,) = Run.open(run.folder).results
    assert again.cell == CELL


def test_a_trace_whose_recording_is_gone_is_told_so(run: Run) -> None:
    folder = run.save_trace(simulate(Plan((), "GET", (), Emission(LOAD)), Passes()), CELL)
    (file,) = (run.folder / RECORDINGS).iterdir()
    file.unlink()
    with pytest.raises(InputError, match=rf"{file}: this recording cannot be read"):
        load_traces(folder)


def test_no_path_is_made_of_what_is_no_digest(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'\.\./\.\./escaped' is no recording's digest"):
        run.keep_recording(replace(recording(), digest="../../escaped"))
    assert not (tmp_path / "escaped.json").exists()
    folder = run.save_trace(simulate(Plan((), "GET", (), Emission(LOAD)), Passes()), CELL)
    text = (folder / "trace.json").read_text()
    (folder / "trace.json").write_text(text.replace(recording().digest, "../trace"))
    with pytest.raises(InputError, match="is no recording's digest"):
        load_traces(folder)


def test_a_file_with_another_recording_is_not_taken_for_the_one_it_is_named_after(run: Run) -> None:
    folder = run.save_trace(simulate(Plan((), "GET", (), Emission(LOAD)), Passes()), CELL)
    another = run.keep_recording(recording(EVENTS[1:]))
    another.replace(another.with_stem(recording().digest))
    with pytest.raises(InputError, match=rf"is another recording: its digest is {another.stem}"):
        load_traces(folder)


def test_a_recording_is_found_in_its_file_and_in_a_run_that_has_one(run: Run, tmp_path: Path) -> None:
    (file,) = (run.folder / RECORDINGS).iterdir()
    assert load_recording(file) == load_recording(run.folder) == recording()
    another = run.keep_recording(recording(EVENTS[1:]))
    for path, told in (
        (run.folder, f"recordings there: .*{another.name}"),
        (tmp_path, "recordings there: none"),
        (tmp_path / "none.json", "cannot be read"),
    ):
        with pytest.raises(InputError, match=told):
            load_recording(path)
    (long := tmp_path / "long.json").write_text(" " * (RECORDING_CHARS + 1))
    with pytest.raises(InputError, match="none has more than"):
        load_recording(long)
