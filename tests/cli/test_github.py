"""What a CI job is told, whatever ends the command: a summary, annotations, and the JUnit file that was asked for."""

from __future__ import annotations

import io
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from harness.baseline.comparing import Comparison
from harness.cli import github, screen
from harness.cli.checking import finish_check
from harness.model import Baseline, Place, Result, Verdict
from harness.proxies.diffs import first_changed
from harness.reports import workflow
from harness.reports.safe import uncommanded
from harness.reports.summary import Required
from harness.store.runs import Run
from tests.commanding import Harness
from tests.reports.samples import cell, result, run_info

MATRIX = """\
title: T
workloads: {w: {tokens: 8, token_bytes: 112}}
axes: {chain: direct}
expect:
  - cells: "*"
    why: it must
    verdict: buffered
"""
COMMANDS = "::add-path::/tmp\n  ::error::b\nsays ##[command]c"
HELD = result(cell(), outcome="fail", reason="expected streamed, got buffered: why, 100%")


@pytest.fixture
def job(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of GitHub Actions with its summary, which the step before has begun."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def stored(*results: Result) -> None:
    run = Run.create(Path("runs"), run_info(finished_at=None, cells=len(results)))
    for some in results:
        run.append(some)
    run.finish()


@pytest.mark.proxies
def test_a_failed_expectation_stands_beside_its_line_and_in_the_summary(harness: Harness, job: Path) -> None:
    Path("my.yaml").write_text(MATRIX)
    said = harness("matrix", "my.yaml", "--json", "-")
    assert said.status == 1
    told = "::error file=my.yaml,line=5,title=Token stream::expected buffered, got streamed: it must%0Adirect/sse"
    assert any(line.startswith(told) for line in said.err.splitlines()), "not among what is written to standard output"
    assert job.read_text().startswith("before\n## T\n")
    assert "expected because it must" in job.read_text()


def test_a_command_that_comes_to_no_run_stands_beside_the_line_that_is_wrong(harness: Harness, job: Path) -> None:
    Path("my.yaml").write_text(MATRIX.replace("why:", "wy:"))
    said = harness("matrix", "my.yaml")
    assert said.status == 2
    assert "::error file=my.yaml,line=6,title=Token stream::my.yaml:6: expect[0].wy: unknown key" in said.err
    assert "expect[0].wy: unknown key" in job.read_text()


@pytest.mark.parametrize("words", [("matrix", "my.yaml"), ("matrix", "../{}/my.yaml"), ("matrix", "{}/{}/my.yaml")])
def test_that_line_is_named_as_the_repository_has_it(
    harness: Harness, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    """A job's step may be in a folder of its repository, and name the file from there or in full."""
    here = tmp_path / "gateways"
    here.mkdir()
    (here / "my.yaml").write_text(MATRIX.replace("why:", "wy:"))
    monkeypatch.chdir(here)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    said = harness(words[0], words[1].replace("{}/{}", str(here)).format(here.name))
    assert said.status == 2
    assert "::error file=gateways/my.yaml,line=6,title=Token stream::" in said.err


def test_what_others_wrote_is_no_command_to_the_runner(harness: Harness, job: Path) -> None:
    stored(result(cell(), None, outcome="error", reason=COMMANDS, fault="proxy"))
    for words in ((), ("--json", "-"), ("--markdown", "-"), ("--junit", "-")):
        said = harness("report", *words)
        told = [*said.out.splitlines(), *said.err.splitlines()]
        obeyed = [line for line in told if line.strip().startswith("::") or "##[" in line]
        assert len(obeyed) == 1, "which is ours"
        assert obeyed[0].startswith("::error title=Token stream::::add-path::/tmp%0A")


@given(st.text(st.sampled_from(":#[ \n\tx"), max_size=12))
def test_no_text_becomes_a_command_and_what_is_none_stays(text: str) -> None:
    made = uncommanded(text)
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in made.split("\n"))
    if not any(line.lstrip().startswith("::") or "##[" in line for line in text.split("\n")):
        assert made == text


def test_a_command_is_seen_through_colours_and_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    outlet = screen.Outlet(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    outlet.print(Text(":", "red") + Text(":error::evil", "green"))
    assert "::error" not in re.sub(r"\x1b\[[0-9;]*m", "", outlet.file.getvalue())  # type: ignore[attr-defined]


def test_messages_and_places_are_escaped() -> None:
    place = Place("", "a:b,c%.yaml", 7)
    (command,) = workflow.commands(run_info(), [HELD], {HELD.id: place})
    assert command == (
        "::error file=a%3Ab%2Cc%25.yaml,line=7,title=Token stream::"
        f"expected streamed, got buffered: why, 100%25%0A{HELD.id}"
    )


def test_no_more_are_told_than_are_shown() -> None:
    many = [result(cell(f"nginx:n{n}"), outcome="fail", reason=f"reason {n}") for n in range(30)]
    commands = list(workflow.commands(run_info(), many, {}))
    assert len(commands) == workflow.MOST
    assert commands[-1].endswith("and 21 more, in the log and in the summary")


def test_what_cannot_run_is_a_notice_unless_a_baseline_has_it() -> None:
    away = result(cell(), None, outcome="unavailable", reason="no nginx")
    assert [command[:8] for command in workflow.commands(run_info(), [away], {})] == ["::notice"]


def test_a_summary_that_cannot_be_written_fails_nothing(
    harness: Harness, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job / "no" / "folder"))
    stored(result(cell(), "streamed"))
    said = harness("report")
    assert (said.status, "The step summary cannot be written to" in said.err) == (0, True)


def test_a_summary_is_cut_before_none_would_be_shown() -> None:
    cut = "".join(github._cut(f"{number:10}\n" for number in range(200_000)))
    assert github.MOST_BYTES <= len(cut) + 11 <= github.MOST_BYTES + 100
    assert cut.endswith("more than a summary may have.\n")


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("matrix", "nowhere.yaml"), 2, "there is no matrix 'nowhere.yaml'"),
        (("matrix", "smoke", "--only", "nothing"), 5, "none of the"),
        (("matrix", "smoke", "--nonsense"), 2, "No such option"),
        (("check", "smoke"), 2, "there is no baseline at smoke.baseline.yaml"),
        (("diff", "nowhere"), 2, "there is no run in runs"),
    ],
)
def test_the_junit_file_is_there_whatever_ends_a_command(
    harness: Harness, words: tuple[str, ...], status: int, why: str
) -> None:
    for path, form in (("new.xml", ["--junit", "new.xml"]), ("old.xml", ["--junit=old.xml"])):
        Path("old.xml").write_text("of yesterday")
        assert harness(*words, *form).status == status
        (case,) = ET.parse(path).iter("testcase")
        assert why in str(case.find("error").get("message"))  # type: ignore[union-attr]


def test_what_was_written_stays_and_standard_output_is_no_file(harness: Harness) -> None:
    stored(HELD)
    assert harness("report", "--junit", "out.xml").status == 1
    assert [case.get("name") for case in ET.parse("out.xml").iter("testcase")] == [HELD.id]
    assert harness("matrix", "nowhere.yaml", "--junit", "-").status == 2
    assert not Path("-").exists()


def test_a_name_that_no_file_can_have_is_told_as_any_other_mistake(harness: Harness) -> None:
    said = harness("matrix", "nowhere.yaml", "--junit", "x" * 300)
    assert (said.status, "there is no matrix" in said.err) == (2, True)


def test_a_folder_of_runs_that_is_ours_is_no_part_of_somebody_s_repository(harness: Harness) -> None:
    stored(HELD)
    assert Path("runs/.gitignore").read_text() == "*\n"
    os.makedirs("theirs")
    Run.create(Path("theirs"), run_info())
    assert not Path("theirs/.gitignore").exists()


@pytest.mark.parametrize("told", ["other_rules", "other_harness", "new_platform", "only_a_part"])
def test_whatever_is_told_of_a_comparison_stands_in_the_summary_too(job: Path, told: str) -> None:
    stored(HELD)
    (folder,) = Path("runs").glob("*/")
    run = Run.open(folder)
    sentence = f"my.baseline.yaml: {told} of it, which is said at some length, so that it takes more than one line here"
    was = Baseline("my.baseline.yaml", 3, "", {})
    held = replace(Comparison(was, run.results, (), ()), **{told: sentence})  # type: ignore[arg-type]
    with pytest.raises(typer.Exit):
        finish_check(run, {}, Required(), held, "")
    assert sentence in " ".join(job.read_text().split())


def test_a_config_that_changed_is_told_at_the_line_that_did(harness: Harness, job: Path) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    folders = []
    told: list[tuple[Verdict, str]] = [("streamed", "proxy_buffering off;"), ("buffered", "gzip on;")]
    for number, (verdict, last) in enumerate(told):
        Path("n.conf").write_text(f"events {{}}\nhttp {{\n{last}\n}}\n")
        blob = subprocess.run(["git", "hash-object", "-w", "n.conf"], check=True, capture_output=True, text=True).stdout
        inputs = {"nginx:default": {"n.conf": blob.strip()}}
        run = Run.create(Path(f"runs{number}"), run_info(finished_at=None, cells=1, inputs=inputs))
        run.append(result(cell(), verdict))
        run.finish()
        folders.append(run.folder)
    said = harness("diff", *folders)
    assert (said.status, "+gzip on;" in said.out) == (1, True)
    assert "::error file=n.conf,line=3,title=Token stream::worse: buffered, was streamed" in said.out


def git(*words: str) -> str:
    author = ["-c", "user.name=n", "-c", "user.email=n@n"]
    return subprocess.run(["git", *author, *words], check=True, capture_output=True, text=True).stdout.strip()


def measured(number: int, verdict: Verdict, **said: str) -> Path:
    """Return a run of a hop whose configs say this by now."""
    for name, text in said.items():
        Path(f"{name}.conf").write_text(text)
    inputs = {"nginx:default": {f"{name}.conf": git("hash-object", f"{name}.conf") for name in said}}
    run = Run.create(Path(f"runs{number}"), run_info(finished_at=None, cells=1, inputs=inputs))
    run.append(result(cell(), verdict))
    run.finish()
    return run.folder


def test_a_clone_that_lacks_the_old_config_is_told_why_and_what_gets_it(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    git("init", "-q", "origin")
    monkeypatch.chdir("origin")
    for number, (verdict, said) in enumerate([("streamed", "events {}\n"), ("buffered", "events {}\ngzip on;\n")]):
        folders.append(measured(number, verdict, n=said).absolute())  # type: ignore[arg-type]
        git("add", "n.conf")
        git("commit", "-qm", "a")
    git("clone", "-q", "--depth", "1", tmp_path.joinpath("origin").as_uri(), "../clone")
    monkeypatch.chdir("../clone")
    shallow = harness("diff", *folders).out
    assert "this clone is shallow and does not have what: `fetch-depth: 0` of actions/checkout" in " ".join(
        shallow.split()
    )
    git("fetch", "-q", "--unshallow")
    assert "+gzip on;" in harness("diff", *folders).out

    (tmp_path / "none").mkdir()
    monkeypatch.chdir("../none")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    Path("n.conf").write_text("events {}\ngzip on;\n")
    assert "not a git repository" in harness("diff", *folders).out
    git("init", "-q")
    assert "it was not committed as it was measured" in " ".join(harness("diff", *folders).out.split())


def test_a_file_of_which_only_hidden_values_changed_is_the_last_to_be_pointed_at(harness: Harness, job: Path) -> None:
    git("init", "-q")
    folders = []
    secret = 'proxy_set_header Authorization "Basic %s";\n'
    for number, (verdict, key, last) in enumerate([("streamed", "aHVzaA", "off"), ("buffered", "b3RoZXI", "on")]):
        folders.append(measured(number, verdict, a=secret % key, b=f"\nproxy_buffering {last};\n"))  # type: ignore[arg-type]
        git("hash-object", "-w", "a.conf", "b.conf")
    said = harness("diff", *folders).out
    assert "Only values have changed that are hidden here." in said
    assert said.index("b.conf (nginx") < said.index("a.conf (nginx")
    assert "::error file=b.conf,line=2,title=Token stream::worse" in said


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [("a\nb\n", "a\nc\n", 2), ("a\n", "a\nb\n", 2), ("a\nb\n", "a\n", 1), ("a\n", "", 1), ("", "a\n", 1), ("", "", 1)],
)
def test_a_change_begins_in_a_line_that_there_is(before: str, after: str, line: int) -> None:
    assert first_changed(before, after) == line
