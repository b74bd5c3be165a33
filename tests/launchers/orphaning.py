"""Plays a harness that gets killed: starts a program with grandchildren, a folder and a file elsewhere, tells of them,
waits for ever.

python -m tests.launchers.orphaning FOLDER [--keep]
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from harness.launchers import process
from harness.launchers.process import Launcher
from tests.waiting import eventually

FAMILY = """
trap '' TERM
(trap '' TERM; while :; do echo > "$1/$(date +%N)"; done) &
sh -c 'sleep 1000' &
echo ready > "$1/ready"
wait
"""
"""Ignores SIGTERM, and a grandchild keeps writing to the folder as long as it can."""


async def main(folder: str, *options: str) -> None:
    """Start, tell, wait."""
    process.TERM_S = 0.2  # the family is stubborn; no need to be patient with it
    kept: list[Path] = []
    async with Launcher(keep=kept.append if "--keep" in options else None) as launcher:
        temporary = launcher.folder("orphan", Path(folder))
        launcher.leaves(left := Path(folder) / "left")
        left.write_text("shared")
        program = await launcher.launch("family", ["sh", "-c", FAMILY, "sh", str(temporary)], log=Path(folder) / "log")
        await eventually((temporary / "ready").exists)
        janitor = launcher._janitors.now
        pids = {"janitor": janitor.process.pid, "program": program.pid}
        print(json.dumps({**pids, "folder": str(temporary)}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
