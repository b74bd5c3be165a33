"""Draws the table with one character per cell, so that all mitigations fit beside a layer. Pure.

Each chain is a heading, which also carries the letters of the mitigations that were tried on it; the legend below
says what the letters stand for, by kind of cost. Columns stand two apart where the width allows it, else side by
side; when even that is too wide, the table goes on in a second band below the first, with letters of its own.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.text import Text

from harness.model import VERDICTS, Gravity, Result
from harness.reports import words
from harness.reports.glyphs import MEANINGS, Glyphs
from harness.reports.table import Column, Row, Table, by_cost, mark

LETTERS = string.ascii_letters + string.digits
SAMPLED = "Sampled, as whole streams would have taken too long:"
GRAVITIES: Mapping[Gravity, str] = {"good": "green", "fair": "yellow", "bad": "red", "worst": "bold red"}
STYLES: Mapping[str, str] = {
    "defeats": "bold green",
    "reduces": "yellow",
    "no effect": "dim",
    "not needed": "dim",
    "harms": "bold red",
    "unknown": "magenta",
    **{verdict: GRAVITIES[gravity] for verdict, gravity in VERDICTS.items()},
}


@dataclass(frozen=True, slots=True)
class Band:
    """The columns that fit beside the labels: the place and letter of each."""

    places: Mapping[Column, int]
    letters: Mapping[Column, str]

    @classmethod
    def of(cls, letters: Mapping[Column, str], pitch: int) -> Self:
        """Set columns side by side, `pitch` apart; a gap sets kinds of cost apart."""
        places: dict[Column, int] = {}
        at = 0
        for before, column in zip([None, *letters], letters, strict=False):
            at += 1 if before and before.cost != column.cost else 0
            places[column] = at
            at += pitch
        return cls(places, letters)

    @property
    def width(self) -> int:
        """How much room it takes."""
        return max((place + len(self.letters[column]) for column, place in self.places.items()), default=0)


def lines(table: Table, width: int, glyphs: Glyphs) -> Iterator[Text]:
    """Yield the drawn table, its legend included."""
    labels, letters = Labels(table, glyphs), _letters(table.columns)
    yield labels.heading()
    for number, band in enumerate(_bands(letters, width - labels.width)):
        for chain, rows in table.chains().items():
            shown = [row for row in rows if number == 0 or any(map(row.mark, band.places))]
            if shown:
                yield from _chain(chain, shown, labels, band, glyphs, width)
                yield Text()
    yield from _legend(letters, width)
    if table.marks:
        yield Text()
        signs = [f"{glyphs.marks[shown]} {MEANINGS[shown]}" for shown in table.marks]
        yield from _dim(words.listed([*signs, "blank: not measured"], width))
    if met := [manner for manner in glyphs.shows if any(row.shows == manner for row in table.rows)]:
        signs = [f"{glyphs.shows[manner]} the stream as asked shows {manner}" for manner in met]
        yield from _dim(words.listed(signs, width))
    if table.common:
        yield from _dim(words.wrapped(f"All layers: {table.shared}.", width))
    if table.sampled:
        yield from _dim(words.wrapped(f"{SAMPLED} {table.sampled}.", width))


class Labels:
    """The left part of every row: where the layer lies on each axis, then its verdict."""

    def __init__(self, table: Table, glyphs: Glyphs) -> None:
        self._shows = glyphs.shows
        self._axes: Mapping[str, int] = {
            axis: max([len(axis), *(len(row.value(axis)) for row in table.rows)]) for axis in table.axes
        }
        self._status = max([len("as it is"), *(len(self._found(row)) for row in table.rows)])
        self.width = 2 + sum(self._axes.values()) + len(self._axes) + 1 + self._status + 2

    def heading(self) -> Text:
        """Return what the parts of a label are."""
        axes = "".join(f"{axis:<{width}} " for axis, width in self._axes.items())
        return Text(f"  {axes} as it is", "dim")

    def text(self, row: Row) -> Text:
        """Return a row's label, filled up to `width`."""
        where = "".join(f"{row.value(axis):<{width}} " for axis, width in self._axes.items())
        status = Text(self._found(row), STYLES.get(row.status, "magenta"))
        return Text.assemble("  ", where, " ", status, " " * (self._status - len(status) + 2))

    def _found(self, row: Row) -> str:
        return f"{row.status} {self._shows[row.shows]}" if row.shows else row.status


def _letters(columns: Sequence[Column]) -> Mapping[Column, str]:
    """Name the columns: by letters, or by pairs of letters if there are more columns than letters."""
    length = 1
    while len(LETTERS) ** length < len(columns):
        length += 1
    return dict(zip(columns, map("".join, itertools.product(LETTERS, repeat=length)), strict=False))


def _bands(letters: Mapping[Column, str], room: int) -> Iterator[Band]:
    """Cut the columns into bands that fit; without columns there is one empty band, which shows the baselines."""
    apart = 1 + max(map(len, letters.values()), default=0)
    pitch = apart if apart > 2 or Band.of(letters, apart).width <= room else 1
    rest = list(letters.items())
    while True:
        fitting = 1
        while fitting < len(rest) and Band.of(dict(rest[: fitting + 1]), pitch).width <= room:
            fitting += 1
        yield Band.of(dict(rest[:fitting]), pitch)
        rest = rest[fitting:]
        if not rest:
            return


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
        said = words.wrapped(f"plays {claim}", width, "  emulator: ", "  ")
        yield from (Text(line, "italic yellow") for line in said)
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
    """Return short texts, each at its place."""
    line = Text()
    for place, sign in signs.items():
        line.append(" " * (place - len(line))).append(sign)
    return line


def _legend(letters: Mapping[Column, str], width: int) -> Iterator[Text]:
    by_name = {column.name: letter for column, letter in letters.items()}
    for cost, names in by_cost(letters).items():
        yield from _dim(words.listed([f"{by_name[name]} {name}" for name in names], width, f"{cost:<13}"))


def _dim(lines: Iterable[str]) -> Iterator[Text]:
    return (Text(line, "dim") for line in lines)
