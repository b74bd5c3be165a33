"""Installs a program of the distribution's, as far as that is ours to do: apt as root or with silent sudo, or brew.

Who installs is not ended with us: a package manager that is killed half-way leaves packages that somebody has to repair
by hand. It goes on to its own end, out of the reach of Ctrl-C and into a file that needs no reader, and the next setup
waits for it. One installs at a time: brew refuses a second one, and what a client needs another may need, too.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable
from tempfile import TemporaryFile

from harness.errors import Unavailable
from harness.launchers.at_once import AGAIN_S, alone, pause
from harness.launchers.commands import asked

WAITS_S = 600
ALONE = "/var/lib/dpkg"
"""What whoever installs for us locks, with all that it starts: apt itself waits for dpkg, but not for its own lists."""

SUDO = "have sudo ask nothing, or install as root"
_BUSY = threading.Lock()


def install(
    name: str, apt: str, brew: str, find: Callable[[], object], hint: str, progress: Callable[[str], None]
) -> bool:
    """Install a package unless `find()` finds its program already; return whether it had to be.

    Raises Unavailable, with the hint, where that fails or is not ours to do. `find` returns None, or raises the same,
    for what is not there.
    """
    if _there(find):
        return False
    command = _command(apt, brew)
    if command is None:
        raise Unavailable(f"{name} is not installed", hint)
    with alone(_BUSY):
        if _there(find):
            return False
        progress(f"{name}: running {shlex.join(command)}")
        status, said = _finished(command)
    if status or not _there(find):
        raise Unavailable(f"{name} could not be installed: {' '.join(said.strip().splitlines()[-1:])}", hint)
    return True


def as_root() -> list[str]:
    """Return what to put before a command so that root runs it; nothing if we are root, or cannot be."""
    if os.geteuid() == 0 or not shutil.which("sudo"):
        return []
    return [] if asked(["sudo", "-n", "true"], SUDO).returncode else ["sudo", "-n"]


def _finished(command: list[str]) -> tuple[int, str]:
    """Run a command to its end; return its status, and what it wrote. If we end before, it goes on."""
    with TemporaryFile() as told:
        running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
        )
        while (status := running.poll()) is None:
            pause(AGAIN_S)
        told.seek(0)
        return status, told.read().decode(errors="replace")


def _there(find: Callable[[], object]) -> bool:
    try:
        return find() is not None
    except Unavailable:
        return False


def _command(apt: str, brew: str) -> list[str] | None:
    """Return what installs without asking anybody, or None where that is not ours to do."""
    if shutil.which("apt-get") and (os.geteuid() == 0 or as_root()):
        install = f"apt-get -o DPkg::Lock::Timeout={WAITS_S} install -y --no-install-recommends {apt}"
        return [*as_root(), "flock", "-w", str(WAITS_S), ALONE, "sh", "-c", f"apt-get update && {install}"]
    if shutil.which("brew"):
        return ["brew", "install", *brew.split()]
    return None
