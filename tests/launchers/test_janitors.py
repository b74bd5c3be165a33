"""Whoever is killed or stopped, the harness, its janitor or a keeper: nothing is left, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
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
from tests.waiting import eventually

pytestmark = pytest.mark.proxies


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
