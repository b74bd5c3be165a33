"""What a code review shows beside a line: for each cell that failed, where its expectation or its config stands. Pure.

As GitHub's workflow commands: docs.github.com, "Workflow commands for GitHub Actions", `error`; values are escaped as
actions/toolkit does it, packages/core/src/command.ts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.model import Place, Result, RunInfo
from harness.reports import summary
from harness.reports.failing import headline

_PLACE = re.compile(r"(?P<file>[^\s:][^:]*):(?P<line>\d+): ")
MOST = 10
"""So many are shown of each step, whatever else it says: docs.github.com, "Annotations", limits."""
CELLS_TOLD = 5


def commands(run: RunInfo, results: Sequence[Result], spots: Mapping[str, Place]) -> Iterator[str]:
    """Yield a workflow command for each kind of failure at each place, the cells of one together."""
    known = {result.id: result for result in results}
    found: dict[tuple[str, Place | None, str], list[str]] = {}
    for kind, problems in summary.problems(run, results).items():
        level = "notice" if kind == "unavailable" and not _is_missed(problems, known) else "error"
        for problem in problems:
            for cell in problem.cells:
                said = headline(known[cell]) if level == "error" else problem.reason
                found.setdefault((level, spots.get(cell), said), []).append(cell)
    listed = sorted(found.items(), key=lambda item: item[0][0])  # errors first
    for number, ((level, spot, said), cells) in enumerate(listed):
        if number == MOST - 1 and len(listed) > MOST:
            yield _command("error", None, f"and {len(listed) - number} more, in the log and in the summary")
            return
        more = f"\nand {len(cells) - CELLS_TOLD} more" if len(cells) > CELLS_TOLD else ""
        yield _command(level, spot, "\n".join([said, *cells[:CELLS_TOLD]]) + more)


def failure(why: str, place: Callable[[Path, int], Place]) -> Iterator[str]:
    """Yield a workflow command for each line of a complaint, at the `place` of the file and line that begin it."""
    for line in why.splitlines()[:MOST]:
        found = _PLACE.match(line)
        yield _command("error", place(Path(found["file"]), int(found["line"])) if found else None, line)


def _is_missed(problems: Sequence[summary.Problem], known: Mapping[str, Result]) -> bool:
    changes = (known[cell].changed for problem in problems for cell in problem.cells)
    return any(change and change.fails for change in changes)


def _command(level: str, spot: Place | None, message: str) -> str:
    place = f"file={_value(spot.file)},line={max(spot.line, 1)}," if spot else ""
    return f"::{level} {place}title=Token stream::{_message(message)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
