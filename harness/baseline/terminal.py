"""A regression check on a terminal: what changed and how, beside it what changed of configs, then the run. Pure.

`CheckReport` is a rich renderable, to be printed as `reports.terminal.Report` is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.baseline.comparing import UNSURE, Comparison
from harness.model import Change, RunInfo
from harness.reports import terminal, words
from harness.reports.glyphs import glyphs_for
from harness.reports.pasted import Pasted
from harness.reports.summary import Required

TITLES: Mapping[Change, tuple[str, str]] = {
    "worse": ("Worse than in the baseline", "bold red"),
    "another cell": ("Another cell under the same name", "magenta"),
    "gone": ("Gone", "magenta"),
    "not measured": ("Could not be measured", "magenta"),
    "other": ("Neither worse nor better", "yellow"),
    "better": ("Better than in the baseline", "bold green"),
    "another version": ("Measured with other versions", "dim"),
    "new": ("Not in the baseline yet", "dim"),
}
SHOWN = 12


class CheckReport:
    """What became of the cells of a baseline. `update` is the command that takes the run as what is expected."""

    def __init__(self, run: RunInfo, comparison: Comparison, required: Required, update: str) -> None:
        self._run = run
        self._told = comparison
        self._required = required
        self._update = update

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield line after line, none wider than the console but for ids and diffs."""
        glyphs = glyphs_for(options.encoding)
        for line in self._lines(options.max_width):
            yield glyphs.fitted(line) if isinstance(line, Text) else line

    def _lines(self, width: int) -> Iterator[Text | Pasted]:
        told = self._told
        yield Text(self._run.title, "bold")
        for sentence in filter(None, (told.other_rules, told.other_harness, told.new_platform, told.only_a_part)):
            yield from _wrapped(sentence, width, "", "yellow")
        for kind, (title, style) in TITLES.items():
            if told.was.cells:  # of the first baseline all are new
                yield from self._listed(kind, title, style, width)
        yield from self._files(width)
        yield from terminal.ending(self._run, told.results, width, self._required)
        yield from _wrapped(self._gist(), width, "", "bold")

    def _listed(self, kind: Change, title: str, style: str, width: int) -> Iterator[Text]:
        alike: dict[str, list[str]] = {}
        for one in self._told.of(kind):
            if one.changed and not one.changed.fails:
                alike.setdefault(words.changed(one.changed).partition(": ")[2], []).append(one.id)
        for number, (said, cells) in enumerate(alike.items()):
            if not number:
                yield Text(title, style)
            yield from _wrapped(said, width, "  ")
            yield from (Text(f"    {cell}") for cell in cells[:SHOWN])
            if len(cells) > SHOWN:
                yield Text(f"    and {len(cells) - SHOWN} more", "dim")
        if alike:
            yield Text()

    def _files(self, width: int) -> Iterator[Text | Pasted]:
        for number, file in enumerate(self._told.files):
            if not number:
                yield Text("What changed in configs", "bold")
            yield from _wrapped(f"{file.path} ({', '.join(file.hops) or 'gone'})", width, "  ")
            if file.diff:
                yield Pasted(file.diff)
            elif file.hops:
                what = f"it says something else than it did; {file.lacking}" if file.was_there else "it is new"
                yield from _wrapped(what, width, "    ")
        if self._told.files:
            yield Text()

    def _gist(self) -> str:
        told = self._told
        kinds: dict[Change, int] = {}
        for one in told.all:
            if one.changed:
                kinds[one.changed.kind] = kinds.get(one.changed.kind, 0) + 1
        same = sum(one.id in told.was.cells and one.changed is None for one in told.results)
        said = ", ".join([f"{same} as they were", *(f"{number} {kind}" for kind, number in kinds.items())])
        taken = any(one.changed and (one.changed.kind != UNSURE or one.outcome == "too short") for one in told.all)
        way_out = f" `{self._update}` takes what was measured as what is expected." if taken and self._update else ""
        return f"Held against {told.was.name}: {said}.{way_out}"


def _wrapped(text: str, width: int, first: str, style: str = "") -> Iterator[Text]:
    return (Text(line, style) for line in words.wrapped(text, width, first))
