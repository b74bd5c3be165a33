"""Draws the table with one character per cell, so that all mitigations fit beside a layer. Pure.

Each chain is a heading, which also carries the letters of the mitigations that were tried on it; the legend below
says what the letters stand for, by kind of cost. Columns stand two apart where the width allows it, else side by
side; when even that is too wide, the table goes on in a second band below the first.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from harness.model import Result
from harness.reports import words
from harness.reports.glyphs import MEANINGS, Glyphs
from harness.reports.table import Axis, Column, Row, Table, by_cost, mark

LETTERS = string.ascii_letters
STYLES: Mapping[str, str] = {
    "defeats": "bold green",
    "reduces": "yellow",
    "no effect": "dim",
    "not needed": "dim",
    "harms": "bold red",
    "unknown": "magenta",
    "streamed": "green",
    "delayed": "yellow",
    "coalesced": "yellow",
    "buffered": "red",
    "broken": "bold red",
}


@dataclass(frozen=True, slots=True)
class Band:
    """The columns that fit beside the labels: the place and letter of each."""

    places: Mapping[Column, int]
    letters: Mapping[Column, str]


def lines(table: Table, width: int, glyphs: Glyphs) -> Iterator[Text]:
    """Yield the drawn table, its legend included."""
    labels = Labels(table)
    yield labels.heading()
    for number, band in enumerate(_bands(table.columns, width - labels.width)):
        if number:
            yield Text()
        for chain, rows in table.chains().items():
            shown = [row for row in rows if number == 0 or any(map(row.mark, band.places))]
            if shown:
                yield from _chain(chain, shown, labels, band, glyphs, width)
                yield Text()
        yield from _legend(band, width)
    if table.marks:
        yield Text()
        signs = [f"{glyphs.marks[shown]} {MEANINGS[shown]}" for shown in table.marks]
        yield from _dim(words.listed([*signs, "blank: not measured"], width))
    if table.common:
        yield from _dim(words.wrapped(f"All layers: {table.shared}.", width))


class Labels:
    """The left part of every row: where the layer lies on each axis, then its verdict."""

    def __init__(self, table: Table) -> None:
        self._axes: Mapping[Axis, int] = {
            axis: max([len(axis), *(len(row.value(axis)) for row in table.rows)]) for axis in table.axes
        }
        self._status = max([len("as it is"), *(len(row.status) for row in table.rows)])
        self.width = 2 + sum(self._axes.values()) + len(self._axes) + 1 + self._status + 2

    def heading(self) -> Text:
        """Return what the parts of a label are."""
        axes = "".join(f"{axis:<{width}} " for axis, width in self._axes.items())
        return Text(f"  {axes} as it is", "dim")

    def text(self, row: Row) -> Text:
        """Return a row's label, filled up to `width`."""
        where = "".join(f"{row.value(axis):<{width}} " for axis, width in self._axes.items())
        status = Text(row.status, STYLES.get(row.status, "magenta"))
        return Text.assemble("  ", where, " ", status, " " * (self._status - len(row.status) + 2))


def _bands(columns: Sequence[Column], room: int) -> Iterator[Band]:
    """Cut the columns into bands that fit; without columns there is one empty band, which shows the baselines."""
    pitch = 2 if _places(columns, 2)[1] <= room else 1
    rest = list(columns)
    while True:
        fitting = len(rest)
        while fitting > 1 and (fitting > len(LETTERS) or _places(rest[:fitting], pitch)[1] > room):
            fitting -= 1
        band, rest = rest[:fitting], rest[fitting:]
        yield Band(dict(zip(band, _places(band, pitch)[0], strict=True)), dict(zip(band, LETTERS, strict=False)))
        if not rest:
            return


def _places(columns: Sequence[Column], pitch: int) -> tuple[list[int], int]:
    """Return the place of each column and the width of all; a gap sets kinds of cost apart."""
    places: list[int] = []
    at = 0
    for before, column in zip([None, *columns], columns, strict=False):
        at += 1 if before and before.cost != column.cost else 0
        places.append(at)
        at += pitch
    return places, places[-1] + 1 if places else 0


def _chain(chain: str, rows: Sequence[Row], labels: Labels, band: Band, glyphs: Glyphs, width: int) -> Iterator[Text]:
    tried = {c: band.letters[c] for c in band.places if any(row.mark(c) for row in rows)}
    letters = _spread({band.places[column]: Text(letter, "cyan") for column, letter in tried.items()})
    heading = Text(chain, "bold")
    if tried and heading.cell_len + 2 > labels.width:
        yield heading
        heading = Text()
    if tried:
        heading.append(" " * (labels.width - heading.cell_len)).append(letters)
    yield heading
    for claim in dict.fromkeys(claim for row in rows for claim in row.emulates):
        yield from (Text(line, "italic yellow") for line in words.wrapped(claim, width, "  emulator: ", "  "))
    for row in rows:
        signs = {band.places[c]: _sign(row.results[c.name], glyphs) for c in tried if c.name in row.results}
        label = labels.text(row)
        label.append(_spread(signs))
        label.rstrip()
        yield label


def _sign(result: Result, glyphs: Glyphs) -> Text:
    shown = mark(result)
    return Text(glyphs.marks[shown], f"{STYLES[shown]} reverse" if result.outcome == "fail" else STYLES[shown])


def _spread(signs: Mapping[int, Text]) -> Text:
    """Return one-character texts, each at its place."""
    line = Text()
    for place, sign in signs.items():
        line.append(" " * (place - len(line))).append(sign)
    return line


def _legend(band: Band, width: int) -> Iterator[Text]:
    by_name = {column.name: letter for column, letter in band.letters.items()}
    for cost, names in by_cost(band.places).items():
        yield from _dim(words.listed([f"{by_name[name]} {name}" for name in names], width, f"{cost:<13}"))


def _dim(lines: Iterable[str]) -> Iterator[Text]:
    return (Text(line, "dim") for line in lines)
