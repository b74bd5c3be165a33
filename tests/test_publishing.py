"""What is published again is what was measured, judged by today's rules, in today's words; else nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import publish
from harness import session
from harness.errors import InputError
from harness.store.runs import Run
from tests.factories import BUFFERED, story
from tests.reports.samples import result, run_info

MATRIX = """\
title: Mine
mitigations:
  mine:
    {claim: It streams., source: ours, cost: header, response_headers: {X-Mine: "1"}}
workloads: {w: {tokens: 4, token_bytes: 80}}
include:
  - {chain: nginx:default, workload: w, mitigations: [none, mine]}
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose results say that all streams; the traces say something else."""
    file = tmp_path / "mine.yaml"
    file.write_text(MATRIX)
    job = session.load(str(file))
    mine = {"mine": job.matrix.catalogue["mine"]}
    run = Run.create(tmp_path / "runs", run_info(name=str(file), matrix_text=MATRIX, mitigations=mine))
    for cell in job.cells:
        run.save_trace(replace(story(BUFFERED), cell_id=cell.id), cell, 1)
        run.append(result(cell, "streamed"))
    return run


def test_a_run_is_judged_by_its_traces_and_told_in_the_words_of_today(run: Run) -> None:
    today = (
        f"{MATRIX.replace('It streams', 'It may stream')}expect: [{{cells: '*/none/*', verdict: buffered, why: so}}]\n"
    )
    Path(run.info.name).write_text(today)
    publish.judged_again(run)
    assert {one.verdict for one in run.results} == {"buffered"}
    assert [bool(one.expectation) for one in run.results] == ["/none/" in one.id for one in run.results]
    assert run.info.matrix_text == today
    assert run.info.mitigations["mine"].claim == "It may stream."
    assert Run.open(run.folder).results == run.results


@pytest.mark.parametrize(
    ("was", "becomes", "what"),
    [
        ('X-Mine: "1"', 'X-Mine: "2"', "mine"),
        ("[none, mine]", "[none]", "nginx:default"),
        ("nginx:default", "nginx:gzip", "nginx:default"),
    ],
)
def test_what_was_not_measured_like_this_is_not_judged_like_this(run: Run, was: str, becomes: str, what: str) -> None:
    before = list(run.results)
    Path(run.info.name).write_text(MATRIX.replace(was, becomes))
    with pytest.raises(InputError, match=rf"is not what it was when .* was measured: .*{what}.*Measure it again"):
        publish.judged_again(run)
    assert Run.open(run.folder).results == before


def test_no_page_is_made_that_leads_to_nothing_that_was_seen_by_hand(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "confirmed.md"
    other.write_text(publish.CONFIRMED.read_text().replace(publish.CONTRADICTS, "\n## Something else\n"))
    monkeypatch.setattr(publish, "CONFIRMED", other)
    with pytest.raises(InputError, match="names no cell of this run below '## What contradicts the atlas'"):
        publish.atlas_page(run)
