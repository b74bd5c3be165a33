"""A janitor that dies at one line of its code, or whose keepers do. Standard library only, as it is.

What it imports is imported here, too: to do so is slow while every call is looked at.
"""

from __future__ import annotations

import contextlib
import ctypes  # noqa: F401
import fcntl  # noqa: F401
import json  # noqa: F401
import os
import runpy
import shutil  # noqa: F401
import signal
import socket  # noqa: F401
import subprocess  # noqa: F401
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType
from typing import Any

MARK = "HARNESS_TEST_KILLED"
POINT, WHERE, JANITOR, WHO = f"{MARK}_POINT", f"{MARK}_WHERE", f"{MARK}_JANITOR", f"{MARK}_WHO"

Tracer = Callable[[FrameType, str, Any], "Tracer | None"]


def dies_at(point: int, files: Collection[str], where: Path, of_forked: bool = False) -> None:
    """Kill this process where so many lines of some files have been come to, each counted once; note the line.

    Of the processes that it forks, which count for themselves, none dies, or with `of_forked` only one of them does.
    """
    seen: set[tuple[str, int]] = set()
    dies = not of_forked

    def forked() -> None:
        nonlocal dies
        dies = of_forked
        seen.clear()

    os.register_at_fork(after_in_child=forked)

    def trace(frame: FrameType, event: str, argument: Any) -> Tracer | None:
        file, line = frame.f_code.co_filename, frame.f_lineno
        if file not in files:
            return None
        if event == "line" and (file, line) not in seen:
            seen.add((file, line))
            if dies and len(seen) == point + 1:
                with contextlib.suppress(FileExistsError), where.open("x") as note:
                    note.write(f"{Path(file).name}:{line}")
                    note.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


if __name__ == "__main__":
    if not Path(os.environ[WHERE]).exists():  # else another one died there, and this is the next
        dies_at(int(os.environ[POINT]), [os.environ[JANITOR]], Path(os.environ[WHERE]), os.environ[WHO] == "keeper")
    runpy.run_path(os.environ[JANITOR], run_name="__main__")
