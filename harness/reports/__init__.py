"""The registry of renderers: `--json PATH` and its like name them. Pure.

In: a run and its results.
Out: texts and pictures; whoever asks for one writes the file.
Enter: doors and `claims/`; what is said of a result is said here.
"""

from harness.reports import html, json, junit, markdown, terminal
from harness.reports.base import Renderer
from harness.reports.safe import safe

RENDERERS: dict[str, Renderer] = {
    "terminal": safe(terminal.render),
    "markdown": safe(markdown.render),
    "json": safe(json.render),
    "junit": safe(junit.render),
    "html": safe(html.render),
}
