"""What was typed and is nobody else's to read: it goes from our own command line, which any list of processes shows.

Rules: what is forgotten is in no list of our arguments either, which a run keeps; arguments are overwritten where the
kernel has them, as far as it tells where that is (Linux, proc(5): `arg_start` and `arg_end` of /proc/PID/stat, which
only the process itself and who may trace it can see).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.model import HIDDEN

ARG_START, ARG_END = 45, 46
"""Fields 48 and 49 of /proc/PID/stat, counted from 0 behind the name of the program, which is the second."""


def forget(words: Sequence[str]) -> None:
    """Overwrite the arguments that end with one of these words. Where nobody tells where they lie, they stay there."""
    for word in filter(None, words):
        sys.argv[1:] = [f"{one.removesuffix(word)}{HIDDEN}" if _says(one, word) else one for one in sys.argv[1:]]
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        shown = Path("/proc/self/cmdline").read_bytes()
        start, end = int(fields[ARG_START]), int(fields[ARG_END])
    except (OSError, ValueError, IndexError):
        return
    if not start or end - start != len(shown) or ctypes.string_at(start, end - start) != shown:
        return
    for argument in shown.split(b"\0"):
        if argument.endswith(tuple(map(os.fsencode, filter(None, words)))):
            ctypes.memset(start, ord("x"), len(argument))
        start += len(argument) + 1


def _says(argument: str, word: str) -> bool:
    """Tell whether a word stands in an argument, alone, behind its option, or as the query of a URL."""
    return word in (argument, argument[2:]) or argument.endswith((f"={word}", f"?{word}"))
