"""On which lines of a matrix file its expectations stand, by their globs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.documents.document import Document
from harness.errors import InputError
from harness.model import RunInfo


def lines(run: RunInfo) -> Mapping[str, int]:
    """Return the line of each expectation of a run's matrix file; none if it had no file, or that cannot be read."""
    try:
        return dict(_lines(Document(run.matrix_text, run.matrix_file))) if run.matrix_text else {}
    except InputError:
        return {}


def _lines(document: Document) -> Iterator[tuple[str, int]]:
    rows = document.at("expect")
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        globs = row.get("cells") if isinstance(row, dict) else None
        for glob in globs if isinstance(globs, list) else [globs]:
            yield str(glob), document.place(("expect", index, "cells")).line or 0
