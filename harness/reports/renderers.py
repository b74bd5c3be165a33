"""The registry of renderers: `--json PATH` and its like name them. Pure."""

from collections.abc import Iterator, Sequence

from harness.model import Result, RunInfo
from harness.reports import html, json, junit, markdown, terminal
from harness.reports.base import Renderer
from harness.reports.safe import safe, shown

RENDERERS: dict[str, Renderer] = {
    "terminal": safe(terminal.pieces),
    "markdown": safe(markdown.pieces),
    "json": safe(json.pieces),
    "junit": safe(junit.pieces),
    "html": safe(html.pieces),
}


def unfinished(command: str, why: str, run: RunInfo | None = None, results: Sequence[Result] = ()) -> Iterator[str]:
    """Yield, as JUnit XML, what a command had measured that did not come to its end, and why."""
    yield from map(shown, junit.failed(command, why, run, results))
