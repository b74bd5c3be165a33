"""The `harness` program on terminals and in pipes."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator
from itertools import product, starmap
from pathlib import Path

import pytest

from tests.sampling import sampled, some_of
from tests.sandbox import DIRECT, HARNESS, Said, Sandbox

pytestmark = pytest.mark.proxies

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
LINE = re.compile(r"^[12]/2  pass +streamed .* direct/", re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", DIRECT)
        yield place


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A place in which a matrix has been run, for those who only read that run."""
    with Sandbox(tmp_path_factory.mktemp("measured")) as place:
        place.write("m.yaml", DIRECT)
        assert place.run("matrix", "m.yaml").status == 0
        yield place


def on_terminal(place: Sandbox, *argv: str, out: bool = False, **env: str) -> Said:
    """Run `harness` with standard error (and standard output, if `out`) on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    program = subprocess.Popen(
        [str(HARNESS), *argv],
        cwd=place.folder,
        env=place.environment(**env),
        stdin=theirs,
        stdout=theirs if out else subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = bytearray()
    with contextlib.suppress(OSError), open(ours, "rb", buffering=0) as screen:  # EIO: the terminal's last user left
        while data := screen.read(4096):
            shown += data
    said = place.said(program)
    return Said(said.status, said.out, shown.decode().replace("\r\n", "\n"))


def piped(place: Sandbox, command: str) -> Said:
    """Run a shell command, whose status is that of the first part of the pipe that fails."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=place.folder,
        env=place.environment(PATH=f"{HARNESS.parent}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_progress_is_a_bar_on_a_terminal(place: Sandbox) -> None:
    said = on_terminal(place, "matrix", "m.yaml")
    assert said.status == 0
    assert "━" in said.err
    assert "2/2" in said.err
    assert not LINE.search(ESCAPES.sub("", said.err))
    assert "Results and evidence: runs/" in said.err
    assert "Exit status 0" in said.out


@some_of("columns", [50, 70, 100], each=3)
def test_the_bar_keeps_its_counter_and_cuts_the_id(place: Sandbox, columns: int) -> None:
    said = on_terminal(place, "matrix", "m.yaml", COLUMNS=str(columns))
    bars = [bar.rstrip() for bar in re.split(r"[\r\n]+", ESCAPES.sub("", said.err)) if "━" in bar]
    assert bars
    assert all(re.search(r"━ +[012]/2 [\d:]+ (starting|streamed  direct)", bar) for bar in bars)
    assert bars[-1].endswith("/lockstep" if columns == 100 else "…")
    assert max(map(len, bars)) <= columns


def test_progress_is_a_line_per_cell_in_ci_even_if_it_has_a_terminal(place: Sandbox) -> None:
    said = on_terminal(place, "matrix", "m.yaml", CI="true")
    assert said.status == 0
    assert len(LINE.findall(ESCAPES.sub("", said.err))) == 2
    assert "━" not in said.err


def test_a_terminal_gets_colours_unless_it_asked_for_none(place: Sandbox) -> None:
    assert COLOURS.search(on_terminal(place, "matrix", "m.yaml", out=True, CI="true").err)
    plain = on_terminal(place, "matrix", "m.yaml", out=True, CI="true", NO_COLOR="1")
    assert plain.status == 0
    assert "Exit status 0" in plain.err
    assert not COLOURS.search(plain.err)


def test_a_bar_without_colours_stays_a_bar(place: Sandbox) -> None:
    said = on_terminal(place, "matrix", "m.yaml", NO_COLOR="1")
    assert "━" in said.err
    assert not COLOURS.search(said.err)


def test_a_pipe_gets_the_report_alone_and_without_escapes(place: Sandbox) -> None:
    said = on_terminal(place, "matrix", "m.yaml")
    assert said.out.startswith("Direct\n")
    assert "\x1b" not in said.out
    assert not LINE.search(said.out)


def test_a_reader_that_leaves_early_is_no_fault(place: Sandbox) -> None:
    for number in (0, 1, 4):  # whether the first line or the last meets the closed pipe is up to the two programs
        said = piped(place, f"harness list mitigations | head -{number}")
        assert (said.status, said.err) == (0, "")
        assert len(said.out.splitlines()) == number


def test_a_reader_that_leaves_early_does_not_end_the_run(place: Sandbox) -> None:
    said = piped(place, "harness matrix m.yaml 2>&1 | true")
    assert (said.status, said.err) == (0, "")
    assert len(place.results()) == 2
    assert place.last_run().info.finished_at
    assert place.left_behind() == []


DOCUMENTS = (
    *("report", "report --json - 2>/dev/null", "report --html - 2>/dev/null"),
    *("list schema", "list cells default", "--help", "run --help"),
)


@pytest.mark.parametrize(("number", "command"), sampled(starmap(pytest.param, product(range(3), DOCUMENTS)), each=5))
def test_no_document_minds_a_reader_that_leaves_early(measured: Sandbox, number: int, command: str) -> None:
    said = piped(measured, f"harness {command} | head -{number}")
    assert "Traceback" not in said.err
    assert "Broken" not in said.err
    assert len(said.out.splitlines()) == number


@some_of("command", ["report", "report --json -", "list schema", "list proxies", "--help"], each=4)
def test_a_full_disk_behind_standard_output_is_told_in_a_line_and_is_not_the_users_mistake(
    measured: Sandbox, command: str
) -> None:
    said = piped(measured, f"harness {command} > /dev/full")
    assert said.status == 3
    assert "harness: cannot write the output: No space left on device" in said.err
    assert "Traceback" not in said.err


def test_a_full_disk_behind_standard_error_ends_nothing_with_a_traceback(measured: Sandbox) -> None:
    said = piped(measured, "harness report 2> /dev/full")
    assert said.status == 3
    assert said.out.startswith("Direct\n")


def test_a_module_is_as_good_as_a_program(place: Sandbox) -> None:
    said = piped(place, f"{sys.executable} -m harness --version")
    assert (said.status, said.err) == (0, "")
    assert said.out == place.run("--version").out


def test_a_failed_expectation_is_told_even_to_a_closed_pipe(place: Sandbox) -> None:
    place.write("m.yaml", DIRECT.replace("verdict: streamed", "verdict: buffered"))
    assert piped(place, "harness matrix m.yaml | true").status == 1


def test_the_report_of_a_run_can_be_had_again_from_elsewhere(place: Sandbox) -> None:
    said = place.run("matrix", "m.yaml", "--runs", "elsewhere", "--json", "/dev/stdout")
    assert said.status == 0
    assert said.out.startswith("{")
    again = place.run("report", "--runs", "elsewhere")
    assert again.status == 0
    assert said.out.endswith(again.out)


LOADS = """
import os, signal, sys
from harness.__main__ import main

module = sys.argv.pop(1)

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
main()
"""


@pytest.mark.parametrize("module", ["harness.cli", "typer", "aiohttp"])
def test_ctrl_c_while_the_program_loads_ends_it_at_once_and_with_a_word(module: str) -> None:
    argv = [sys.executable, "-c", LOADS, module, "list", "mitigations"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert re.fullmatch(r"Interrupted(: nothing was started yet)?\.\n", done.stderr)


@some_of(
    ("closed", "command"), product([">&-", "<&- >&- 2>&-"], ["matrix m.yaml", "list schema", "report nope"]), each=4
)
def test_a_stream_that_is_closed_is_no_fault(place: Sandbox, closed: str, command: str) -> None:
    said = piped(place, f"harness {command} {closed}")
    assert said.status == (2 if "nope" in command else 0)
    assert "Traceback" not in said.err
    assert place.left_behind() == []


@pytest.mark.parametrize("command", ["run --help", "list nonsense"])
def test_a_reader_of_help_or_of_a_complaint_that_leaves_early_changes_no_status(place: Sandbox, command: str) -> None:
    said = piped(place, f"harness {command} 2>&1 | true")
    assert (said.status, said.err) == (2 if "nonsense" in command else 0, "")


@pytest.mark.parametrize("env", [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"TERM": "dumb", "COLUMNS": "1"}, {"HOME": ""}])
def test_the_poorest_surroundings_cost_no_result(place: Sandbox, env: dict[str, str]) -> None:
    said = place.run("matrix", "m.yaml", **env, PYTHONCOERCECLOCALE="0")
    assert (said.status, "Traceback" in said.err) == (0, False)
    assert len(place.results()) == 2
