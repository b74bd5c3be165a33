"""Fails a test whose stream is held, and says why: its timeline, which hop holds it, and the cheapest change that
mends it.

The change is looked for once per chain and stream, by the search of `harness diagnose`, in a run folder of its own
within the session's.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from harness import session
from harness.diagnosis.telling import Diagnosis
from harness.diagnosis.terminal import DiagnosisReport
from harness.errors import HarnessError
from harness.model import Result, streams
from harness.plugin.lab import Known, Lab
from harness.plugin.measuring import Pending
from harness.plugin.states import NotMeasured, short
from harness.probe.live import Live
from harness.reports import words
from harness.reports.safe import shown
from harness.reports.timeline import Timeline

WIDTH = 100
FOLDER = "diagnoses"


def asserting(lab: Lab) -> Callable[[Result | Live], None]:
    """Return what fails unless a result of this lab streams."""

    def assert_streams(result: Result | Live) -> None:
        __tracebackhide__ = True
        if isinstance(result, Live):
            if result.verdict != "streamed":
                pytest.fail(_drawn([*_told_live(result)]), pytrace=False)
            return
        if isinstance(result, Pending) and (missing := result.missing):
            result.close()  # it is told
            raise NotMeasured(missing)
        if not (known := lab.known(result)):
            pytest.fail(
                f"assert_streams takes a result as harness_result or measure gave it, not {result!r:.60}", False
            )
        if not _is_known(result):
            raise NotMeasured(f"not known whether it streams: {result.outcome}: {result.reason}\n{result.id}")
        if not streams(result.verdict, result.shows):
            pytest.fail(_drawn([*_told(lab, known)]), pytrace=False)

    return assert_streams


def _is_known(result: Result) -> bool:
    return result.outcome in ("pass", "fail", "observed") and result.verdict is not None


def _told_live(live: Live) -> Iterator[RenderableType]:
    yield Text(f"{live.chain}, asked as {live.request}: {live.verdict}: {live.reason}\n")
    yield from map(Text, live.drawn())
    if live.verdict == "held" and live.chain != "direct":
        yield Text("\nWhich hop holds, and what mends it: measure the same without live, or `harness diagnose`.")


def _told(lab: Lab, known: Known) -> Iterator[RenderableType]:
    result = known.result
    yield Text(f"it does not stream: {words.verdict(result)}: {result.reason}\n")
    if result.evidence:
        trace = session.judged(known.folder / result.evidence)
        yield Timeline(trace, result, session.emitted(trace), session.arrivals(trace), session.held(trace))
    if not result.cell.chain or result.verdict == "broken":
        return
    yield Text()
    try:
        yield from _diagnosed(lab, known)
    except HarnessError as error:
        yield Text(f"No fix could be looked for: {error}")


def _diagnosed(lab: Lab, known: Known) -> Iterator[RenderableType]:
    """Yield which hop holds and what to change."""
    job, cell = known.job, known.cell
    if not lab.budget_s:
        command, fixes = session.to_try(job, cell, known.folder)
        yield Text(f"What to try: `{command}` finds out which hop holds and what mends it; by hand: {fixes}")
        return
    request = "" if cell.request in session.REQUESTS else cell.request  # those are looked at anyway
    meant = tuple((hop, job.own.get(hop.bare), job.deployed.get(hop.bare)) for hop in cell.chain)
    of = (meant, cell.workload, cell.format, cell.body, cell.client, request)
    if of not in lab.diagnoses:
        lab.diagnoses[of] = lab.wait(lambda entered: _diagnosis(known, lab))
    diagnosis, folder = lab.diagnoses[of]
    yield DiagnosisReport(diagnosis, in_short=True)
    yield Text(f"\nWhat else was measured for that: `harness report {short(folder)}`")


async def _diagnosis(known: Known, lab: Lab) -> tuple[Diagnosis, Path]:
    """Find out what holds in a cell's chain, and what mends it, within the lab's budget. Raises HarnessError."""
    job = session.fetched(session.diagnosis_of(known.job, known.cell), lab.fetching)
    async with session.session(job, known.folder / FOLDER, options=lab.typed(known)) as (runner, run):
        search = session.search_of(job)
        controls = session.controls_of(job)
        over = await session.diagnose(search, controls, runner, run, lambda result: None, lab.budget_s)
    stopped = "" if over else f"the budget of {lab.budget_s:g} s was over"
    results = {one.cell: one for one in run.results}
    return Diagnosis(run.info, search, results, run.info.mitigations, stopped), run.folder


def _drawn(parts: list[RenderableType]) -> str:
    """Return what a console would show, without what of it would be obeyed by one."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, soft_wrap=True, highlight=False, emoji=False)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().rstrip().splitlines()
    return "\n".join(shown(line.rstrip()).replace(f"{Path.cwd()}/", "") for line in lines)
