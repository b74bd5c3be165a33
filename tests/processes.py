"""What tests do to real programs, and ask of them, that no harness does."""

from __future__ import annotations

import contextlib
import os
import signal
import time

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


def with_environment(**variables: str) -> list[list[str]]:
    """Return the commands of all that live in this environment, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if variables.items() <= process.environ().items() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found


def signalled(process: Process, number: int) -> None:
    """Signal a program's group at once: a keeper passes a signal on when it next runs, and a stream may be over."""
    os.killpg(process.pid, number)


def kill_at_once(process: Process) -> None:
    """Kill a program while the event loop stands still, so that it is dead and nobody has heard of that yet."""
    os.kill(process.pid, signal.SIGKILL)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)
