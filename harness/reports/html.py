"""One self-contained page: the table with a tooltip on every cell, what defeats each layer, and what went wrong. Pure.

Rules: every text goes through `escape`; no script, no font and nothing else is fetched; light or dark as the reader's
system is; shape carries the meaning of a mark, colour only helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from harness.model import VERDICTS, Mitigation, Result, RunInfo
from harness.reports import grid, readers, summary, words
from harness.reports.answers import Answer, answers, at_ease, controls
from harness.reports.glyphs import MEANINGS, UNICODE
from harness.reports.notes import emulator, notes, of_applications
from harness.reports.table import Column, Row, Table, by_cost, mark, tabulate

STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #8889;
  --good: light-dark(#1a7f37, #4ac26b); --fair: light-dark(#9a6700, #d4a72c); --bad: light-dark(#cf222e, #ff7b72); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
code, .grid { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 13px; }
footer, .quiet { color: light-dark(#59636e, #9198a1); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th { font-weight: normal; text-align: left; }
.grid th, .grid td { padding: 2px 6px; white-space: nowrap; }
.grid thead th { vertical-align: bottom; }
.grid thead .tilted { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); padding: 6px 2px; }
.grid .first { border-left: 1px solid var(--line); }
.grid tbody tr:hover { background: #8882; }
.grid .chain th { padding-top: 12px; font-weight: bold; }
.mark { text-align: center; cursor: help; }
.defeats, .good { color: var(--good); font-weight: bold; }
.reduces, .fair { color: var(--fair); }
.harms, .bad, .worst { color: var(--bad); font-weight: bold; }
.no-effect, .not-needed { color: var(--quiet); }
.fail { outline: 2px solid var(--bad); }
.emulator { color: var(--fair); font-style: italic; font-weight: normal; white-space: normal; }
.answers td { border-top: 1px solid var(--line); padding: 6px 16px 6px 0; vertical-align: top; }
.answers th { padding-right: 16px; }
"""

CLASSES: Mapping[str, str] = dict(VERDICTS.items())
"""What a word's class is, where it is not the word itself: a verdict is coloured by how bad it is."""


def pieces(run: RunInfo, results: Sequence[Result], /) -> Iterator[str]:
    """Yield the report as one HTML page, line by line."""
    return (f"{line}\n" for line in _page(run, results))


def _page(run: RunInfo, results: Sequence[Result]) -> Iterator[str]:
    table = tabulate(results, run.mitigations)
    title = escape(run.title)
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    yield f"<p><strong>{escape(summary.line(run, results))}</strong></p>"
    if table.rows:
        yield from _grid(table, run.mitigations)
        yield from _answers(table)
    if table.controls:
        yield f"<p>{escape(controls(table))}</p>"
    yield from _readers(results)
    yield from (f"<p>{escape(sentence)}</p>" for sentence in of_applications(results))
    yield from _problems(run, results)
    yield f"<footer><p>{escape(words.setting(run, results))}</p></footer>\n</body>\n</html>"


def _grid(table: Table, catalogue: Mapping[str, Mitigation]) -> Iterator[str]:
    first = {next(c for c in table.columns if c.cost == cost) for cost in by_cost(table.columns)}
    edge = {column: "first" if column in first else "inner" for column in table.columns}
    yield '<div class="scroll"><table class="grid">\n<thead>'
    heads = "".join(f"<th>{escape(axis)}</th>" for axis in table.axes) + "<th>as it is</th>"
    heads += "".join(
        f'<th class="{edge[column]}" title="{escape(_claim(column, catalogue))}">'
        f'<span class="tilted">{escape(column.name)}</span></th>'
        for column in table.columns
    )
    yield f"<tr>{heads}</tr>\n</thead>\n<tbody>"
    for chain, rows in table.chains().items():
        claims = dict.fromkeys(claim for row in rows for claim in row.emulates)
        played = "".join(f' <span class="emulator">{escape(emulator(claim))}</span>' for claim in claims)
        span = len(table.axes) + 1 + len(table.columns)
        yield f'<tr class="chain"><th colspan="{span}">{escape(chain)}{played}</th></tr>'
        yield from (_row(row, table.axes, edge) for row in rows)
    yield "</tbody>\n</table></div>"
    signs = [f'<span class="{_class(shown)}">{UNICODE.marks[shown]}</span> {MEANINGS[shown]}' for shown in table.marks]
    shared = [f"All layers: {escape(table.shared)}."] if table.common else []
    shared += [f"{escape(grid.SAMPLED)} {escape(table.sampled)}."] if table.sampled else []
    yield f'<p class="quiet">{"&emsp;".join([*signs, "blank: not measured", *shared])}</p>'


def _row(row: Row, axes: Sequence[str], edge: Mapping[Column, str]) -> str:
    where = "".join(f"<td>{escape(row.value(axis))}</td>" for axis in axes)
    tip = escape(_tooltip(row.baseline)) if row.baseline else ""
    as_it_is = f'<td class="{_class(row.status)}" title="{tip}">{escape(row.found)}</td>'
    marks = "".join(_mark(row.results.get(column.name), edge[column]) for column in edge)
    return f"<tr>{where}{as_it_is}{marks}</tr>"


def _mark(result: Result | None, edge: str) -> str:
    if result is None:
        return f'<td class="{edge}"></td>'
    shown = mark(result)
    fail = " fail" if result.outcome == "fail" else ""
    title = escape(_tooltip(result))
    return f'<td class="mark {_class(shown)}{fail} {edge}" title="{title}">{UNICODE.marks[shown]}</td>'


def _claim(column: Column, catalogue: Mapping[str, Mitigation]) -> str:
    """Return what a column's mitigations claim, and what kind of cost it has."""
    claims = [f"{m.claim} ({m.source})" for name in column.name.split("+") if (m := catalogue.get(name))]
    return "\n".join([*claims, f"cost: {column.cost}"])


def _tooltip(result: Result) -> str:
    """Return what is known of one cell, a line each."""
    said = [result.id, f"{words.status(result)}: {words.reason(result)}"]
    said += [f"effect: {result.effect}"] if result.effect else []
    said += [words.shows(result.shows)] if result.shows else []
    said += [words.release(result.release)] if result.release else []
    said += [words.figures(result.metrics)] if result.metrics else []
    return "\n".join([*said, *map(words.change, result.header_changes), *notes(result.facts)])


def _answers(table: Table) -> Iterator[str]:
    found = answers(table)
    if found:
        yield '<h2>What defeats each layer, cheapest first</h2>\n<div class="scroll"><table class="answers">'
        yield "<tr><th>layer</th><th>as it is</th><th>defeated by</th><th>reduced by</th><th>harmed by</th></tr>"
        yield from map(_answer, found)
        yield "</table></div>"
    at_rest = at_ease(table).items()
    easy = (f"<code>{escape(c)}</code>{escape(f' ({layers})' if layers else '')}" for c, layers in at_rest)
    if said := ", ".join(easy):
        yield f"<p>Stream as they are: {said}.</p>"


def _answer(answer: Answer) -> str:
    played = "".join(f'<br><span class="emulator">{escape(emulator(c))}</span>' for c in answer.emulates)
    cells = (
        f"<code>{escape(answer.chain)}</code><br>{escape(answer.layers)}{played}",
        f'<span class="{_class(answer.status)}">{escape(answer.found)}</span><br>{escape(answer.reason)}',
        _remedies(answer.defeats) or answer.undefeated,
        _remedies(answer.reduces),
        _remedies(answer.harms),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _remedies(columns: Sequence[Column]) -> str:
    return "<br>".join(
        f'<span class="quiet">{cost}</span> {escape(", ".join(names))}' for cost, names in by_cost(columns).items()
    )


def _readers(results: Sequence[Result]) -> Iterator[str]:
    if said := readers.line(results):
        yield f"<p>{escape(said)}</p>\n<ul>"
        for disagreement in readers.disagreements(results):
            yield f"<li><code>{escape(disagreement.stream)}</code><br>{escape(disagreement.sentence)}</li>"
        yield "</ul>"


def _problems(run: RunInfo, results: Sequence[Result]) -> Iterator[str]:
    for kind, problems in summary.problems(run, results).items():
        yield f"<h2>{escape(summary.TITLES[kind])}</h2>\n<ul>"
        for problem in problems:
            why = f"<br>expected because {escape(problem.why)}" if problem.why else ""
            cells = "".join(f"<br><code>{escape(cell)}</code>{_beside(problem, cell)}" for cell in problem.cells)
            yield f"<li>{'<br>'.join(map(escape, problem.reason.splitlines()))}{why}{cells}</li>"
        yield "</ul>"


def _beside(problem: summary.Problem, cell: str) -> str:
    return "".join(f"<br><small>{escape(sentence)}</small>" for sentence in problem.beside.get(cell, ()))


def _class(word: str) -> str:
    return CLASSES.get(word, word).replace(" ", "-")
