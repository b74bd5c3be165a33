"""What a program has written to its log, as it is told: without colours, and if it is very much, the end of it."""

from __future__ import annotations

import os
from pathlib import Path

from harness.launchers.commands import uncoloured

WORDS_BYTES = 2**20


def written(log: Path, others_bytes: int = 0) -> str:
    """Return what a log says after the first `others_bytes`, which somebody else wrote; nothing if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(others_bytes, file.seek(0, os.SEEK_END) - WORDS_BYTES))
            return uncoloured(file.read().decode(errors="replace"))
    except FileNotFoundError:
        return ""
