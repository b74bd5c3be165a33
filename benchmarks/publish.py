"""Publishes runs: of the default matrix its records and page under `docs/` and its table in the README, of field
reports their records and the page of all of them; of the atlas one file with its records and traces, and its page; and
the JSON Schema of results, which the nouns call for.

    python -m benchmarks.publish default runs/20260101T120000Z-default
    python -m benchmarks.publish reports runs/20260101T120000Z-000-playground ...
    python -m benchmarks.publish atlas runs/20260101T120000Z-atlas
    python -m benchmarks.publish atlas docs/atlas-run.tar.xz     the published one, by today's rules and expectations
    python -m benchmarks.publish schema

Nothing on the published pages is typed: tests render them again from the committed records and compare.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import archive
from harness import session
from harness.claims import atlas, ledger
from harness.errors import HarnessError, InputError
from harness.judge.outcome import expected
from harness.judge.rejudge import rejudge
from harness.model import Mitigation
from harness.reports import RENDERERS, markdown
from harness.reports import json as json_report
from harness.store.runs import Run, load_traces, runs_in, write_text

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
RECORDS = DOCS / "default-run"
PAGE = DOCS / "default-matrix.md"
REPORT_RECORDS = DOCS / "field-report-runs"
REPORTS_PAGE = DOCS / "field-reports.md"
ATLAS_RUN = DOCS / "atlas-run.tar.xz"
ATLAS_PAGE = DOCS / "atlas.md"
CONFIRMED = DOCS / "confirmed.md"
CONTRADICTS = "\n## What contradicts the atlas\n"
SCHEMAS = ROOT / "harness/store/schema"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def published() -> Run:
    """Return the committed run."""
    return Run.open(RECORDS)


def page(run: Run) -> str:
    """Return the page with the table and the answers."""
    return "".join(RENDERERS["markdown"](run.info, run.results))


def with_table(readme: str, run: Run) -> str:
    """Return the README's text with the table of `run` between the markers."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + markdown.table(run.info, run.results) + END + after


def publish(folder: Path) -> None:
    """Put a run into the place of the published one. Raises InputError if the folder holds none."""
    Run.open(folder)
    RECORDS.mkdir(parents=True, exist_ok=True)
    for name in ("run.json", "results.jsonl"):
        shutil.copyfile(folder / name, RECORDS / name)
    run = published()
    write_text(PAGE, page(run))
    write_text(README, with_table(README.read_text(encoding="utf-8"), run))


def published_reports() -> list[Run]:
    """Return the committed runs of field reports, by name; none if nothing was published yet."""
    return session.stored(runs_in(REPORT_RECORDS), _tell) if REPORT_RECORDS.is_dir() else []


def reports_page(runs: Sequence[Run]) -> str:
    """Return the page of field reports."""
    return ledger.page([entry for run in runs if (entry := ledger.entry(run.info, run.results))])


def publish_reports(folders: Sequence[Path]) -> None:
    """Put runs of field reports into the place of published ones of the same names; others stay.

    A folder may be a run or hold some, of which the newest of each report is taken. Raises InputError if it has none.
    """
    for run in session.stored(folders, _tell):
        run.copy_records(REPORT_RECORDS)
    write_text(REPORTS_PAGE, reports_page(published_reports()))


def publish_atlas(given: Path) -> None:
    """Put a run into the place of the published atlas, or judge a published one again by its traces, which say what was
    measured. Raises InputError if the folder holds none."""
    if given.is_file():
        with tempfile.TemporaryDirectory() as folder:
            judged_again(archive.unpack(given, Path(folder)))
            publish_atlas(Path(folder))
        return
    run = Run.open(given)
    archive.pack(given, ATLAS_RUN)
    write_text(ATLAS_PAGE, atlas_page(run))


def atlas_page(run: Run) -> str:
    """Return the page of a run of the atlas, which says where something else was seen by hand. Raises InputError if
    nothing of the run is named where that is told.
    """
    said = CONFIRMED.read_text(encoding="utf-8").partition(CONTRADICTS)[2].partition("\n## ")[0]
    otherwise = re.findall(r"^`([^`\s]+/lockstep)`: ", said, re.MULTILINE)
    if not {result.id for result in run.results}.intersection(otherwise):
        raise InputError(f"{CONFIRMED.name} names no cell of this run below {CONTRADICTS.strip()!r}")
    return atlas.page(run.info, run.results, otherwise)


def judged_again(run: Run) -> None:
    """Write down what today's rules say of a run of the atlas, and whether that is what its matrix expects today.

    What is expected of a cell changes nothing of how it was measured. Raises InputError where the matrix has other
    cells by now, or other mitigations: those have to be measured.
    """
    matrix = session.load(run.info.name).matrix
    asked = {cell.id for cell in matrix.cells} ^ {result.id for result in run.results}
    others = [name for name, one in run.info.mitigations.items() if _done(matrix.catalogue.get(name)) != _done(one)]
    if asked or others:
        told = ", ".join([*sorted(asked), *others][:3])
        raise InputError(
            f"{run.info.name} is not what it was when {run.folder} was measured: {told}. Measure it again."
        )
    traces = {
        one.id: load_traces(run.cell_folder(one.cell)) for one in run.results if run.cell_folder(one.cell).is_dir()
    }
    results = [replace(one, expectation=expected(one.id, matrix.expectations)) for one in run.results]
    run.results_file.unlink()
    run.results.clear()
    for result in rejudge(results, traces):
        run.append(result)
    today = {name: matrix.catalogue[name] for name in run.info.mitigations}
    run.info = replace(run.info, matrix_text=matrix.text, mitigations=today)
    run.expect(len(results))


def _done(one: Mitigation | None) -> Mitigation | None:
    """Return a mitigation without words about it."""
    return one and replace(one, claim="", source="", apply={})


def schema() -> str:
    """Return the schema of the records of today's version."""
    return f"{json.dumps(json_report.schema(), indent=2)}\n"


def publish_schema() -> None:
    """Write the schema beside those of earlier versions, which stay."""
    write_text(SCHEMAS / json_report.SCHEMA_FILE, schema())


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", choices=["default", "reports", "atlas", "schema"], help="what the runs are of, or the schema"
    )
    parser.add_argument("folders", type=Path, nargs="*", metavar="RUN", help="a run folder, as the harness prints it")
    given = parser.parse_args()
    folders: list[Path] = given.folders
    wanted = {"default": len(folders) == 1, "reports": bool(folders), "atlas": len(folders) == 1, "schema": not folders}
    if not wanted[given.what]:
        parser.error("give one run folder of a matrix, some of field reports, and none for the schema")
    try:
        match given.what:
            case "default":
                publish(*folders)
            case "reports":
                publish_reports(folders)
            case "atlas":
                publish_atlas(*folders)
            case "schema":
                publish_schema()
    except HarnessError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
