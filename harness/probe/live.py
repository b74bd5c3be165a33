"""Judges one live stream by when each message left the application and when it was here. Pure.

Rules: nobody can tell an application to wait, so a message only counts if the next one left APART_MS after it, at
least. Such a message was in time if it was here before that, and held if it came later, by more than NEAR_MS and all
that the watching process stood still; in between nobody knows. `streamed`: all that count were in time; `held`: a
quarter or more of them were held. Where fewer were, or fewer than FEWEST count, nobody can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.reports import words

LiveVerdict = Literal["streamed", "held", "cannot tell"]
APART_MS = 20.0
NEAR_MS = 5.0
FEWEST = 3
HELD_SHARE = 0.25
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Live:
    """One stream of an application through a chain, asked as `request` asks. Instants are in ms since it was asked."""

    chain: str
    request: str
    verdict: LiveVerdict
    reason: str
    left_ms: tuple[float, ...] = ()
    came_ms: tuple[float, ...] = ()

    def drawn(self) -> Iterator[str]:
        """Yield when each message left and came, a line each; of many the first ones and the last."""
        yield "message     left the application     was here"
        rows = list(map(self._row, range(len(self.left_ms))))
        left_out = [f"{'...':>7}     {len(rows) - SHOWN} more"]
        yield from rows if len(rows) <= SHOWN else [*rows[: SHOWN - 2], *left_out, *rows[-2:]]

    def _row(self, number: int) -> str:
        left = self.left_ms[number]
        told = "never came"
        if number < len(self.came_ms):
            came = self.came_ms[number]
            told = f"{words.duration(came):>10}  {words.duration(came - left)} later"
        return f"{number:>7}  {words.duration(left):>23}   {told}"


def live(chain: str, request: str, left_ms: Sequence[float], came_ms: Sequence[float], stood_still_ms: float) -> Live:
    """Return what a stream comes to whose messages left and came at these instants."""
    verdict, reason = _judged(left_ms, came_ms, stood_still_ms)
    return Live(chain, request, verdict, reason, tuple(left_ms), tuple(came_ms))


def _judged(left_ms: Sequence[float], came_ms: Sequence[float], stood_still_ms: float) -> tuple[LiveVerdict, str]:
    number = len(left_ms)
    if len(came_ms) < number:
        return "cannot tell", f"only {len(came_ms)} of {words.counted(number, 'message')} came: the stream is broken"
    counting = [at for at in range(number - 1) if left_ms[at + 1] - left_ms[at] >= APART_MS]
    if len(counting) < FEWEST:
        dense = f"{len(counting)} of {words.counted(number, 'message')} left {APART_MS:g} ms or more before the next"
        return "cannot tell", f"{dense}: {FEWEST} are needed; let it pause between messages, or leave live out"
    allowed_ms = NEAR_MS + stood_still_ms
    late = [at for at in counting if came_ms[at] > left_ms[at + 1]]
    held = [at for at in late if came_ms[at] > left_ms[at + 1] + allowed_ms]
    of = f"of {len(counting)} messages with a pause after them"
    if not late:
        return "streamed", f"{of} each was here before the next left"
    longest = max(came_ms[at] - left_ms[at] for at in late)
    came = f"{len(held)} {of} came after the next had left, up to {words.duration(longest)} late"
    if len(held) >= HELD_SHARE * len(counting):
        return "held", came
    return "cannot tell", f"{came}; {len(late)} did by {words.duration(allowed_ms)} or less: ask once more"
