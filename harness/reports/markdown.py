"""A report for GitHub: the table in a block of code, what defeats each layer as a table, and what went wrong. Pure.

The grid is not a Markdown table: with a column per mitigation GitHub would scroll it sideways, away from its labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model import Result, RunInfo
from harness.reports import grid, readers, summary, words
from harness.reports.answers import Answer, answers, at_ease, controls
from harness.reports.glyphs import UNICODE
from harness.reports.markup import block, code, head, row, text
from harness.reports.notes import emulator, of_applications
from harness.reports.table import Column, Table, by_cost, tabulate

WIDTH = 96
CELLS_SHOWN = 12


def pieces(run: RunInfo, results: Sequence[Result], /) -> Iterator[str]:
    """Yield the report as GitHub Markdown, line by line."""
    return (f"{line}\n" for line in _lines(run, results))


def table(run: RunInfo, results: Sequence[Result]) -> str:
    """Return the table alone, with when and with what it was measured."""
    lines = [*drawn(tabulate(results, run.mitigations)), "", _setting(run, results)]
    return "\n".join(lines) + "\n"


def drawn(table: Table) -> Iterator[str]:
    """Yield the table in a block of code, line by line."""
    yield from block([line.plain.rstrip() for line in grid.lines(table, WIDTH, UNICODE)])


def _setting(run: RunInfo, results: Sequence[Result]) -> str:
    return f"<sub>{text(words.setting(run, results))}</sub>"


def _lines(run: RunInfo, results: Sequence[Result]) -> Iterator[str]:
    table = tabulate(results, run.mitigations)
    yield f"## {text(run.title)}"
    yield ""
    if table.rows:
        yield from drawn(table)
        yield ""
        yield from answered(table)
    if table.controls:
        yield controls(table)
        yield ""
    yield from _readers(results)
    for sentence in of_applications(results):
        yield text(sentence)
        yield ""
    yield from _problems(run, results)
    yield f"**{text(summary.line(run, results))}**"
    yield ""
    yield _setting(run, results)


def answered(table: Table) -> Iterator[str]:
    """Yield what defeats each layer, as a table, and which stream as they are."""
    found = answers(table)
    if found:
        yield from head("layer", "as it is", "defeated by, cheapest first", "reduced by", "harmed by")
        yield from map(_row, found)
        yield ""
    easy = [f"{code(chain)}{text(f' ({layers})' if layers else '')}" for chain, layers in at_ease(table).items()]
    if easy:
        yield f"Stream as they are: {', '.join(easy)}."
        yield ""


def _row(answer: Answer) -> str:
    played = "".join(f"<br>*{text(emulator(claim))}*" for claim in answer.emulates)
    cells = (
        f"{code(answer.chain)} {text(answer.layers)}{played}",
        text(answer.found),
        _remedies(answer.defeats) or answer.undefeated,
        _remedies(answer.reduces),
        _remedies(answer.harms),
    )
    return row(*cells)


def _remedies(columns: Sequence[Column]) -> str:
    return "<br>".join(f"{cost}: {', '.join(map(code, names))}" for cost, names in by_cost(columns).items())


def _readers(results: Sequence[Result]) -> Iterator[str]:
    if said := readers.line(results):
        yield said
        yield ""
        found = readers.disagreements(results)
        yield from (f"- {code(stream.stream)}<br>{text(stream.sentence)}" for stream in found)
        yield from [""] * bool(found)


def _problems(run: RunInfo, results: Sequence[Result]) -> Iterator[str]:
    for kind, problems in summary.problems(run, results).items():
        yield f"### {summary.TITLES[kind]}"
        yield ""
        for problem in problems:
            yield f"- {'<br>'.join(map(text, problem.reason.splitlines()))}"
            if problem.why:
                yield f"  <br>expected because {text(problem.why)}"
            for cell in problem.cells[:CELLS_SHOWN]:
                yield "<br>".join([f"  - {code(cell)}", *map(text, problem.beside.get(cell, ()))])
            if len(problem.cells) > CELLS_SHOWN:
                yield f"  - and {len(problem.cells) - CELLS_SHOWN} more"
        yield ""
