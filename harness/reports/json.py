"""One JSON document for programs: the run, its counts, what defeats each layer, and every result. Pure.

Its schema is `harness/store/schema/results.v2.json`, in which `$defs/Result` describes a line of results.jsonl; here
the reason of a refused stream also says where to look.
`python -m harness.reports.json` prints it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from harness.documents import records
from harness.model import Outcome, Result, RunInfo
from harness.reports import summary, words
from harness.reports.table import Row, tabulate


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the table. `status` is the verdict without mitigation, or why there is none.

    `defeated_by` and its like name mitigations, cheapest first; `emulates` has the claims that were played, if the
    layer is no real proxy.
    """

    chain: str
    request: str
    body: str
    format: str
    workload: str
    client: str
    pace: str
    status: str
    defeated_by: tuple[str, ...]
    reduced_by: tuple[str, ...]
    harmed_by: tuple[str, ...]
    emulates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report."""

    schema_version: Literal[2]
    run: RunInfo
    counts: Mapping[Outcome, int]
    layers: tuple[Layer, ...]
    results: tuple[Result, ...]


def render(run: RunInfo, results: Sequence[Result], /) -> str:
    """Return the report as JSON."""
    table = tabulate(results, run.mitigations)
    document = Document(
        schema_version=records.SCHEMA_VERSION,
        run=run,
        counts=summary.counts(results),
        layers=tuple(map(_layer, table.rows)),
        results=tuple(replace(result, reason=words.reason(result)) for result in results),
    )
    return json.dumps(records.plain(document), allow_nan=False, indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the report."""
    described = TypeAdapter(Document).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of the token-stream harness, version {records.SCHEMA_VERSION}",
        **{key: value for key, value in described.items() if key != "title"},
    }


def _layer(row: Row) -> Layer:
    return Layer(
        chain=row.chain,
        request=row.layer.request,
        body=row.layer.body,
        format=row.layer.format,
        workload=row.layer.workload.name,
        client=row.layer.client,
        pace=row.layer.pace,
        status=row.status,
        defeated_by=tuple(column.name for column in row.defeats),
        reduced_by=tuple(column.name for column in row.reduces),
        harmed_by=tuple(column.name for column in row.harms),
        emulates=row.emulates,
    )


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
