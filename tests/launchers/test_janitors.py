"""Whoever is killed or stopped, the harness, its janitor or a keeper: nothing is left, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import not_
from pathlib import Path
from typing import Any
from unittest.mock import ANY, Mock

import psutil
import pytest

from harness.errors import ProxyError
from harness.launchers import janitor as janitor_module
from harness.launchers import janitors as janitors_module
from harness.launchers import process as process_module
from harness.launchers.janitors import Janitor, Janitors
from harness.launchers.process import Launcher, Process
from tests.processes import alive, with_environment
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


# ---------------------------------------------------------------- a janitor


async def test_a_janitor_that_somebody_killed_spoils_nothing(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        folder = launcher.folder("run", tmp_path)
        launcher._janitors.now.process.kill()
        launcher._janitors.now.process.wait()
        program = await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log")
    assert program.returncode is not None
    assert not folder.exists()


def test_what_the_janitor_heard_before_it_died_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.devnull) as file:
        send_fds = socket.send_fds

        def then_dies(*said: Any) -> int:
            sent = send_fds(*said)
            assert janitor_module.receive(theirs) == ({"argv": []}, [ANY])
            theirs.close()
            return sent

        monkeypatch.setattr(socket, "send_fds", then_dies)
        janitor_module.send(ours, {"argv": []}, [file.fileno()])


async def test_a_folder_that_cannot_be_removed_yet_is_left_to_the_janitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Launcher() as launcher:
        folder = launcher.folder("run", tmp_path)
        monkeypatch.setattr(shutil, "rmtree", lambda *args, **others: None)
    assert not folder.exists()


async def test_the_janitor_goes_on_while_somebody_still_writes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    line, theirs = socket.socketpair()
    argv = [sys.executable, "-I", "-S", janitor_module.__file__, str(os.getpid())]
    janitor = subprocess.Popen(argv, stdin=theirs.fileno())
    theirs.close()
    janitor_module.send(line, {"folder": str(folder), "ours": True})
    line.close()
    for number in range(2000):
        with contextlib.suppress(FileNotFoundError):
            (folder / "deep" / str(number)).write_text("")
    await eventually(janitor.poll, lambda status: status is not None)
    assert not folder.exists()


async def test_a_janitor_that_cannot_live_is_told_with_its_last_words_and_burns_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('it cannot')")
    monkeypatch.setattr(janitor_module, "__file__", str(broken))
    started = 0
    start = Janitor.start

    def counted() -> Janitor:
        nonlocal started
        started += 1
        return start()

    monkeypatch.setattr(Janitor, "start", counted)
    async with Launcher() as launcher:
        await eventually(lambda: launcher._janitors._next)
        with pytest.raises(ProxyError, match="who starts them was killed twice"):
            await launcher.launch("program", ["true"], log=tmp_path / "log")
    assert "the janitor says: it cannot" in caplog.messages
    assert started <= 5, "one, one for each try, and one that could have cleaned up"


async def test_who_is_dead_before_it_hears_an_order_is_told_as_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hung_up(*_: object) -> None:
        raise BrokenPipeError

    async with Launcher() as launcher:
        monkeypatch.setattr(launcher._janitors, "order", hung_up)
        with pytest.raises(ProxyError, match="who starts them was killed twice"):
            await launcher.launch("program", ["true"], log=tmp_path / "log")


async def test_a_folder_that_stays_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Launcher() as launcher:
        folder = launcher.folder("run", tmp_path)
        monkeypatch.setattr(shutil, "rmtree", lambda *args, **others: None)
        for one in (launcher._janitors.now, launcher._janitors._spare):
            assert one
            one.process.kill()
        monkeypatch.setattr(Janitors, "_lost", lambda *_: None)
    assert f"{folder} could not be removed" in caplog.messages


async def test_where_no_other_janitor_can_be_started_it_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(janitors_module, "APART_S", 0.01)
    async with Launcher() as launcher:
        folder = launcher.folder("run", tmp_path)
        first = launcher._janitors.now
        with monkeypatch.context() as full:
            full.setattr(subprocess, "Popen", Mock(side_effect=BlockingIOError(11, "it is full")))
            first.process.kill()
            await eventually(lambda: caplog.messages, lambda told: len(told) > 1)
        await eventually(lambda: launcher._janitors.now is not first)
    assert set(caplog.messages) == {"no other janitor can be started: [Errno 11] it is full"}
    assert not folder.exists()


# ---------------------------------------------------------------- who was stopped


def keeper_of(process: Process) -> psutil.Process:
    keeper = psutil.Process(process.pid).parent()
    assert keeper
    return keeper


def stop(pid: int) -> None:
    """Have somebody stand still, and return when that is so."""
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        os.sched_yield()


async def test_a_keeper_that_stands_still_holds_up_nobody_and_is_no_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_module, "KILL_S", 0.2)
    async with Launcher() as launcher:
        programs = [await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log") for _ in range(3)]
        for program in programs:
            stop(keeper_of(program).pid)
        others = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, others.set)
        await programs[0].kill()
        assert others.is_set(), "the loop went on meanwhile"
        assert programs[0].death() is None, "nobody knows"
        assert "program could not be ended within 0.2 s: that is left to the janitor" in caplog.messages
    assert not any(alive(program.pid) for program in programs)


async def test_a_janitor_that_stands_still_is_woken_to_end_all(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        folder = launcher.folder("run", tmp_path)
        program = await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log")
        stop(launcher._janitors.now.process.pid)
    assert launcher._janitors.now.process.returncode == 0
    assert not alive(program.pid)
    assert not folder.exists()


async def test_a_janitor_that_stands_still_is_told_when_a_program_is_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "START_S", 0.2)
    async with Launcher() as launcher:
        stop(launcher._janitors.now.process.pid)
        with pytest.raises(ProxyError, match=r"odd: cannot have sleep started: .* has not answered for 0.2 s"):
            await launcher.launch("odd", ["sleep", "1000"], log=tmp_path / "log", env={"OURS": str(tmp_path)})
    assert launcher._janitors.now.process.returncode == 0
    assert with_environment(OURS=str(tmp_path)) == []


async def test_a_janitor_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import time; time.sleep(1000)")
    monkeypatch.setattr(janitor_module, "__file__", str(deaf))
    monkeypatch.setattr(janitors_module, "ENDS_S", 0.2)
    async with Launcher() as launcher:
        pass
    assert launcher._janitors.now.process.returncode == -signal.SIGKILL
    assert "the janitor has not ended for 0.2 s" in caplog.messages


# ---------------------------------------------------------------- a keeper


async def test_what_is_held_for_a_program_stays_open_until_all_that_it_started_is_gone(tmp_path: Path) -> None:
    def locked() -> bool:
        with (tmp_path / "lock").open("w") as mine:
            try:
                fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    async with Launcher() as launcher:
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            script = "ls -l /proc/self/fd; setsid sleep 1000 & echo ready"
            program = await launcher.launch(
                "program", ["sh", "-c", script], log=tmp_path / "log", hold_fds=[lock.fileno()]
            )
        await eventually(program.death)
        assert str(tmp_path / "lock") not in program.words(), "the program itself has no part in it"
        assert locked(), "by the keeper of who is left"
        await program.stop()
        await eventually(locked, not_)


async def test_what_a_keeper_cannot_prepare_is_told_as_what_it_is(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        async with Launcher() as launcher:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            high = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 300)
            try:
                with pytest.raises(ProxyError, match="odd: cannot run true: Invalid argument"):
                    await launcher.launch("odd", ["true"], log=tmp_path / "log", pass_fds=[high])
            finally:
                os.close(high)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_children_are_found_where_the_kernel_lists_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = 'CHILDREN = "/proc/self/task/{}/children"'
    text = Path(janitor_module.__file__).read_text()
    assert text.count(listed) == 1
    without = tmp_path / "janitor.py"
    without.write_text(text.replace(listed, 'CHILDREN = "/proc/self/task/{}/no-such-file"'))
    monkeypatch.setattr(janitor_module, "__file__", str(without))
    async with Launcher() as launcher:
        script = "setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &); echo ready; exec sleep 1000"
        ours = {"OURS": str(tmp_path)}
        program = await launcher.launch("program", ["sh", "-c", script], log=tmp_path / "log", env=ours)
        await eventually(lambda: with_environment(OURS=str(tmp_path)), lambda found: len(found) == 5)
        await program.stop()
        assert with_environment(OURS=str(tmp_path)) == []


def test_a_signal_that_comes_as_soon_as_it_is_handled_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, before = signal.signal, signal.getsignal(signal.SIGUSR1)

    def and_comes(number: int, handler: Callable[..., object]) -> None:
        handle(number, handler)
        signal.raise_signal(number)

    monkeypatch.setattr(signal, "signal", and_comes)
    try:
        heard = janitor_module._heard((signal.SIGUSR1,))
        assert janitor_module._drained(heard) == bytes([signal.SIGUSR1])
    finally:
        os.close(signal.set_wakeup_fd(-1))
        os.close(heard)
        handle(signal.SIGUSR1, before)


# ---------------------------------------------------------------- a harness that is killed


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
