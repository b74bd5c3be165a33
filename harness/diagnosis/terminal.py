"""A diagnosis on a terminal: the short answer, what to paste, then the table that it rests on. Pure.

`DiagnosisReport` is a rich renderable, to be printed as `reports.terminal.Report` is: lines to paste are never broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.diagnosis.telling import Diagnosis
from harness.errors import EXIT_MEANINGS
from harness.reports import grid, words
from harness.reports.glyphs import Glyphs, glyphs_for
from harness.reports.pasted import Pasted
from harness.reports.table import tabulate

PATCHES = (
    "With this in your files it was measured. {} takes it; it is kept as mitigations.diff, too, in the run folder below"
    " proxies/."
)
HERE = "`patch -p0`, or `git apply -p0 --unidiff-zero`,"
ELSEWHERE = "`patch -d / -p1`, or `patch -p0` for what lies below this folder,"
CR_LF = "Where lines end with CR LF only that file is taken, for no terminal prints them."


class DiagnosisReport:
    """What was found out about one chain; `in_short`: without the table that it rests on."""

    def __init__(self, diagnosis: Diagnosis, in_short: bool = False) -> None:
        self._told = diagnosis
        self._in_short = in_short

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield line after line, none wider than the console but for ids and what is to be pasted."""
        glyphs = glyphs_for(options.encoding)
        for line in self._lines(options.max_width, glyphs):
            yield glyphs.fitted(line) if isinstance(line, Text) else line

    def _lines(self, width: int, glyphs: Glyphs) -> Iterator[Text | Pasted]:
        told = self._told
        yield Text(told.run.diagnosed, "bold")
        for request, seen in told.of_layers():
            style = grid.STYLES.get(seen.partition(":")[0].replace("streams", "streamed"), "magenta")
            yield from _wrapped(seen, width, f"  {request:<9}", style)
        for sentence in (*told.of_limits(), *told.of_locations()):
            yield from _wrapped(sentence, width, "  ")
        yield from self._hops(width)
        yield from self._fix(width)
        yield from self._patches(width)
        if self._in_short:
            return
        yield Text()
        for claim in words.emulated(told.results.values()):
            yield from _wrapped(f"A hop is emulated, and plays {claim}: what it shows follows from that.", width, "")
        results = list(told.results.values())
        yield from grid.lines(tabulate(results, told.catalogue), width, glyphs)
        yield Text()
        status = told.exit_status
        said = f"{words.counted(len(results), 'cell')} measured. Exit status {status}: {self._meaning(status)}."
        yield from _wrapped(said, width, "", "bold red" if status else "bold green")

    def _hops(self, width: int) -> Iterator[Text]:
        for number, (hop, found) in enumerate(self._told.of_hops()):
            if not number:
                yield Text(f"\nWhich hop {'holds' if self._told.to_mend else 'answers by itself'}", "bold")
            yield Text(f"  {hop}", "bold")
            for sentence in found:
                yield from _wrapped(sentence, width, "    ")

    def _fix(self, width: int) -> Iterator[Text]:
        for number, sentence in enumerate(self._told.of_fix()):
            if not number:
                yield Text("\nWhat to change", "bold")
            yield from _wrapped(sentence, width, "  " if not number else "    ")
        for where, lines in self._told.recipes().items():
            yield Text(f"\n  {where}", "bold")
            yield from (Text(f"    {line}") for line in lines)

    def _patches(self, width: int) -> Iterator[Text | Pasted]:
        for hops, diff in self._told.patches().items():
            yield Text(f"\n  {hops}", "bold")
            yield Pasted(diff)
        if patches := self._told.patches():
            elsewhere = any(re.search("^--- /", diff, re.MULTILINE) for diff in patches.values())
            yield Text()
            yield from _wrapped(PATCHES.format(ELSEWHERE if elsewhere else HERE), width, "  ")
            if any("\r\n" in diff for diff in patches.values()):
                yield from _wrapped(CR_LF, width, "  ")

    def _meaning(self, status: int) -> str:
        told = self._told
        if status == 0:
            what = "what to change" if told.fix or not told.held else "that nothing that was tried mends it"
            if told.held or told.coded == "held":
                return f"what holds is known, and {what}"
            asked = ", ".join(layer.request for layer in told.layers)
            return f"it streams as it is{f' ({asked})' if told.coded else ''}"
        if status == 3 and (why := told.stopped or told.unknown):
            return f"too little is known: {why}"
        return EXIT_MEANINGS[status]


def _wrapped(text: str, width: int, first: str, style: str = "") -> Iterator[Text]:
    return (Text(line, style) for line in words.wrapped(text, width, first))
