"""Ends what a dead harness left behind. Runs as a process of its own, with the standard library only.

The harness writes `+ group PID`, `- group PID`, `+ folder PATH`, `- folder PATH` to its standard input. When that
pipe closes, however the harness ended, every process group and folder still on the list goes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: list[int] = []
    folders: list[str] = []
    for line in sys.stdin:
        sign, kind, value = line.rstrip("\n").split(" ", 2)
        if kind == "group":
            groups.append(int(value)) if sign == "+" else groups.remove(int(value))
        else:
            folders.append(value) if sign == "+" else folders.remove(value)
    for group in reversed(groups):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while folders and time.monotonic() < deadline:  # a dying process may still be writing
        for folder in folders[:]:
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                folders.remove(folder)


if __name__ == "__main__":
    main()
