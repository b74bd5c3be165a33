"""One JSON document for programs: the run, its counts, what defeats each layer, and every result. Pure.

Its schema is `harness/store/schema/results.v2.json`, in which `$defs/Result` describes a line of results.jsonl; here
the reason of a refused stream also says where to look.
`python -m benchmarks.publish schema` writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import indent
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from harness.documents import records
from harness.documents.keys import with_keys
from harness.model import LABELS, Manner, Outcome, Result, RunInfo
from harness.reports import summary, words
from harness.reports.table import Row, tabulate

INDENT = "    "
"""What a result is indented by, where it stands."""


@with_keys(dict.fromkeys(("chain", *LABELS), (str, ...)))
class Place(BaseModel):
    """Where a layer lies, axis by axis."""


class Layer(Place):
    """One row of the table. `status` is the verdict without mitigation, or why there is none; `shows` is what a person
    sees of the stream as asked, None where that is not known.

    `defeated_by` and its like name mitigations, cheapest first; `emulates` has the claims that were played, if the
    layer is no real proxy.
    """

    status: str
    shows: Manner | None
    defeated_by: tuple[str, ...]
    reduced_by: tuple[str, ...]
    harmed_by: tuple[str, ...]
    emulates: tuple[str, ...]


SCHEMA_FILE = f"results.v{records.SCHEMA_VERSION}.json"


@dataclass(frozen=True, slots=True)
class JsonReport:
    """The whole report."""

    schema_version: Literal[2]
    run: RunInfo
    counts: Mapping[Outcome, int]
    layers: tuple[Layer, ...]
    results: tuple[Result, ...]


def pieces(run: RunInfo, results: Sequence[Result], /) -> Iterator[str]:
    """Yield the report as JSON, result by result, with what comes before them in one piece."""
    table = tabulate(results, run.mitigations)
    report = JsonReport(
        schema_version=records.SCHEMA_VERSION,
        run=run,
        counts=summary.counts(results),
        layers=tuple(map(_layer, table.rows)),
        results=(),
    )
    before, after = _indented(report).rsplit("[]", 1)
    yield f"{before}["
    apart = "\n"
    for result in results:
        told = _indented(replace(result, reason=words.reason(result)))
        yield f"{apart}{indent(told, INDENT)}"
        apart = ",\n"
    yield f"\n  ]{after}\n" if results else f"]{after}\n"


def _indented(record: object) -> str:
    return json.dumps(records.plain(record), allow_nan=False, indent=2)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the report."""
    described = TypeAdapter(JsonReport).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of the token-stream harness, version {records.SCHEMA_VERSION}",
        **{key: value for key, value in described.items() if key != "title"},
    }


def _layer(row: Row) -> Layer:
    place: dict[str, Any] = {axis: row.value(axis) for axis in ("chain", *LABELS)}
    return Layer(
        **place,
        status=row.status,
        shows=row.baseline.shows.manner if row.baseline and row.baseline.shows else None,
        defeated_by=tuple(column.name for column in row.defeats),
        reduced_by=tuple(column.name for column in row.reduces),
        harmed_by=tuple(column.name for column in row.harms),
        emulates=row.emulates,
    )
