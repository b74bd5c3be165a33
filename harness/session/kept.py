"""Runs that are kept on disk: the newest of each field report, and results judged anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.errors import InputError
from harness.judge.counted import counted
from harness.judge.metrics import delivery, let_go_ns
from harness.judge.reading import read
from harness.judge.rejudge import rejudge
from harness.matrix import field_reports
from harness.model import Result, Trace
from harness.store.runs import Run, load_traces, runs_in


def stored(folders: Sequence[Path], tell: Callable[[str], object]) -> list[Run]:
    """Return the runs of field reports that these folders are, or that are in them: there the newest of each report.

    `tell` is told how many runs in a folder are left out. Raises InputError for a folder without any such run.
    """
    return [run for given in folders for run in _stored(given, tell)]


def _stored(given: Path, tell: Callable[[str], object]) -> list[Run]:
    runs = [Run.open(folder) for folder in runs_in(given)]
    tested = [run for run in runs if field_reports.of_run(run.info)]
    if not tested and runs[0].folder == given:
        raise InputError(f"{given} tested no field report: its matrix file has no key `report`")
    if not tested:
        raise InputError(f"no run in {given} tested a field report: no matrix file of theirs has a key `report`")
    tested.sort(key=lambda run: (run.info.name, run.info.started_at))
    newest = {run.info.name: run for run in tested}
    without, older = len(runs) - len(tested), len(tested) - len(newest)
    said = [f"{without} of its runs tested no field report"] if without else []
    said += [f"{older} {'is' if older == 1 else 'are'} older than another of the same report"] if older else []
    if said:
        tell(f"{given}: left out: {'; '.join(said)}")
    return list(newest.values())


def rejudged(run: Run) -> list[Result]:
    """Return a run's results judged again from its traces, with today's rules and the run's own expectations."""
    if run.results and not any(one.evidence and (run.folder / one.evidence).is_dir() for one in run.results):
        raise InputError(f"{run.folder} has results but no traces, so it cannot be judged again")
    return rejudge(run.results, {r.id: load_traces(run.folder / r.evidence) for r in run.results if r.evidence})


def judged(evidence: Path) -> Trace:
    """Return the trace by which a cell was judged: of several that count, the last, which follows up on the others."""
    return counted(load_traces(evidence))[-1]


def emitted(trace: Trace) -> Mapping[int, int]:
    """Return when each token of a stream was emitted, in ns, by its number and the clock of its arrivals.

    Where the emitter's is another, that is when it was let go; nothing where no clock tells.
    """
    if trace.emitter_clock == "ours":
        return {sent.seq: sent.at_ns for sent in trace.sent}
    return let_go_ns(trace, read(trace.steps))


def arrivals(trace: Trace) -> Mapping[int, int]:
    """Return when each token of a stream came, in ns, by its number."""
    return {arrival.seq: arrival.at_ns for arrival in delivery(trace).arrivals}


def held(trace: Trace) -> Mapping[int, int]:
    """Return from when on each token was held that was, in ns, by its number."""
    return read(trace.steps).outwaited
