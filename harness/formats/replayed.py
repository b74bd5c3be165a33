"""Finds tokens in a stream that says nothing of them, as a replayed recording does: by what has to come. Pure.

Rules: what is sent is known byte by byte, so a token is here when all bytes up to its end are, wherever a read or a
coding cut them; its padding need not be. After each token the next may come, or what closes the stream; of a stream
that is over it is known how many tokens were sent. A byte that can be neither was altered on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import StreamError
from harness.formats import CODECS, TRANSPORTS
from harness.formats.base import Decoder, Token
from harness.formats.body import EmittedBody
from harness.model import Emission

UNKNOWN_NS = -1
"""When a recorded token was emitted: nothing in it says so."""
QUOTED_BYTES = 40


class ReplayedDecoder:
    """Decodes one body. Of a stream that is over `sent` tokens were sent, and no more can come."""

    def __init__(self, body: EmittedBody, sent: int | None = None) -> None:
        self._body = body
        self._sent = sent
        self._whole_bytes = 0
        self._rest = b""
        self._seq = -1
        self._event_bytes: int | None = None
        self._expected = body.opening()
        self._closing = b""
        if not self._expected:
            self._expect_next()

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the tokens that `data` completes, whether or not their padding has come.

        Raises StreamError at the first byte that was not sent.
        """
        found: list[Token] = []
        came, at = self._rest + data, 0
        while self._expected and came.startswith(self._expected, at):
            at += len(self._expected)
            found += self._completed(self._expected)
            self._expect_next()
        self._whole_bytes += at
        self._rest = came[at:]
        if not any(one.startswith(self._rest) for one in (self._expected, self._closing)):
            raise StreamError(self._altered())
        if self._expected.startswith(self._rest):
            found += self._completed(self._rest)
        return found

    def finish(self) -> Sequence[Token]:
        """Return nothing: a write whose end is missing has not come."""
        return ()

    def _completed(self, came: bytes) -> Sequence[Token]:
        """Return the token whose event, that begins `came`, is whole, and which was not told yet."""
        if self._event_bytes is None or len(came) < self._event_bytes:
            return ()
        self._event_bytes = None
        return (Token(self._seq, UNKNOWN_NS, ""),)

    def _expect_next(self) -> None:
        self._seq += 1
        over = self._sent is not None and self._seq >= self._sent
        self._expected = b"" if over else self._body.token(self._seq, 0)
        self._event_bytes = None if over else len(self._body.event(self._seq, 0))
        self._closing = self._body.closing()

    def _altered(self) -> str:
        """Tell where what came is unlike what was sent, by whichever of the two it is more like."""
        wanted = max(self._expected, self._closing, key=lambda one: _alike(one, self._rest))
        alike = _alike(wanted, self._rest)
        place, came = self._whole_bytes + alike, self._rest[alike:][:QUOTED_BYTES]
        if alike == len(wanted):
            return f"{came!r} came at byte {place}, where nothing more was sent"
        return f"the body was altered on the way at byte {place}: {came!r} instead of {wanted[alike:][:QUOTED_BYTES]!r}"


def decoder_of(emission: Emission, sent: int | None = None) -> Decoder:
    """Return what finds an emission's tokens in what a client reads; of a stream that is over, `sent` are known."""
    if emission.workload.recording:
        return ReplayedDecoder(EmittedBody(emission), sent)
    return TRANSPORTS[emission.transport].framed(CODECS[emission.format].decoder())


def _alike(one: bytes, other: bytes) -> int:
    """Return how many bytes two begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
