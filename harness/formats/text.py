"""Plain text lines: `12 1234 the text`, sequence number and emission time in ns before it.

What follows a tab is filling, and the text never holds one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import StreamError
from harness.formats import boundaries, envelope, payload
from harness.formats.base import Codec, Decoder, Token
from harness.formats.boundaries import Boundaries
from harness.formats.lines import LineSplitter, decode
from harness.model import CodecName, Filler, Workload

_LINE = re.compile("([0-9]{1,19}) ([0-9]{1,19}) (.+)", re.DOTALL)


class TextDecoder:
    """Tokens out of lines; lines with nothing before a tab are not for us."""

    def __init__(self) -> None:
        self._lines = LineSplitter()

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the tokens that `data` completes. Raises StreamError for what is no token in UTF-8."""
        return [_token(meant, offset) for offset, line in self._lines.feed(data) if (meant := line.partition(b"\t")[0])]

    def finish(self) -> Sequence[Token]:
        """Return nothing: a line without its end was not sent in full."""
        return ()


class Text(Codec):
    """The format `text`. It has no keep-alive."""

    name: CodecName = "text"
    content_type = "text/plain; charset=utf-8"
    min_token_bytes = len("  x\n") + envelope.SEQ_DIGITS + envelope.AT_NS_DIGITS

    def token(self, workload: Workload, seq: int, at_ns: int) -> bytes:
        head = f"{seq} {at_ns} "
        return f"{head}{payload.text(workload, seq, workload.token_bytes - len(head) - 1)}\n".encode()

    def filling(self, filler: Filler, key: str) -> bytes:
        return f"\t{payload.filling(filler.fill, filler.bytes, key)}"[: filler.bytes - 1].encode() + b"\n"

    def heartbeat(self) -> None:
        return None

    def decoder(self) -> Decoder:
        return TextDecoder()

    def boundaries(self) -> Boundaries:
        return boundaries.lines()


def _token(meant: bytes, offset: int) -> Token:
    line = decode(meant, offset)
    fields = _LINE.fullmatch(line)
    if fields is None:
        raise StreamError(f"not a token at byte {offset}: {line[:80]!r}")
    return Token(int(fields[1]), int(fields[2]), fields[3])
