"""What a program says of a config, as it may be told: of the text that a person wrote, and without its secrets. Pure.

Rules: what a diff would hide is hidden wherever it is quoted, as a whole or a word of it; a word that a diff shows
elsewhere is no secret, and a very short one is none. Where a line that we edited is quoted, what stood there before is
told.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile

from harness.model import HIDDEN, without_userinfo
from harness.model.redaction import SHORTEST, spellings, without_said

Masker = Callable[[str], str]
"""Returns a config without its secrets, line by line."""

_WORD = re.compile(r"[\w./+~-]+")
_TOKEN = re.compile(r"[\w.]+|[^\w.]")
_QUOTES = " \t\r\"'`"


def without_secrets(words: str, texts: Iterable[str], masked: Masker) -> str:
    """Return words without what is hidden of some texts."""
    secrets: dict[str, None] = {}
    shown: set[str] = set()
    for text in dict.fromkeys(texts):
        told = masked(text)
        shown.update(_words(told))
        secrets.update(dict.fromkeys(_hidden(text, told)))
    words = without_said(words, spellings(secrets))
    alone = {word for secret in secrets for word in _words(secret) if len(word) >= SHORTEST} - shown
    if alone:
        some = "|".join(map(re.escape, sorted(alone, key=len, reverse=True)))
        words = re.sub(rf"(?<!\w)(?:{some})(?!\w)", HIDDEN, words)
    return without_userinfo(words)


def restored(words: str, was: str, now: str) -> str:
    """Return words about a line that is `now` what we made of it as if they were about what it was."""
    old, new = was.split(), now.split()
    for verb, begin, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if verb == "replace":
            for one, made in zip(old[begin:end], new[first:last], strict=False):
                words = _restored(words, one, made)
    return words


def _restored(words: str, was: str, made: str) -> str:
    """Return words with what was instead of what was made of it, or of the part of it that differs."""
    old, new = _TOKEN.findall(was), _TOKEN.findall(made)
    before = _alike(old, new)
    after = _alike([*reversed(old[before:])], [*reversed(new[before:])])
    parts = ["".join(one[before : len(one) - after]) for one in (new, old)]
    for part, instead in ((made, was), (parts[0], parts[1])):
        quoted = re.compile(rf"(?<![\w.]){re.escape(part)}(?![\w.])")
        if part and instead and quoted.search(words):
            return quoted.sub(instead.replace("\\", r"\\"), words)
    return words


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Return with how many tokens two words begin alike."""
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(one, other, strict=False)))


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text, whole and without what stands between letters."""
    yield from (word.strip(_QUOTES) for word in text.split())
    yield from _WORD.findall(text)


def _hidden(text: str, told: str) -> Iterator[str]:
    """Yield what is hidden of a text, line by line."""
    for line, shown in zip(text.split("\n"), told.split("\n"), strict=True):
        if line != shown:
            yield from filter(None, (one.strip(_QUOTES) for one in _between(line, shown.split(HIDDEN))))


def _between(line: str, pieces: Sequence[str]) -> Iterator[str]:
    """Yield what stands in a line between pieces that are shown of it; all behind the last one that is there."""
    if len(pieces) == 1:  # which leaves nothing of it
        yield line
        return
    at = 0
    for number, piece in enumerate(map(str.strip, pieces)):
        found = line.rfind(piece) if number == len(pieces) - 1 else line.find(piece, at)
        if found < at:
            break
        if number:
            yield line[at:found]
        at = found + len(piece)
    yield line[at:]
