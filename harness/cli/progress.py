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

SEEN_S = 30.0
"""So often it is told, where no bar shows it, that it goes on: a cell behind a rate limit takes minutes."""


@contextlib.contextmanager
def progress(run: Run, claims: bool = False) -> Iterator[Callable[[Result], None]]:
    """A bar on a terminal, else a line per finished cell, and one now and then while none is; if it is interrupted,
    where results and claims are. Needs a running event loop.

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
            with _patience(lambda: f"Still measuring: {done} of {run.info.cells} cells are done") as turned:

                def line(result: Result) -> None:
                    turned()
                    screen.err.print(terminal.progress(result, count(), run.info.cells))

                yield line
    except asyncio.CancelledError:
        told = f"`harness report {run.folder}` shows them"
        told += f", `harness reports --from {run.folder}` what they say of the claims" if claims else ""
        raise Interrupted(f"Interrupted: {len(run.results)} of {run.info.cells} cells are done. {told}.") from None


@contextlib.contextmanager
def _patience(told: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Tell what goes on whenever nothing has turned for `SEEN_S`; what this yields is called when something does."""
    loop, silent_s = asyncio.get_running_loop(), 0.0
    waiting = loop.call_later(SEEN_S, lambda: tell())

    def tell() -> None:
        nonlocal silent_s, waiting
        silent_s += SEEN_S
        screen.err.print(f"{told()}, nothing new for {silent_s:g} s", style="dim", markup=False)
        waiting = loop.call_later(SEEN_S, tell)

    def turned() -> None:
        nonlocal silent_s, waiting
        waiting.cancel()
        silent_s = 0.0
        waiting = loop.call_later(SEEN_S, tell)

    try:
        yield turned
    finally:
        waiting.cancel()


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
