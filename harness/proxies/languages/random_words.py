"""What of a config looks drawn at random, as keys and passwords are, whatever name stands before it. Pure.

Rules: a word is cut where letters turn into digits, and where a capital begins; what people write has long pieces
(`HttpConnectionManager`, `AES256`, `backend2`), what was drawn has short ones (`9f3bQ0x`), and one word that is long
without a `-` or `_` and has digits here and there was drawn, too. Of a path each part is a
word of its own, and so is what stands behind a `.`, `@` or `%`; what has a slash elsewhere, as base64, is hidden as a
whole. Names of hosts, addresses and times have dots and colons, which end a word. Names of variables, and of instances
of EC2, are shown, whatever they look like. A passphrase of plain words is not recognised.
"""

from __future__ import annotations

import re

from harness.model import HIDDEN

SHORTEST = 12
"""So many letters and digits a word has at least that is hidden wherever it stands."""
SHORTEST_VALUE = 8
"""So many one has that is given to a variable: rather too much is hidden there."""
PIECE, PIECE_OF_VALUE, PIECE_WITHOUT_DIGITS = 3.0, 4.0, 2.0
"""Pieces of what was drawn at random are shorter than this on the average."""

_WORD = re.compile(
    r"(?<![\w.-])(?P<instance>i-[0-9a-f]{8,17}|(?:ip|ec2)(?:-\d{1,3}){4})(?=(?:\.[a-z0-9-]+)*\.(?:internal|amazonaws\.com)\b)"
    r"|(?<![$%]\{)(?<![\w$@%/.+-])[\w+-]+(?:/[\w+-]+)*={0,2}|(?<=[/.@%])[\w+-]+={0,2}"
)
"""An instance is named as in https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/hostname-types.html."""
_ENTANGLED = re.compile(r"(?=[A-Za-z]*[0-9]+[A-Za-z]+[0-9])[A-Za-z0-9]{16,}")
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z]|[0-9]+")


def is_random(word: str, shortest: int = SHORTEST, piece: float = PIECE) -> bool:
    """Tell whether letters and digits come as nobody writes them who means a word."""
    pieces = _PIECE.findall(word)
    size = sum(map(len, pieces))
    most = piece if re.search("[0-9]", word) else PIECE_WITHOUT_DIGITS
    return size >= shortest and (size < most * len(pieces) or _ENTANGLED.search(word) is not None)


def without_random(text: str, is_value: bool = False) -> str:
    """Return a text without such words; `is_value`: what is given to a variable is hidden sooner."""
    known = (SHORTEST_VALUE, PIECE_OF_VALUE) if is_value else (SHORTEST, PIECE)

    def told(found: re.Match[str]) -> str:
        if found["instance"]:
            return found[0]
        return HIDDEN if any(is_random(one, *known) for one in (found[0], *found[0].split("/"))) else found[0]

    return _WORD.sub(told, text)
