"""Where in somebody's files it stands what a result failed for: the expectation, the config, or the baseline's line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.matrix.expected import lines
from harness.model import ChangedFile, Place, Result, RunInfo
from harness.session.inputs import located
from harness.store.runs import Run


def spots_of(run: Run, baseline: Path | None, files: Sequence[ChangedFile] = ()) -> Mapping[str, Place]:
    """Return the place of each result that failed, by its id, as far as there is one. Blocks.

    `files` are the configs that changed since the baseline was written, or the run that this one is held against.
    """
    failed = [result for result in run.results if result.outcome not in ("pass", "observed")]
    expected = lines(run.info)
    kept = _lines(baseline) if baseline and failed else {}
    folder = baseline.parent if baseline else Path()
    begins = {file.path: place_in_job(located(file.path, folder), file.line) for file in files}
    found = {result.id: _spot(result, run.info, expected, baseline, kept, begins) for result in failed}
    return {cell: spot for cell, spot in found.items() if spot}


def _spot(
    result: Result,
    run: RunInfo,
    expected: Mapping[str, int],
    baseline: Path | None,
    kept: Mapping[str, int],
    begins: Mapping[str, Place],
) -> Place | None:
    if result.changed and result.changed.fails:
        for path in result.changed.files:
            return begins[path]
        if baseline:
            return place_in_job(baseline, kept.get(result.id, 0))
    if not run.matrix_file or not run.matrix_text:
        return None
    return place_in_job(Path(run.matrix_file), expected.get(result.expectation.cells, 0) if result.expectation else 0)


def place_in_job(file: Path, line: int = 0) -> Place:
    """Return a place in a file, named as the repository has it that a job has checked out."""
    return Place("", os.path.relpath(file, os.environ.get("GITHUB_WORKSPACE") or None), line)


def _lines(baseline: Path) -> Mapping[str, int]:
    """Return on which line of a baseline each cell stands."""
    try:
        told = baseline.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {line.strip().partition(": {")[0]: number for number, line in enumerate(told, 1) if line.startswith("  ")}
