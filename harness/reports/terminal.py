"""What a run looks like on a terminal: a line per finished cell, then the table, the answers and the summary. Pure.

`Report` and `timeline.Timeline` are rich renderables: they take width and encoding from the console they are printed
on. Print them with `soft_wrap=True`: cell ids are never broken, so that they can be copied into `--only`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.model import Result, RunInfo
from harness.reports import grid, readers, summary, words
from harness.reports.answers import answers, at_ease, controls
from harness.reports.failing import WHOLE
from harness.reports.glyphs import Glyphs, glyphs_for
from harness.reports.notes import of_applications
from harness.reports.summary import NOTHING, Required
from harness.reports.table import Column, Table, by_cost, tabulate

OUTCOME_STYLES: Mapping[summary.Kind, str] = {
    "pass": "green",
    "fail": "bold red",
    "broken": "bold red",
    "changed": "bold red",
    "unstable": "magenta",
    "too short": "magenta",
    "blocked": "magenta",
    "unavailable": "dim",
    "error": "bold red",
    "configuration": "bold red",
    "proxy": "bold red",
    "harness": "bold red",
}
IDS_SHOWN = 12
WIDTH = 100


def render(run: RunInfo, results: Sequence[Result], /, width: int = WIDTH) -> str:
    """Return the report as plain text."""
    console = Console(file=io.StringIO(), width=width, color_system=None, _environ={})
    with console.capture() as capture:
        console.print(Report(run, results), soft_wrap=True)
    return capture.get()


def pieces(run: RunInfo, results: Sequence[Result], /) -> Iterator[str]:
    """Yield it in one piece: it has a line for a layer, not for a cell."""
    yield render(run, results)


def progress(result: Result, done: int, total: int) -> Text:
    """Return the line that says that a cell is finished; its id comes last and whole."""
    line = Text(f"{done:>{len(str(total))}}/{total}  ", "dim", no_wrap=True, overflow="ellipsis")
    line.append(f"{result.outcome:<11} ", OUTCOME_STYLES.get(result.outcome, ""))
    line.append(f"{result.verdict or '':<9} ", grid.STYLES.get(result.verdict or "", ""))
    line.append(f"{result.effect or '':<10} ", grid.STYLES.get(result.effect or "", ""))
    lasted = words.duration(result.duration_ms) if result.duration_ms else ""
    line.append(f"{lasted:>8}  {result.id}")
    if result.facts.emulates:
        line.append("  (emulator)", "italic yellow")
    return line


def single(result: Result, baseline: Result | None) -> Text:
    """Return what one cell came to, and what its mitigations changed."""
    line = Text(f"{result.outcome}: ", OUTCOME_STYLES.get(result.outcome, ""))
    line.append(
        words.verdict(result) if result.verdict else words.reason(result), grid.STYLES.get(result.verdict or "", "")
    )
    if result.verdict == "broken" or (result.outcome in ("unstable", "blocked", "fail") and result.verdict):
        line.append(f"; {words.reason(result)}", "")
    if words.is_surprising(result):
        line.append("; nothing was expected of it")
    if result.effect and baseline:
        applied = " + ".join(result.cell.mitigations)
        line.append(f"; {applied}: {result.effect}", grid.STYLES.get(result.effect, ""))
        line.append(f" (without it: {words.verdict(baseline)})", "")
    return line


class Report:
    """The end of a run: the table, what defeats each layer, what went wrong, and the summary."""

    def __init__(self, run: RunInfo, results: Sequence[Result], required: Required = NOTHING) -> None:
        self._run = run
        self._results = results
        self._required = required

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield line after line, none wider than the console but for ids."""
        width, glyphs = options.max_width, glyphs_for(options.encoding)
        for line in self._lines(width, glyphs):
            yield glyphs.fitted(line)

    def _lines(self, width: int, glyphs: Glyphs) -> Iterator[Text]:
        table = tabulate(self._results, self._run.mitigations)
        yield Text(self._run.title, "bold")
        yield from _wrapped(words.setting(self._run, self._results), width, style="dim")
        yield Text()
        if table.rows:
            yield from grid.lines(table, width, glyphs)
            yield Text()
            yield from _answers(table, width)
        if table.controls:
            yield from _wrapped(controls(table), width)
            yield Text()
        yield from _readers(self._results, width)
        for sentence in of_applications(self._results):
            yield from _wrapped(sentence, width)
            yield Text()
        yield from ending(self._run, self._results, width, self._required)


def remedies(columns: Sequence[Column]) -> str:
    """Return mitigations by kind of cost: `header: a, b; bytes: c`, to be wrapped."""
    return "; ".join(f"{cost}:{words.STICKY}{', '.join(names)}" for cost, names in by_cost(columns).items())


def _answers(table: Table, width: int) -> Iterator[Text]:
    found = answers(table)
    if found:
        yield Text("What defeats each layer, cheapest first", "bold")
        yield Text()
    chain = None
    for answer in found:
        if answer.chain != chain:
            chain = answer.chain
            yield Text(chain + ("  (emulator)" if answer.emulates else ""), "bold")
        status_style = grid.STYLES.get(answer.status, "")
        yield from _wrapped(f"{answer.layers}: {answer.found}; {answer.reason}", width, "  ", status_style)
        if defeated := remedies(answer.defeats) or answer.undefeated:
            yield from _wrapped(defeated, width, "    defeated by  ")
        if answer.reduces:
            yield from _wrapped(remedies(answer.reduces), width, "    reduced by   ")
        if answer.harms:
            yield from _wrapped(remedies(answer.harms), width, "    harmed by    ")
        yield Text()
    easy = [f"{chain} ({layers})" if layers else chain for chain, layers in at_ease(table).items()]
    if easy:
        yield from _wrapped(f"Stream as they are: {'; '.join(easy)}.", width)
        yield Text()


def _readers(results: Sequence[Result], width: int) -> Iterator[Text]:
    if said := readers.line(results):
        yield from _wrapped(said, width)
        for disagreement in readers.disagreements(results):
            yield Text(f"  {disagreement.stream}")
            yield from _wrapped(disagreement.sentence, width, "    ")
        yield Text()


def ending(run: RunInfo, results: Sequence[Result], width: int, required: Required) -> Iterator[Text]:
    """Yield what went wrong, and the run in one line with the exit status that what is required leads to."""
    yield from _problems(run, results, width)
    style = "bold red" if summary.exit_status(run, results, required) else "bold green"
    yield from _wrapped(summary.line(run, results, required), width, style=style)


def _problems(run: RunInfo, results: Sequence[Result], width: int) -> Iterator[Text]:
    for kind, problems in summary.problems(run, results).items():
        yield Text(summary.TITLES[kind], OUTCOME_STYLES[kind])
        for problem in problems:
            many = f"{len(problem.cells)} cells: " if len(problem.cells) > 1 else ""
            yield from _wrapped(many + problem.reason, width, "  ")
            if problem.why:
                yield from _wrapped(problem.why, width, "    expected because  ", "dim")
            for cell in problem.cells[:IDS_SHOWN]:
                yield Text(f"    {cell}")
                for sentence in problem.beside.get(cell, ()):
                    whole = sentence.startswith(WHOLE)
                    lines = [f"      {sentence}"] if whole else words.wrapped(sentence, width, "      ")
                    yield from (Text(line, "dim") for line in lines)
            if len(problem.cells) > IDS_SHOWN:
                yield Text(f"    and {len(problem.cells) - IDS_SHOWN} more", "dim")
        yield Text()


def _wrapped(text: str, width: int, first: str = "", style: str = "") -> Iterator[Text]:
    return (Text(line, style) for line in words.wrapped(text, width, first))
