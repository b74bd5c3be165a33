"""What a command ends with: reports where they were asked for, one for people in nobody's way, and the exit status."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import RenderableType
from rich.text import Text

from harness import session
from harness.claims import ledger
from harness.claims.terminal import ClaimReport
from harness.cli import github, screen
from harness.cli.options import STDOUT
from harness.cli.screen import Outlet, err, out
from harness.errors import InputError
from harness.model import ChangedFile, Hop, Result
from harness.reports import RENDERERS, summary, terminal, words
from harness.reports.notes import of_applications
from harness.reports.pasted import Pasted
from harness.reports.timeline import Timeline
from harness.store.runs import Run, check_writable, write_pieces


def outputs_of(*paths: Path | None) -> dict[str, Path]:
    """Return where to write what. Raises InputError for what cannot be written, before anything is measured."""
    outputs = {name: path for name, path in zip(("json", "markdown", "junit", "html"), paths, strict=False) if path}
    for (one, path), (other, same) in itertools.combinations(outputs.items(), 2):
        if os.path.realpath(path) == os.path.realpath(same):
            raise InputError(f"--{one} {path} and --{other} {same} lead to one place: only one report can go there")
    for path in outputs.values():
        if path != STDOUT:
            check_writable(path)
    return outputs


def required(names: Sequence[str], allow_unavailable: bool) -> summary.Required:
    """Return what has to be measured: what is named and, where nobody looks at the report, all, unless allowed.

    Raises InputError for a name that is none.
    """
    if names:  # else nobody has to know what proxies and clients there are
        session.check_names(names)
    return summary.Required(names, everything=screen.in_ci() and not allow_unavailable)


def finish(
    run: Run,
    outputs: Mapping[str, Path],
    required: summary.Required,
    *told: RenderableType,
    baseline: Path | None = None,
    files: Sequence[ChangedFile] = (),
) -> NoReturn:
    """Write the reports, tell people (what is `told`, or the run) and the CI job, and raise Exit with the run's status.

    `baseline` is the file that the run was held against, if it was, and `files` are the configs that changed since.
    """
    for name, path in outputs.items():
        write(path, RENDERERS[name](run.info, run.results if name == "json" else placed(run.folder, run.results)))
    tell(run, told or _told(run, required), outputs)
    spots = session.spots_of(run, baseline, files) if github.is_on() else {}
    github.tell(run, told, spots, people(outputs))
    raise typer.Exit(summary.exit_status(run.info, run.results, required))


def finish_cell(run: Run, job: session.Job, outputs: Mapping[str, Path], names: Sequence[str]) -> NoReturn:
    """Finish a run of one cell, which has to be measured, with its timeline, its result, what mitigations changed in
    configs of the user's and, if the result is bad, what to try. Raises Exit likewise.
    """
    result = next(result for result in run.results if result.id == job.cells[-1].id)
    told = list(_of_cell(run, result))
    if result.cell.chain and not job.site and words.is_surprising(result):  # what stands elsewhere nobody changes here
        command, fixes = session.to_try(job, result.cell, run.folder)
        told.append(
            Text(
                f"What to try: `{command}` finds out which hop holds and what mends it; by hand, one at a time: {fixes}"
            )
        )
    finish(run, outputs, summary.Required({result.id, *names}), *told)


def finish_kept(run: Run, result: Result, outputs: Mapping[str, Path]) -> NoReturn:
    """Show one cell of a run that was kept. Raises Exit likewise, by what became of that cell alone."""
    told = list(_of_cell(run, result))
    run.results = [result]
    finish(run, outputs, summary.Required({result.id}), *told)


def _of_cell(run: Run, result: Result) -> Iterator[RenderableType]:
    """Yield a cell's timeline, if there is one, its result, and what mitigations changed in configs of the user's."""
    if result.evidence and (run.folder / result.evidence).is_dir():
        trace = session.judged(run.folder / result.evidence)
        yield Timeline(trace, result, session.emitted(trace), session.arrivals(trace), session.held(trace))
    baseline = next((one for one in run.results if one.id == result.baseline_id), None)
    yield terminal.single(result, baseline)
    yield from map(Text, of_applications([result]))
    for served in result.facts.served_by:
        if served.changed:
            yield Text(f"{served.hop} was measured with this in your config:")
            yield Pasted(served.changed)


def tell_diffs(diffs: Mapping[Hop, str], wanted: bool) -> None:
    """Tell people what is changed of configs of theirs to measure them, or that it is."""
    for hop, diff in diffs.items():
        changed = sum(line.startswith("-") and not line.startswith("---") for line in diff.splitlines())
        if changed:
            how = (
                "so" if wanted else f"to measure it: --show-diff shows them, {hop.proxy}.diff beside the log keeps them"
            )
            err.print(f"{hop}: {changed} lines of your config are changed {how}", markup=False)
        if wanted:
            err.print(diff, markup=False, highlight=False, soft_wrap=True, end="")


def tell_reports(done: Iterable[Run], outputs: Mapping[str, Path], required: summary.Required) -> None:
    """Tell people what became of the claims of field reports."""
    for run in done:
        tell(run, _claims(run, required), outputs)


def finish_reports(
    done: Sequence[Run], records: Path | None, outputs: Mapping[str, Path], required: summary.Required
) -> NoReturn:
    """Copy the records, write the page of all field reports, and raise Exit with the worst status of a run."""
    for run in done:
        if records:
            run.copy_records(records)
    entries = [entry for run in done if (entry := ledger.entry(run.info, run.results))]
    for name, path in outputs.items():
        write(path, [ledger.page(entries)] if name == "markdown" else RENDERERS[name](done[0].info, done[0].results))
    raise typer.Exit(summary.worst(summary.exit_status(run.info, run.results, required) for run in done))


def placed(folder: Path, results: Iterable[Result]) -> list[Result]:
    """Return results whose evidence is told by the way to it from here, as people look for it."""
    return [replace(one, evidence=str(folder / one.evidence)) if one.evidence else one for one in results]


def people(outputs: Mapping[str, Path]) -> Outlet:
    """Return where people are told: not among what a document is written to."""
    return err if STDOUT in outputs.values() else out


def tell(run: Run, parts: Iterable[RenderableType], outputs: Mapping[str, Path]) -> None:
    for part in parts:
        people(outputs).print(part)
    err.print(f"Results and evidence: {run.folder}", markup=False)


def _told(run: Run, required: summary.Required) -> list[RenderableType]:
    """Return the report for people, with the claims that the matrix file makes."""
    try:
        claims = _claims(run)
    except InputError as error:
        err.print(f"The claims of this run cannot be read any more: {error}", markup=False)
        claims = []
    return [terminal.Report(run.info, placed(run.folder, run.results), required), *claims]


def _claims(run: Run, required: summary.Required | None = None) -> list[RenderableType]:
    """Return what became of the claims that a run's matrix file makes, set off by a blank line; nothing if of none."""
    entry = ledger.entry(run.info, run.results)
    return ["", ClaimReport(entry, required)] if entry else []


def write(path: Path, pieces: Iterable[str]) -> None:
    """Put a document where it was asked for, piece by piece."""
    if path == STDOUT:
        screen.write(pieces)
    else:
        write_pieces(path, pieces)
