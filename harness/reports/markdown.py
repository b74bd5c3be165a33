"""A report for GitHub: the table in a block of code, what defeats each layer as a table, and what went wrong. Pure.

The grid is not a Markdown table: with a column per mitigation GitHub would scroll it sideways, away from its labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.model import Result, RunInfo
from harness.reports import grid, readers, summary, words
from harness.reports.answers import Answer, answers, at_ease, controls
from harness.reports.glyphs import UNICODE
from harness.reports.table import Column, Table, by_cost, tabulate

WIDTH = 96
CELLS_SHOWN = 12
PIPE = "\\|"
"""A pipe ends a cell of a table even inside a code span."""


def render(run: RunInfo, results: Sequence[Result], /) -> str:
    """Return the report as GitHub Markdown."""
    return "\n".join(_lines(run, results)) + "\n"


def table(run: RunInfo, results: Sequence[Result]) -> str:
    """Return the table alone, with when and with what it was measured."""
    lines = [*_grid(tabulate(results, run.mitigations)), "", _setting(run, results)]
    return "\n".join(lines) + "\n"


def _grid(table: Table) -> Iterator[str]:
    yield from _block([line.plain.rstrip() for line in grid.lines(table, WIDTH, UNICODE)])


def _setting(run: RunInfo, results: Sequence[Result]) -> str:
    return f"<sub>{_text(words.setting(run, results))}</sub>"


def _lines(run: RunInfo, results: Sequence[Result]) -> Iterator[str]:
    table = tabulate(results, run.mitigations)
    yield f"## {_text(run.title)}"
    yield ""
    if table.rows:
        yield from _grid(table)
        yield ""
        yield from _answers(table)
    if table.controls:
        yield controls(table)
        yield ""
    yield from _readers(results)
    yield from _problems(results)
    yield f"**{_text(summary.line(run, results))}**"
    yield ""
    yield _setting(run, results)


def _block(lines: Sequence[str]) -> Iterator[str]:
    """Fence lines; the fence is longer than any run of backticks in them."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text"
    yield from lines
    yield fence


def _answers(table: Table) -> Iterator[str]:
    found = answers(table)
    if found:
        yield "| layer | as it is | defeated by, cheapest first | reduced by | harmed by |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_row, found)
        yield ""
    easy = [f"{_code(chain)}{_text(f' ({some})' if some else '')}" for chain, some in at_ease(table).items()]
    if easy:
        yield f"Stream as they are: {', '.join(easy)}."
        yield ""


def _row(answer: Answer) -> str:
    emulator = "".join(f"<br>*emulator: {_text(claim)}*" for claim in answer.emulates)
    cells = (
        f"{_code(answer.chain)} {_text(answer.layers)}{emulator}",
        _text(answer.status),
        _remedies(answer.defeats) or answer.undefeated,
        _remedies(answer.reduces),
        _remedies(answer.harms),
    )
    return f"| {' | '.join(cell.replace('|', PIPE) for cell in cells)} |"


def _remedies(columns: Sequence[Column]) -> str:
    return "<br>".join(f"{cost}: {', '.join(map(_code, names))}" for cost, names in by_cost(columns).items())


def _readers(results: Sequence[Result]) -> Iterator[str]:
    if said := readers.line(results):
        yield said
        yield ""
        found = readers.disagreements(results)
        yield from (f"- {_code(one.stream)}<br>{_text(one.sentence)}" for one in found)
        yield from [""] * bool(found)


def _problems(results: Sequence[Result]) -> Iterator[str]:
    for kind, some in summary.problems(results).items():
        yield f"### {summary.TITLES[kind]}"
        yield ""
        for problem in some:
            yield f"- {_text(problem.reason)}"
            if problem.why:
                yield f"  <br>expected because {_text(problem.why)}"
            yield from (f"  - {_code(cell)}" for cell in problem.cells[:CELLS_SHOWN])
            if len(problem.cells) > CELLS_SHOWN:
                yield f"  - and {len(problem.cells) - CELLS_SHOWN} more"
        yield ""


def _text(text: str) -> str:
    """Return text that Markdown and HTML leave as it is, on one line."""
    one_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*\[\]]|\b_|_\b)", r"\\\1", one_line)


def _code(text: str) -> str:
    """Return text as a code span; its fence is longer than any run of backticks in it."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{' '.join(text.split())}{space}{fence}"
