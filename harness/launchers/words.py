"""The words of others, as they are told: a program's in its log, if it is very much the end of it; the system's."""

from __future__ import annotations

import os
from pathlib import Path

from harness.launchers.commands import uncoloured

WORDS_BYTES = 2**20


def written(log: Path, others_bytes: int = 0) -> str:
    """Return what a log says after the first `others_bytes`, which somebody else wrote; nothing if there is none.

    Colours are left out.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(others_bytes, file.seek(0, os.SEEK_END) - WORDS_BYTES))
            return uncoloured(file.read().decode(errors="replace"))
    except FileNotFoundError:
        return ""


def of_system(error: OSError) -> str:
    """Return what the system says of an error, without what libraries have written around it."""
    if error.errno and error.errno > 0:  # the codes of name resolution are below
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
