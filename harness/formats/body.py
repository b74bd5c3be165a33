"""The bytes of one emission, piece by piece. Pure: whoever sends them has the clock."""

from __future__ import annotations

from harness.formats import CODECS
from harness.model import Emission


class EmittedBody:
    """What a response consists of, heartbeats aside.

    Where a length is announced, the last byte of the last token's piece is the end, and nothing closes the body later.
    """

    def __init__(self, emission: Emission) -> None:
        self._emission = emission
        self._codec = CODECS[emission.format]
        self._recording = emission.workload.recording
        self._last = emission.most_tokens - 1 if emission.body == "length" and emission.most_tokens else None

    @property
    def size_bytes(self) -> int | None:
        """How long it is as a whole; None where that is not announced."""
        if self._last is None:
            return None
        return self.bytes_of(self._last + 1)

    def bytes_of(self, tokens: int) -> int:
        """Return how long it is with so many tokens."""
        prelude = self._emission.prelude.bytes if self._emission.prelude else 0
        of_tokens = self._emission.bytes_through(tokens - 1) - prelude
        return len(self.opening()) + of_tokens + len(self._end())

    def opening(self) -> bytes:
        """Return what comes before the first token: what the format wants there, and a prelude if there is one."""
        prelude = self._emission.prelude
        filling = self._codec.filling(prelude, f"prelude:{self._emission.workload.seed}") if prelude else b""
        return filling if self._recording else self._codec.opening() + filling

    def token(self, seq: int, at_ns: int) -> bytes:
        """Return a token that leaves now, with its padding; the last of an announced length closes the body.

        A write of a recording is padded where no message goes on after it.
        """
        workload, padding = self._emission.workload, self._emission.padding
        event = self.event(seq, at_ns)
        if padding and (self._recording is None or self._recording.write(seq).whole):
            event += self._codec.filling(padding, f"padding:{workload.seed}:{seq}")
        return event + self._end() if seq == self._last else event

    def event(self, seq: int, at_ns: int) -> bytes:
        """Return a token that leaves now, without what comes behind it."""
        if self._recording:
            return self._recording.write(seq).data
        return self._codec.token(self._emission.workload, seq, at_ns)

    def within(self, granted: int) -> int:
        """Return up to which token may be sent of those granted: none beyond a length that is fixed."""
        most = self._emission.most_tokens
        return granted if most is None else min(granted, most - 1)

    def may_end_after(self, sent: int) -> bool:
        """Tell whether the end may come when so many tokens are sent: the workload's, or those of a fixed length."""
        return sent >= (self._emission.most_tokens or self._emission.workload.tokens)

    def closing(self) -> bytes:
        """Return what is sent at the end, after however many tokens."""
        return self._end() if self._last is None else b""

    def _end(self) -> bytes:
        return self._recording.end if self._recording else self._codec.closing()
