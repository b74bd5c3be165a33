"""What tests do to real programs, and ask of them, that no harness does."""

from __future__ import annotations

import os

import psutil

from harness.launchers.process import Process
from harness.proxies.base import Running


def process(running: Running) -> Process:
    """Return the process of this machine that a hop runs in."""
    assert isinstance(running.program, Process)
    return running.program


def alive(group: int) -> list[psutil.Process]:
    """Return the processes of a group that are more than a zombie."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found
