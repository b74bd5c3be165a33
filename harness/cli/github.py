"""What a job of GitHub Actions is told: a summary of its step, and annotations beside the lines that they are about.

Rule: what others wrote is no command to the runner, wherever in a line it stands (`screen.Outlet`); what cannot be told
fails nothing.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console, RenderableType

from harness import session
from harness.cli.screen import Outlet, err, say
from harness.model import Place
from harness.reports import RENDERERS, workflow
from harness.reports.markup import block
from harness.reports.safe import shown
from harness.store.runs import Run

WIDTH = 100
MOST_BYTES = 1_000_000
"""Of a longer one nothing is shown: docs.github.com, "Workflow commands", `Adding a job summary`: 1 MiB a step."""


def is_on() -> bool:
    """Tell whether a job of GitHub Actions asks."""
    return session.is_on("GITHUB_ACTIONS")


def tell(run: Run, told: Sequence[RenderableType], spots: Mapping[str, Place], outlet: Outlet) -> None:
    """Tell the job what came out: `told`, or else the report of a run; `spots` are where what failed stands, by id."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        pieces = _as_text(told) if told else _cut(RENDERERS["markdown"](run.info, run.results))
        _append(Path(path), pieces)
    if is_on():
        for command in workflow.commands(run.info, run.results, spots):
            outlet.command(command)


def tell_failure(why: str) -> None:
    """Tell the job why a command came to no run, beside the line that its words name."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(Path(path), (f"{line}\n" for line in block(shown(why).splitlines())))
    for command in workflow.failure(why, session.place_in_job):
        err.command(command)


def _as_text(told: Sequence[RenderableType]) -> Iterator[str]:
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, _environ={})
    with console.capture() as capture:
        for part in told:
            console.print(part, soft_wrap=True)
    text = "".join(_cut(f"{line}\n" for line in shown(capture.get()).splitlines()))
    yield from (f"{line}\n" for line in block(text.splitlines()))


def _cut(pieces: Iterable[str]) -> Iterator[str]:
    left = MOST_BYTES
    for piece in pieces:
        if (left := left - len(piece.encode())) < 0:
            yield "\n\nThe rest would be more than a summary may have.\n"
            return
        yield piece


def _append(path: Path, pieces: Iterable[str]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(pieces)
    except OSError as error:
        say(f"The step summary cannot be written to {path}: {error.strerror}")
