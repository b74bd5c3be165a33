"""The signs of the table and the timeline, for terminals that have them and for those that do not. Pure.

Rule: shape alone carries the meaning, colour only helps; so NO_COLOR loses nothing. All signs are of the set that
every monospaced font has (WGL4), so that columns keep their place in browsers, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text

from harness.model import Manner
from harness.reports.table import Mark


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs."""

    marks: Mapping[Mark, str]
    shows: Mapping[Manner, str]
    emitted: str
    arrived: str
    way: str
    never: str
    held_from: str
    axis: str
    tick: str
    dots: str

    def fitted(self, line: Text) -> Text:
        """Return a line with question marks for what the output cannot carry, at the same places."""
        if self is ASCII:
            line.plain = line.plain.encode("ascii", "replace").decode()
        return line


MEANINGS: Mapping[Mark, str] = {
    "defeats": "defeats it",
    "reduces": "reduces it",
    "no effect": "no effect",
    "not needed": "not needed",
    "harms": "harms",
    "unknown": "could not be judged",
}

UNICODE = Glyphs(
    marks={"defeats": "●", "reduces": "○", "no effect": "·", "not needed": "–", "harms": "×", "unknown": "?"},
    shows={"in bursts": "▪", "at the end": "■"},
    emitted="○",
    arrived="●",
    way="─",
    never="×",
    held_from="┼",
    axis="─",
    tick="┬",
    dots="…",
)

ASCII = Glyphs(
    marks={"defeats": "D", "reduces": "r", "no effect": ".", "not needed": "-", "harms": "H", "unknown": "?"},
    shows={"in bursts": ":", "at the end": "="},
    emitted="o",
    arrived="*",
    way="-",
    never="x",
    held_from="!",
    axis="-",
    tick="+",
    dots="...",
)


def glyphs_for(encoding: str) -> Glyphs:
    """Return the signs that an output's encoding can carry."""
    try:
        "●○·–×─┼┬…▪■".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
