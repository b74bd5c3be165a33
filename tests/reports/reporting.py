"""Makes a field report to tell of, and what was measured for it; and tells of results as users are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.claims.ledger import Entry
from harness.model import Cell, Claim, Effect, FieldReport, Part, Result, RunInfo, Verdict
from harness.reports import RENDERERS
from tests.reports.samples import cell, result, run_info

APP = result(cell("asgi:plain"), "streamed")
PROXY = result(cell("nextjs:dev"), "buffered")
WHOLE = result(cell("nextjs:dev>asgi:plain"), "buffered")
PARTS = (Part("the app alone", ("asgi:plain/*",)), Part("the dev proxy alone", ("nextjs:dev/*",)))


def report(*claims: Claim, **others: Any) -> FieldReport:
    fields: dict[str, Any] = {"symptom": ("nextjs:dev>*/none/*",), "parts": PARTS, **others}
    return FieldReport("field report 999", "It came at once.", claims=claims or (BUFFERS,), **fields)


BUFFERS = Claim("the dev proxy buffers", "Root Cause", ("nextjs:*/none/*",), verdict=("buffered",))


def entry(results: Sequence[Result], told: FieldReport | None = None, **info: Any) -> Entry:
    return Entry(run_info(**{"name": "999-sample", **info}), results, told or report())


def tried(name: str, verdict: Verdict, effect: Effect | None, of: Cell = WHOLE.cell, **others: Any) -> Result:
    mitigated = replace(of, mitigations=tuple(name.split("+")))
    return result(mitigated, verdict, effect, **{"baseline_id": of.id, **others})


def told(renderer: str, results: Sequence[Result], run: RunInfo | None = None) -> str:
    """Return a whole document, as whoever asks for it gets it."""
    return "".join(RENDERERS[renderer](run or run_info(), results))
