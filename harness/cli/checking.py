"""What a command ends with that holds a run against what was before: a baseline, or an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from harness import session
from harness.baseline.comparing import Comparison
from harness.baseline.terminal import CheckReport
from harness.cli.finishing import finish, placed
from harness.errors import InputError
from harness.reports import summary, words
from harness.store.runs import Run, latest


def finish_check(
    run: Run,
    outputs: Mapping[str, Path],
    required: summary.Required,
    compared: Comparison,
    update: str,
    baseline: Path | None = None,
) -> NoReturn:
    """Finish a run that was held against a baseline: its results are those with their changes. `update` is the command
    that takes them as what is expected, unless that was asked for. Raises Exit likewise.
    """
    run.results = list(compared.results)
    told = replace(compared, results=placed(run.folder, compared.results))
    whole = update.replace(" ", words.STICKY)  # it is copied: no line of it is broken
    report = CheckReport(run.info, told, required, whole)
    finish(run, outputs, required, report, baseline=baseline, files=compared.files)


def finish_diff(
    against: Path,
    folder: Path | None,
    runs: Path,
    outputs: Mapping[str, Path],
    required: summary.Required,
    allow_missing: bool,
    strict: bool,
) -> NoReturn:
    """Hold one run on disk, by default the last, against another. Raises Exit likewise, or InputError."""
    run, earlier = Run.open(folder or latest(runs)), Run.open(against)
    if run.folder.resolve() == earlier.folder.resolve():
        raise InputError(f"{against} cannot be held against itself: name another run, or measure again first")
    if folder is None:
        session.refuse_older(run)
    finish_check(
        run, outputs, required, session.differed(run, earlier, allow_missing, "any" if strict else "for the worse"), ""
    )
