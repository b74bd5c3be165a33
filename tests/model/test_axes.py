"""The axes of a cell: the table says all of them, and a new one is a field and a row, and touches nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

import harness
from harness.matrix.reading import DEFAULTS
from harness.matrix.shapes import Axes, Exclusion
from harness.model import AXES, LABELS, Cell, Hop, Workload
from harness.resources import configs

CELL = Cell((Hop("nextjs", "dev"), Hop("nginx", "gzip")), Workload("short", 24, 112))


def test_the_table_has_every_field_of_a_cell() -> None:
    assert set(AXES) == {field.name for field in fields(Cell)}
    assert set(Axes.model_fields) == set(AXES)
    assert set(Exclusion.model_fields) == {"cells", *AXES}


def test_an_id_has_a_part_for_each_axis() -> None:
    assert CELL.id == "nextjs:dev>nginx:gzip/sse/chunked/curl/aiohttp/short/none/lockstep"
    assert CELL.id.split("/") == [axis.of(CELL) for axis in AXES.values()]


def test_a_sentence_tells_an_empty_value_in_words_of_its_own() -> None:
    mitigated = Cell((), CELL.workload, mitigations=("a", "b"))
    assert [AXES["mitigations"].worded(cell) for cell in (CELL, mitigated)] == ["no mitigation", "a+b"]
    assert AXES["chain"].worded(mitigated) == "direct"


def test_an_axis_has_a_default_or_says_what_holds_without_one() -> None:
    assert {name: bool(axis.default) for name, axis in AXES.items()} == {
        name: not axis.otherwise for name, axis in AXES.items()
    }
    assert {name for name, values in DEFAULTS if values is not None} == {n for n, axis in AXES.items() if axis.default}


def test_labels_have_places_of_their_own() -> None:
    assert LABELS == ("request", "body", "format", "workload", "client", "pace")
    assert len({AXES[name].label for name in LABELS}) == len(LABELS)


def test_words_are_sorted_as_the_field_has_them_and_workloads_by_size() -> None:
    browser = Cell((), Workload("a", 24, 200), request="browser")
    assert AXES["body"].words == ("chunked", "length", "close")
    assert AXES["body"].rank(CELL) < AXES["body"].rank(replace(CELL, body="length"))
    assert AXES["request"].rank(CELL) < AXES["request"].rank(browser), "what most probes send comes first"
    assert AXES["workload"].rank(CELL) < AXES["workload"].rank(browser)


# ---------------------------------------------------------------- a new axis

FIELD = '    pace: Pace = "lockstep"\n'
TABLE_END = ")\nAXES: Mapping"
NEW_FIELD = '    tint: Literal["grey", "red"] = "grey"\n'
NEW_ROW = (
    'Axis("tint", "what tint", "red", glob_about="the tint", glob_example="r*", help="Tint: {}.", label=7, later=True),'
)
MATRIX = """\
title: t
workloads: {short: {tokens: 24, token_bytes: 112}}
axes: {chain: nginx:http10, mitigations: [none, no-cache], tint: [red, grey]}
exclude: [{tint: red, mitigations: no-cache}]
"""
USED = """
import json, sys
from harness import session
from harness.claims.separation import separation
from harness.documents import records
from harness.errors import InputError
from harness.matrix import reading, reference
from harness.model import Result, RunInfo
from harness.reports import RENDERERS, table
from harness.reports.json import schema

def refused(text):
    try:
        reading.parse(text, "m.yaml", session.known())
    except InputError as error:
        return str(error)

text = sys.stdin.read()
cells = reading.parse(text, "m.yaml", session.known()).cells
results = [Result(cell.id, cell, "observed", "", verdict="streamed") for cell in cells]
stored = json.loads(records.dump(results[-1]))
del stored["cell"]["tint"]
report = json.loads("".join(RENDERERS["json"](RunInfo("m", "t", "", "", "", ""), results)))
print(json.dumps({
    "ids": [cell.id for cell in cells],
    "refused": refused(text.replace("[red, grey]", "blue")),
    "separated by": separation(cells[:2], cells[2:]).axes,
    "shown": table.tabulate(results, {}).axes,
    "layers": [layer["tint"] for layer in report["layers"]],
    "schema": schema()["$defs"]["Layer"]["properties"]["tint"]["type"],
    "page": [line for line in reference.page().splitlines() if "`tint`" in line],
    "stored before": records.load_result(json.dumps(stored)).cell.tint,
}))
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package whose table has one axis more."""
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(Path(harness.__file__).parent, folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "configs").symlink_to(configs())
    file = folder / "harness/model/axes.py"
    text = file.read_text()
    assert (text.count(FIELD), text.count(TABLE_END)) == (1, 1)
    file.write_text(text.replace(FIELD, FIELD + NEW_FIELD).replace(TABLE_END, f"{NEW_ROW}\n{TABLE_END}"))
    (folder / "m.yaml").write_text(MATRIX)
    return folder


def called(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the changed package."""
    env = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "120", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        input=MATRIX,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=env,
    )


@pytest.mark.proxies
def test_a_new_axis_is_read_expanded_told_apart_shown_and_stored(changed: Path) -> None:
    done = called(changed, "-c", USED)
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "ids": [
            "direct/sse/chunked/curl/aiohttp/short/none/lockstep/tint=red",
            "nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep/tint=red",
            "direct/sse/chunked/curl/aiohttp/short/none/lockstep",
            "nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep",
            "nginx:http10/sse/chunked/curl/aiohttp/short/no-cache/lockstep",
        ],
        "refused": "m.yaml:3: axes.tint: 'blue' is not allowed; allowed: grey, red",
        "separated by": ["tint"],
        "shown": ["request", "body", "tint"],
        "layers": ["grey", "red"],
        "schema": "string",
        "page": [
            "| `tint` | what tint | `grey`, `red` or a list of them | `grey` | `red` |",
            '| `tint` | the tint | text or a list of them |  | `"r*"` |',
        ],
        "stored before": "grey",
    }


@pytest.mark.proxies
def test_a_new_axis_is_an_option_and_what_is_wrong_with_it_is_told_so(changed: Path) -> None:
    assert re.search(r"--tint +TINT +Tint: grey or red\.", called(changed, "-m", "harness", "run", "--help").stdout)
    done = called(changed, "-m", "harness", "run", "--chain", "direct", "--tint", "blue")
    assert done.stderr == "harness: --tint: 'blue' is not allowed; allowed: grey, red\n"
