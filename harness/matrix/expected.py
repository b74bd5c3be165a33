"""On which lines of a matrix file its expectations stand, by their globs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.documents.document import Document
from harness.errors import InputError
from harness.model import RunInfo


def lines(run: RunInfo) -> Mapping[str, int]:
    """Return the line of each expectation of a run's matrix file; none if it had no file, or that cannot be read."""
    try:
        document = Document(run.matrix_text, run.matrix_file)
    except InputError:
        return {}
    rows = document.at("expect")
    places = [("expect", index, "cells") for index, _ in enumerate(rows if isinstance(rows, list) else ())]
    found = ((document.at(*place), document.place(place).line) for place in places)
    return {glob: line for glob, line in found if isinstance(glob, str) and line}
