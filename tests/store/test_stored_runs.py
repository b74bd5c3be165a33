"""`harness report` and `harness diff`: what is said of runs that are on disk, whole, killed or changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model import Option, Result
from harness.store.runs import Run, latest
from tests.commanding import Harness
from tests.reports.samples import cell, result, run_info, trace
from tests.sandbox import DIRECT

STREAMED = result(cell("nginx:buffering-off"), "streamed", outcome="pass")
BUFFERED = result(cell("nginx:http10"), "buffered", outcome="pass")


def stored(root: Path, *results: Result, killed_at: int | None = None, **head: Any) -> Path:
    """Put a run on disk; one that was `killed_at` so many cells never finished."""
    run = Run.create(root, run_info(finished_at=None, cells=len(results), **head))
    for some in results[:killed_at]:
        run.append(some)
    if killed_at is None:
        run.finish()
    return run.folder


def test_a_finished_run_is_reported_with_its_own_exit_status(harness: Harness, tmp_path: Path) -> None:
    failed = replace(BUFFERED, outcome="fail", reason="expected streamed, got buffered")
    stored(tmp_path / "runs", STREAMED, failed)
    said = harness("report", "--json", "out.json")
    assert said.status == 1
    assert "2 cells: 1 pass, 1 fail. Exit status 1: an expectation failed." in said.out
    assert "cut off" not in said.err
    assert len(json.loads(Path("out.json").read_text())["results"]) == 2


def test_a_killed_run_is_reported_without_its_torn_line(harness: Harness, tmp_path: Path) -> None:
    lines = stored(tmp_path / "runs", STREAMED, BUFFERED, killed_at=2) / "results.jsonl"
    lines.write_bytes(lines.read_bytes()[:-30])
    said = harness("report")
    assert said.status == 3
    assert "1 of 2 cells: 1 pass. Exit status 3: the run did not finish." in said.out
    assert "as expected" not in said.out
    assert "The last line of results.jsonl was cut off" in said.err


def test_a_run_that_was_killed_before_its_first_cell_is_reported_as_empty(harness: Harness, tmp_path: Path) -> None:
    stored(tmp_path / "runs", STREAMED, killed_at=0)
    said = harness("report")
    assert said.status == 3
    assert "0 of 1 cell. Exit status 3: the run did not finish." in said.out


def test_an_unfinished_run_passes_no_check(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    stored(tmp_path / "runs", STREAMED, BUFFERED, killed_at=1)
    assert harness("diff", earlier).status == 3
    assert harness("diff", earlier, "--allow-missing").status == 3


def test_a_run_without_traces_cannot_be_judged_again(harness: Harness, tmp_path: Path) -> None:
    folder = stored(tmp_path / "runs", STREAMED)
    said = harness("report", folder, "--rejudge")
    assert (said.status, said.out) == (2, "")
    assert f"{folder} has results but no traces, so it cannot be judged again" in said.err


@pytest.mark.proxies
def test_judging_a_run_again_gives_the_same_results(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    assert harness("matrix", "m.yaml", "--json", "first.json").status == 0
    assert harness("report", "--rejudge", "--json", "again.json").status == 0
    assert json.loads(Path("again.json").read_text()) == json.loads(Path("first.json").read_text())


@pytest.mark.proxies
def test_judging_again_forgets_what_was_written_and_looks_at_the_trace(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    harness("matrix", "m.yaml")
    lines = latest(Path("runs")) / "results.jsonl"
    lines.write_text(lines.read_text().replace('"verdict":"streamed","effect"', '"verdict":"buffered","effect"'))
    for words, verdict in ((("report",), "buffered"), (("report", "--rejudge"), "streamed")):
        harness(*words, "--json", "out.json")
        results = json.loads(Path("out.json").read_text())["results"]
        assert {some["verdict"] for some in results} == {verdict}


@pytest.mark.parametrize("command", [("check", "--against"), ("diff",)])
def test_a_run_like_an_earlier_one_passes_the_check(harness: Harness, tmp_path: Path, command: tuple[str, ...]) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    later = stored(tmp_path / "runs", STREAMED, BUFFERED)
    for words in ((later,), ()):
        said = harness(*command, earlier, *words)
        assert said.status == 0
        assert f"Held against {earlier}: 2 as they were." in said.out


def as_in_version_1(record: Any) -> Any:
    """Return a record with hops as version 1 had them: all that follows the colon is the variant."""
    match record:
        case {"proxy": proxy, "variant": variant, "version": "", "options": list(options)}:
            items = ",".join(str(Option(**option)) for option in options).replace("h11,uvloop", "uvloop,h11")
            return {"proxy": proxy, "variant": f"{variant}@{items}" if items else variant}
        case {"schema_version": 2, **head}:
            return {"schema_version": 1, **head}
        case dict():
            return {key: as_in_version_1(value) for key, value in record.items()}
        case list():
            return list(map(as_in_version_1, record))
        case str():
            return record.replace("h11,uvloop", "uvloop,h11")
    return record


def rewritten(folder: Path) -> Path:
    """Return a copy of a run as version 1 would have written it."""
    old = folder.parent.parent / "old" / folder.name
    shutil.copytree(folder, old)
    for file in (old / "run.json", old / "results.jsonl", *old.glob("cells/*/trace.json")):
        lines = [file.read_text()] if file.name == "run.json" else file.read_text().splitlines()
        file.write_text("".join(f"{json.dumps(as_in_version_1(json.loads(line)))}\n" for line in lines))
    assert '"variant": "plain@uvloop,h11,PAUSE_S=0"' in (old / "results.jsonl").read_text()
    return old


def test_a_run_of_version_1_is_reported_judged_again_and_held_against_as_one_of_today(
    harness: Harness, tmp_path: Path
) -> None:
    cells = [cell(f"asgi:plain{items}") for items in ("", "@PAUSE_S=0", "@h11,uvloop,PAUSE_S=0")]
    run = Run.create(tmp_path / "runs", run_info(finished_at=None, cells=3))
    for one in cells:
        evidence = run.save_trace(trace(one), one).relative_to(run.folder)
        run.append(result(one, evidence=str(evidence)))
    run.finish()
    old = rewritten(run.folder)
    for words in ((), ("--rejudge",)):
        told = []
        for folder in (run.folder, old):
            harness("report", folder, *words, "--json", "out.json")
            told.append(json.loads(Path("out.json").read_text()))
        today, earlier = told
        assert [one["id"] for one in today["results"]] == [one.id for one in cells]
        assert earlier == today
    for against, folder in ((run.folder, old), (old, run.folder)):
        said = harness("diff", against, folder)
        assert (said.status, f"Held against {against}: 3 as they were." in said.out) == (0, True)


def test_a_changed_verdict_fails_and_both_verdicts_are_named(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    stored(tmp_path / "runs", replace(STREAMED, verdict="coalesced", reason="as seen"), BUFFERED)
    said = harness("diff", earlier, "--json", "out.json", "--junit", "out.xml")
    assert said.status == 1
    assert f"  worse: coalesced, was streamed\n    {STREAMED.id}\n      measured: as seen\n" in said.out
    assert f"      again: harness run {STREAMED.id}\n" in said.out
    assert f"Held against {earlier}: 1 as they were, 1 worse." in said.out
    changed = json.loads(Path("out.json").read_text())["results"][0]["changed"]
    assert (changed["kind"], changed["fails"]) == ("worse", True)
    assert 'failure message="worse: coalesced, was streamed"' in Path("out.xml").read_text()


def test_where_the_evidence_is_can_be_followed_from_here(harness: Harness, tmp_path: Path) -> None:
    failed = replace(BUFFERED, outcome="fail", reason="expected streamed, got buffered", evidence="cells/a")
    folder = stored(tmp_path / "runs", failed)
    said = harness("report", "--junit", "out.xml", "--json", "out.json")
    place = f"evidence: {folder.relative_to(tmp_path)}/cells/a"
    assert f"      {place}\n" in said.out
    assert f"\n{place}\n" in Path("out.xml").read_text()
    assert json.loads(Path("out.json").read_text())["results"][0]["evidence"] == "cells/a", "below the run's folder"


def test_what_got_better_is_told_and_fails_only_strictly(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", BUFFERED)
    stored(tmp_path / "runs", replace(BUFFERED, verdict="streamed"))
    said = harness("diff", earlier)
    assert (said.status, "Better than in the baseline\n  streamed, was buffered\n" in said.out) == (0, True)
    assert harness("diff", earlier, "--strict").status == 1


def test_a_cell_that_lost_its_verdict_fails(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    stored(tmp_path / "runs", STREAMED, replace(BUFFERED, verdict=None, outcome="unavailable", reason="no nginx"))
    said = harness("diff", earlier, "--junit", "out.xml")
    assert said.status == 3
    assert "what the baseline has could not be measured" in said.out
    assert '<failure message="no nginx"' in Path("out.xml").read_text(), "to skip it would not be enough"


def test_a_cell_that_is_gone_fails_unless_it_may(harness: Harness, tmp_path: Path) -> None:
    gone = (BUFFERED, replace(BUFFERED, id="never judged", verdict=None, outcome="unavailable"))
    earlier = stored(tmp_path / "earlier", STREAMED, *gone)
    stored(tmp_path / "runs", STREAMED)
    said = harness("diff", earlier)
    assert said.status == 1
    assert f"gone: was buffered\n    {BUFFERED.id}\n" in said.out
    allowed = harness("diff", earlier, "--allow-missing")
    assert (allowed.status, "1 as they were." in allowed.out) == (0, True)


def test_a_run_held_against_itself_is_refused(harness: Harness, tmp_path: Path) -> None:
    said = harness("diff", stored(tmp_path / "runs", STREAMED))
    assert (said.status, said.out) == (2, "")
    assert "cannot be held against itself" in said.err


def test_a_check_against_other_cells_checks_nothing_and_ends_with_5(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", BUFFERED)
    stored(tmp_path / "runs", STREAMED)
    said = harness("diff", earlier)
    assert (said.status, said.out) == (5, "")
    assert "there is nothing to compare" in said.err
