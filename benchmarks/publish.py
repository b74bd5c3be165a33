"""Publishes a run of the default matrix: its records and its page under `docs/`, its table in the README.

    python -m benchmarks.publish runs/20260101T120000Z-default

Nothing on the published pages is typed: tests render them again from the committed records and compare.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from harness.errors import HarnessError
from harness.reports import markdown
from harness.store import Run, write_text

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
RECORDS = DOCS / "default-run"
PAGE = DOCS / "default-matrix.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def published() -> Run:
    """Return the committed run."""
    return Run.open(RECORDS)


def page(run: Run) -> str:
    """Return the page with the table and the answers."""
    return markdown.render(run.info, run.results)


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


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a run folder, as `harness matrix` prints it")
    try:
        publish(parser.parse_args().folder)
    except HarnessError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
