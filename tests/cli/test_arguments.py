"""What was typed and is nobody else's to read is in no list of arguments: not ours, not a run's, not the kernel's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from harness.cli import Typed, chain_commands
from harness.model import HIDDEN, RunInfo
from harness.store.runs import Run
from tests.reports.samples import run_info

SECRET = "sk-SECRET"
URL, QUERY = "http://h/chat", f"?api_key={SECRET}"
X = HIDDEN
BLANK = " \n"
"""What stands at the end of an argument that was quoted with it."""
NAMES = ("chain", "hop", "backend", "path", "url", "direct")
SPELLINGS: Sequence[tuple[str, str]] = [
    (f"run -d {SECRET} --tokens 1", f"run -d {X} --tokens 1"),
    ("run -d 1 --tokens 1 --seed=1", f"run -d {X} --tokens 1 --seed=1"),
    (f"run -d{SECRET}", f"run -d{X}"),
    (f"run -d={SECRET}", f"run -d{X}"),
    (f"run --data {SECRET}", f"run --data {X}"),
    (f"run --data={SECRET}", f"run --data={X}"),
    (f"run --data=a={SECRET}", f"run --data={X}"),
    ("run --exact -d --tokens --tokens 7", f"run --exact -d {X} --tokens 7"),
    ("run -d @question.json -H @headers -H@more", "run -d @question.json -H @headers -H@more"),
    (f"run -H A:{SECRET} -HB:{SECRET} --header=C:{SECRET}", f"run -H {X} -H{X} --header={X}"),
    (f"run -X POST -d {SECRET} --json {SECRET}", f"run -X POST -d {X} --json {SECRET}"),
    (f"run --json -d -d {SECRET}", f"run --json -d -d {X}"),
    (f"run --chain nginx:default>{URL}{QUERY}#x", f"run --chain nginx:default>{URL}?{X}"),
    (f"run --chain={URL}#{SECRET}", f"run --chain={URL}#{X}"),
    (f"run --chain {URL}{QUERY}?{SECRET}", f"run --chain {URL}?{X}"),
    (f"run --chain nginx:./a?b.conf>{URL}", f"run --chain nginx:./a?b.conf>{URL}"),
    (f"run --backend {URL}{QUERY} --path /a{QUERY}", f"run --backend {URL}?{X} --path /a?{X}"),
    (f"run --backend command:serve>{URL}?a --path=/a{QUERY}", f"run --backend command:serve>{URL}?a --path=/a?{X}"),
    (f"run --backend {URL}?a --map a", f"run --backend {URL}?{X} --map a"),
    (f"run --chain nginx:./a.conf --path /a{QUERY}", f"run --chain nginx:./a.conf --path /a?{X}"),
    (f"diagnose --hop nginx:default --hop {URL}{QUERY}", f"diagnose --hop nginx:default --hop {URL}?{X}"),
    (f"probe {URL}{QUERY} --direct {URL}{QUERY} -d {SECRET}", f"probe {URL}?{X} --direct {URL}?{X} -d {X}"),
    (f"probe -d {SECRET} --requests 1 -- {URL}{QUERY}", f"probe -d {X} --requests 1 -- {URL}?{X}"),
    (f"probe {URL}{QUERY} {SECRET}", f"probe {URL}?{X} {SECRET}"),
]
"""Command lines as they were typed, and as they are kept."""


GROUP = get_command(chain_commands.app)


def typed_by(command: str) -> Typed:
    """Return how a command of ours reads its arguments."""
    assert isinstance(GROUP, typer.core.TyperGroup)
    context = typer.Context(GROUP.commands[command], info_name=command)
    return Typed.of(context)


@pytest.mark.parametrize("blank", ["", BLANK])
@pytest.mark.parametrize(("said", "kept"), SPELLINGS, ids=[said for said, _ in SPELLINGS])
def test_what_an_option_read_is_forgotten_where_it_stands_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, kept: str, blank: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["harness", *(f"{word}{blank * (SECRET in word)}" for word in said.split())])
    typed = typed_by(sys.argv[1])
    for _ in range(2):  # what is forgotten stays so
        typed.forget("header", "data")
        typed.forget_queries(*NAMES)
    assert [word.removesuffix(blank) for word in sys.argv] == ["harness", *kept.split()]
    info: RunInfo = run_info(options=tuple(sys.argv[1:]))
    head = json.loads((Run.create(tmp_path, info).folder / "run.json").read_text())
    assert head["options"] == sys.argv[1:]


def test_somebody_else_s_command_line_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "-d", SECRET])
    typed_by("run").forget("data")
    assert sys.argv == ["pytest", "-d", SECRET]


SHOWING = """
import sys
from pathlib import Path
from tests.cli.test_arguments import NAMES, typed_by

typed = typed_by(sys.argv[1])
typed.forget("header", "data")
typed.forget_queries(*NAMES)
print([word.decode() for word in Path("/proc/self/cmdline").read_bytes().split(b"\\0")[-len(sys.argv):-1]])
print(sys.orig_argv[-len(sys.argv) + 1:])
"""


@pytest.mark.proxies
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process where its arguments lie")
def test_the_kernel_has_it_no_more_and_all_else_as_it_was() -> None:
    said = ["run", "-d", "é1", "--tokens", "1", f"-HA: {SECRET}", "--chain", f"nginx:é>{URL}{QUERY}#x ", "--seed=1"]
    process = subprocess.run([sys.executable, "-c", SHOWING, *said], capture_output=True, text=True, check=True)
    shown, kept = process.stdout.splitlines()
    hidden = "x" * len(f"{QUERY}#x "[1:])
    body, header = "x" * len("é1".encode()), "x" * len(f"A: {SECRET}")
    assert shown == repr(
        ["run", "-d", body, *said[3:5], f"-H{header}", "--chain", f"nginx:é>{URL}?{hidden}", "--seed=1"]
    )
    assert kept == repr(["run", "-d", X, *said[3:5], f"-H{X}", "--chain", f"nginx:é>{URL}?{X}", "--seed=1"])
