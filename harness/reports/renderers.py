"""The registry of renderers: `--json PATH` and its like name them. Pure."""

from collections.abc import Iterator

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


def no_run(command: str, why: str) -> Iterator[str]:
    """Yield, as JUnit XML, that a command came to no run."""
    yield from map(shown, junit.failed(command, why))
