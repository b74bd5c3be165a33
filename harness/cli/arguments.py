"""What was typed and is nobody else's to read: it goes from our own command line, which any list of processes shows.

Rule: arguments are overwritten where the kernel has them, as far as it tells where that is (Linux, proc(5): `arg_start`
and `arg_end` of /proc/PID/stat, which only the process itself and who may trace it can see).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

ARG_START, ARG_END = 45, 46
"""Fields 48 and 49 of /proc/PID/stat, counted from 0 behind the name of the program, which is the second."""


def forget(words: Sequence[str]) -> None:
    """Overwrite the arguments that end with one of these words. Where nobody tells where they lie, they stay."""
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
