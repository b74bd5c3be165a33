"""`harness reports`: what it measures or reads back, what it says and writes, and how it is refused."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import session
from harness.claims import ledger
from harness.model import Result
from harness.session import jobs
from harness.store.runs import Run
from tests.commanding import Harness
from tests.reports.samples import cell, result, run_info
from tests.sandbox import DIRECT, Sandbox
from tests.waiting import wait_for

REPORT = """
report:
  source: field report 999
  story: It came at once. We blamed the server. We were wrong.
  symptom: direct/sse/*
  parts: [{name: the server, cells: direct/*}]
  claims:
    - {claim: the server buffers, where: Root Cause, cells: direct/*, verdict: [buffered, coalesced]}
    - {claim: tokens come one by one, cells: direct/*, metrics: {burst_tokens_max: {at_most: 1}}}
    - {claim: it is the network, untestable: there is none here}
"""
CLAIMED = f"{DIRECT}{REPORT}"
BUFFERED = result(cell("nginx:http10"), "buffered")
KEPT = """\
report: {source: us, story: x, symptom: '*', claims: [{claim: nginx buffers, cells: '*', verdict: buffered}]}
"""


def stored(root: Path, name: str = "999-gateway", text: str = KEPT, of: Result = BUFFERED, **info: Any) -> Path:
    """Put a finished run on disk that tested a field report."""
    head = {"name": name, "finished_at": None, "cells": 1, "matrix_text": text, "matrix_file": f"{name}.yaml", **info}
    run = Run.create(root, run_info(**head))
    run.append(of)
    run.finish()
    return run.folder


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A harness that ships two field reports."""
    for name in ("000-first", "001-second"):
        (tmp_path / f"{name}.yaml").write_text(CLAIMED)
    paths = {f"reports/{name}": tmp_path / f"{name}.yaml" for name in ("000-first", "001-second")}
    monkeypatch.setattr(jobs, "shipped_matrices", lambda: {"smoke": tmp_path / "smoke.yaml", **paths})


# ---------------------------------------------------------------- measuring


@pytest.mark.proxies
def test_reports_are_measured_judged_and_written(harness: Harness, tmp_path: Path, shipped: None) -> None:
    said = harness("reports", "--markdown", "page.md", "--records", "kept")
    assert said.status == 0
    assert said.out.count("field report 999: Direct") == 2
    assert "  the server buffers (Root Cause)\n    refuted\n" in said.out
    assert "  tokens come one by one\n    confirmed\n" in said.out
    assert "  it is the network\n    not testable here: there is none here\n" in said.out
    assert "real cause    Could not be reproduced: direct/sse/" in said.out
    assert "3 claims: 1 confirmed, 1 refuted, 1 not testable here.\n2 cells: 2 pass. Exit status 0" in said.out
    assert said.err.count("Results and evidence: runs/") == 2
    assert said.err.count("2/2  pass ") == 2
    page = Path("page.md").read_text()
    assert page.count("\n## ") == 2
    assert sorted(path.name for path in Path("kept").iterdir()) == ["000-first", "001-second"]
    again = harness("reports", "--from", "kept", "--markdown", "-")
    assert again.out == page
    assert "not testable here: there is none here" in again.err


@pytest.mark.proxies
def test_a_report_of_one_s_own_is_judged_by_matrix_and_report_too(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(CLAIMED)
    own = harness("reports", "m.yaml", "--junit", "own.xml")
    assert 'tests="2"' in Path("own.xml").read_text()
    assert own.status == 0
    assert "3 claims: 1 confirmed, 1 refuted, 1 not testable here." in own.out
    for words in (("matrix", "m.yaml"), ("report",)):
        said = harness(*words)
        assert said.status == 0
        assert "2 cells: 2 pass. Exit status 0" in said.out
        assert said.out.endswith("3 claims: 1 confirmed, 1 refuted, 1 not testable here.\n")


@pytest.mark.proxies
def test_an_interrupted_report_leaves_those_before_it_told_and_its_own_cells_on_disk(tmp_path: Path) -> None:
    patient = CLAIMED.replace("token_bytes: 112", "token_bytes: 112, interval_ms: 600000")
    patient = patient.replace("format: [sse, ndjson]", "pace: [lockstep, paced]")
    with Sandbox(tmp_path) as place:
        place.write("quick.yaml", CLAIMED)
        place.write("slow.yaml", patient)
        program = place.start("reports", "quick.yaml", "slow.yaml", "--markdown", "page.md")
        wait_for(lambda: [path.stat().st_size for path in tmp_path.glob("runs/*-slow/results.jsonl")], any)
        program.send_signal(signal.SIGINT)
        said = place.said(program)
        place.wait_until_clean()
        assert said.status == 130
        assert "3 claims: 1 confirmed, 1 refuted, 1 not testable here." in said.out
        (slow,) = tmp_path.glob("runs/*-slow")
        shows = f"`harness report runs/{slow.name}` shows them, `harness reports --from runs/{slow.name}` what they say"
        assert f"Interrupted: 1 of 2 cells are done. {shows} of the claims." in said.err
        assert not (tmp_path / "page.md").exists()
        assert "The run did not finish: what is said rests on 1 of 2 cells." in place.run("report", str(slow)).out


# ---------------------------------------------------------------- from stored runs


def test_stored_runs_are_told_without_measuring(harness: Harness, tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a", "000-one"), stored(tmp_path / "a", "001-other")
    for words in (("--from", "a"), ("--from", one, "--from", other)):
        said = harness("reports", *words, "--markdown", "page.md")
        assert said.status == 0
        assert said.out.count("nginx buffers\n    confirmed\n") == 2
        assert [line for line in Path("page.md").read_text().splitlines() if line.startswith("<a ")] == [
            '<a id="000-one"></a>',
            '<a id="001-other"></a>',
        ]
    assert not Path("runs").exists()


def test_in_a_folder_of_runs_only_the_newest_of_each_report_is_taken(harness: Harness, tmp_path: Path) -> None:
    streamed = replace(BUFFERED, verdict="streamed")
    stored(tmp_path / "a", "001-b")
    stored(tmp_path / "a", "000-a", started_at="2025-11-22T08:00:00+00:00")
    stored(tmp_path / "a", "000-a", of=streamed)
    stored(tmp_path / "a", "000-a", of=streamed, started_at="2025-11-20T08:00:00+00:00")
    stored(tmp_path / "a", "default", text="title: x")
    said = harness("reports", "--from", "a")
    assert said.status == 0
    assert said.out.count("nginx buffers\n    confirmed\n") == 2
    assert "refuted" not in said.out
    left = "a: left out: 1 of its runs tested no field report; 2 are older than another of the same report\n"
    assert left in said.err
    told = [line.rsplit("Z-")[1] for line in said.err.splitlines() if line.startswith("Results and evidence")]
    assert told == ["000-a", "001-b"]


def test_a_run_that_is_named_itself_is_taken_however_old(harness: Harness, tmp_path: Path) -> None:
    stored(tmp_path / "a")
    older = stored(tmp_path / "a", of=replace(BUFFERED, verdict="streamed"), started_at="2025-11-20T08:00:00+00:00")
    said = harness("reports", "--from", older)
    assert "nginx buffers\n    refuted\n" in said.out
    assert "left out" not in said.err


def test_the_exit_status_is_the_worst_of_the_runs(harness: Harness, tmp_path: Path) -> None:
    stored(tmp_path / "a", "000-one")
    assert harness("reports", "--from", "a").status == 0
    failed = stored(tmp_path / "a", "001-other") / "results.jsonl"
    failed.write_text(failed.read_text().replace('"outcome":"observed"', '"outcome":"unstable"'))
    said = harness("reports", "--from", "a")
    assert said.status == 3
    assert "Unstable: repetitions disagree" in said.out
    died = stored(tmp_path / "a", "002-third") / "results.jsonl"
    died.write_text(died.read_text().replace('"outcome":"observed"', '"outcome":"blocked"'))
    assert harness("reports", "--from", "a").status == 3


def test_a_run_whose_report_cannot_be_read_any_more_is_still_reported(harness: Harness, tmp_path: Path) -> None:
    folder = stored(tmp_path / "runs", text="report: {sorce: x}")
    said = harness("report", folder)
    assert said.status == 0
    assert "1 cell: 1 observed" in said.out
    assert (
        "The claims of this run cannot be read any more: 999-gateway.yaml:1: report.claims: this key is req" in said.err
    )
    assert harness("reports", "--from", folder).status == 2


def test_records_are_kept_under_the_report_s_name_and_take_the_place_of_older_ones(tmp_path: Path) -> None:
    first, second = Run.open(stored(tmp_path / "a")), Run.open(stored(tmp_path / "b"))
    second.append(replace(BUFFERED, id="another"))
    for run in (first, second):
        folder = run.copy_records(tmp_path / "kept")
    assert folder == tmp_path / "kept/999-gateway"
    assert [some.id for some in Run.open(folder).results] == [BUFFERED.id, "another"]
    assert sorted(path.name for path in folder.iterdir()) == ["results.jsonl", "run.json"]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            "00",
            "'00' is the start of several field reports: give a path or a field report; allowed: 000-first, 001-second",
        ),
        ("7", "'7' is no field report: give a path or a field report; allowed: 000-first, 001-second"),
        ("smoke", "'smoke' is no field report"),
        ("plain.yaml", "plain.yaml has no key `report`, so it claims nothing: `harness matrix` measures it"),
        ("wrong.yaml", "wrong.yaml:7: report.claims: this key is required"),
        ("--from a 000", "--from takes runs as they are: give it without names and without --records"),
        ("--from a --records b", "--from takes runs as they are: give it without names and without --records"),
        ("--from nowhere", "nowhere is not a run folder"),
        ("--from plain", "no run in plain tested a field report: no matrix file of theirs has a key `report`"),
        ("--from plain/20251121T082200Z-999-gateway", "tested no field report: its matrix file has no key `report`"),
        ("--json all.json --html all.html", "--json and --html: of one field report only; name it"),
        ("000 --markdown no/out", "cannot write no/out: there is no folder no"),
        ("000 --records plain.yaml", "cannot write plain.yaml: "),
        ("000 --require iis", "--require: there is no proxy or client 'iis'"),
        ("--from stored --require iis", "--require: there is no proxy or client 'iis'"),
        ("000 --jobs 0", "'--jobs' / '-j': Input should be greater than or equal to 1"),
    ],
)
def test_wrong_words_end_with_2_before_anything_is_measured(
    harness: Harness, tmp_path: Path, shipped: None, words: str, complaint: str
) -> None:
    (tmp_path / "plain.yaml").write_text(DIRECT)
    (tmp_path / "wrong.yaml").write_text(CLAIMED.split("  claims:")[0])
    stored(tmp_path / "plain", text="title: x")
    stored(tmp_path / "stored")
    said = harness("reports", *words.split())
    assert (said.status, said.out) == (2, "")
    assert complaint in said.err
    assert "Traceback" not in said.err
    assert not Path("runs").exists()


def test_a_harness_that_ships_none_says_so(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "shipped_matrices", dict)
    said = harness("reports")
    assert said.status == 2
    assert "no field report is shipped: give a matrix file with a key `report`" in said.err


@pytest.mark.parametrize("words", ["000", "000-f", "reports/000-first", "000-first.yaml"])
def test_a_report_is_named_by_its_start_its_name_or_its_path(tmp_path: Path, shipped: None, words: str) -> None:
    name = str(tmp_path / words) if words.endswith(".yaml") else words
    (job,) = session.reports([name])
    assert job.matrix.name == "000-first"
    assert job.matrix.report


def test_the_json_of_a_run_is_what_it_was(tmp_path: Path) -> None:
    """A run knows its report by its matrix file's text alone: nothing in the format of runs has changed for it."""
    head = json.loads((stored(tmp_path) / "run.json").read_text())
    assert "report" not in head
    assert ledger.entry(Run.open(stored(tmp_path)).info, [BUFFERED])
