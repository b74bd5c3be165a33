"""What people paste, on a terminal: as it is, neither broken nor indented, and with its tabs. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment


@dataclass(frozen=True)
class Pasted:
    """A text of whole lines; a carriage return before the end of one is left out, for a terminal acts on it."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self.text.replace("\r\n", "\n"))
