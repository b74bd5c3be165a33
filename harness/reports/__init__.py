"""The registry of renderers: `--json PATH` and its like name them."""

from harness.reports import html, json, junit, markdown, terminal
from harness.reports.base import Renderer

RENDERERS: dict[str, Renderer] = {
    "terminal": terminal.render,
    "markdown": markdown.render,
    "json": json.render,
    "junit": junit.render,
    "html": html.render,
}
