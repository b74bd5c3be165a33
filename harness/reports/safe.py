"""Text that shows and does nothing else: what others wrote may have escape codes, or turn around what stands beside it.

Rule: of all control characters only line feeds and tabs come through; the others become question marks, one each, so
that columns keep their place. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.reports.base import Renderer

_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


_BEGINS = re.compile(r"^((?:\s|\x1b\[[0-9;]*m)*):((?:\x1b\[[0-9;]*m)*):", re.MULTILINE)


def shown(text: str) -> str:
    """Return text without what a terminal, or a reader of lines, would act on."""
    return _ACTS.sub("?", text)


def uncommanded(text: str) -> str:
    """Return text of which GitHub's runner takes nothing for a command, wherever it is printed: actions/runner,
    src/Runner.Common/ActionCommand.cs: `::` counts at the start of a line, `##[` anywhere in it.
    """
    return _BEGINS.sub(r"\1:\2 :", text).replace("##[", "## [")


def safe(render: Renderer) -> Renderer:
    """Return a renderer whose documents have been made to only show."""
    return lambda run, results, /: map(shown, render(run, results))
