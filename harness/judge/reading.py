"""One reading of a conversation: from its steps to what each token's way says. Pure, and fed step by step.

The client wrote the steps down in the order in which it lived them, so no two clocks are compared: instants are the
client's, and durations run from a grant to an arrival.

An *observation* is one of

- `Alone`: a token was sent when all before it were here, and came by itself before anything else was sent;
- `Hold`: it did not come by itself in time. What let it go then: `bytes` that were sent after it, `time` that passed
  while nothing was sent, or the `end`.

`_NEXT` is the grammar of steps; a step that has no place where it stands is an error, not a guess.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from harness.judge.rules import ALIKE, ALIKE_MS, HOLD_MS, SPAN_BYTES, SPAN_MS
from harness.model import Emission, Step


class State(Enum):
    """Where a conversation stands: nothing granted yet, one after another, a token held, all bytes tried in vain,
    a stretch that is not waited for, the rest that is not waited for, the end."""

    BEFORE = auto()
    ALONE = auto()
    HELD = auto()
    TRIED = auto()
    STRETCH = auto()
    DRAIN = auto()
    ENDED = auto()


ANYWHERE = frozenset({"head", "arrive", "pulse"})
"""What the chain does may come at any time, and so may a pulse; only an arrival moves, if a held token is in it."""

_NEXT: Mapping[State, Mapping[str, State]] = {
    State.BEFORE: {"grant": State.ALONE},
    State.ALONE: {
        "grant": State.ALONE,
        "hold": State.HELD,
        "stretch": State.STRETCH,
        "drain": State.DRAIN,
        "end": State.ENDED,
    },
    State.HELD: {"grant": State.HELD, "wait": State.TRIED, "drain": State.DRAIN, "end": State.ENDED},
    State.TRIED: {"grant": State.TRIED, "drain": State.DRAIN, "end": State.ENDED},
    State.STRETCH: {"grant": State.STRETCH},
    State.DRAIN: {"grant": State.DRAIN, "wait": State.TRIED, "end": State.ENDED},
    State.ENDED: {},
}
"""Where the harness' own steps lead. A stretch is over with the grant of its last token. Only an earlier harness sent
more after all was tried, and fell silent after it had sent the rest."""

TOKENS_OFF = 1
"""By so many tokens two counts may differ that let go of one buffer: a token ends elsewhere in it each time."""

LetGo = Literal["bytes", "time", "end"]


@dataclass(frozen=True, slots=True)
class Alone:
    """A token that came by itself: `trip_ms` from its grant to its arrival."""

    seq: int
    trip_ms: float


@dataclass(frozen=True, slots=True)
class Span:
    """How many bytes had been sent after a held token when it had not come yet, and when it had; and by how many two
    such counts may differ that let go of one buffer: the largest token."""

    before_bytes: int
    after_bytes: int
    off_bytes: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A token that did not come by itself in time.

    `silent_ms` is how long nothing was sent before bytes were tried, `trip_ms` how long it took from its grant,
    `quiet_ms` how long nothing had been sent when it came. `after_tokens` others had been sent then, and after
    `before_tokens` it had not come yet. `tried`: all bytes that were to be tried had been sent. `stalled`: nothing had
    come of a stretch before, as some would if bytes let go. `span`: the bytes of it, of tokens of unlike sizes.
    """

    seq: int
    let_go: LetGo
    silent_ms: float
    trip_ms: float
    quiet_ms: float
    after_tokens: int = 0
    before_tokens: int = 0
    tried: bool = False
    stalled: bool = False
    span: Span | None = None

    @property
    def in_silence(self) -> bool:
        """Whether nothing at all was sent after it, so that time alone let it go."""
        return self.let_go == "time" and self.after_tokens == 0


Observation = Alone | Hold


class Reader:
    """Takes the steps of a conversation, one after another. `round_trip_ms` is the control's: over that it counts.
    The `emission` tells how large tokens are, where they are not all alike.

    `outwaited` tells of each token that was held when its time was up.
    """

    def __init__(self, round_trip_ms: float = 0.0, emission: Emission | None = None) -> None:
        self.state = State.BEFORE
        self.granted = -1
        self.arrived = -1
        self.head_held: bool | None = None
        self.seen: list[Observation] = []
        self.pulsed: set[int] = set()
        self.stretches: list[range] = []
        self.tail = range(0)
        self.granted_ns: list[int] = []
        self.arrived_ns: list[int] = []
        self.outwaited: dict[int, int] = {}
        self.round_trip_ms = round_trip_ms
        self._uneven = emission if emission and emission.workload.recording else None
        self._drained_from: int | None = None
        self._alone: int | None = None
        self._held: Step | None = None
        self._silent_ms = 0.0
        self._tried = False
        self._before: int
        self._moved_ns: int
        self._pulse: int | None = None

    def take(self, step: Step) -> None:
        """Take the next step. Raises ValueError if it has no place here."""
        before = self.state
        if step.kind not in ANYWHERE:
            if step.kind not in _NEXT[self.state]:
                raise ValueError(f"a step {step.kind} {step.seq} has no place in state {self.state.name}")
            self.state = _NEXT[self.state][step.kind]
        match step.kind:
            case "head":
                self.head_held = self.granted >= 0
                if self._pulse is not None and not self.head_held:
                    self.pulsed.add(self._pulse)
            case "grant":
                self._grant(step)
            case "arrive":
                self._arrive(step)
            case "pulse":
                self._pulse = step.seq
            case "hold":
                self._held, self._pulse = step, None
                self.outwaited[step.seq] = step.at_ns
                self._silent_ms, self._tried = (step.at_ns - self._moved_ns) / 1e6, False
            case "wait":
                self._tried = True
            case "stretch":
                self.stretches.append(range(self.granted + 1, step.seq + 1))
            case "drain":
                self.tail = range(self.arrived + 1, self.granted + 1)
                self._drained_from = step.seq
                self._let_go_by_end(step)
            case "end":
                # What was drained right before went with the end, and was not held for it.
                self.tail = range(self.arrived + 1, self.tail.stop if before is State.DRAIN else self.granted + 1)
                self._let_go_by_end(step)

    def _grant(self, step: Step) -> None:
        fresh = step.seq - self.granted
        alone = fresh == 1 and self.arrived == self.granted and self.state is State.ALONE
        self._alone, self._before = step.seq if alone else None, self.granted
        self._pulse = None  # what came before a token was sent lets it go no sooner
        self.granted_ns += [step.at_ns] * fresh
        self.granted, self._moved_ns = step.seq, step.at_ns
        if self.state is State.STRETCH and self.granted >= self.stretches[-1].stop - 1:
            self.state = State.ALONE

    def _arrive(self, step: Step) -> None:
        through = min(step.seq, self.granted)  # what was never granted is a replay, as the tokens themselves tell
        self.arrived_ns += [step.at_ns] * (through - self.arrived)
        self.arrived = through
        if self._pulse is not None:
            self.pulsed.add(self._pulse)
        if self._held and through >= self._held.seq and self.state is not State.ENDED:
            self._close(step, "bytes" if self.state is State.HELD and self.granted > self._held.seq else "time")
            self.state = State.ALONE
        elif self._alone == through and self.state is State.ALONE:
            self.seen.append(self._by_itself(through))
        self._moved_ns = step.at_ns

    def _by_itself(self, seq: int) -> Observation:
        trip_ms = self.trip_ms(seq)
        in_time = trip_ms <= HOLD_MS + self.round_trip_ms
        return Alone(seq, trip_ms) if in_time else Hold(seq, "time", trip_ms, trip_ms, trip_ms)

    def _let_go_by_end(self, step: Step) -> None:
        self._pulse = None
        if self._held:
            self._close(step, "end")

    def _close(self, step: Step, let_go: LetGo) -> None:
        assert self._held is not None
        seq = self._held.seq
        after_tokens = self.granted - seq
        before_tokens = max(self._before, seq) - seq if let_go == "bytes" else 0
        self.seen.append(
            Hold(
                seq=seq,
                let_go=let_go,
                silent_ms=self._silent_ms,
                trip_ms=(step.at_ns - self.granted_ns[seq]) / 1e6,
                quiet_ms=(step.at_ns - self._moved_ns) / 1e6,
                after_tokens=after_tokens,
                before_tokens=before_tokens,
                tried=self._tried,
                stalled=bool(self.stretches) and seq <= self.stretches[-1].start,
                span=self._span(seq, before_tokens, after_tokens),
            )
        )
        self._held = None

    def _span(self, seq: int, before_tokens: int, after_tokens: int) -> Span | None:
        if not self._uneven:
            return None
        first, *others = (self._uneven.bytes_through(seq + more) for more in (0, before_tokens, after_tokens))
        before, after = (other - first for other in others)
        return Span(before, after, self._uneven.largest_bytes)

    def count_over(self, round_trip_ms: float) -> None:
        """Count over another round trip: of what was seen, it decides only which token came by itself in time."""
        self.round_trip_ms = round_trip_ms
        self.seen = [one if one.seq in self.outwaited else self._by_itself(one.seq) for one in self.seen]

    @property
    def by_themselves(self) -> set[int]:
        """The tokens that came before anything else was sent, in time or late, whatever the round trip."""
        return {one.seq for one in self.seen if isinstance(one, Alone) or one.in_silence}

    @property
    def sampled_after(self) -> int | None:
        """After how many tokens time was up. A stream that was drained after a hold shows its pattern: no sample."""
        return None if self.outwaited else self._drained_from

    def left_ns(self, delay_ns: int) -> list[int]:
        """Return when each token left: of a grant, each so long after the one before, and the first after the grant."""
        grants = (group for _, group in itertools.groupby(self.granted_ns))
        return [at_ns + number * delay_ns for group in grants for number, at_ns in enumerate(group, 1)]

    def left_behind(self, seq: int, after_tokens: int) -> int:
        """Return how many of those sent after a held token stayed behind when it was let go, and waited for others."""
        following = seq + after_tokens + 1
        here = self.tail.start
        if following < len(self.granted_ns):
            here = bisect.bisect(self.arrived_ns, self.granted_ns[following])
        return min(max(following - here, 0), after_tokens)

    def trip_ms(self, seq: int) -> float:
        """Return how long it was from a token's grant to its arrival."""
        return (self.arrived_ns[seq] - self.granted_ns[seq]) / 1e6

    def spaced(self, hold: Hold) -> bool:
        """Tell whether what was sent during a hold came as far apart as it was sent: then nothing waited for anything.

        The first of it was sent after `silent_ms`, so that one that came along with the held token shows at once.
        """
        trips = [self.trip_ms(seq) for seq in self._during(hold)]
        return bool(trips) and all(alike(trip_ms, hold.trip_ms) for trip_ms in trips)

    def _during(self, hold: Hold) -> range:
        """Return the tokens that were sent during a hold and have come by now, none of them held itself."""
        through = min(hold.seq + hold.after_tokens, self.arrived)
        later = [one.seq for one in self.seen if isinstance(one, Hold) and one.seq > hold.seq]
        return range(hold.seq + 1, through + 1) if not later or min(later) > through else range(0)


def alike(a_ms: float, b_ms: float) -> bool:
    """Tell whether two durations are one timer's."""
    return abs(a_ms - b_ms) <= max(ALIKE * max(a_ms, b_ms), ALIKE_MS)


def read(steps: Iterable[Step], round_trip_ms: float = 0.0, emission: Emission | None = None) -> Reader:
    """Read a whole conversation. Raises ValueError if a step has no place where it stands."""
    reader = Reader(round_trip_ms, emission)
    for step in steps:
        reader.take(step)
    return reader


def span_tokens(emission: Emission) -> int:
    """Return how many tokens are sent after one that is held to see whether bytes let it go: of `SPAN_BYTES`, or as
    many as an emission with a delay can send in `SPAN_MS`."""
    tokens = math.ceil(SPAN_BYTES / emission.event_bytes)
    if emission.delay_ms:
        tokens = min(tokens, int(SPAN_MS / emission.delay_ms))
    return max(tokens, 3)
