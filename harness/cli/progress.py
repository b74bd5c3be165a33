"""How far a run is, while it lasts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from harness.cli import screen
from harness.errors import Interrupted
from harness.model import Result
from harness.reports import terminal
from harness.store import Run


@contextlib.contextmanager
def progress(run: Run, claims: bool = False) -> Iterator[Callable[[Result], None]]:
    """A bar on a terminal, else a line per finished cell; if it is interrupted, where results and claims are.

    How many cells there will be, the run says, which may change.
    """
    done = 0

    def count() -> int:
        nonlocal done
        done += 1
        return done

    try:
        if screen.err.is_terminal and not screen.in_ci():
            with _bar() as bar:
                task = bar.add_task("starting", total=run.info.cells)

                def advance(result: Result) -> None:
                    said = f"{result.verdict or result.outcome}  {result.id}"
                    bar.update(task, completed=count(), total=run.info.cells, description=said)

                yield advance
        else:
            yield lambda result: screen.err.print(terminal.progress(result, count(), run.info.cells))
    except asyncio.CancelledError:
        told = f"`harness report {run.folder}` shows them"
        told += f", `harness reports --from {run.folder}` what they say of the claims" if claims else ""
        raise Interrupted(f"Interrupted: {len(run.results)} of {run.info.cells} cells are done. {told}.") from None


def _bar() -> Progress:
    """A bar whose counter stays: what room there is beside it goes to the id of the last cell, which is cut."""
    return Progress(
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=screen.err,
        transient=True,
        expand=True,
    )
