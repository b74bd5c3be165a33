"""Differences of a user's config files, as unified diffs: whole, for `patch`, or as they can be told.

Rule: no secret is told. A line that has one is not shown around a change, of which fewer lines are shown instead, so
that the diff still patches; a line that has one and changes itself shows `(redacted)` in its place.
"""

from __future__ import annotations

from pathlib import Path

from harness.proxies.diffs import CONTEXT, unified
from harness.proxies.languages.secrets import masked_blocks


def told(path: Path, before: str, after: str) -> str:
    """Return the same without any secret."""
    hidden = {
        line: shown
        for text in (before, after)
        for line, shown in zip(text.split("\n"), masked_blocks(text).split("\n"), strict=True)
        if line != shown
    }
    for context in range(CONTEXT, -1, -1):
        lines = unified(path, before, after, context).split("\n")
        if not any(line.startswith(" ") and line[1:] in hidden for line in lines):
            break
    return "\n".join(line[:1] + hidden.get(line[1:], line[1:]) for line in lines)
