"""What the tests of curl, alone and in a pipe, share: who of ours runs, and a stream through a proxy of the test's."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil

from harness.clients.curl import Curl
from harness.launchers.process import Launcher
from harness.model import Cell, Trace
from harness.session import catalogue
from tests.misbehaving import Behaviour, Misbehaving
from tests.planning import plan
from tests.recording import Rig

Running = tuple[Rig, Launcher]


def alive(*names: str) -> list[psutil.Process]:
    """Return our processes of these names that are more than a zombie."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() in names and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def signalled(name: str, number: signal.Signals) -> None:
    """Send a signal to all of ours of that name."""
    for process in alive(name):
        process.send_signal(number)


def pipes() -> set[str]:
    """Return the pipes that we hold an end of."""
    return {end for fd in os.listdir("/proc/self/fd") if (end := _end(fd)).startswith("pipe:")}


def _end(fd: str) -> str:
    with contextlib.suppress(FileNotFoundError):  # that of the listing itself
        return os.readlink(f"/proc/self/fd/{fd}")
    return ""


async def read_through(running: Running, behave: Behaviour, cell: Cell, client: Curl) -> Trace:
    """Record one stream that the client reads through a proxy that behaves like this."""
    started, launcher = running
    client.equip(launcher, Path())
    async with Misbehaving(started.direct, behave) as proxy:
        told = plan(cell, catalogue())
        return await replace(started, client=client).record(told, proxy.endpoint)
