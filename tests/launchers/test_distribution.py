"""Installing a program of the distribution's: what is run, as whom, and when it is not ours. Played by scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from harness.errors import Unavailable
from harness.launchers import distribution
from tests.waiting import wait_for

HINT = "install it: apt-get install tool"
INSTALLS = "apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends tool"
KILLED = """
import os, sys
from harness.launchers import distribution
from tests.waiting import wait_for
distribution.ALONE, os.geteuid = sys.argv[1], lambda: 0
distribution.install("Tool", "tool", "tool", find=lambda: None, hint="", progress=print)
"""


class Machine:
    """A folder of programs that is all of PATH; what they are called with is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.said: list[str] = []
        for name in ("sh", "echo", "flock"):
            (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")

    def add(self, name: str, does: str = "") -> None:
        """Add a program that is a script."""
        program = self.folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{does}\n')
        program.chmod(0o755)

    def install(self) -> bool:
        return distribution.install(
            "Tool", "tool", "--cask tool", find=lambda: shutil.which("tool"), hint=HINT, progress=self.said.append
        )

    def waiting(self) -> list[psutil.Process]:
        """Return who has installers of this machine lock, or waits to."""
        locks = ["flock", "-w", str(distribution.WAITS_S), str(self.folder)]
        return [one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[:4] == locks]

    @property
    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(distribution, "ALONE", str(tmp_path))
    return Machine(tmp_path)


def installs(machine: Machine, words: str = "install") -> str:
    """Return a script that puts the tool there when it is called with these words."""
    tool = machine.folder / "tool"
    return f'case "$*" in *"{words}"*) echo "#!/bin/sh" > {tool}; /bin/chmod +x {tool};; esac'


def test_what_is_there_is_left_alone(machine: Machine) -> None:
    machine.add("tool")
    machine.add("apt-get")
    assert not machine.install()
    assert machine.called == machine.said == []


def test_root_installs_by_apt_without_what_is_only_recommended(machine: Machine) -> None:
    machine.add("apt-get", installs(machine))
    assert machine.install()
    assert machine.called == ["apt-get update", INSTALLS]
    assert machine.said[0].startswith("Tool: running flock ")


def test_who_is_not_root_installs_with_a_sudo_that_asks_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.add("true")
    machine.add("sudo", '[ "$1" = -n ] && shift && "$@"')
    machine.add("apt-get", installs(machine))
    assert machine.install()
    assert machine.called[-1] == INSTALLS
    assert "sudo -n" in machine.said[0]


def test_nobody_is_asked_for_a_password(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.add("sudo", "exit 1")
    machine.add("apt-get")
    with pytest.raises(Unavailable, match="Tool is not installed") as told:
        machine.install()
    assert told.value.remedy == HINT
    assert machine.said == []
    assert not [call for call in machine.called if "apt-get" in call]


def test_where_there_is_no_apt_brew_installs(machine: Machine) -> None:
    machine.add("brew", installs(machine))
    assert machine.install()
    assert machine.called == ["brew install --cask tool"]


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (
            "echo 'W: slow' >&2; echo 'E: Unable to locate package tool' >&2; exit 100",
            "E: Unable to locate package tool",
        ),
        ("echo '0 newly installed'", "0 newly installed"),
    ],
    ids=["it fails", "it brings no program"],
)
def test_what_cannot_be_installed_is_told_in_its_own_words_with_the_way_out(
    machine: Machine, does: str, said: str
) -> None:
    machine.add("apt-get", does)
    with pytest.raises(Unavailable, match=f"Tool could not be installed: {said}") as told:
        machine.install()
    assert told.value.remedy == HINT


def test_who_needs_the_same_at_once_has_it_installed_once(machine: Machine) -> None:
    """As both clients need Chromium that read with one."""
    both = threading.Barrier(2)
    machine.add("brew", installs(machine))

    def install() -> bool:
        both.wait(60)
        return machine.install()

    with ThreadPoolExecutor(2) as threads:
        assert sorted(one.result() for one in [threads.submit(install) for _ in range(2)]) == [False, True]
    assert (machine.called, len(machine.said)) == (["brew install --cask tool"], 1)


def test_a_find_that_raises_says_that_nothing_is_there(machine: Machine) -> None:
    def find() -> str:
        raise Unavailable("Tool is not installed", HINT)

    with pytest.raises(Unavailable, match="Tool is not installed"):
        distribution.install("Tool", "tool", "tool", find=find, hint=HINT, progress=machine.said.append)


def test_an_installer_gets_nothing_to_read(machine: Machine) -> None:
    machine.add("apt-get", f"read answer && echo asked >> {machine.calls}\n{installs(machine)}")
    reading, writing = os.pipe()
    os.write(writing, b"yes\nyes\n")
    stdin = os.dup(0)
    try:
        os.dup2(reading, 0)
        machine.install()
    finally:
        os.dup2(stdin, 0)
        for each in (reading, writing, stdin):
            os.close(each)
    assert "asked" not in machine.called


@pytest.mark.proxies
def test_an_installer_outlives_a_killed_harness_and_the_next_one_waits_for_it(machine: Machine) -> None:
    go = machine.folder / "go"
    slow = f"echo begins >> {machine.calls}; while [ ! -e {go} ]; do /bin/sleep 0.01; done; echo much; echo more"
    machine.add("apt-get", f'case "$*" in *install*) {slow}; echo ends >> {machine.calls} ;; esac\n{installs(machine)}')
    with subprocess.Popen([sys.executable, "-c", KILLED, str(machine.folder)], stdout=subprocess.DEVNULL) as harness:
        wait_for(lambda: machine.called, lambda called: "begins" in called)
        harness.kill()
    with ThreadPoolExecutor(1) as beside:
        next_one = beside.submit(machine.install)
        wait_for(machine.waiting, lambda found: len(found) == 2)
        go.touch()
    assert next_one.result()
    assert [call for call in machine.called if call in ("begins", "ends")] == ["begins", "ends"] * 2
