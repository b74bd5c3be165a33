"""Installs a program of the distribution's, as far as that is ours to do: apt as root or with silent sudo, or brew."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable

from harness.errors import Unavailable


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
    progress(f"{name}: running {shlex.join(command)}")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode or not _there(find):
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Unavailable(f"{name} could not be installed: {' '.join(last)}", hint)
    return True


def as_root() -> list[str]:
    """Return what to put before a command so that root runs it; nothing if we are root, or cannot be."""
    if os.geteuid() == 0 or not shutil.which("sudo"):
        return []
    silent = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    return ["sudo", "-n"] if silent else []


def _there(find: Callable[[], object]) -> bool:
    try:
        return find() is not None
    except Unavailable:
        return False


def _command(apt: str, brew: str) -> list[str] | None:
    """Return what installs without asking anybody, or None where that is not ours to do."""
    if shutil.which("apt-get") and (os.geteuid() == 0 or as_root()):
        return [*as_root(), "sh", "-c", f"apt-get update && apt-get install -y --no-install-recommends {apt}"]
    if shutil.which("brew"):
        return ["brew", "install", *brew.split()]
    return None
