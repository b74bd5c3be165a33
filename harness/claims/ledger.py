"""The page of field reports: each with its claims, their judgements, the real cause and the cheapest fix. Pure.

Rule: nothing on it is typed. Story, claims and mechanisms come from the matrix file that a run has kept; judgements,
causes, fixes and figures are computed from the run's cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.claims import causes
from harness.claims import words as claim_words
from harness.claims.causes import Conclusion
from harness.claims.judging import Finding, Judged, judge, looked_at
from harness.matrix import field_reports
from harness.model import FieldReport, Result, RunInfo, chain_text
from harness.reports import summary, words
from harness.reports.markup import code, head, paragraph, prose, row, text
from harness.reports.safe import shown

INTRO = """\
# The field reports, put to the test

Write-ups of streams that came in lumps: each names a cause and fixes. Here every claim is held against cells that
were measured. Which cells, and what has to hold in them, is a rule in the report's matrix file, shown with each
judgement. The judgement is computed: `confirmed` if it holds in every cell that could be judged, `refuted` if in none,
`depends on` the axis that tells where it holds from where it does not, or `not testable here`. `harness reports`
measures the cells and makes this page. A claim marked (ours) is a question that the report does not ask but its words
raise; it is not counted. In a cell marked (emulator) a hop plays what somebody claims of it: what it shows follows from
that claim."""

FIGURES = ("ttfb_ms", "first_read_bytes", "ttft_ms", "reads", "burst_tokens_max", "pause_max_ms", "hold_p50_ms")
"""A stream's signature."""

FINDINGS_SHOWN = 4
CELLS_SHOWN = 12


@dataclass(frozen=True)
class Entry:
    """One report with the run that put it to the test."""

    run: RunInfo
    results: Sequence[Result]
    report: FieldReport

    @property
    def title(self) -> str:
        """Who tells it, and the matrix's title, if that does not say who itself."""
        title, source = self.run.title, self.report.source
        return title if title.lower().startswith(source.lower()) else f"{source}: {title}"

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """Every claim with its judgement."""
        return judge(self.report, self.results)

    @cached_property
    def cause(self) -> Conclusion:
        """What really holds the tokens."""
        return causes.cause(self.report, self.results)

    @cached_property
    def fix(self) -> Conclusion:
        """What helps at the least cost."""
        return causes.fix(self.report, self.results, self.run.mitigations)

    @property
    def unfinished(self) -> str:
        """What to say if not all cells were measured."""
        measured = f"{len(self.results)} of {words.counted(self.run.cells, 'cell')}"
        said = f"The run did not finish: what is said rests on {measured}."
        return said if summary.unfinished(self.run, self.results) else ""


def entry(run: RunInfo, results: Sequence[Result]) -> Entry | None:
    """Return what a run says of its field report; None if it had none. Raises InputError if that is unreadable."""
    report = field_reports.of_run(run)
    return Entry(run, results, report) if report else None


def page(entries: Sequence[Entry]) -> str:
    """Return the page as GitHub Markdown."""
    lines = [INTRO, "", *_summary(entries), *(line for entry in entries for line in _entry(entry))]
    return shown("\n".join(lines))


def _summary(entries: Sequence[Entry]) -> Iterator[str]:
    yield from head("report", *claim_words.KINDS, "real cause, as measured", "cheapest fix that works")
    for entry in entries:
        numbers = map(str, claim_words.counts(entry.judged).values())
        yield row(f"[{_title(entry)}](#{_anchor(entry)})", *numbers, text(entry.cause.short), text(entry.fix.short))
    yield ""


def _title(entry: Entry) -> str:
    return text(entry.title)


def _anchor(entry: Entry) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in entry.run.name)


def _entry(entry: Entry) -> Iterator[str]:
    yield f'<a id="{_anchor(entry)}"></a>'
    yield ""
    yield f"## {_title(entry)}"
    yield ""
    yield paragraph(entry.report.story)
    yield ""
    if entry.unfinished:
        yield f"**{text(entry.unfinished)}**"
        yield ""
    yield from _set_up(entry)
    yield from head("claim", "judgement", "cells that show it", "why")
    yield from map(_claim, entry.judged)
    yield ""
    yield f"**Real cause, as measured:** {text(entry.cause.sentences)}"
    yield ""
    yield f"**Cheapest fix that works:** {text(entry.fix.sentences)}"
    yield ""
    yield from _signature(entry)
    yield from _problems(entry)
    yield f"<sub>{text(summary.line(entry.run, entry.results))} {text(words.setting(entry.run, entry.results))}</sub>"
    yield ""


def _set_up(entry: Entry) -> Iterator[str]:
    """Yield chain, workload and scale of the cells that show the symptom."""
    symptom, _ = looked_at(entry.report.symptom, entry.results)
    cells = [result.cell for result in symptom] or [result.cell for result in entry.results if result.cell.chain]
    chains = ", ".join(dict.fromkeys(code(chain_text(cell.chain)) for cell in cells))
    loads = dict.fromkeys(cell.workload for cell in cells)
    said = (
        f"{code(load.name)}: {words.counted(load.tokens, 'token')} of {words.size(load.token_bytes)},"
        f" every {words.duration(load.interval_ms)} when paced"
        for load in loads
    )
    yield f"**Set-up:** {chains}; {'; '.join(said)}." if cells else "**Set-up:** not measured."
    yield ""
    if entry.report.scale:
        yield f"**Scale:** {prose(entry.report.scale)}"
        yield ""


def _claim(judged: Judged) -> str:
    claim = judged.claim
    where = f" (*{text(claim.where)}*)" if claim.where else ""
    kind, colon, rest = claim_words.judgement(judged).partition(":")
    said = f"**{text(kind)}**{colon} {prose(rest)}".rstrip()
    if globs := ", ".join(map(code, claim.cells)):
        said += f"<br><sub>Rule: {text(claim_words.rule(claim))}, in {globs}</sub>"
    return row(
        f"{prose(claim.claim)}{where}{claim_words.mark(claim)}",
        said,
        "<br>".join(_shown(judged)),
        prose(judged.because or ""),
    )


def _shown(judged: Judged) -> Iterator[str]:
    """Yield the cells that a judgement rests on, and those that could not be judged."""
    for hold in (True, False):
        found = judged.findings_that(hold)
        if found and judged.kind == "depends":
            yield f"*{'holds' if hold else 'does not hold'}:*"
        yield from (_finding(judged, finding) for finding in found[:FINDINGS_SHOWN])
        if len(found) > FINDINGS_SHOWN:
            yield f"and {len(found) - FINDINGS_SHOWN} more"
    if judged.unjudged:
        yield "*not judged:*"
        for cell in judged.unjudged[:FINDINGS_SHOWN]:
            yield f"{code(cell.id)}{claim_words.emulated(cell.emulated)} {text(cell.why)}"
        if len(judged.unjudged) > FINDINGS_SHOWN:
            yield f"and {len(judged.unjudged) - FINDINGS_SHOWN} more"


def _finding(judged: Judged, finding: Finding) -> str:
    address = f"{code(finding.cell.id)}{claim_words.emulated(finding.emulated)}"
    return f"{address} {text(claim_words.shown(judged.claim, finding))}"


def _signature(entry: Entry) -> Iterator[str]:
    """Yield the figures of the cells that are to show the symptom, in real time where they were measured in it."""
    every = [(result, result.metrics) for result in _timed(entry) if result.metrics]
    shown = every[:CELLS_SHOWN]
    if not shown:
        return
    yield "The symptom's signature:"
    yield ""
    yield from head("cell", "verdict", *map(claim_words.named, FIGURES))
    for result, metrics in shown:
        cell = f"{code(result.id)}{claim_words.emulated(result.facts.emulates)}"
        yield row(cell, words.verdict(result), *(claim_words.figure_text(name, metrics) for name in FIGURES))
    yield ""
    if len(every) > CELLS_SHOWN:
        yield f"and {words.counted(len(every) - CELLS_SHOWN, 'more cell')}"
        yield ""
    lockstep = [some.cell for some, metrics in shown if some.cell.pace == "lockstep" and metrics.ttfb_ms is not None]
    if lockstep:
        yield "Times in lockstep are the harness's waits, not the chain's pace."
        yield ""


def _timed(entry: Entry) -> list[Result]:
    """Return what the symptom's cells show when paced; in lockstep only those of which no paced one was judged."""
    symptom, _ = looked_at(entry.report.symptom, entry.results)
    every, _ = looked_at(["*"], entry.results)
    judged = {result.cell: result for result in every}
    timed = (judged.get(replace(result.cell, pace="paced"), result) for result in symptom)
    return list({result.id: result for result in timed}.values())


def _problems(entry: Entry) -> Iterator[str]:
    """Yield what could not be measured, with the reason, whether a claim looks at it or not."""
    for kind, problems in summary.problems(entry.run, entry.results).items():
        for problem in problems:
            cells = words.counted(len(problem.cells), "cell")
            yield f"- {text(summary.TITLES[kind])}: {cells} ({code(problem.cells[0])}): {text(problem.reason)}"
    if summary.problems(entry.run, entry.results):
        yield ""
