"""The table of exit statuses, row by row, at the door: what a run came to, what is required, and how a command ends."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from benchmarks import publish
from harness import session
from harness.cli import commands, screen
from harness.cli.endings import MEASURING
from harness.errors import (
    EXIT_MEANINGS,
    BackendError,
    HarnessError,
    InputError,
    Interrupted,
    NoRoom,
    ProxyError,
    SelectionError,
    Unavailable,
)
from harness.model import Result
from harness.proxies.catalog import PROXIES
from harness.resources import NO
from harness.session import listing, setup
from harness.store.runs import Run
from tests.commanding import Harness
from tests.reports.samples import cell, result, run_info

DIRECT = result(cell("direct"), "streamed", outcome="pass")
MEASURED = result(cell("nginx:http10"), outcome="observed")
FAILED = result(cell("nginx:http10", "pad-2k"), outcome="fail")
BROKEN = result(cell("nginx:gzip"), "broken", outcome="fail", reason="status 404")
UNSTABLE = result(cell("nginx:gzip"), outcome="unstable")
BLOCKED = result(cell("nginx:gzip"), None, outcome="blocked")
OURS = result(cell("nginx:gzip"), None, outcome="error", fault="harness")
MISCONFIGURED = result(cell("nginx:gzip"), None, outcome="error", fault="configuration")
GONE = result(cell("nextjs:dev"), None, outcome="unavailable", reason="Next.js is not installed")


CLAIMS = """\
report: {source: us, story: x, symptom: '*', claims: [{claim: it streams, cells: 'direct/*', verdict: streamed}]}
"""


def kept(results: Sequence[Result], **about: object) -> Path:
    run = Run.create(Path("runs"), run_info(cells=len(results), **about))
    for one in results:
        run.append(one)
    return run.folder


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([DIRECT], 0),
        ([DIRECT, MEASURED], 0),
        ([DIRECT, MEASURED, GONE], 0),
        ([DIRECT, FAILED, GONE], 1),
        ([BROKEN], 1),
        ([MEASURED, MISCONFIGURED], 2),
        ([DIRECT, GONE], 3),
        ([UNSTABLE], 3),
        ([FAILED, BLOCKED], 3),
        ([FAILED, OURS], 3),
        ([], 5),
    ],
)
def test_a_run_ends_with_what_it_came_to_and_says_so(harness: Harness, results: list[Result], status: int) -> None:
    said = harness("report", kept(results))
    assert said.status == status
    assert f"Exit status {status}: " in said.out


@pytest.mark.parametrize("ci", ["true", "1", "yes"])
def test_in_ci_what_cannot_run_is_no_success_unless_it_is_allowed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    folder, whole = kept([DIRECT, MEASURED, GONE]), kept([DIRECT, MEASURED])
    told = "Exit status 0: buffered; nothing was expected of it; 1 cell cannot run here."
    assert told in harness("report", folder).out
    monkeypatch.setenv("CI", ci)
    assert harness("report", whole).status == 0
    said = harness("report", folder)
    assert said.status == 3
    assert "Exit status 3: 1 cell that had to be measured cannot run here." in said.out
    assert harness("check", folder, "--against", whole).status == 3
    allowed = harness("report", folder, "--allow-unavailable")
    assert (allowed.status, told in allowed.out) == (0, True)
    assert harness("check", folder, "--against", whole, "--allow-unavailable").status == 0
    monkeypatch.setenv("HARNESS_ALLOW_UNAVAILABLE", "1")
    assert harness("report", folder).status == 0
    monkeypatch.setenv("HARNESS_ALLOW_UNAVAILABLE", "perhaps")
    assert harness("report", folder).status == 2


@pytest.mark.parametrize("way", ["option", "environment"])
@pytest.mark.parametrize("command", [("report",), ("check", "--against"), ("reports", "--from")])
def test_what_a_stored_run_had_to_measure_can_be_required_wherever_it_is_read(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], way: str
) -> None:
    for proxy in ("nginx", "nextjs"):
        monkeypatch.setattr(type(PROXIES[proxy]), "version", lambda self: 1 / 0)  # it is not about what can run here
    folder = kept([DIRECT, MEASURED, GONE], matrix_text=CLAIMS)
    words: list[str | Path] = [*command, folder]
    if command[0] == "check":
        words = ["check", folder, "--against", kept([DIRECT, MEASURED, GONE])]

    def status(names: str) -> int:
        if way == "environment":
            monkeypatch.setenv("HARNESS_REQUIRE", names)
        return harness(*words, *(["--require", names] if way == "option" else [])).status

    assert harness(*words).status == 0
    assert status("nginx,aiohttp") == 3, "a client is required, too"
    assert [status(names) for names in ("nginx", "nextjs", "curl", "nginx,nextjs")] == [0, 3, 0, 3]


@pytest.mark.parametrize("word", ["", *(f(no) for no in NO if no for f in (str, str.upper, str.title))])
def test_what_means_no_means_it_everywhere(harness: Harness, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    folder = kept([MEASURED, GONE])
    monkeypatch.setenv("HARNESS_ALLOW_UNAVAILABLE", word)
    monkeypatch.setenv("CI", word)
    assert harness("report", folder).status == 0
    monkeypatch.setenv("CI", "true")
    assert harness("report", folder).status == 3
    monkeypatch.setattr(session, "rows", lambda _: 1 / 0)
    monkeypatch.setenv("HARNESS_TRACEBACK", word)
    assert "Traceback" not in harness("list", "formats").err


@pytest.mark.parametrize("word", ["1", "true", "TRUE", "t", "yes", "y", "on"])
def test_what_means_yes_means_it_everywhere(harness: Harness, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    folder = kept([MEASURED, GONE])
    monkeypatch.setenv("CI", word)
    assert harness("report", folder).status == 3
    monkeypatch.setenv("HARNESS_ALLOW_UNAVAILABLE", word)
    assert harness("report", folder).status == 0
    monkeypatch.setattr(session, "rows", lambda _: 1 / 0)
    monkeypatch.setenv("HARNESS_TRACEBACK", word)
    assert "Traceback" in harness("list", "formats").err


def test_in_ci_what_cannot_be_set_up_is_no_success_unless_it_is_allowed(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is installed here: the cache cannot be made, and applications have nowhere to be installed to."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file/cache"))
    some = {name: PROXIES[name] for name in ("asgi", "cloudrun", "wsgi")}
    monkeypatch.setattr(setup, "PROXIES", some)
    monkeypatch.setattr(setup, "CLIENTS", {})
    told = harness("setup")
    assert (told.status, "asgi: left out: " in told.err) == (0, True)
    monkeypatch.setenv("CI", "true")
    told = harness("setup")
    assert (told.status, "asgi: left out: " in told.err) == (3, True)
    assert "asgi, wsgi cannot run here (--allow-unavailable accepts that where `CI` is set)" in told.err
    assert harness("setup", "--allow-unavailable").status == 0
    for names in (("asgi",), ("asgi", "cloudrun"), ("asgi", "cloudrun", "wsgi")):
        told = harness("setup", *names, "--allow-unavailable", "--jobs", "1")
        assert told.status == 3, "what is named has to be there"
        assert told.err.count("asgi cannot be set up") == 1
        assert ("cloudrun: ready" in told.err) == ("cloudrun" in names), "the others are set up nevertheless"
        assert ("wsgi: left out: " in told.err) == ("wsgi" in names)


@pytest.mark.parametrize(
    ("raised", "status", "told"),
    [
        (InputError("no such key"), 2, "harness: no such key"),
        (SelectionError("none is left"), 5, "harness: none is left"),
        (Unavailable("nginx is not installed", "apt"), 3, "harness: nginx is not installed (apt)"),
        (ProxyError("it died"), 3, "harness: it died"),
        (BackendError("it died"), 3, "harness: it died"),
        (NoRoom("full"), 3, "harness: full"),
        (Interrupted("Interrupted."), 130, "Interrupted."),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 3, "cannot write x: No space left"),
        (OSError(errno.EROFS, "Read-only file system", "x"), 3, "a fault of the harness's own: OSError: "),
        (RecursionError("too deep"), 3, "a fault of the harness's own: RecursionError: too deep (tests.cli.test_exit"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), 3, "a fault of the harness's own: UnicodeEncodeError"),
        (EOFError("no input"), 3, "a fault of the harness's own: EOFError: no input"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 3, "a fault of the harness's own: BrokenPipeError"),
    ],
)
def test_whatever_ends_a_command_has_its_status_and_no_traceback(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: int, told: str
) -> None:
    def fails(_: object) -> listing.Rows:
        raise raised

    monkeypatch.setattr(session, "rows", fails)
    monkeypatch.setattr(screen.out, "mute", lambda: None)
    said = harness("list", "formats")
    assert said.status == status
    assert told in said.err
    assert "Traceback" not in said.err
    assert status in EXIT_MEANINGS


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Interrupted])
@pytest.mark.parametrize(
    ("argv", "step"),
    [
        (["run", "--chain", "direct"], "diffs"),
        (["diagnose", "--hop", "nginx:default"], "diffs"),
        (["matrix", "smoke"], "load"),
        (["reports"], "reports"),
        (["check", "smoke"], "load"),
        (["watch", "smoke"], "folders"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_who_interrupts_a_command_before_it_measures_is_told_that_nothing_was(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, argv: Sequence[str], step: str, raised: type[BaseException]
) -> None:
    def interrupts(*_: object, **__: object) -> None:
        raise raised("Interrupted.")

    assert argv[0] in MEASURING
    monkeypatch.setattr(session, step, interrupts)
    said = harness(*argv)
    assert (said.status, said.out) == (130, "")
    assert said.err.strip() == "Interrupted: nothing was measured yet."


LOADS = """
import os, signal, sys
from harness.__main__ import main

class Interrupts:
    def find_spec(self, name, *_):
        if name == "harness.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
main()
"""


@pytest.mark.proxies
def test_who_interrupts_the_program_while_it_loads_is_told_so() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # pytest may run in the background
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted: nothing was started yet.\n")


ENDED = """
import atexit, os, signal, sys
from harness.__main__ import main

atexit.register(os.kill, os.getpid(), signal.SIGINT)
main()
"""


@pytest.mark.proxies
@pytest.mark.parametrize(("command", "status"), [("formats", 0), ("nonsense", 2)])
def test_ctrl_c_after_a_command_has_ended_changes_neither_its_status_nor_what_was_told(
    command: str, status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED, "list", command],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # pytest may run in the background
    )
    assert (done.returncode, "Interrupted" in done.stderr) == (status, False)


def test_each_command_that_begins_a_run_is_known_to_measure() -> None:
    commands_of: Any = typer.main.get_command(commands.app)
    options = {name: {option.name for option in one.params} for name, one in commands_of.commands.items()}
    assert {name for name, named in options.items() if named & {"keep", "jobs"}} == {*MEASURING, "setup"}


def test_whoever_looks_for_a_fault_gets_the_traceback(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "rows", lambda _: 1 / 0)
    monkeypatch.setenv("HARNESS_TRACEBACK", "1")
    said = harness("list", "formats")
    assert said.status == 3
    assert "Traceback" in said.err
    assert "ZeroDivisionError" in said.err


def test_every_class_of_error_has_a_status_of_the_table_and_none_is_1() -> None:
    classes, found = [HarnessError], set()
    while classes:
        each = classes.pop()
        found.add(each.exit_status)
        classes += each.__subclasses__()
    assert found == EXIT_MEANINGS.keys() - {0, 1}


def test_the_readme_has_the_table() -> None:
    readme = publish.README.read_text(encoding="utf-8")
    assert [row for row in (f"| {a} | {b} |" for a, b in EXIT_MEANINGS.items()) if row not in readme] == []


def test_ctrl_c_is_what_it_was_after_a_command(harness: Harness) -> None:
    before = signal.getsignal(signal.SIGINT)
    harness("list", "formats")
    assert signal.getsignal(signal.SIGINT) is before


# ---------------------------------------------------------------- what is printed, and where to


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
@pytest.mark.parametrize("words", [("list", "mitigations"), ("report",), ("--help",), ("doctor",)])
def test_no_terminal_is_too_poor_for_what_is_printed(
    harness: Harness, no_apt: None, monkeypatch: pytest.MonkeyPatch, encoding: str, words: Sequence[str]
) -> None:
    """A header that is no UTF-8 comes with lone surrogates, which not even a strict UTF-8 terminal takes."""
    kept([DIRECT, result(cell("nginx:http10"), None, outcome="unavailable", reason="caf\udce9 ☃ \x1b[31m")])
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding, errors="strict"))
    with pytest.raises(SystemExit) as ended:
        commands.main(words)
    assert ended.value.code == (3 if words == ("report",) else 0)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.flush()
    assert len(sys.stdout.buffer.getvalue()) > 100


@pytest.mark.parametrize("columns", [0, 1, 2])
@pytest.mark.parametrize("words", [("list", "formats"), ("report",), ("--help",)])
def test_no_terminal_is_too_narrow_to_be_told_anything(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, columns: int, words: Sequence[str]
) -> None:
    kept([DIRECT, MEASURED])
    monkeypatch.setenv("COLUMNS", str(columns))
    for outlet in (screen.out, screen.err):
        monkeypatch.setattr(outlet, "width", columns)
    said = harness(*words)
    assert said.status == 0
    lines = [line for line in said.out.splitlines() if line.strip()]
    assert lines
    assert max(map(len, lines)) > screen.LEAST_WIDTH / 2


def test_a_folder_that_is_gone_is_told(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = harness("matrix", "smoke")
    assert (said.status, said.out) == (2, "")
    assert "the folder that harness was started in is gone" in said.err


def test_the_doctor_tells_which_folders_cannot_be_written(
    harness: Harness, no_apt: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is a file is no folder: unlike permissions, that stops root, too."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file/cache"))
    said = " ".join(harness("doctor", "--runs", tmp_path / "file/runs").out.split())
    assert f"runs unwritable {tmp_path}/file/runs: Not a directory" in said
    assert f"cache unwritable {tmp_path}/file/cache: Not a directory" in said
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "new/cache"))
    said = " ".join(harness("doctor").out.split())
    assert "runs ok runs can be written" in said
    assert f"cache ok {tmp_path}/new/cache can be written" in said
    assert sorted(os.listdir(tmp_path)) == ["file"]
