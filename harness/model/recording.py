"""An answer of somebody's application, as it was recorded: its head, its framing, and every write with its time.

Rules: a write is what the application handed over at once: a chunk (RFC 9112), or what one receive brought where the
body has none. Replayed, each write is a token. The first ones are sent as they were recorded, the last ones close the
stream; those between are repeated for as long as a stream has to go on. Two recordings are the same if their digests
are: a record of a run has the digest, and the writes lie beside it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

from harness.model.words import Body, CodecName, Method

RECORDINGS = "recordings"
DIGEST = re.compile(r"[0-9a-f]{16}")
_NO_PART = ("digest", "source", "writes", "plain_pieces", "coded_pieces")

Coded = Literal["held", "as it comes", "unknown"]
"""How an answer comes that its application compresses itself: held, if in half as many pieces as without, or fewer.

Of one that is so short that it would come in one piece without, too, nobody can tell.
"""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that the application sent at once, so long after its first ones. `whole`: no message goes on after it."""

    at_ms: float
    data: bytes
    whole: bool = True


@dataclass(frozen=True, eq=False)
class Recording:
    """One answer. `source` is what was asked, as it may be told; `headers` are those that are not about framing.

    Of the `writes`, those from `closing` on are the end of the stream, and those from `again` up to there can be
    repeated: they begin and end with a message. Without any it is only the name of one, as a result has it.
    `coding` is how the application compresses its answer itself for who offers that; what is recorded is not so.
    That came in `coded_pieces`, where as much comes in `plain_pieces` without; in none, where that is not known.
    `chunks_http10`: asked in HTTP/1.0 it answers in chunks all the same, though nothing older than 1.1 need know them.
    """

    digest: str
    source: str
    method: Method
    format: CodecName
    body: Body
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    writes: tuple[Write, ...] = ()
    again: int = 0
    closing: int = 0
    coding: str = ""
    chunks_http10: bool = False
    plain_pieces: int = 0
    coded_pieces: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recording) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def write(self, seq: int) -> Write:
        """Return the write that token `seq` is."""
        return self.writes[self._place(seq)[1]]

    @property
    def file(self) -> str:
        """Where a run keeps it, as seen from its folder."""
        return f"{RECORDINGS}/{self.digest}.json"

    @property
    def coded(self) -> Coded | None:
        """How it comes for who offers a coding; None if the application compresses nothing itself."""
        if not self.coding:
            return None
        if 0 < 2 * self.coded_pieces <= self.plain_pieces:
            return "held"
        return "as it comes" if self.coded_pieces > 1 else "unknown"

    @property
    def compresses(self) -> str:
        """What its application does, in words, that compresses it itself; nothing if it does not."""
        in_pieces = "1 piece" if self.coded_pieces == 1 else f"{self.coded_pieces} pieces"
        match self.coded:
            case None:
                return ""
            case "unknown" if self.coded_pieces:
                comes = "its compressed answer is too short to tell how that comes"
            case "unknown":
                comes = "how that comes is not known"
            case "as it comes":
                comes = f"it still comes in {in_pieces}"
            case "held" if self.coded_pieces == 1:
                comes = "all of it comes at once"
            case "held":
                comes = f"it comes in {in_pieces} instead of {self.plain_pieces}"
        return f"compresses its answer itself ({self.coding}) for who offers that; {comes}"

    @property
    def to_mend(self) -> str:
        """What its author can do about its own compression, if that holds it; nothing if it does not."""
        if self.coded != "held":
            return ""
        kind = self.content_type.partition(";")[0].strip() or "its type"
        return (
            "`Cache-Control: no-transform` in its answer keeps common compression middlewares off; or let it flush"
            f" what it compresses after each message, or leave {kind} out of that"
        )

    @property
    def end(self) -> bytes:
        """What closes the stream."""
        return b"".join(write.data for write in self.writes[self.closing :])

    @property
    def largest_bytes(self) -> int:
        """The size of the largest write that is a token."""
        return max(len(write.data) for write in self.writes[: self.closing])

    def bytes_through(self, seq: int) -> int:
        """Return how many bytes all tokens up to `seq` have."""
        rounds, at = self._place(seq)
        return rounds * (self._sizes[self.closing] - self._sizes[self.again]) + self._sizes[at + 1]

    def wholes_through(self, seq: int) -> int:
        """Return after how many of the tokens up to `seq` no message goes on."""
        rounds, at = self._place(seq)
        return rounds * (self._wholes[self.closing] - self._wholes[self.again]) + self._wholes[at + 1]

    def at_ms(self, seq: int) -> float:
        """Return how long after the first token `seq` leaves at the recorded pace."""
        rounds, at = self._place(seq)
        first, last = self.writes[self.again].at_ms, self.writes[self.closing].at_ms
        return rounds * (last - first) + self.writes[at].at_ms - self.writes[0].at_ms

    @cached_property
    def _sizes(self) -> list[int]:
        return [0, *itertools.accumulate(len(write.data) for write in self.writes)]

    @cached_property
    def _wholes(self) -> list[int]:
        return [0, *itertools.accumulate(write.whole for write in self.writes)]

    def _place(self, seq: int) -> tuple[int, int]:
        """Return how often the repeated writes have been sent in full before a token, beyond once, and which it is."""
        if seq < self.closing:
            return 0, seq
        rounds, at = divmod(seq - self.again, self.closing - self.again)
        return rounds, self.again + at


def digest_of(recording: Recording) -> str:
    """Return what tells a recording from all that would be replayed otherwise, at whatever pace it was recorded.

    A field that says nothing counts for nothing, so that a recording keeps its digest when others are added.
    """
    parts = [(one, getattr(recording, one.name)) for one in fields(recording) if one.name not in _NO_PART]
    said = {one.name: value for one, value in parts if value != one.default}
    writes = [(write.data.hex(), write.whole) for write in recording.writes]
    return hashlib.sha256(json.dumps([said, writes], sort_keys=True).encode()).hexdigest()[:16]
