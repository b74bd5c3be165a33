"""A conversation that is announced as a whole, for where nothing can be granted beside a stream. No I/O, no clock.

Rules:

1. As much leaves as may let go, in steps that double, so that the start is over. Then `STREAK` tokens leave alone,
   after silences of unequal lengths: what comes as far apart as it was sent waited for nothing. Then bytes are tried
   again, each time after a longer silence than the time before took in all. Then silence for `TIME_MS`, and the end.
   Within an announced length a flow comes before bytes are tried again, and those once more: nothing else confirms
   there what let go. A shorter length breaks that off where it ends.
2. What comes of it is told in the same steps as any conversation, as if each turn had been granted a round trip before
   its first token can have come. The clocks of both sides are held together by what was under way for the shortest
   time: head, a token, or the end. So what makes all of them wait alike cannot be seen.
3. A token is held that has not come in time when the next turn begins. What comes shortly before the end may well be
   what it let go, and counts as that: how long an end takes is known of no other.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.reading import Reader, State, span_tokens
from harness.judge.rules import FLOW_MS, FLOW_TOKENS, HOLD_MS, STREAK, TIME_MS
from harness.measure.lockstep import last_token
from harness.model import Emission, Sent, Step, StepKind, Turn

SILENCES_MS = (400, 800)
"""How long it is silent before a token that leaves alone: longer than one that is held takes, so that it shows."""

APART_MS = 120.0
"""How far apart steps are: what a step lets go comes before the next, where a round trip is no longer."""

AGAIN = 2
"""So often bytes are tried after a silence: what lets go twice alike is known."""

ALONE_MS = 400.0
"""How long it is silent before bytes are tried again, at first, and after the token that is then sent alone: longer
than one that is held takes."""

LONGER_MS = 200.0
"""So much longer than the time before took in all it is silent the next time."""


@dataclass(frozen=True, slots=True)
class Left:
    """What left the emitter, by its clock: the tokens, the head, and the end."""

    sent: Sequence[Sent]
    head_ns: int | None
    ended_ns: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the client saw of it, by its clock: the head, the highest token up to which all had come, and the end."""

    head_ns: int | None
    arrivals: Sequence[tuple[int, int]]
    closed_ns: int | None


def whole_tokens(emission: Emission) -> int:
    """Return how many tokens an announced length has to have for all turns of an emission."""
    again, tried = AGAIN + 1, (1 << _doublings(emission)) - 1
    return (2 + again) * tried + STREAK + FLOW_TOKENS + again + 1  # the last one is the end


def turns(emission: Emission, round_trip_ms: float = 0.0) -> list[Turn]:
    """Return what is announced of an emission."""
    chance, delay_ms = random.Random(emission.workload.seed), emission.delay_ms or 0.0
    last, fixed = last_token(emission), emission.body == "length"
    most = last - 1 if fixed else last
    apart_ms, doublings = APART_MS + round_trip_ms, _doublings(emission)
    found: list[Turn] = []

    def turn(wait_ms: float, tokens: int) -> None:
        before = found[-1].through if found else -1
        if (through := min(before + tokens, most)) > before:
            found.append(Turn(wait_ms + delay_ms * tokens, through))

    def tries(after_ms: float) -> None:
        for doubled in range(doublings):
            turn(apart_ms if doubled else after_ms, 2**doubled)

    tries(apart_ms)
    for _ in range(STREAK):
        turn(chance.uniform(*SILENCES_MS) + round_trip_ms, 1)
    tries(apart_ms)
    for flowing in range(FLOW_TOKENS if fixed else 0):
        turn(FLOW_MS if flowing else apart_ms, 1)
    before_ms = after_ms = ALONE_MS + round_trip_ms
    for _ in range(AGAIN + fixed):
        turn(before_ms, 1)
        tries(after_ms)
        took_ms = after_ms + doublings * apart_ms + LONGER_MS
        before_ms, after_ms = before_ms + took_ms, took_ms
    least = last if fixed else emission.workload.tokens - 1
    found.append(Turn(TIME_MS + HOLD_MS + round_trip_ms, max(found[-1].through if found else -1, least)))
    return found


def _doublings(emission: Emission) -> int:
    """Return in how many steps that double as much leaves as may let go."""
    return math.ceil(math.log2(span_tokens(emission)))


def _flow(emission: Emission, told: Sequence[Turn]) -> range:
    """Return the tokens of the flow that is announced; none if there is none, or no room for it and what follows."""
    before = 2 * _doublings(emission) + STREAK
    if emission.body != "length" or len(told) <= before + FLOW_TOKENS + 1:
        return range(0)
    return range(told[before].through, told[before + FLOW_TOKENS - 1].through + 1)


def steps(emission: Emission, told: Sequence[Turn], left: Left, seen: Seen, round_trip_ns: int) -> list[Step]:
    """Return what came of it as the steps of a conversation; nothing if it never began."""
    if not left.sent:
        return []
    return _Told(emission, round_trip_ns).of(told, left, seen)


class _Told:
    """Writes the steps down in the order in which the client lived them."""

    def __init__(self, emission: Emission, round_trip_ns: int) -> None:
        self.steps: list[Step] = []
        self._reader = Reader(round_trip_ns / 1e6, emission)
        self._delay_ns = int((emission.delay_ms or 0) * 1e6)
        self._round_trip_ns = round_trip_ns
        self._span = span_tokens(emission)
        self._emission = emission

    def of(self, told: Sequence[Turn], left: Left, seen: Seen) -> list[Step]:
        off_ns = _apart_ns(left, seen) - self._round_trip_ns
        firsts = [0, *(turn.through + 1 for turn in told)]
        grants = [
            (left.sent[first].at_ns + off_ns - self._delay_ns, turn.through)
            for first, turn in zip(firsts, told, strict=False)
            if first < len(left.sent) and first <= turn.through
        ]
        came: list[tuple[int, int, int]] = [(at_ns, 1, through) for at_ns, through in seen.arrivals]
        came += [(seen.head_ns, 0, -1)] if seen.head_ns is not None else []
        if left.ended_ns is None:  # it broke off
            ended_ns = max(at_ns for at_ns, *_ in (*came, *grants))
        else:
            ended_ns = left.ended_ns + off_ns - int(HOLD_MS * 1e6)
        with_end = [through for at_ns, through in grants if at_ns >= ended_ns and left.ended_ns is not None]
        grants = grants[: len(grants) - len(with_end)]
        flow = _flow(self._emission, told)
        events = sorted([*came, *((at_ns, 2, through) for at_ns, through in grants), (ended_ns, 3, -1)])
        for at_ns, what, through in events:
            if what == 0:
                self._step("head", self._reader.granted, at_ns)
            elif what == 1:
                self._arrive(through, at_ns)
            elif what == 2:
                self._hold(at_ns)
                if through in flow[:1] and self._reader.state is State.ALONE:  # else it only is more that may let go
                    self._step("stretch", flow[-1], at_ns)
                self._step("grant", through, at_ns)
            else:
                self._end(at_ns, with_end[-1] if with_end else None)
        return self.steps

    def _arrive(self, through: int, at_ns: int) -> None:
        if through > self._reader.arrived:
            self._step("arrive", through, at_ns)

    def _hold(self, at_ns: int) -> None:
        """The token that is waited for has not come in time, if it has not."""
        reader, awaited = self._reader, self._reader.arrived + 1
        if reader.state is not State.ALONE or awaited > reader.granted:
            return
        if at_ns - max(reader.granted_ns[-1], *reader.arrived_ns[-1:], 0) > HOLD_MS * 1e6 + self._round_trip_ns:
            self._step("hold", awaited, at_ns)

    def _end(self, at_ns: int, drained: int | None) -> None:
        self._hold(at_ns)
        reader = self._reader
        held = reader.state is State.HELD
        if held and reader.granted - (reader.arrived + 1) >= self._span:
            self._step("wait", reader.granted, at_ns)
        if drained is not None and drained > reader.granted:
            self._step("drain", reader.granted + 1, at_ns)
            self._step("grant", drained, at_ns)
        self._step("end", reader.arrived, at_ns)

    def _step(self, kind: StepKind, seq: int, at_ns: int) -> None:
        step = Step(kind, seq, at_ns)
        self.steps.append(step)
        self._reader.take(step)


def _apart_ns(left: Left, seen: Seen) -> int:
    """Return how far the client's clock is ahead of the emitter's, the shortest way included."""
    ways = [at_ns - left.sent[through].at_ns for at_ns, through in seen.arrivals if through < len(left.sent)]
    pairs = [(seen.head_ns, left.head_ns), (seen.closed_ns, left.ended_ns)]
    ways += [theirs - ours for theirs, ours in pairs if theirs is not None and ours is not None]
    return min(ways, default=0)
