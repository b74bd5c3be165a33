"""Globs on the ids of cells. Pure. They match whole ids, and `*` crosses `/`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from harness.model import Cell


def matches(text: str, globs: Iterable[str]) -> bool:
    """Tell whether one of the globs matches."""
    return any(fnmatchcase(text, glob) for glob in globs)


def near(glob: str, cells: Sequence[Cell]) -> str:
    """Return the end of a complaint about a glob: an id that is like it."""
    found = difflib.get_close_matches(glob.replace("*", ""), [cell.id for cell in cells], n=1, cutoff=0)
    return f"; a glob matches a whole id, such as {found[0]}" if found else ""
