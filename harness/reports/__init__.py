"""The registry of renderers: `--json PATH` and its like name them. Pure.

In: a run and its results.
Out: texts and pictures; whoever asks for one writes the file.
Enter: doors and `claims/`; what is said of a result is said here.
"""

from harness.reports import html, json, junit, markdown, terminal
from harness.reports.base import Renderer

RENDERERS: dict[str, Renderer] = {
    "terminal": terminal.pieces,
    "markdown": markdown.pieces,
    "json": json.pieces,
    "junit": junit.pieces,
    "html": html.pieces,
}
