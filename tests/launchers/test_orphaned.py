"""What becomes of programs and folders when their harness is killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from operator import not_
from pathlib import Path

import psutil
import pytest

from tests.processes import alive
from tests.waiting import eventually, wait_for

pytestmark = pytest.mark.proxies


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def survived(pid: int) -> set[int]:
    """Return the signals that a process ignores, or does something of its own at."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = (line.split()[1] for line in status.splitlines() if line.startswith(("SigIgn", "SigCgt")))
    mask = sum(int(mask, 16) for mask in masks)  # no signal is in both
    return {number + 1 for number in range(64) if mask >> number & 1}


@dataclass(frozen=True)
class Orphaned:
    """A harness-like program, and what it started."""

    popen: subprocess.Popen[str]
    janitor: int
    program: int
    folder: Path

    def gone(self) -> bool:
        return gone(self.janitor) and not alive(self.program)


def orphaning(folder: Path, *options: str) -> Iterator[Orphaned]:
    argv = [sys.executable, "-m", "tests.launchers.orphaning", str(folder), *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        told = json.loads(popen.stdout.readline())
        orphaned = Orphaned(popen, told["janitor"], told["program"], Path(told["folder"]))
        try:
            yield orphaned
        finally:
            popen.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(orphaned.program, signal.SIGKILL)


@pytest.fixture
def orphaned(tmp_path: Path) -> Iterator[Orphaned]:
    yield from orphaning(tmp_path)


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Orphaned]:
    yield from orphaning(tmp_path, "--keep")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_after_a_killed_harness_its_programs_their_children_and_its_folders_go(
    orphaned: Orphaned, number: int
) -> None:
    assert len(alive(orphaned.program)) >= 3
    assert any(orphaned.folder.iterdir())
    left = orphaned.folder.with_name("left")
    assert left.exists()
    orphaned.popen.send_signal(number)
    await eventually(orphaned.gone)
    assert not orphaned.folder.exists(), "the janitor goes when all is gone"
    assert not left.exists()


async def test_the_janitor_does_its_work_even_when_it_is_asked_to_end_first(orphaned: Orphaned) -> None:
    asked = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    await eventually(lambda: survived(orphaned.janitor), lambda found: found.issuperset(asked))
    for number in asked:
        os.kill(orphaned.janitor, number)
    orphaned.popen.kill()
    await eventually(orphaned.gone)
    assert not orphaned.folder.exists()


async def test_after_a_killed_harness_that_was_to_keep_its_folders_they_stay(keeping: Orphaned) -> None:
    keeping.popen.kill()
    await eventually(keeping.gone)
    assert keeping.folder.is_dir()


async def test_a_janitor_and_its_harness_that_are_killed_in_one_moment_leave_nothing(orphaned: Orphaned) -> None:
    os.kill(orphaned.janitor, signal.SIGKILL)
    orphaned.popen.kill()
    await eventually(lambda: orphaned.gone() and not orphaned.folder.exists())


async def test_a_janitor_that_is_killed_is_followed_and_so_is_its_spare(orphaned: Orphaned) -> None:
    harness = psutil.Process(orphaned.popen.pid)
    asked = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

    def serving() -> list[int]:
        """Return the pids of the other janitors that have begun to serve."""
        others = {child.pid for child in harness.children()} - {orphaned.janitor}
        return [pid for pid in others if asked <= survived(pid)]

    (spare,) = await eventually(serving, lambda pids: len(pids) == 1)
    os.kill(orphaned.janitor, signal.SIGKILL)
    await eventually(serving, lambda pids: len(pids) == 2)
    os.kill(spare, signal.SIGKILL)
    orphaned.popen.kill()
    await eventually(lambda: orphaned.gone() and not orphaned.folder.exists())


# ---------------------------------------------------------------- what is run last

DIES_OWING = """
import asyncio, os, signal, sys
from pathlib import Path
from harness.launchers.process import Launcher

async def main():
    async with Launcher() as launcher:
        launcher._janitors.at_last(["sh", "-c", f"ls {sys.argv[1]} >> {sys.argv[1]}.last"])
        launcher.folder("run", Path(sys.argv[1]))
        if sys.argv[2] == "its janitor, too":
            launcher._janitors.now.process.kill()
        if sys.argv[2] != "nobody":
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize("killed", ["nobody", "the harness", "its janitor, too"])
def test_what_is_to_be_run_last_is_run_before_the_folders_go(killed: str, tmp_path: Path) -> None:
    folder, told = tmp_path / "folders", tmp_path / "folders.last"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", DIES_OWING, str(folder), killed], check=False, timeout=60)
    wait_for(told.exists)
    wait_for(lambda: list(folder.iterdir()), not_)
    if killed != "nobody":  # who leaves by itself has removed them before
        assert "harness-run-" in told.read_text()
