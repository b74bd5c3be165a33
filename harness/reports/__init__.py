"""The registry of renderers: `--json PATH` and its like name them. Pure.

In: a run and its results.
Out: texts and pictures; whoever asks for one writes the file.
Enter: doors and `claims/`; what is said of a result is said here.
"""

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
