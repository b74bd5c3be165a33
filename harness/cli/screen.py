"""Where the command line prints: reports on standard output, everything about the run on standard error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from harness import session
from harness.reports.safe import shown, uncommanded

if TYPE_CHECKING:
    from harness.store.runs import Run

TABLE_COLUMNS = 4
"""A list with more columns than this is printed as entries: a table of them would break every word."""
LEAST_WIDTH = 20
"""What anything is printed on, however few columns there are: on none at all nothing would be."""


class Outlet(Console):
    """A console that shows what others wrote and obeys none of it.

    It goes on in silence when nobody reads it any more, as in `harness matrix | head`.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=shown(segment.text))

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        """Return what is written: where a runner reads along, nothing that it would take for a command."""
        text = super()._render_buffer(buffer)
        return uncommanded(text) if session.is_on("GITHUB_ACTIONS") else text

    def command(self, line: str) -> None:
        """Tell the runner something: a line of its own, which people see otherwise, or not at all."""
        self.file.write(f"{shown(line)}\n")
        self.file.flush()

    def on_broken_pipe(self) -> None:
        self.mute()

    def mute(self) -> None:
        """Drop what is still to be printed, even what is printed when the program ends."""
        self.quiet = True
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.file.fileno())
        os.close(null)

    def rows(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows under their head, the first one."""
        head, *body = rows
        if len(head) > TABLE_COLUMNS:
            self._entries(head, body)
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for number, name in enumerate(head):
            table.add_column(name, no_wrap=number == 0, overflow="fold")
        for row in body:
            table.add_row(*row)
        self.print(table, soft_wrap=False, markup=False)

    def _entries(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print each row as a name with what is known of it below, a line each and unbroken."""
        width = max(map(len, head[1:]))
        for name, *known in rows:
            self.print(name, style="bold", markup=False)
            for label, text in zip(head[1:], known, strict=True):
                self.print(f"  {label:<{width}}  {text}", markup=False)


out = Outlet(soft_wrap=True, highlight=False, emoji=False)
err = Outlet(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def prepare() -> None:
    """See to it that nothing can fail by being printed: an output takes what its encoding lacks as an escape.

    A stream that was closed leads nowhere from now on; else the next file that is opened would take its number.
    A width at which nothing could be read is not taken, not for the help either, which has a console of its own.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if os.environ.get("COLUMNS", "").isdigit() and int(os.environ["COLUMNS"]) < LEAST_WIDTH:
        os.environ["COLUMNS"] = str(LEAST_WIDTH)
    for outlet in (out, err):
        if outlet.width < LEAST_WIDTH:
            outlet.width = LEAST_WIDTH


def say(line: str) -> None:
    """Tell people something about the run."""
    err.print(line, markup=False)


def in_ci() -> bool:
    """Tell whether nobody looks on. CI systems set `CI` to true, to 1, or to a name of theirs."""
    return session.is_on("CI")


def write(pieces: Iterable[str]) -> None:
    """Put a document on standard output as it is."""
    try:
        for piece in map(uncommanded, pieces) if session.is_on("GITHUB_ACTIONS") else pieces:
            sys.stdout.buffer.write(piece.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        out.mute()


begun: list[Run] = []
"""The runs that the command has begun, as far as they have come."""
complaint = ""
"""Why the program ends, once that was said."""


def complain(error: object) -> None:
    """Say why the program ends, if anybody can be told."""
    global complaint
    complaint = str(error)
    try:
        err.print("[bold red]harness:[/] ", end="")
        err.print(str(error), markup=False)
    except OSError:
        err.mute()
