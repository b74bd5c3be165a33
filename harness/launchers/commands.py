"""Runs what ends by itself: asks a program for a word, runs what must not outlive us in a loop of its own, or blocking
work to its end.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import Unavailable
from harness.launchers.at_once import heard

ASKED_S = 30.0

T = TypeVar("T")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""ECMA-48: control sequences, as colours are; operating system commands, as links are; and single functions."""


def asked(
    argv: Sequence[str], remedy: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Ask a program for its version or the like; it is killed after ASKED_S. Blocks.

    `env` is added to ours, `cwd` is where it runs, `given` is all that it gets to read.

    No janitor knows of it: it is to make nothing, start nothing and end at once. Raises Unavailable, with the remedy,
    if it cannot be executed or does not end.
    """
    name = Path(argv[0]).name
    try:
        return subprocess.run(
            argv,
            input=given,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=ASKED_S,
        )
    except OSError as error:
        raise Unavailable(f"{name} does not run: {error.strerror}", remedy) from error
    except subprocess.TimeoutExpired:
        raise Unavailable(f"`{' '.join([name, *argv[1:]])}` has not ended for {ASKED_S:g} s", remedy) from None


def uncoloured(words: str) -> str:
    """Return what a program has written without the escape codes by which it meant to please a terminal."""
    return _ESCAPES.sub("", words)


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run what launches programs in an event loop of its own, to its end. Blocks, also a loop that runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(heard(work))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, heard(work)).result()


async def to_its_end(work: Callable[..., T], *given: object) -> T:
    """Run blocking work in a thread. Who is cancelled meanwhile goes on when it is over.

    For no thread can be ended, and what it still wrote would come after what cleans up.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *given))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        working.exception()  # which nobody waits for any more
        raise
