"""A run in one file: unpacked it is a run as before, without the cells whose bodies are long."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from benchmarks import archive
from harness.model import Read
from harness.store.runs import Run, load_traces
from tests.factories import story
from tests.reports.samples import cell, result, run_info


def test_a_run_is_unpacked_as_it_was_but_for_the_cells_with_long_bodies(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "runs", run_info(cells=2))
    noise = random.Random(1).randbytes(archive.BODY_BYTES + 1)
    short, long = cell("nginx:a"), cell("nginx:b")
    for one, body in ((short, b"data: one\n\n"), (long, noise)):
        run.save_trace(replace(story("s0 r0 end"), cell_id=one.id, body=body, reads=(Read(1, len(body)),)), one)
        run.append(result(one, "streamed"))
    run.finish()
    archive.pack(run.folder, tmp_path / "run.tar.xz")
    again = archive.unpack(tmp_path / "run.tar.xz", tmp_path / "again")
    assert (again.info, again.results) == (run.info, run.results)
    assert load_traces(again.cell_folder(short)) == load_traces(run.cell_folder(short))
    assert not again.cell_folder(long).exists()
    with archive.records(tmp_path / "run.tar.xz") as head:
        assert head.results == run.results
        assert not (head.folder / "cells").exists()
