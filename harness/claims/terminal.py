"""The claims of a field report on a terminal: claim by claim, then the real cause and the cheapest fix. Pure.

`ClaimReport` is a rich renderable, as `terminal.Report` is: print it with `soft_wrap=True`, for ids are never broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.claims import words as claim_words
from harness.claims.judging import Judged, Unjudged
from harness.claims.ledger import Entry
from harness.model import ClaimJudgement
from harness.reports import terminal, words
from harness.reports.glyphs import glyphs_for
from harness.reports.summary import Required

STYLES: Mapping[ClaimJudgement, str] = {
    "confirmed": "bold green",
    "refuted": "bold red",
    "depends": "bold yellow",
    "not testable here": "magenta",
}
FINDINGS_SHOWN = 2


class ClaimReport:
    """What became of one report's claims; if it is told what is required, also what went wrong and the exit status."""

    def __init__(self, entry: Entry, required: Required | None = None) -> None:
        self._entry = entry
        self._required = required

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield line after line, none wider than the console but for ids."""
        glyphs = glyphs_for(options.encoding)
        yield from map(glyphs.fitted, self._lines(options.max_width))

    def _lines(self, width: int) -> Iterator[Text]:
        entry = self._entry
        yield from _wrapped(entry.title, width, "", "bold")
        for judged in entry.judged:
            yield from _claim(judged, width)
        yield Text()
        yield from _wrapped(entry.cause.sentences, width, "real cause    ")
        yield from _wrapped(entry.fix.sentences, width, "cheapest fix  ")
        yield Text()
        if entry.unfinished:
            yield from _wrapped(entry.unfinished, width, "", "bold red")
        yield from _wrapped(f"{claim_words.counted(entry.judged)}.", width, "", "bold")
        if self._required is not None:
            yield from terminal.ending(entry.run, entry.results, width, self._required)


def _claim(judged: Judged, width: int) -> Iterator[Text]:
    where = f" ({judged.claim.where})" if judged.claim.where else ""
    yield from _wrapped(f"{judged.claim.claim}{where}{claim_words.mark(judged.claim)}", width, "  ")
    yield from _wrapped(claim_words.judgement(judged), width, "    ", STYLES[judged.kind])
    for hold in (True, False):
        found = judged.findings_that(hold)
        for finding in found[:FINDINGS_SHOWN]:
            side = "" if judged.kind != "depends" else "holds: " if hold else "does not: "
            address = f"{finding.cell.id}{claim_words.emulated(finding.emulated)}"
            yield Text(f"      {side}{address}  {claim_words.shown(judged.claim, finding)}", "dim")
        if len(found) > FINDINGS_SHOWN:
            yield Text(f"      and {len(found) - FINDINGS_SHOWN} more", "dim")
    if judged.findings:
        yield from _unjudged(judged.unjudged, width)


def _unjudged(cells: Sequence[Unjudged], width: int) -> Iterator[Text]:
    """Yield the cells that could not be judged beside others, each with its reason."""
    for cell in cells[:FINDINGS_SHOWN]:
        yield Text(f"      not judged: {cell.id}{claim_words.emulated(cell.emulated)}", "magenta")
        yield from _wrapped(cell.why, width, "        ", "magenta")
    if len(cells) > FINDINGS_SHOWN:
        yield Text(f"      and {len(cells) - FINDINGS_SHOWN} more that were not judged", "magenta")


def _wrapped(text: str, width: int, first: str, style: str = "") -> Iterator[Text]:
    return (Text(line, style) for line in words.wrapped(text, width, first))
