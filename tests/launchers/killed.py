"""Plays a harness, its janitor or a keeper that is killed at one line of its own code.

    python -m tests.launchers.killed WHO FOLDER FIRST STEP

WHO is `harness`, `janitor`, `keeper`, or `both`: the janitor, and the harness as soon as that has another one. Goes
through a whole run of a launcher for line FIRST, FIRST + STEP, ... in the order in which lines are first come to, each
in a process of its own that dies there, until a run gets through. Prints a line per run as JSON: which line, how it
ended, and what was left of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from harness.errors import HarnessError
from harness.launchers import janitor, janitors, process
from harness.launchers.janitors import Janitors
from harness.launchers.process import Launcher
from tests.launchers import dying_janitor
from tests.launchers.dying_janitor import JANITOR, MARK, POINT, WHERE, WHO, dies_at

LEFT_S = 20.0
WRITES = '(n=0; while :; do n=$((n+1)); echo > "$1/$n"; sleep 0.02; done) 2> /dev/null &'
FAMILY = f"""
trap '' TERM
setsid sh -c 'sleep 1000' &
(setsid sh -c 'sleep 1000 & sleep 1000' &)
{WRITES}
echo ready
exec sleep 1000
"""
"""Ignores SIGTERM; has children in sessions of their own, one that lost its parent, and one that always writes."""
OTHER = f"""
setsid sleep 1000 &
{WRITES}
exec sleep 1000
"""
"""The same for less."""


async def whole_run(folder: Path) -> None:
    """Start a program with a family and a folder, stop it, start another, and leave."""
    process.TERM_S = 0.02
    async with Launcher() as launcher:
        place = str(launcher.folder("first", folder))
        first = await launcher.launch("first", ["sh", "-c", FAMILY, "sh", place], log=None)
        with first.pipes[0] as said, first.pipes[1]:
            said.readline()
        await first.stop()
        place = str(launcher.folder("second", folder))
        await launcher.launch("second", ["sh", "-c", OTHER, "sh", place], log=folder / "second")


def dies_with_its_janitor() -> None:
    """Have the harness be killed as soon as it hears that a janitor is."""
    Janitors._lost = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]


def played(who: str, folder: Path, point: int) -> tuple[str | None, int]:
    """Let one run die at a line. Return which line it was, if it came to that, and the status that it ended with."""
    where = folder.parent / "where"
    where.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        status = 1
        try:
            os.environ[MARK] = str(folder)
            if who == "harness":
                dies_at(point, (process.__file__, janitors.__file__), where)
            else:
                os.environ.update({POINT: str(point), WHERE: str(where), JANITOR: janitor.__file__, WHO: who})
                janitor.__file__ = dying_janitor.__file__
            if who == "both":
                dies_with_its_janitor()
            asyncio.run(whole_run(folder))
            status = 0
        except HarnessError:
            status = 2
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return where.read_text() if where.exists() else None, os.waitstatus_to_exitcode(status)


def left(folder: Path) -> list[str]:
    """Return what is left of a run: its processes, known by their environment, and its folders."""
    found = [f"folder {path.name}" for path in folder.glob("harness-*")]
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={folder}\0".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80])
    return found


def main(who: str, parent: str, first: int, step: int) -> None:
    """Visit the lines."""
    point = first
    while True:
        folder = Path(parent) / str(point) / "run"
        folder.mkdir(parents=True)
        where, ended = played(who, folder, point)
        deadline = time.monotonic() + LEFT_S
        while (still := left(folder)) and time.monotonic() < deadline:
            time.sleep(0.01)
        print(json.dumps([where, ended, still]), flush=True)
        shutil.rmtree(folder.parent)
        if where is None:
            return
        point += step


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
