"""What tokens say: text that the judging side can compute again, and filling that says nothing.

Rules: same arguments, same characters, on every machine. All of them are safe inside a JSON string, an SSE
field and a line of text, and all but one are ASCII.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64

from harness.errors import InputError
from harness.formats.base import Token
from harness.model import Fill, Workload

_ACCENT = "é"  # two bytes in UTF-8: whoever converts or cuts characters on the way alters it
_WORDS = "and the same few words over and over again "


def text(workload: Workload, seq: int, size_bytes: int) -> str:
    """Return the text of token `seq`, exactly `size_bytes` long in UTF-8. Raises InputError below one byte.

    The size decides the text like the number does: what is left of a shortened text is not the text of a
    shorter token.
    """
    if size_bytes < 1:
        raise InputError(
            f"workload {workload.name}: token_bytes {workload.token_bytes} leaves no room for text "
            "(a codec's min_token_bytes says how much its framing needs)"
        )
    accent = _ACCENT if size_bytes > 1 else ""
    ascii_bytes = size_bytes - 2 * len(accent)
    if workload.payload == "random":
        return accent + _noise(f"{workload.seed}:{seq}:{size_bytes}", ascii_bytes)
    start = (workload.seed + seq + size_bytes) % len(_WORDS)
    return accent + (_WORDS * (ascii_bytes // len(_WORDS) + 2))[start : start + ascii_bytes]


def matches(token: Token, workload: Workload) -> bool:
    """Tell whether the token's text is what was sent under its number."""
    size_bytes = len(token.text.encode("utf-8", "surrogatepass"))
    return size_bytes > 0 and token.text == text(workload, token.seq, size_bytes)


def filling(fill: Fill, size_bytes: int, key: str) -> str:
    """Return `size_bytes` ASCII characters without meaning; random ones differ with `key`."""
    return " " * size_bytes if fill == "spaces" else _noise(key, size_bytes)


def _noise(key: str, size_bytes: int) -> str:
    """Return base64 characters: no compressor gets them below three quarters, and JSON needs no escapes."""
    digest = hashlib.shake_128(key.encode()).digest(size_bytes * 3 // 4 + 1)
    return b2a_base64(digest, newline=False)[:size_bytes].decode("ascii")
