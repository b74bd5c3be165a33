"""From observations to the steady state: what lets tokens go, once it is known. Pure."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.judge.reading import TOKENS_OFF, Alone, Hold, Observation, alike
from harness.judge.rules import ENOUGH, ENOUGH_MS, HOLDS, LATE_MS, LATE_TOKENS, SHARE, STREAK


@dataclass(frozen=True, slots=True)
class Steady:
    """The steady state: tokens come `alone`, or what lets them go, and since which observation that is so."""

    how: Literal["alone", "bytes", "time", "both"]
    since: int


def steady(seen: Sequence[Observation]) -> Steady | None:
    """Return the steady state that the observations so far show; None as long as they show none. The first line holds:

    - so many in a row came by themselves, or were waited for so long in all, that it goes on so: `alone`
    - the last two holds let go alike, and tokens are held rather than not: `bytes` or `time`
    - two let go alike by `bytes`, and a third that was waited for less long in silence by as many
    - there were many holds: what let go in the last, or `both`; or `alone`, if more tokens came by themselves
    """
    run = list(itertools.takewhile(lambda one: isinstance(one, Alone), reversed(seen)))
    if len(run) >= STREAK or (len(run) >= ENOUGH and sum(one.trip_ms for one in run) >= ENOUGH_MS):
        return Steady("alone", len(seen) - len(run))
    holds = [(at, one) for at, one in enumerate(seen) if isinstance(one, Hold) and one.let_go != "end"]
    if len(holds) < 2:
        return None
    (since, before), (_, last) = holds[-2:]
    mostly = SHARE * len(seen[since:]) <= 2
    if mostly and (how := _agree(before, last)):
        return Steady(how, since)
    if mostly and len(holds) > 2 and _agree(holds[-3][1], before) == "bytes" and _confirms(before, last):
        return Steady("bytes", since)
    if len(holds) < HOLDS:
        return None
    since = holds[-3][0]
    if SHARE * len(seen[since:]) > 3:
        return Steady("alone", since)
    ways = {one.let_go for _, one in holds[-3:]}
    if "bytes" not in ways or (before.in_silence and last.in_silence):
        return Steady("time", since)
    return Steady("both" if "time" in ways else "bytes", since)


def _agree(before: Hold, last: Hold) -> Literal["bytes", "time"] | None:
    """Return what let two tokens go alike.

    Time only counts where nothing was sent: then it is the whole of it, or what passed since the last byte. Bytes only
    where time was excluded, as the last waited for longer in silence than the one before it took in all: then it came
    after as many, or, where a lag comes on top, so long after the first of them.
    """
    if last.in_silence:
        since_byte = before.let_go == "time" and alike(before.quiet_ms, last.trip_ms)
        return "time" if since_byte or alike(before.trip_ms, last.trip_ms) else None
    if not before.after_tokens or last.silent_ms < before.trip_ms:
        return None
    return "bytes" if _as_many(before, last) else None


def _confirms(before: Hold, last: Hold) -> bool:
    """Tell whether a hold shows again what two before it agreed on: that bytes let go."""
    return not last.in_silence and not last.stalled and _as_many(before, last)


def begins_alike(seen: Sequence[Observation], brief: Sequence[Observation]) -> bool:
    """Tell whether a brief conversation came to the same as another did up to its first hold."""
    (alone, held), (brief_alone, brief_held) = _up_to_hold(seen), _up_to_hold(brief)
    if held is None or brief_held is None:
        return held is brief_held
    if alone != brief_alone:
        return False
    if held.tried or brief_held.tried:
        return held.tried and brief_held.tried
    if held.in_silence or brief_held.in_silence:
        return held.in_silence and brief_held.in_silence and alike(held.trip_ms, brief_held.trip_ms)
    return _as_many(held, brief_held)


def turns_late(seen: Sequence[Observation], over_ms: float) -> bool:
    """Tell whether the last tokens of a conversation came by themselves, and late over what a trip takes."""
    last = seen[-LATE_TOKENS:]
    return len(last) == LATE_TOKENS and all(isinstance(one, Alone) and one.trip_ms >= LATE_MS + over_ms for one in last)


def as_late(seen: Sequence[Observation], brief: Sequence[Observation]) -> bool:
    """Tell whether the last tokens of two conversations took as long, in the median."""
    usual, briefly = (statistics.median(one.trip_ms for one in last[-LATE_TOKENS:]) for last in (seen, brief))
    return alike(usual, briefly)


def _up_to_hold(seen: Sequence[Observation]) -> tuple[int, Hold | None]:
    """Return how many tokens came by themselves before the first that was held, and its hold."""
    return next(((at, one) for at, one in enumerate(seen) if isinstance(one, Hold)), (len(seen), None))


def _as_many(before: Hold, last: Hold) -> bool:
    """Tell whether two tokens came after as many bytes, or as long after the first of them."""
    if last.let_go == "time":  # after all bytes were tried, so that no count of them tells anything
        return alike(before.trip_ms - before.silent_ms, last.trip_ms - last.silent_ms)
    if before.span and last.span:
        apart_bytes = max(before.span.before_bytes, last.span.before_bytes)
        apart_bytes -= min(before.span.after_bytes, last.span.after_bytes)
        return apart_bytes < before.span.off_bytes
    apart = max(before.before_tokens, last.before_tokens) - min(before.after_tokens, last.after_tokens)
    return apart < TOKENS_OFF


def held_tokens(seen: Sequence[Observation]) -> float | None:
    """Return how many tokens were sent, in the median, while one was held that bytes let go; None if none was.

    The first hold is left out, as the start's.
    """
    holds = [one.after_tokens for one in seen if isinstance(one, Hold) and one.let_go == "bytes"]
    return statistics.median(holds[1:] or holds) if holds else None
