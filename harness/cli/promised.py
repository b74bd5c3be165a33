"""The JUnit file that was asked for: whatever ends a command, it is there for the next step of a CI job."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import cli, reports, session, store
from harness.cli import screen
from harness.errors import EXIT_MEANINGS

OPTION = "--junit"


@contextlib.contextmanager
def promised(argv: Sequence[str]) -> Iterator[None]:
    """If the block ends without having written the file, write one with what it had measured, and a case that says why
    that is not all.
    """
    screen.complaint = ""
    screen.begun.clear()
    path = _asked(argv)
    before = _mark(path)
    try:
        yield
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        why = screen.complaint or _usage(ended.__context__)
        if why and session.is_on("GITHUB_ACTIONS"):
            cli.tell_failure(why)
        if path and status and _mark(path) == before:
            why = why or EXIT_MEANINGS.get(status, f"exit status {status}")
            with contextlib.suppress(Exception):  # that it cannot be written has been told, or is told by the status
                store.write_pieces(path, _report(" ".join(["harness", *argv[:1]]), why))
        raise


def _report(command: str, why: str) -> Iterator[str]:
    """Return the report of a command that failed, with all that its last run has come to."""
    if not screen.begun:
        return reports.unfinished(command, why)
    run = screen.begun[-1]
    told = f"{why}\n{len(run.results)} of {run.info.cells} cells were measured by then, and held against no baseline"
    return reports.unfinished(command, told, run.info, run.results)


def _usage(error: BaseException | None) -> str:
    """Return what was wrong with the command itself, if that ends it: typer has click within, and does not show it."""
    told = getattr(error, "format_message", None)
    return str(told()) if told else ""


def _asked(argv: Sequence[str]) -> Path | None:
    """Return where JUnit is to go, as far as that is a file."""
    given = [word.partition("=")[2] for word in argv if word.startswith(f"{OPTION}=")]
    given += [path for word, path in itertools.pairwise(argv) if word == OPTION]
    path = Path(given[-1]) if given and given[-1] not in ("", "-") else None
    try:
        return path if path and (path.is_file() or not path.exists()) else None
    except OSError:  # as of a name that is too long, which the command itself tells
        return None


def _mark(path: Path | None) -> tuple[int, int] | None:
    """Return what tells a file from one that takes its place."""
    try:
        stat = os.stat(path) if path else None
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns) if stat else None
