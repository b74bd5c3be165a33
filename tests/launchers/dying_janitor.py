"""A janitor that dies at one line of its code, or whose keepers do. Standard library only, as it is."""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

MARK = "HARNESS_TEST_KILLED"
POINT, WHERE, JANITOR, WHO = f"{MARK}_POINT", f"{MARK}_WHERE", f"{MARK}_JANITOR", f"{MARK}_WHO"

Tracer = Callable[[FrameType, str, Any], "Tracer | None"]


def dies_at(point: int, file: str, where: Path, of_forked: bool = False) -> None:
    """Kill this process where so many lines of a file have been come to, each counted once; note the line.

    Of the processes that it forks, which count for themselves, none dies, or with `of_forked` only one of them does.
    """
    seen: set[int] = set()
    dies = not of_forked

    def forked() -> None:
        nonlocal dies
        dies = of_forked
        seen.clear()

    os.register_at_fork(after_in_child=forked)

    def trace(frame: FrameType, event: str, argument: Any) -> Tracer | None:
        if frame.f_code.co_filename != file:
            return None
        if event == "line" and frame.f_lineno not in seen:
            seen.add(frame.f_lineno)
            if dies and len(seen) == point + 1:
                with contextlib.suppress(FileExistsError), where.open("x") as note:
                    note.write(f"{Path(file).name}:{frame.f_lineno}")
                    note.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


if __name__ == "__main__":
    dies_at(int(os.environ[POINT]), os.environ[JANITOR], Path(os.environ[WHERE]), os.environ[WHO] == "keeper")
    runpy.run_path(os.environ[JANITOR], run_name="__main__")
