"""What CI runs its tests with: a container engine if there can be one; else they run without, and the end says why.

The engine is played: what matters is when it is started and ended, and what becomes of the machine's firewall.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.engines import cannot_run
from tests.waiting import wait_for

SCRIPT = Path(__file__).parent.parent / ".ci/with_engine"
NONE = "no container engine answers: unix:///var/run/docker.sock: No such file"
RULES = "*filter\n:FORWARD ACCEPT [0:0]\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n"
STALE = RULES.replace("-A", ":DOCKER - [0:0]\n-A FORWARD -i br-ba9876543210 -j ACCEPT\n-A", 1)
"""As an engine has left it that ended long ago, and was none of ours."""
ADDED = """\
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
-A INPUT -s 192.0.2.1 -j DROP
-A INPUT -s 192.0.2.2 -j DROP
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i br-0123456789ab -o br-lan -j ACCEPT
-A FORWARD -i br-lan -j ACCEPT
COMMIT
"""
"""As an engine leaves it, and somebody who has added a rule since, and has a bridge of their own."""
ENGINES = [line for line in ADDED.splitlines() if "DOCKER" in line or "docker0" in line or "br-0123456789ab" in line]
FORWARDS = "proc/sys/net/ipv4/ip_forward"
NET = "sys/class/net"
BRIDGES = ("docker0", "br-0123456789ab")
CHANGES = (
    f"cp added rules; echo 1 >{FORWARDS}; for name in {' '.join(BRIDGES)} br-lan; do mkdir -p {NET}/$name/bridge; done"
)
"""What an engine does to the machine, and somebody else with `br-lan`."""

DOCKERD = f"""\
#!{sys.executable}
import os, signal, socket, sys
said = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open(said["--pidfile"], "w").write(str(os.getpid()))
listening = socket.socket(socket.AF_UNIX)
listening.bind(said["--host"].removeprefix("unix://"))
signal.sigwait([signal.SIGTERM])
"""
PYTHON = """\
#!/bin/sh
[ "$2" != tests.engines ] || [ -z "$LACKING" ] || { echo "$LACKING" >&2; exit 1; }
"""
TOOLS = {
    "id": "echo ${WHO:-0}",
    "iptables": '[ "$1" = -P ] && sed -i "s/^:$2 [A-Z]*/:$2 $3/" rules',
    "iptables-save": '[ -z "$UNREADABLE" ] && cat rules',
    "iptables-restore": "cat >rules",
    "ip": f'[ "$1 $2" = "link delete" ] && rm -r {NET}/"$3"',
    "ip6tables": "true",
    "ip6tables-save": "exit 1",
    "ip6tables-restore": "touch restored6",
}

REAL_MKDIR = '"$(PATH=${PATH#*:} command -v mkdir)"'


class Machine:
    """A folder in which the script runs, with a firewall, bridges, an engine and a Python that are played."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = folder / "rules"
        self.rules.write_text(RULES)
        (folder / "added").write_text(ADDED)
        for name in ("tmp", "run", Path(FORWARDS).parent, f"{NET}/br-ba9876543210/bridge"):
            (folder / name).mkdir(parents=True)
        (folder / FORWARDS).write_text("0\n")
        for name, does in TOOLS.items():
            self.play(name, does)
        self._add("bin/dockerd", DOCKERD)
        self._add(".venv/bin/python", PYTHON)

    @contextlib.contextmanager
    def started(self, *command: str, **env: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command, whose script is ended if a test does not wait for that."""
        argv = [str(SCRIPT), *command]
        with (
            (self.folder / "errors").open("a") as errors,
            subprocess.Popen(
                argv, cwd=self.folder, env=self._env(env), stdout=subprocess.PIPE, stderr=errors, text=True
            ) as script,
        ):
            try:
                yield script
            finally:
                script.terminate()

    def run(self, *command: str, **env: str) -> tuple[int, list[str]]:
        """Return with which status a command ends, and what is said."""
        with self.started(*command, **env) as script:
            out, _ = script.communicate(timeout=60)
        return script.returncode, out.splitlines()

    @property
    def engines(self) -> list[Path]:
        """The folders of its engines."""
        return list((self.folder / "tmp").iterdir())

    @property
    def changed(self) -> list[str]:
        """What an engine has changed and nobody has put back: rules, bridges, and whether packets are forwarded."""
        rules = [line for line in self.rules.read_text().splitlines() if line in ENGINES]
        bridges = [name for name in BRIDGES if (self.folder / NET / name).exists()]
        return [*rules, *bridges, *(["forwards"] if (self.folder / FORWARDS).read_text() == "1\n" else [])]

    def play(self, tool: str, does: str) -> None:
        """Have a tool do that."""
        self._add(f"bin/{tool}", f"#!/bin/sh\n{does}\n")

    def lives(self, shares_network: bool = True) -> None:
        """Have an engine of somebody else's live."""
        (self.folder / "proc/7/ns").mkdir(parents=True)
        (self.folder / "proc/7/comm").write_text("dockerd\n")
        (self.folder / "proc/7/ns/net").symlink_to("/proc/self/ns/net" if shares_network else "/proc/self/ns/pid")

    def _env(self, env: Mapping[str, str]) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("DOCKER_HOST", "ENGINE_REQUIRED")}
        return {
            **kept,
            "PATH": f"{self.folder}/bin:{kept['PATH']}",
            "TMPDIR": f"{self.folder}/tmp",
            "ENGINE_MACHINE": str(self.folder),
            **env,
        }

    def _add(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def machine() -> Iterator[Machine]:
    if not shutil.which("setpriv"):
        pytest.skip("only Linux has setpriv, and only there an engine is started")
    with tempfile.TemporaryDirectory(prefix="engine-") as short:  # as the path of a socket has to be
        machine = Machine(Path(short))
        yield machine
        assert machine.engines == [], "no folder of an engine's is left"


@pytest.mark.parametrize("status", [0, 7])
@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"LACKING": NONE, "WHO": "1000"}, "no engine answers, and only root can start one"),
        ({"LACKING": "the engine has no image nginx:1.30"}, "the engine has no image nginx:1.30"),
        ({"LACKING": NONE, "UNREADABLE": "1"}, "the machine's firewall cannot be read, so it could not be put back: "),
    ],
)
def test_where_tests_of_containers_skip_the_command_runs_and_the_last_line_says_why(
    machine: Machine, env: Mapping[str, str], why: str, status: int
) -> None:
    said = machine.run("sh", "-c", f"echo done $ENGINE_REQUIRED $DOCKER_HOST; exit {status}", **env)
    assert said == (status, ["done", f"Tests of containers were skipped: {why}"])
    assert machine.rules.read_text() == RULES, "nothing is put back that was not saved"


def test_an_engine_that_is_here_is_taken_and_its_tests_have_to_run(machine: Machine) -> None:
    assert machine.run("sh", "-c", "echo $ENGINE_REQUIRED") == (0, ["here"])


def test_one_that_is_here_is_taken_where_no_folder_can_be_made(machine: Machine) -> None:
    assert machine.run("sh", "-c", "echo $ENGINE_REQUIRED", TMPDIR=f"{machine.folder}/none") == (0, ["here"])


@pytest.mark.parametrize("status", [0, 7])
def test_where_no_folder_can_be_made_the_command_runs_and_the_last_line_says_why(machine: Machine, status: int) -> None:
    nowhere = f"{machine.folder}/none"
    command = f"echo done $ENGINE_REQUIRED $DOCKER_HOST; exit {status}"
    said = machine.run("sh", "-c", command, LACKING=NONE, TMPDIR=nowhere)
    why = f"no folder for an engine can be made in {nowhere}"
    assert said == (status, ["done", f"Tests of containers were skipped: {why}"])
    assert f"{nowhere}/harness-engine-" in (machine.folder / "errors").read_text(), "and mkdir says what is wrong"
    assert machine.rules.read_text() == RULES


def test_a_folder_of_that_name_that_somebody_else_has_made_is_left_alone(machine: Machine) -> None:
    machine.play("mkdir", f'{REAL_MKDIR} "$@" && touch "$3/theirs"; {REAL_MKDIR} "$@"')
    status, said = machine.run("echo", "done", LACKING=NONE)
    why = f"no folder for an engine can be made in {machine.folder}/tmp"
    assert (status, said) == (0, ["done", f"Tests of containers were skipped: {why}"])
    (theirs,) = machine.engines
    assert [path.name for path in theirs.iterdir()] == ["theirs"]
    shutil.rmtree(theirs)


@pytest.mark.parametrize("before", [RULES, STALE], ids=["no engine's", "another engine's"])
def test_one_of_its_own_ends_with_the_command_and_what_it_has_changed_is_put_back(
    machine: Machine, before: str
) -> None:
    machine.rules.write_text(before)
    machine.folder.joinpath("added").write_text(with_engines(before))
    status, said = machine.run("sh", "-c", f"{CHANGES}; echo $ENGINE_REQUIRED $DOCKER_HOST", LACKING=NONE)
    (folder,) = {line.removeprefix("made unix://").removesuffix("/sock") for line in said}
    assert (status, Path(folder).parent) == (0, machine.folder / "tmp")
    assert machine.rules.read_text() == before
    assert set(machine.changed) <= set(before.splitlines())
    assert sorted(path.name for path in (machine.folder / NET).iterdir()) == ["br-ba9876543210", "br-lan"]
    assert not (machine.folder / "restored6").exists(), "what could not be saved is not put back"
    assert not running(folder)


def test_told_to_stop_it_waits_for_what_the_command_has_still_to_do_with_the_engine(machine: Machine) -> None:
    tears_down = 'trap "sleep 0.3; [ -S ${DOCKER_HOST#unix://} ] && echo engine; exit 5" TERM; echo ready'
    with machine.started("bash", "-c", f"{tears_down}; while :; do sleep 0.05; done", LACKING=NONE) as script:
        assert script.stdout
        assert script.stdout.readline() == "ready\n"
        for _ in range(2):
            script.send_signal(signal.SIGTERM)
        out, _ = script.communicate(timeout=60)
    assert (script.returncode, out) == (5, "engine\n")


def killed(machine: Machine) -> Path:
    """Return the folder of one that was killed when its engine had changed the machine, while its command goes on."""
    goes_on = "exec >&-; while [ -d tmp ]; do sleep 0.05; done"
    machine.run("sh", "-c", f"{CHANGES}; kill -KILL $PPID; {goes_on}", LACKING=NONE)
    (left,) = machine.engines
    wait_for(lambda: not running(str(left)))
    assert machine.rules.read_text() == ADDED
    return left


def test_what_one_that_was_killed_has_left_is_cleared_and_others_rules_stay(machine: Machine) -> None:
    left = killed(machine)
    status, said = machine.run("sh", "-c", "cp rules seen; ls -d tmp/*", LACKING=NONE)
    assert (status, len(said), left.name in said[0]) == (0, 1, False)
    assert (machine.folder / "seen").read_text().splitlines() == without_engines(ADDED)
    assert machine.changed == []


def test_while_an_engine_of_somebody_elses_lives_what_may_be_its_own_stays_and_the_next_clears_it(
    machine: Machine,
) -> None:
    left = killed(machine)
    changed = machine.changed
    machine.lives()
    assert machine.run("true", LACKING=NONE)[0] == 0
    assert (machine.engines, machine.rules.read_text(), machine.changed) == ([left], ADDED, changed)
    shutil.rmtree(machine.folder / "proc/7")
    machine.lives(shares_network=False)
    assert machine.run("true", LACKING=NONE)[0] == 0
    assert machine.changed == []


def test_where_an_engine_of_somebody_elses_has_come_meanwhile_its_rules_stay(machine: Machine) -> None:
    machine.lives()
    assert machine.run("sh", "-c", CHANGES, LACKING=NONE)[0] == 0
    assert machine.rules.read_text() == ADDED


@pytest.mark.parametrize("whose", ["another's", "a link"])
def test_what_a_folder_says_that_is_not_its_own_is_not_put_back(machine: Machine, whose: str, tmp_path: Path) -> None:
    folder = machine.folder / "tmp/harness-engine-1-planted"
    if whose == "a link":
        folder.symlink_to(tmp_path)
    elif os.getuid() == 0:
        folder.mkdir()
        os.chown(folder, 65534, 65534)
    else:
        pytest.skip("only root can give a folder to somebody else")
    (folder / "iptables").write_text(RULES)
    (folder / "ip_forward").write_text("1\n")
    machine.rules.write_text(ADDED)
    assert machine.run("true", LACKING=NONE)[0] == 0
    assert machine.engines == [folder]
    assert machine.rules.read_text() == ADDED
    assert (machine.folder / FORWARDS).read_text() == "0\n"
    folder.rename(tmp_path / "found")


def test_two_at_once_have_their_engines_one_after_the_other_and_what_others_added_stays(machine: Machine) -> None:
    holds = f"{CHANGES}; echo ready; until [ -e enough ]; do sleep 0.05; done"
    with machine.started("sh", "-c", holds, LACKING=NONE) as first:
        assert first.stdout
        assert first.stdout.readline() == "ready\n"
        (folder,) = machine.engines
        with machine.started("sh", "-c", "cp rules seen", LACKING=NONE) as second:
            wait_for(lambda: "waits until the engine of another one" in (machine.folder / "errors").read_text())
            assert running(str(folder))
            assert not (machine.folder / "seen").exists()
            (machine.folder / "enough").touch()
            assert [script.wait(timeout=60) for script in (first, second)] == [0, 0]
    assert (machine.folder / "seen").read_text().splitlines() == without_engines(ADDED)
    assert machine.rules.read_text() == (machine.folder / "seen").read_text()
    assert machine.changed == []


def test_who_is_told_to_stop_while_it_waits_ends_and_the_other_goes_on(machine: Machine) -> None:
    with machine.started("sh", "-c", "echo ready; exec sleep 600", LACKING=NONE) as first:
        assert first.stdout
        assert first.stdout.readline() == "ready\n"
        (folder,) = machine.engines
        with machine.started("touch", "seen", LACKING=NONE) as second:
            wait_for(lambda: len(machine.engines) == 2)
            second.terminate()
            assert second.wait(timeout=60) != 0
        assert machine.engines == [folder]
        assert running(str(folder))
    assert not (machine.folder / "seen").exists()


def test_who_is_told_to_stop_as_soon_as_it_has_a_folder_leaves_none(machine: Machine) -> None:
    machine.play("mkdir", f'{REAL_MKDIR} "$@" && echo made >made; kill "$PPID"')
    status, _ = machine.run("touch", "seen", LACKING=NONE)
    assert status != 0
    assert ((machine.folder / "made").exists(), machine.engines) == (True, [])
    assert not (machine.folder / "seen").exists()


def with_engines(rules: str) -> str:
    """Return rules to which an engine has added its own."""
    head, accepts, rest = rules.partition(":FORWARD ACCEPT [0:0]\n")
    assert accepts
    added = [line for line in ENGINES if line not in rules.splitlines()]
    return head + "\n".join([":FORWARD DROP [0:0]", *added]) + "\n" + rest


def without_engines(rules: str) -> list[str]:
    """Return the lines that an engine has not added, with the policy as it was."""
    return [line.replace("DROP [0:0]", "ACCEPT [0:0]") for line in rules.splitlines() if line not in ENGINES]


def running(folder: str) -> list[psutil.Process]:
    """Return the engines that have their data there."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found += [process] if f"{folder}/data" in process.cmdline() else []
    return found


@pytest.mark.parametrize(("said", "outcome"), [("", pytest.skip.Exception), ("here", pytest.fail.Exception)])
def test_a_test_that_cannot_have_an_engine_fails_where_there_has_to_be_one(
    said: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_REQUIRED", said)
    with pytest.raises(outcome, match="it is gone"):
        cannot_run("it is gone")
    with pytest.raises(pytest.skip.Exception, match="there is no dockerd"):
        cannot_run("there is no dockerd", unless=["made"])
