"""The `harness` program on terminals and in pipes."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workplace import DIRECT, HARNESS, Said, Workplace

pytestmark = pytest.mark.proxies

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
LINE = re.compile(r"^[12]/2  pass +streamed .* direct/", re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with Workplace(tmp_path) as place:
        place.write("m.yaml", DIRECT)
        yield place


def on_terminal(place: Workplace, *argv: str, out: bool = False, **env: str) -> Said:
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


def piped(place: Workplace, command: str) -> Said:
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


def test_progress_is_a_bar_on_a_terminal(place: Workplace) -> None:
    said = on_terminal(place, "matrix", "m.yaml")
    assert said.status == 0
    assert "━" in said.err
    assert "2/2" in said.err
    assert not LINE.search(ESCAPES.sub("", said.err))
    assert "Results and evidence: runs/" in said.err
    assert "Exit status 0" in said.out


def test_progress_is_a_line_per_cell_in_ci_even_if_it_has_a_terminal(place: Workplace) -> None:
    said = on_terminal(place, "matrix", "m.yaml", CI="true")
    assert said.status == 0
    assert len(LINE.findall(ESCAPES.sub("", said.err))) == 2
    assert "━" not in said.err


def test_a_terminal_gets_colours_unless_it_asked_for_none(place: Workplace) -> None:
    assert COLOURS.search(on_terminal(place, "matrix", "m.yaml", out=True, CI="true").err)
    plain = on_terminal(place, "matrix", "m.yaml", out=True, CI="true", NO_COLOR="1")
    assert plain.status == 0
    assert "Exit status 0" in plain.err
    assert not COLOURS.search(plain.err)


def test_a_bar_without_colours_stays_a_bar(place: Workplace) -> None:
    said = on_terminal(place, "matrix", "m.yaml", NO_COLOR="1")
    assert "━" in said.err
    assert not COLOURS.search(said.err)


def test_a_pipe_gets_the_report_alone_and_without_escapes(place: Workplace) -> None:
    said = on_terminal(place, "matrix", "m.yaml")
    assert said.out.startswith("Direct\n")
    assert "\x1b" not in said.out
    assert not LINE.search(said.out)


def test_a_reader_that_leaves_early_is_no_fault(place: Workplace) -> None:
    for number in range(5):  # whether the first line or the last meets the closed pipe is up to the two programs
        said = piped(place, f"harness list mitigations | head -{number}")
        assert (said.status, said.err) == (0, "")
        assert len(said.out.splitlines()) == number


def test_a_reader_that_leaves_early_does_not_end_the_run(place: Workplace) -> None:
    said = piped(place, "harness matrix m.yaml 2>&1 | true")
    assert (said.status, said.err) == (0, "")
    assert len(place.results()) == 2
    assert place.last_run().info.finished_at
    assert place.is_clean()


def test_a_failed_expectation_is_told_even_to_a_closed_pipe(place: Workplace) -> None:
    place.write("m.yaml", DIRECT.replace("verdict: streamed", "verdict: buffered"))
    assert piped(place, "harness matrix m.yaml | true").status == 1


def test_the_report_of_a_run_can_be_had_again_from_elsewhere(place: Workplace) -> None:
    said = place.run("matrix", "m.yaml", "--runs", "elsewhere", "--json", "/dev/stdout")
    assert said.status == 0
    assert said.out.startswith("{")
    again = place.run("report", "--runs", "elsewhere")
    assert again.status == 0
    assert said.out.endswith(again.out)
