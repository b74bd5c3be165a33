"""The key `report`, read out of a matrix file or out of a run that has kept the file's text. Pure.

Rule: in a matrix file every glob has to match a cell that can show what is asked for, and every metric has to exist;
a run's text is taken as it is, for the cells that it once expanded to are there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import ConfigDict

from harness.documents import earlier
from harness.documents.document import Document
from harness.documents.keys import Shape
from harness.errors import KeyPath, allowed
from harness.matrix.globs import matching, near
from harness.matrix.report_shapes import ReportShape
from harness.model import METRICS, REFERENCES, Cell, Claim, FieldReport, RunInfo


class Excerpt(Shape):
    """A matrix file of which only the report is of interest."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    report: ReportShape | None = None


def of_run(run: RunInfo) -> FieldReport | None:
    """Return the report that a run was to test; None if it had none. Raises InputError if it cannot be read."""
    if not run.matrix_text:
        return None
    document = Document(run.matrix_text, run.matrix_file)
    document.data = earlier.matrix(document.data)
    report = document.shape(Excerpt).report
    return report.named() if report else None


def of_file(document: Document, shape: ReportShape | None, cells: Sequence[Cell]) -> FieldReport | None:
    """Return the report of a matrix file with these cells; what cannot be meant is rejected in the document."""
    if shape is None:
        return None
    by_id = {cell.id: cell for cell in cells}
    _globs(document, shape.symptom, ("report", "symptom"), by_id)
    for index, part in enumerate(shape.parts):
        _globs(document, part.cells, ("report", "parts", index, "cells"), by_id)
    report = shape.named()
    for index, claim in enumerate(report.claims):
        _claim(document, claim, ("report", "claims", index), by_id)
    return report


def _globs(document: Document, globs: Sequence[str], path: KeyPath, ids: Collection[str]) -> bool:
    """Reject globs that match no cell, and say whether all of them match."""
    missing = [index for index, glob in enumerate(globs) if not matching(ids, [glob])]
    for index in missing:
        document.reject((*path, index), f"{globs[index]!r} matches no cell{near(globs[index], list(ids))}")
    return not missing


def _claim(document: Document, claim: Claim, path: KeyPath, by_id: Mapping[str, Cell]) -> None:
    for limit in claim.limits:
        if limit.metric not in METRICS:
            complaint = f"unknown metric {limit.metric!r}; {allowed(limit.metric, METRICS)}"
            document.reject((*path, "metrics", limit.metric), complaint)
        elif limit.of and limit.of not in REFERENCES:
            _share(document, limit.metric, limit.of, (*path, "metrics", limit.metric, "of"))
    place: KeyPath = (*path, "cells")
    if not _globs(document, claim.cells, place, by_id):
        return
    meant = [by_id[one] for one in matching(by_id, claim.cells)]
    if meant and not any(claim.concerns(cell) for cell in meant):
        what = "an effect" if claim.effect else "a baseline to compare with"
        document.reject(place, f"no cell that they match has mitigations, so none has {what}")
    if claim.readers and len({replace(cell, client="*") for cell in meant}) == len(meant):
        document.reject(place, "they match no stream that several clients read, so there are no readers to compare")


def _share(document: Document, metric: str, whole: str, path: KeyPath) -> None:
    """Reject a share of what is no figure, or of one in another unit."""
    if whole not in METRICS:
        document.reject(path, f"unknown metric {whole!r}; {allowed(whole, METRICS)}")
    elif _unit(metric) != _unit(whole):
        document.reject(path, f"{metric} is no share of {whole}: they have different units")


def _unit(metric: str) -> str:
    return next((unit for unit in ("_ms", "_bytes") if metric.endswith(unit)), "")
