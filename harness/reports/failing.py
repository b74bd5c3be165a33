"""What is to be known of a cell that failed: what was measured, which hop it is, and how to look at it again. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import PurePath

from harness.documents.document import Document
from harness.model import DECIDING, Cell, Deployment, Hop, Result, RunInfo, streams, to_diagnose
from harness.reports import words
from harness.reports.notes import around

GONE = (
    "way out: put it back into the matrix; if nobody wants it any more, `harness check` forgets it with --update, and"
    " `harness diff` accepts that with --allow-missing"
)
WHOLE = ("evidence: ", "again: ", "by which hop: ")
"""How sentences begin that people copy from: no line of them is broken."""


def is_changed(result: Result) -> bool:
    """Tell whether nothing is wrong with a cell but that it is not what it was."""
    return result.outcome == "fail" and bool(result.changed and result.changed.fails) and not result.measured


def headline(result: Result) -> str:
    """Return what a failure is called first: what became of the cell, or why it is what it is."""
    return words.changed(result.changed) if result.changed and is_changed(result) else words.reason(result)


def looked_at(result: Result, measured: Mapping[Cell, Result], run: RunInfo) -> Sequence[str]:
    """Return sentences about one result, beside the headline, among the others of its run."""
    return tuple(_looked_at(result, measured, run))


def _looked_at(result: Result, measured: Mapping[Cell, Result], run: RunInfo) -> Iterator[str]:
    if result.changed and result.changed.kind == "gone":
        yield GONE
        return
    if showed := result.measured or (words.reason(result) if is_changed(result) else ""):
        yield f"measured: {showed}"
    if result.changed and not is_changed(result):
        yield words.changed(result.changed)
    beside = tuple(around(result.facts))
    yield from beside
    if beside or (result.verdict and not streams(result.verdict, result.shows)):
        yield from _hops(result, measured, run)
    if result.evidence:
        yield f"evidence: {result.evidence}"
    yield f"again: {shlex.join(_again(result, run))}"


def _again(result: Result, run: RunInfo) -> Sequence[str]:
    """Return what to type to measure a cell again. Its id does not say where a config of the user's lies, nor what is
    asked of it, or what was recorded: then it is what was typed.
    """
    match run.options:
        case ("pytest", *_):
            return run.typed(result.id)
        case _ if run.matrix_text:
            return "harness", "matrix", run.matrix_file, *run.said(DECIDING), "--only", result.id
        case ("run" | "diagnose", *_):
            return run.typed(result.id)
    return "harness", "run", result.id


def _hops(result: Result, measured: Mapping[Cell, Result], run: RunInfo) -> Iterator[str]:
    """Yield which hop of a chain it is, as far as the run tells: what the others do alone, or what finds that out."""
    cell = result.cell
    if len(cell.chain) < 2:
        yield from (f"by {hop}, the only hop" for hop in cell.chain)
        return
    alone = [(str(hop), measured.get(replace(cell, chain=(hop,)))) for hop in cell.chain]
    if known := dict.fromkeys(f"{hop} alone is {one.verdict}" for hop, one in alone if one and one.verdict):
        yield f"by which hop: {', '.join(known)}"
    elif not (recording := cell.workload.recording) or result.evidence:
        replayed = PurePath(result.evidence or "").parent.parent / recording.file if recording else None
        hops = [hop.bare for hop in cell.chain]
        own = {hop: PurePath(run.own[str(hop)]) for hop in hops if str(hop) in run.own}
        deployed = {hop: run.standing[str(hop)] for hop in hops if str(hop) in run.standing}
        file, declared = (run.matrix_file, _declared(run, deployed)) if run.matrix_text else ("", {})
        command = to_diagnose(cell, own, deployed, file, declared, replayed)
        yield f"by which hop: {shlex.join(command)} finds out"


def _declared(run: RunInfo, hops: Collection[Hop]) -> Mapping[Hop, Deployment]:
    """Return how some configs stand in chains as the run's matrix file has it, which the run keeps without queries."""
    if not hops:
        return {}
    document = _document(run.matrix_text)
    said = {hop: partial(document.at, "variants", hop.proxy, hop.variant) for hop in hops}
    return {
        hop: Deployment(_listed(of("map")), str(of("server") or ""), str(of("path") or "")) for hop, of in said.items()
    }


@lru_cache(maxsize=1)  # of a run with many failing cells it is read once
def _document(text: str) -> Document:
    return Document(text)


def _listed(given: object) -> tuple[str, ...]:
    """Return what a file has as a list, of which one may stand alone."""
    return tuple(map(str, given)) if isinstance(given, list) else (str(given),) if given else ()
