"""The table in words: what defeats each layer, cheapest first. Pure.

Rules: layers of one chain that do and show the same and have the same remedies are told together; a layer that
streams as it is and that no mitigation harms needs no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from harness.reports import words
from harness.reports.table import Column, Row, Table, mark


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about one layer, or about several that behave alike."""

    chain: str
    layers: str
    status: str
    found: str
    streams: bool
    reason: str
    defeats: tuple[Column, ...]
    reduces: tuple[Column, ...]
    harms: tuple[Column, ...]
    tried: int
    emulates: tuple[str, ...]

    @property
    def undefeated(self) -> str:
        """What to say where nothing defeats the layer; not a word if nothing was tried, or nothing could be."""
        if self.streams:
            return "not needed: it holds nothing"
        if not self.tried or self.status == "broken":
            return ""
        return f"nothing that was tried ({words.counted(self.tried, 'mitigation')})"


def answers(table: Table) -> tuple[Answer, ...]:
    """Return what there is to say about each layer that holds tokens, or that a mitigation harms."""
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in table.rows:
        if row.baseline and row.baseline.outcome in ("pass", "fail", "observed") and not _at_ease(row):
            key = (row.chain, row.found, row.defeats or (_tried(row), _broken_too(row)), row.reduces, row.harms)
            alike.setdefault(key, []).append(row)
    return tuple(_answer(rows, table.axes) for rows in alike.values())


def at_ease(table: Table) -> Mapping[str, str]:
    """Return the layers that stream as they are, by chain; the text is empty where these are all of a chain's."""
    calm: dict[str, str] = {}
    for chain, rows in table.chains().items():
        easy = [row for row in rows if _at_ease(row)]
        if easy:
            calm[chain] = "" if len(easy) == len(rows) else labels(easy, table.axes)
    return calm


def controls(table: Table) -> str:
    """Return how the plain direct streams did, which must stream for anything else to mean something."""
    streamed = sum(words.status(result) == "streamed" for result in table.controls)
    return f"Controls: {streamed} of {words.counted(len(table.controls), 'direct stream')} streamed."


def labels(rows: Sequence[Row], axes: Sequence[str]) -> str:
    """Name several layers of one chain, in short if they are all combinations of some values."""
    values = [list(dict.fromkeys(row.value(axis) for row in rows)) for axis in axes]
    if prod(map(len, values)) == len(rows):
        return " ".join("/".join(one_axis) for one_axis in values)
    return ", ".join(" ".join(row.value(axis) for axis in axes) for row in rows)


def _at_ease(row: Row) -> bool:
    return row.streams and not row.harms


def _tried(row: Row) -> int:
    """Return how many mitigations were judged on a layer."""
    return sum(mark(result) != "unknown" for result in row.results.values())


def _broken_too(row: Row) -> int:
    """Return how many mitigations leave a layer broken."""
    return sum(words.status(result) == "broken" for result in row.results.values())


def _answer(rows: Sequence[Row], axes: Sequence[str]) -> Answer:
    first = rows[0]
    reasons = list(dict.fromkeys(words.reason(row.baseline) for row in rows if row.baseline))
    reason = reasons[0] if len(reasons) == 1 else f"for one, {reasons[0]}"
    if first.status == "broken" and (still := _broken_too(first)):
        reason += f"; broken with {words.counted(still, 'mitigation')}, too"
    return Answer(
        chain=first.chain,
        layers=labels(rows, axes),
        status=first.status,
        found=first.found,
        streams=first.streams,
        reason=reason,
        defeats=first.defeats,
        reduces=first.reduces,
        harms=first.harms,
        tried=_tried(first),
        emulates=first.emulates,
    )
