"""Writes the nouns as JSON and reads them back exactly. Pure: text in, text out.

Rules: what is read back equals what was written; the text is ASCII, so that a response header with stray bytes
survives; unknown keys are ignored, so that a reader takes what it knows of a newer record.
`SCHEMA_VERSION` goes up when a record changes in a way that an older reader would misread; `earlier.py` makes records
of the versions before into those of today, so that what was kept goes on being read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from harness.documents import earlier
from harness.model import Result, RunInfo, Trace

SCHEMA_VERSION: Literal[2] = 2
READABLE = (1, 2)
_RECORDED: dict[str, Any] = {"workload": {"recording": {"writes"}}}
APART: Mapping[type, Any] = {
    Trace: {"body": True, "plan": {"emission": _RECORDED}},
    Result: {"cell": _RECORDED},
}
"""What of a noun is kept in files of its own: no text, or the same for many."""


def dump(record: object) -> str:
    """Return a noun as one line of JSON."""
    return json.dumps(plain(record), allow_nan=False, separators=(",", ":"))


def plain(record: object) -> Any:
    """Return a noun as dicts, lists and scalars; the body of a trace, and what a recording sends, stay out."""
    return to_jsonable_python(record, exclude=APART.get(type(record)))


def load_result(text: str) -> Result:
    """Return the result that a line tells of. Raises ValueError if it tells of none."""
    result: Result = _adapter(Result).validate_python(earlier.result(json.loads(text)))
    return result


def load_run(fields: Mapping[str, Any]) -> RunInfo:
    """Return the head of a run. Raises ValueError if something in it is missing or wrong."""
    run: RunInfo = _adapter(RunInfo).validate_python(fields)
    return run


def load_trace(text: str, body: bytes) -> Trace:
    """Return the trace whose body was kept apart; a recording in it is only named. Raises ValueError if it is none."""
    trace: Trace = _adapter(Trace).validate_python({**earlier.trace(json.loads(text), body), "body": body})
    return trace


@cache
def _adapter(noun: type) -> TypeAdapter[Any]:
    return TypeAdapter(noun)
