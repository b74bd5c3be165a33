"""What holds of every program: of a process of this machine, and of one that is only played."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from harness.errors import ProxyError
from harness.launchers.base import Program, ProgramLauncher
from harness.launchers.fake import FakeLauncher, Launched
from harness.launchers.process import Launcher
from tests.waiting import eventually

SCRIPTS = {
    "lives": "echo one; echo two; exec sleep 1000",
    "exits": "echo one; echo two; exit 7",
    "is killed": "echo one; echo two; kill -KILL $$",
}


def played(launched: Launched) -> None:
    """Play what the real ones do."""
    if launched.argv[0].startswith("/no"):
        raise ProxyError(f"{launched.program.name}: cannot run {launched.argv[0]}: No such file or directory")
    launched.program.says("one\ntwo\n")
    if ended := {SCRIPTS["exits"]: 7, SCRIPTS["is killed"]: -signal.SIGKILL}.get(launched.argv[-1]):
        launched.program.dies(ended)


@pytest_asyncio.fixture(params=[pytest.param("real", marks=pytest.mark.proxies), "played"])
async def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProgramLauncher]:
    if request.param == "played":
        yield FakeLauncher(tmp_path, played)
        return
    async with Launcher() as real:
        yield real


async def launch(launcher: ProgramLauncher, does: str, folder: Path) -> Program:
    return await launcher.launch("program", ["sh", "-c", SCRIPTS[does]], log=folder / "log")


async def test_one_that_lives_has_no_death_and_its_words_are_heard(launcher: ProgramLauncher, tmp_path: Path) -> None:
    program = await launch(launcher, "lives", tmp_path)
    await eventually(program.words, lambda said: said == "one\ntwo\n")
    assert (program.name, program.returncode, program.death()) == ("program", None, None)
    assert program.log_tail() == "one\ntwo"
    assert program.log_tail(1) == "two"


@pytest.mark.parametrize(
    ("does", "status", "told"),
    [
        ("exits", 7, "program exited with status 7"),
        ("is killed", -signal.SIGKILL, "program was killed by SIGKILL"),
    ],
)
async def test_death_is_told_in_words_and_the_last_ones_stay(
    launcher: ProgramLauncher, tmp_path: Path, does: str, status: int, told: str
) -> None:
    program = await launch(launcher, does, tmp_path)
    await eventually(program.death)
    assert (program.returncode, program.death(), program.log_tail()) == (status, told, "one\ntwo")
    await program.stop()
    assert program.death() == told, "it was dead already"


async def test_one_that_is_stopped_is_gone_and_may_be_stopped_again(launcher: ProgramLauncher, tmp_path: Path) -> None:
    program = await launch(launcher, "lives", tmp_path)
    await program.stop()
    await program.stop()
    assert program.death() == "program was killed by SIGTERM"


async def test_what_cannot_be_executed_is_named(launcher: ProgramLauncher, tmp_path: Path) -> None:
    with pytest.raises(ProxyError, match="program: cannot run /no/such/program: No such file"):
        await launcher.launch("program", ["/no/such/program"], log=tmp_path / "log")


async def test_every_folder_is_another_one(launcher: ProgramLauncher, tmp_path: Path) -> None:
    folders = [launcher.folder("program", tmp_path) for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(folder.is_dir() and folder.parent == tmp_path for folder in folders)


async def test_who_plays_keeps_what_it_was_asked_for_and_who_lives(tmp_path: Path) -> None:
    fake = FakeLauncher(tmp_path, played)
    lives, exits = [await launch(fake, does, tmp_path) for does in ("lives", "exits")]
    assert [launched.program for launched in fake.launched] == [lives, exits]
    assert fake.launched[0].argv == ["sh", "-c", SCRIPTS["lives"]]
    assert fake.alive == [lives]
