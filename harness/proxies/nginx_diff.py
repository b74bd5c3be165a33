"""Differences of a user's config files, as unified diffs: whole, for `patch`, or as they can be told.

Rule: no secret is told. A line that has one is not shown around a change, of which fewer lines are shown instead, so
that the diff still patches; a line that has one and changes itself shows `(redacted)` in its place.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.model import HIDDEN, is_secret
from harness.proxies.diffs import CONTEXT, unified

_VALUED = re.compile(
    r"""(?P<before>(?:\w+_set_header|add_header|add_trailer|\w+_param|set)\s+["']?\$?(?P<name>[\w-]+)["']?\s+)"""
    r"""(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s;]+)"""
)
"""A directive that gives something a value: a header, a parameter, a variable."""


def told(path: Path, before: str, after: str) -> str:
    """Return the same without any secret."""
    for context in range(CONTEXT, -1, -1):
        diff = unified(path, before, after, context)
        if not any(_secrets(line) for line in diff.splitlines() if line.startswith(" ")):
            break
    return masked(diff)


def masked(text: str) -> str:
    """Return a config's text, or a diff of one, without the values of headers and variables whose names are secret.

    What a variable of nginx' stands for is only known as requests come, and is no secret of the config.
    """
    for found in reversed(list(_secrets(text))):
        text = f"{text[: found.start('value')]}{HIDDEN}{text[found.end('value') :]}"
    return text


def _secrets(text: str) -> list[re.Match[str]]:
    return [found for found in _VALUED.finditer(text) if is_secret(found["name"]) and "$" not in found["value"]]
