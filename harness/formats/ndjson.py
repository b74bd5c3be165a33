"""Newline-delimited JSON (https://github.com/ndjson/ndjson-spec): one object a line, blank lines ignored.

A token is `{"n":12,"t":1234,"d":"..."}`. Filling is a line of whitespace or, where random, an
object without a number.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.formats import boundaries, envelope, payload
from harness.formats.base import Codec, Decoder, Token
from harness.formats.boundaries import Boundaries
from harness.formats.lines import LineSplitter, decode
from harness.model import CodecName, Filler, Workload

_FRAME_BYTES = len('{"p":""}\n')


class NdjsonDecoder:
    """Tokens out of lines; objects without a sequence number are not for us."""

    def __init__(self) -> None:
        self._lines = LineSplitter()

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the tokens that `data` completes. Raises StreamError for what is no UTF-8 JSON object."""
        read = (
            envelope.read(decode(line, offset), offset) for offset, line in self._lines.feed(data) if line.strip(b" \t")
        )
        return [token for token in read if token]

    def finish(self) -> Sequence[Token]:
        """Return nothing: a line without its end was not sent in full."""
        return ()


class Ndjson(Codec):
    """The format `ndjson`. Filling too small for an object is whitespace, whatever it was to be."""

    name: CodecName = "ndjson"
    content_type = "application/x-ndjson"
    min_token_bytes = envelope.MIN_BYTES + 1

    def token(self, workload: Workload, seq: int, at_ns: int) -> bytes:
        return f"{envelope.write(workload, seq, at_ns, workload.token_bytes - 1)}\n".encode()

    def filling(self, filler: Filler, key: str) -> bytes:
        if filler.fill == "random" and filler.bytes >= _FRAME_BYTES:
            member = payload.filling("random", filler.bytes - _FRAME_BYTES, key)
            return f'{{"p":"{member}"}}\n'.encode()
        return b" " * (filler.bytes - 1) + b"\n"

    def heartbeat(self) -> bytes:
        return b"\n"

    def decoder(self) -> Decoder:
        return NdjsonDecoder()

    def boundaries(self) -> Boundaries:
        return boundaries.objects()
