"""Text as GitHub's Markdown takes it, whatever is in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

PIPE = "\\|"
"""A pipe ends a cell of a table even inside a code span."""


def text(said: str) -> str:
    """Return text that Markdown and HTML leave as it is, on one line."""
    one_line = " ".join(said.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*\[\]]|\b_|_\b)", r"\\\1", one_line)


def prose(said: str) -> str:
    """Return text whose author put code between single backticks; all else in it stays as it is."""
    return within(said).strip()


def within(said: str) -> str:
    """Return a part of prose, with the blank that it begins or ends with."""
    parts = re.split(r"(?<!`)`([^`]+)`(?!`)", said)
    return "".join(code(part) if number % 2 else _spaced(part) for number, part in enumerate(parts))


def paragraph(said: str) -> str:
    """Return prose that starts no heading, list or quote where it stands at the start of a line."""
    return re.sub(r"^(\d*)([#>+~.)-])", r"\1\\\2", prose(said))


def _spaced(said: str) -> str:
    """Return text with the blank that it begins or ends with."""
    before, after = (" " if said[:1].isspace() else ""), (" " if said[-1:].isspace() else "")
    return f"{before}{text(said)}{after}" if said.strip() else before


def code(said: str) -> str:
    """Return text as a code span; its fence is longer than any run of backticks in it."""
    fence = "`" * (max((len(run) for run in re.findall("`+", said)), default=0) + 1)
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{' '.join(said.split())}{space}{fence}"


def block(lines: Sequence[str]) -> Iterator[str]:
    """Fence lines; the fence is longer than any run of backticks in them."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text"
    yield from lines
    yield fence


def row(*cells: str) -> str:
    """Return a row of a table, of cells that are Markdown already."""
    return f"| {' | '.join(cell.replace('|', PIPE) for cell in cells)} |"


def head(*names: str) -> Iterator[str]:
    """Yield the first two rows of a table."""
    yield row(*names)
    yield row(*("---" for _ in names))
