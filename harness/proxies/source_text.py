"""The text of a config as somebody wrote it: where things stand in it, and what is changed of it. Pure.

Rule: bytes that are no UTF-8, as in an older comment, are carried through (`surrogateescape`), and told as `�`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.errors import Complaint, InputError

_BYTE = re.compile("[\udc80-\udcff]")


def text_of(said: bytes) -> str:
    """Return what a file says, its ends of lines as they are. Raises InputError, without a place, if it is no text."""
    if said.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("cannot be read: it is in UTF-16 (Unicode, as some editors call it); save it as UTF-8")
    if (at := said.find(b"\0")) >= 0:
        line = 1 + said.count(b"\n", 0, at)
        raise InputError(Complaint("cannot be read: there is a zero byte, which no text has", line=line))
    return said.decode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """Return a text as it can be told."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True, eq=False)
class Source:
    """The text of one file. `way_in` says which include reaches for it outside the config's folder, if one does."""

    path: Path
    text: str
    way_in: str = ""

    def in_utf8(self) -> Self:
        """Return it. Raises InputError, with the line, if there is anything else than UTF-8 in it."""
        if found := _BYTE.search(self.text):
            byte = f"0x{found[0].encode('utf-8', 'surrogateescape')[0]:02x}"
            why = f"the byte {byte} is no UTF-8, as it has to be here: `iconv -f latin1 -t utf-8` makes that of Latin-1"
            raise InputError(self.reject(found.start(), why))
        return self

    def line(self, offset: int) -> int:
        """Return the number of the line that an offset is in."""
        return 1 + self.text.count("\n", 0, offset)

    def reject(self, offset: int, why: str) -> Complaint:
        """Return a complaint about what stands at an offset."""
        return Complaint(printable(f"{why}{self.way_in}"), file=str(self.path), line=self.line(offset))

    def indent(self, offset: int) -> str:
        """Return the blanks that the line begins with that an offset is in."""
        first = self.text.rfind("\n", 0, offset) + 1
        return re.match(r"[ \t]*", self.text[first:])[0]  # type: ignore[index]  # it matches nothing, too

    def replaced(self, start: int, end: int, by: str) -> str:
        """Return the text with something else from one offset to another."""
        return self.text[:start] + by + self.text[end:]

    def without(self, start: int, end: int) -> str:
        """Return the text without what stands there, and without its line if nothing else is on it."""
        text = self.text
        first, behind = text.rfind("\n", 0, start) + 1, text.find("\n", end) + 1 or len(text)
        if not text[first:start].strip() and not text[end:behind].strip():
            return self.replaced(first, behind, "")
        if text[first:start].strip():
            return self.replaced(len(text[:start].rstrip(" \t")), end, "")
        return self.replaced(start, len(text) - len(text[end:].lstrip(" \t")), "")

    def with_lines(self, offset: int, lines: Sequence[str]) -> str:
        """Return the text with lines of their own behind the one that an offset is in, which end as that does."""
        behind = self.text.find("\n", offset) + 1
        if not behind:
            end = "\r\n" if "\r\n" in self.text else "\n"
            return self.text + "".join(f"{end}{line}" for line in lines)
        end = "\r\n" if self.text[:behind].endswith("\r\n") else "\n"
        return self.replaced(behind, behind, "".join(f"{line}{end}" for line in lines))

    def edited(self, edits: Mapping[tuple[int, int], str]) -> str:
        """Return the text with spans (start, end) replaced, and every line where it was; a span may be empty."""
        parts, at = [], 0
        for (start, end), text in sorted(edits.items()):
            assert at <= start <= end, f"{self.path}: edits overlap at {start}"
            lost = self.text.count("\n", start, end) - text.count("\n")
            parts += [self.text[at:start], text, "\n" * lost]
            at = end
        return "".join([*parts, self.text[at:]])


@dataclass(frozen=True, eq=False)
class Token:
    """Something that stands in a text, from `start` to `end`, and what it says without quotes and escapes.

    Where a `start` is -1, it is somewhere in it, and has no line.
    """

    source: Source
    start: int
    end: int
    said: str

    @property
    def raw(self) -> str:
        """As it is written."""
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        """The number of its line; 0 if that is not known."""
        return self.source.line(self.start) if self.start >= 0 else 0

    def reject(self, why: str) -> Complaint:
        """Return a complaint about it."""
        return Complaint(printable(why), file=str(self.source.path), line=self.line or None)


class Edits:
    """What is replaced in some texts, each with its lines where they were."""

    def __init__(self, *sources: Source) -> None:
        self._spans: dict[Source, dict[tuple[int, int], str]] = {source: {} for source in sources}

    @property
    def texts(self) -> Mapping[Source, str]:
        """Every text as it is to be read."""
        return {source: source.edited(spans) for source, spans in self._spans.items()}

    def replace(self, token: Token, text: str) -> None:
        """Have a text stand for a token, or for what stood for it so far."""
        self._spans[token.source][token.start, token.end] = text

    def take_out(self, first: Token, last: Token) -> None:
        """Take out all from one token to another, and what was to be edited there."""
        spans = self._spans[first.source]
        inside = [one for one in spans if first.start <= one[0] and one[1] <= last.end]
        for one in inside:
            del spans[one]
        spans[first.start, last.end] = ""
