"""The published field reports: the page is what the committed runs say, and those are of the matrices as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import publish
from harness import session
from harness.reports import summary
from harness.store.runs import Run, check_writable
from tests.reports.samples import cell, result, run_info

SHIPPED = {
    name.removeprefix(session.REPORTS) for name in session.shipped_matrices() if name.startswith(session.REPORTS)
}
PUBLISHED = publish.published_reports()
KEPT = "report: {source: us, story: x, symptom: '*', claims: [{claim: c, cells: '*', verdict: %s}]}\n"

each = pytest.mark.parametrize("run", PUBLISHED, ids=lambda run: run.info.name)


def test_the_page_is_what_the_published_runs_say() -> None:
    assert publish.REPORTS_PAGE.read_text(encoding="utf-8") == publish.reports_page(PUBLISHED), (
        "harness reports --from docs/field-report-runs --markdown docs/field-reports.md"
    )


def test_every_shipped_field_report_is_published() -> None:
    assert {run.info.name for run in PUBLISHED} == SHIPPED


@each
def test_a_published_run_is_whole_of_the_matrix_as_it_is_and_as_expected(run: Run) -> None:
    matrix = publish.ROOT / "configs/matrices/reports" / f"{run.info.name}.yaml"
    assert run.info.finished_at
    assert run.info.matrix_text == matrix.read_text(encoding="utf-8")
    assert summary.exit_status(run.info, run.results) == 0


@each
def test_a_published_run_has_no_traces_and_names_no_path_of_the_machine_it_was_measured_on(run: Run) -> None:
    assert sorted(path.name for path in run.folder.iterdir()) == ["results.jsonl", "run.json"]
    for path in run.folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert [root for root in ("/home/", "/root/", "/tmp/", "/work/", "/Users/") if f'"{root}' in text] == []


# ---------------------------------------------------------------- publishing


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docs folder without anything in it."""
    folder = tmp_path / "docs"
    folder.mkdir()
    monkeypatch.setattr(publish, "REPORT_RECORDS", folder / "field-report-runs")
    monkeypatch.setattr(publish, "REPORTS_PAGE", folder / "field-reports.md")
    return folder


def measured(root: Path, name: str, verdict: str) -> Path:
    run = Run.create(root, run_info(name=name, matrix_text=KEPT % verdict, matrix_file=f"{name}.yaml", cells=1))
    run.append(result(cell(), "buffered"))
    (run.evidence(cell()) / "trace.json").write_text("{}")
    run.finish()
    return run.folder


def test_a_report_is_published_beside_the_others_and_in_the_place_of_its_earlier_run(
    docs: Path, tmp_path: Path
) -> None:
    assert publish.published_reports() == []
    publish.publish_reports([measured(tmp_path, "001-b", "buffered"), measured(tmp_path, "000-a", "streamed")])
    page = publish.REPORTS_PAGE.read_text()
    assert page == publish.reports_page(publish.published_reports())
    assert page.index("#000-a") < page.index("#001-b")
    assert page.count("**refuted**") == 1
    publish.publish_reports([measured(tmp_path, "000-a", "buffered")])
    assert publish.REPORTS_PAGE.read_text().count("**confirmed**") == 2
    assert sorted(path.name for path in (docs / "field-report-runs/000-a").iterdir()) == ["results.jsonl", "run.json"]


def test_the_page_changes_with_the_runs(docs: Path, tmp_path: Path) -> None:
    publish.publish_reports([measured(tmp_path, "000-a", "buffered")])
    records = docs / "field-report-runs/000-a/results.jsonl"
    records.write_text(records.read_text().replace('"verdict":"buffered"', '"verdict":"streamed"'))
    assert publish.REPORTS_PAGE.read_text() != publish.reports_page(publish.published_reports())


def test_the_command_line_and_the_publisher_make_the_same_page(docs: Path, tmp_path: Path) -> None:
    check_writable(publish.REPORTS_PAGE)
    publish.publish_reports([measured(tmp_path, "000-a", "buffered")])
    told: list[str] = []
    stored = session.stored([publish.REPORT_RECORDS], told.append)
    assert told == []
    assert publish.reports_page(stored) == publish.REPORTS_PAGE.read_text()
