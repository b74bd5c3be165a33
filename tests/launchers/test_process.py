"""Programs start, answer, die and leave nothing behind, however the harness itself ends."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import threading
from operator import not_
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import ProxyError
from harness.launchers import leftovers
from harness.launchers import process as process_module
from harness.launchers.process import Launcher
from harness.launchers.words import WORDS_BYTES
from tests.processes import alive, with_environment
from tests.waiting import eventually

pytestmark = pytest.mark.proxies


# ---------------------------------------------------------------- start


async def test_a_program_gets_its_arguments_environment_folder_and_files_and_its_output_is_kept(
    tmp_path: Path,
) -> None:
    told = tmp_path / "told"
    told.write_text("through a descriptor")
    with told.open() as passed:
        script = f"echo $1 $ODD; pwd; cat /dev/fd/{passed.fileno()}; echo; echo wrong >&2; read line || echo no input"
        async with Launcher() as launcher:
            program = await launcher.launch(
                "program",
                ["sh", "-c", script, "sh", "one"],
                log=tmp_path / "log",
                cwd=tmp_path,
                env={"ODD": "two"},
                pass_fds=[passed.fileno()],
            )
            await eventually(program.death)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == ["one two", str(tmp_path), "through a descriptor", "wrong", "no input"]


async def test_without_a_log_the_output_is_for_whoever_starts_it() -> None:
    async with Launcher() as launcher:
        process = await launcher.launch("talker", ["sh", "-c", "echo said; echo complained >&2"], log=None)
        with process.pipes[0] as said, process.pipes[1] as complained:
            assert (said.read(), complained.read()) == (b"said\n", b"complained\n")
        assert process.log_tail() == ""


async def test_a_program_leads_a_group_of_its_own_so_that_ctrl_c_reaches_only_us(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        program = await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log")
        assert os.getpgid(program.pid) == program.pid == os.getsid(program.pid)


async def test_a_program_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match=r"odd: cannot run .*/plain: Permission denied"):
            await launcher.launch("odd", [str(plain)], log=tmp_path / "log")


# ---------------------------------------------------------------- its words


async def test_the_last_lines_are_those_of_the_program_itself_whoever_wrote_to_that_log_before(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("an earlier one's\n")
    async with Launcher() as launcher:
        script = "for n in $(seq 30); do echo line $n; done; echo it cannot >&2; exit 3"
        program = await launcher.launch("server", ["sh", "-c", script], log=log)
        await eventually(program.death)
        assert program.log_tail().splitlines() == [*(f"line {n}" for n in range(20, 31)), "it cannot"]
        assert program.words().startswith("line 1\n")


async def test_of_megabytes_in_a_log_the_end_is_read(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        script = "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo the end"
        program = await launcher.launch("chatty", ["sh", "-c", script], log=tmp_path / "log")
        await eventually(program.death)
        assert len(program.words()) == WORDS_BYTES
        assert program.log_tail(1) == "the end"


# ---------------------------------------------------------------- death


async def test_a_program_is_asked_to_end_before_it_is_made_to(tmp_path: Path) -> None:
    script = f"trap 'echo goodbye > {tmp_path}/said; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    async with Launcher() as launcher:
        program = await launcher.launch("polite", ["sh", "-c", script], log=tmp_path / "log")
        await eventually(program.log_tail)
    assert (tmp_path / "said").read_text() == "goodbye\n"
    assert program.returncode == 0


async def test_a_program_that_ignores_being_asked_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "TERM_S", 0.1)
    script = "trap '' TERM; sleep 1000 & echo ready; while :; do sleep 1000; done"
    async with Launcher() as launcher:
        program = await launcher.launch("stubborn", ["sh", "-c", script], log=tmp_path / "log")
        await eventually(program.log_tail)
        await program.stop()
        assert program.death() == "stubborn was killed by SIGKILL"
        await eventually(lambda: alive(program.pid), not_)


async def test_children_that_outlive_their_parent_are_ended_too(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        program = await launcher.launch("parent", ["sh", "-c", "sleep 1000 & exit 0"], log=tmp_path / "log")
        await eventually(program.death)
        assert len(alive(program.pid)) == 1
    await eventually(lambda: alive(program.pid), not_)


ELSEWHERE = {
    "a session of its own": "setsid sleep 1000 & ",
    "a parent that has ended": "(setsid sh -c 'sleep 1000 & sleep 1000' &); ",
    "a family of its own": "setsid sh -c 'setsid sleep 1000 & sleep 1000' & ",
}


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize("way", ["is stopped", "is killed", "ends with us", "has ended by itself"])
async def test_who_left_the_group_of_its_program_is_ended_with_it(tmp_path: Path, elsewhere: str, way: str) -> None:
    then = "exit 0" if way == "has ended by itself" else "exec sleep 1000"
    script = f"{ELSEWHERE[elsewhere]} echo ready; {then}"
    async with Launcher() as launcher:
        ours = {"OURS": str(tmp_path)}
        program = await launcher.launch("program", ["sh", "-c", script], log=tmp_path / "log", env=ours)
        await eventually(program.log_tail)
        by_itself = way == "has ended by itself"
        if by_itself:
            await eventually(program.death)
        # who is in the middle of an exec has no environment to show
        await eventually(lambda: len(with_environment(OURS=str(tmp_path))) > (0 if by_itself else 1))
        if way == "is stopped":
            await program.stop()
        elif way == "is killed":
            await program.kill()
        if way in ("is stopped", "is killed"):
            assert with_environment(OURS=str(tmp_path)) == []
    assert with_environment(OURS=str(tmp_path)) == []


async def test_orphans_are_reaped_while_the_program_goes_on(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        script = "(sh -c 'echo $$' &); read line < /dev/null; exec sleep 1000"
        program = await launcher.launch("program", ["sh", "-c", script], log=tmp_path / "log")
        await eventually(program.log_tail)
        await eventually(lambda: not psutil.pid_exists(int(program.log_tail())))
        assert program.returncode is None


@pytest.mark.parametrize(("argv", "said"), [(["echo", "a\0b"], "null byte"), (["no-such-program"], "No such file")])
async def test_what_cannot_be_started_is_told_once_and_spoils_nothing(
    tmp_path: Path, argv: list[str], said: str
) -> None:
    async with Launcher() as launcher:
        program = await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log")
        with pytest.raises(ProxyError, match=rf"odd: cannot run {argv[0]}: .*{said}"):
            await launcher.launch("odd", argv, log=tmp_path / "log")
        with pytest.raises(ProxyError, match="odd: cannot have true started: Bad file descriptor"):
            await launcher.launch("odd", ["true"], log=tmp_path / "log", pass_fds=[9999])
        assert program.returncode is None


async def test_many_files_and_few_are_no_hindrance(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = [os.open(os.devnull, os.O_RDONLY) for _ in range(min(limits[0] - 100, 1100))]
    try:
        async with Launcher() as launcher:
            script = f"cat /dev/fd/{many[-1]}; exec sleep 1000"
            program = await launcher.launch("program", ["sh", "-c", script], log=tmp_path / "log", pass_fds=many[-2:])
            assert program.returncode is None
    finally:
        for fd in many:
            os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        async with Launcher() as launcher:
            program = await launcher.launch("program", ["true"], log=tmp_path / "log")
            await eventually(program.death)
            assert program.returncode == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_who_descends_from_a_program_whose_keeper_was_killed_is_ended_too(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        script = "setsid sleep 1000 & echo ready; exec sleep 1000"
        ours = {"OURS": str(tmp_path)}
        program = await launcher.launch("program", ["sh", "-c", script], log=tmp_path / "log", env=ours)
        await eventually(program.log_tail)
        keeper = psutil.Process(program.pid).parent()
        assert keeper
        keeper.kill()
        await eventually(lambda: with_environment(OURS=str(tmp_path)), not_)
        assert program.death() == "program was killed by SIGKILL"


async def test_stubborn_programs_get_the_polite_wait_together_and_not_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "TERM_S", 0.5)
    asked: list[float] = []
    script = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done"
    async with Launcher() as launcher:
        logs = [tmp_path / f"log{number}" for number in range(3)]
        programs = [await launcher.launch("stubborn", ["sh", "-c", script], log=log) for log in logs]
        await eventually(lambda: [program.log_tail() for program in programs], all)
        original = process_module.Process.kill

        async def kill(program: process_module.Process) -> None:
            asked.append(sum("asked" in log.read_text() for log in logs))
            await original(program)

        monkeypatch.setattr(process_module.Process, "kill", kill)
    assert asked[0] == 3, "all had been asked when the first was killed"


# ---------------------------------------------------------------- the end of a run


async def test_leaving_ends_all_programs_removes_all_folders_and_the_janitor_goes(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        folder = launcher.folder("run", tmp_path)
        (folder / "deep").mkdir()
        (folder / "deep/file").write_text("x")
        for name in ("left", "never made"):
            launcher.leaves(tmp_path / name)
        (tmp_path / "left").write_text("shared")
        programs = [await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log") for _ in range(3)]
        janitor = launcher._janitors.now
    assert janitor.process.returncode == 0
    assert [file.name for file in tmp_path.iterdir()] == ["log"]
    assert all(program.returncode == -signal.SIGTERM for program in programs)


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_leaving_with_an_error_or_a_cancellation_ends_everything_too(
    tmp_path: Path, error: type[BaseException]
) -> None:
    started: list[process_module.Process] = []

    async def run() -> None:
        async with Launcher() as launcher:
            launcher.folder("run", tmp_path)
            started.append(await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log"))
            raise error

    with pytest.raises(error):
        await run()
    assert started[0].returncode is not None
    assert not list(tmp_path.glob("harness-run-*"))


async def test_who_is_cancelled_or_fails_while_it_enters_leaves_no_janitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dead runs have left is looked for then, which takes as long as an engine takes to answer."""
    looks, answers = threading.Event(), threading.Event()

    def reap() -> None:
        looks.set()
        assert answers.wait(60)

    async def enter(launcher: Launcher) -> None:
        async with launcher:
            pytest.fail("was entered")

    monkeypatch.setattr(leftovers, "reap_once", reap)
    entering = asyncio.create_task(enter(cancelled := Launcher()))
    assert await asyncio.to_thread(looks.wait, 60)
    entering.cancel()
    answers.set()
    with pytest.raises(asyncio.CancelledError):
        await entering
    monkeypatch.setattr(leftovers, "reap_once", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await enter(failed := Launcher())
    assert [one._janitors.now.process.returncode for one in (cancelled, failed)] == [0, 0], "ended and reaped"


async def test_who_is_cancelled_while_a_program_starts_leaves_when_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = process_module._answer
    started: list[int] = []

    async def answer(lifeline: Any) -> Any:
        answer = await there(lifeline)
        if answer and not started:
            started.append(answer["pid"])
            raise asyncio.CancelledError
        return answer

    monkeypatch.setattr(process_module, "_answer", answer)
    async with Launcher() as launcher:
        with pytest.raises(asyncio.CancelledError):
            await launcher.launch("program", ["sleep", "1000"], log=tmp_path / "log")
        assert [pid for pid in started if psutil.pid_exists(pid)] == []
        assert started


async def test_a_folder_is_this_users_alone(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        assert stat.S_IMODE(launcher.folder("run", tmp_path).stat().st_mode) == 0o700


async def test_folders_that_are_to_be_kept_stay(tmp_path: Path) -> None:
    kept: list[Path] = []
    async with Launcher(keep=kept.append) as launcher:
        folder = launcher.folder("run", tmp_path)
    assert kept == [folder]
    assert folder.is_dir()
