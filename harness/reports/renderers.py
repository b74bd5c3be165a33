"""The registry of renderers: `--json PATH` and its like name them. Pure."""

from harness.reports import html, json, junit, markdown, terminal
from harness.reports.base import Renderer
from harness.reports.safe import safe

RENDERERS: dict[str, Renderer] = {
    "terminal": safe(terminal.pieces),
    "markdown": safe(markdown.pieces),
    "json": safe(json.pieces),
    "junit": safe(junit.pieces),
    "html": safe(html.pieces),
}
