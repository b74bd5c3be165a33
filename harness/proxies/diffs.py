"""What changed in a file of the user's, as a unified diff that `patch` takes: whole, or as it can be told.

Rule: no secret is told. A line that has one is not shown around a change, of which fewer lines are shown instead, so
that the diff still patches; a line that has one and changes itself shows `(redacted)` in its place. So it goes with
bytes that are no UTF-8.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path

from harness.proxies.source_text import printable

CONTEXT = 3
"""So many lines are shown around a change, as everywhere."""


def unified(path: Path, before: str, after: str, context: int = CONTEXT) -> str:
    """Return what changed in a file, as a unified diff; empty if nothing did."""
    old, new = ([line for line in re.split(r"(?<=\n)", text) if line] for text in (before, after))
    found = difflib.unified_diff(old, new, _name(path), _name(path), n=context)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)


def first_changed(before: str, after: str) -> int:
    """Return the line of the later text that a change begins in, or behind the last of which something is missing."""
    old, new = before.splitlines(), after.splitlines()
    alike = zip(old, new, strict=False)
    same = next((number for number, (was, now) in enumerate(alike) if was != now), min(len(old), len(new)))
    return max(min(same + 1, len(new)), 1)


def told(path: Path, before: str, after: str, masked: Callable[[str], str]) -> str:
    """Return the same without any secret; `masked` leaves those out of a text, line by line."""
    hidden = {
        line: shown
        for text in (before, after)
        for line, shown in zip(text.split("\n"), printable(masked(text)).split("\n"), strict=True)
        if line != shown
    }
    for context in range(CONTEXT, -1, -1):
        lines = unified(path, before, after, context).split("\n")
        if not any(line.startswith(" ") and line[1:] in hidden for line in lines):
            break
    return "\n".join(line[:1] + hidden.get(line[1:], line[1:]) for line in lines)


def _name(path: Path) -> str:
    """Return a file as `patch -p0` finds it from here, and one elsewhere by its whole path: for `patch -d / -p1`.

    A name with blanks ends with a tab; a link, which is not patched, is told as what it leads to.
    """
    here, file = Path.cwd(), Path((os.path.realpath if path.is_symlink() else os.path.normpath)(path.absolute()))
    name = str(file.relative_to(here) if file.is_relative_to(here) else file)
    return f"{name}\t" if " " in name else name
