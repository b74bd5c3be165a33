"""One request to somebody's endpoint, and what it brought. Pure.

Rules: nothing here knows when the endpoint sent what. Two messages came together if one read completed both, or if
less than TOGETHER_MS lay between them; such are a burst, whoever made it. Instants are in ms since the request began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from harness.model import HttpVersion, Method, TransportName

Headers = tuple[tuple[str, str], ...]
TOGETHER_MS = 2.0
BURST_SHARE = 0.1
"""So many of the messages come in bursts if the stream does, apart from one pair, which is made by chance."""
END_MS = 50.0
"""What comes within that of the end has come with it, as a person sees it; so long as this end looked, that is."""

CutBy = Literal["", "time", "budget", "size", "user"]
"""What ended a request from here: the time or the size that it may have, what was left for all of them, or who asks."""
How = Literal["one by one", "in bursts", "at the end", "in one piece", "nothing", "refused", "failed"]
STREAMS: tuple[How, ...] = ("one by one", "in bursts", "at the end")
"""What more than one message shows; of anything else it cannot be told how a stream would come."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One way to ask: whose headers, by which method, in which HTTP. `direct`: where the endpoint itself listens."""

    who: str
    headers: Headers
    method: Method = "GET"
    http: HttpVersion = "1.1"
    direct: bool = False


@dataclass(frozen=True)
class Take:
    """What one request brought. `messages_ms` are when messages were complete, `message` is what one is called.

    `cut` says why it was ended from here, `cut_by` what did that, `fault` how it ended badly by itself; empty where
    it did not.
    `words` are the first of an answer that is no stream. `stood_still_ms`: how long this end did not look, at most.
    """

    asking: Asking
    transport: TransportName = "http"
    status: int | None = None
    headers: Headers = ()
    head_ms: float | None = None
    messages_ms: Sequence[float] = ()
    message: str = "read"
    size_bytes: int = 0
    ended_ms: float = 0.0
    cut: str = ""
    cut_by: CutBy = ""
    fault: str = ""
    words: str = ""
    stood_still_ms: float = 0.0

    @property
    def is_answered(self) -> bool:
        """Whether the answer is one that a stream can be in."""
        return self.status is not None and (self.status == 101 if self.transport == "websocket" else self.status == 200)

    @property
    def had_its_time(self) -> bool:
        """Whether it may be held against another: what one does not show that was cut early, it might have shown."""
        return self.cut_by not in ("budget", "user")

    @cached_property
    def bursts(self) -> list[list[float]]:
        """The messages, those that came together in one list."""
        found: list[list[float]] = []
        for at_ms in self.messages_ms:
            if found and at_ms - found[-1][-1] < TOGETHER_MS:
                found[-1].append(at_ms)
            else:
                found.append([at_ms])
        return found

    @property
    def how(self) -> How:
        """How the messages came."""
        number = len(self.messages_ms)
        if self.status is None:
            return "nothing" if self.cut else "failed"
        if not self.is_answered:
            return "refused"
        if number < 2:
            return "in one piece" if number else "nothing"
        last, before_end_ms = self.bursts[-1], self.ended_ms - self.bursts[-1][-1]
        if 2 * len(last) > number and not self.cut and before_end_ms < END_MS + self.stood_still_ms:
            return "at the end"
        together = sum(len(burst) for burst in self.bursts if len(burst) > 1)
        return "in bursts" if together > 2 + BURST_SHARE * number else "one by one"

    @property
    def shows(self) -> str:
        """What two requests are held against each other by: a refusal by its status, a stream by its bad end, too."""
        if self.how == "refused":
            return f"refused with {self.status}"
        return f"{self.how}, and broken" if self.fault and self.status is not None else self.how

    @property
    def pause_ms(self) -> float:
        """The longest that no message came, from the first on."""
        return max((after - before for before, after in pairwise(self.messages_ms)), default=0.0)

    def header(self, name: str) -> str:
        """Return a header of the answer; empty without it."""
        return ", ".join(value for given, value in self.headers if given.lower() == name)


def lags_ms(take: Take, direct: Take) -> list[float]:
    """Return by how much each message came later than directly, beyond what the quickest of them took.

    They are matched in order, as far as both go. Each stream is timed by itself, on the clock of this machine, so
    that what differs for all of its messages alike (the way, the model's first thought) is in none of the lags.
    """
    later = [ours - theirs for ours, theirs in zip(take.messages_ms, direct.messages_ms, strict=False)]
    return [one - min(later) for one in later]
