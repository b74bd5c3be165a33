"""The bytes of one emission, piece by piece. Pure: whoever sends them has the clock."""

from __future__ import annotations

from harness.formats import CODECS
from harness.model import Emission


class EmittedBody:
    """What a response consists of, heartbeats aside."""

    def __init__(self, emission: Emission) -> None:
        self._emission = emission
        self._codec = CODECS[emission.format]

    @property
    def size_bytes(self) -> int:
        """How long it is as a whole."""
        workload, padding = self._emission.workload, self._emission.padding
        each = workload.token_bytes + (padding.bytes if padding else 0)
        return len(self.opening()) + workload.tokens * each + len(self._codec.closing())

    def opening(self) -> bytes:
        """Return what comes before the first token: what the format wants there, and a prelude if there is one."""
        prelude = self._emission.prelude
        filling = self._codec.filling(prelude, f"prelude:{self._emission.workload.seed}") if prelude else b""
        return self._codec.opening() + filling

    def token(self, seq: int, at_ns: int) -> bytes:
        """Return a token that leaves now, with its padding; behind the last one what closes a body."""
        workload, padding = self._emission.workload, self._emission.padding
        event = self._codec.token(workload, seq, at_ns)
        if padding:
            event += self._codec.filling(padding, f"padding:{workload.seed}:{seq}")
        return event + self._codec.closing() if seq == workload.tokens - 1 else event
