"""The lockstep conversation as a state machine: who may speak next, and what a silence means. No I/O, no clock.

Rules:

1. Token 0 is granted when the head is here, or has been waited for as long as a held token. Token n+1 is granted only
   when all before it are here: a token that comes was not waiting for more bytes. Where a round trip is long, or a
   token was nearly held, a random pause comes first, so that no timer keeps step with it.
2. A token that has not come in time is *held*. More tokens are then sent in steps, each as large as all before it and
   given the time to arrive, until the held one comes or `SPAN_BYTES` have been sent; the steps grow so that this takes
   three seconds at most. If none of them lets it go: silence for `TIME_MS`.
3. After a hold all that is under way is waited for, and then the next token, alone. Until bytes are known to let go,
   each is waited for longer than any hold before it took, so that a timer lets go in silence. Bytes are tried from just
   below the count that let go before.
4. What let go twice alike is confirmed by a third hold. By bytes, several times as many are sent before it without
   waiting, and it has to let go like the others: start buffers are over by then. By time, a steady flow is sent before
   it, which tells a lag and each kind of timer apart.
5. The stream ends when the steady state is known (`harness.judge.steady.steady`, which reads these very steps) and
   all tokens of the workload are here, when a hold has outlasted bytes and time, or when nothing is left to grant.
   What is left of the workload then is sent with the end.
6. With `length` framing the last token is the end: it is granted alone, when all else has come or been waited for.
7. A brief conversation ends with its first hold, when all bytes were tried in vain, or after a few late tokens.
8. Where a grant is a request of its own, it counts once it was heard, `lead_ns` later: one that takes long holds no
   token. Where it goes the way of the stream, what comes meanwhile that request let go, or its answer, if that was slow
   (`_met`). Time is dear then: what is left once the steady state is known is sent with the end. A flow is told at
   once.

The driver waits for what `due` says and calls `begin`, `head`, `arrived`, `heard`, `outwaited` and `stepped`; each
returns what to grant. `steps` is the record.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from harness.judge.reading import TOKENS_OFF, Alone, Hold, Observation, Reader, span_tokens
from harness.judge.rules import (
    ENOUGH_MS,
    FAR_MS,
    FLOW_MS,
    FLOW_TOKENS,
    HOLD_MS,
    LATE_MS,
    LONGER,
    SHARE,
    STRETCH,
    TIME_MS,
)
from harness.judge.steady import Steady, steady, turns_late
from harness.measure.grants import Due, Grant, Phase
from harness.model import Emission, Step, StepKind

FINE = 8
"""A step of a later hold sends an eighth of what was left open by the one before."""

TRYING_NS = 3_000_000_000
"""How long trying bytes may take: through a chain that is far away, or on a busy machine, in fewer and larger steps."""

CONVERSATION_BYTES = 4_194_304
"""How much of its own events a conversation may send beyond the workload: 4 MiB."""

NEARLY = 2 / 3
"""From such a share of what makes a hold on, a token is nearly held."""

CLOSE = 1 / 3
"""What comes within such a share of a lead, which is one trip, after the answer to its grant may be let go by that."""

PAUSES = 32
"""So many pauses are enough to meet a timer at any phase."""


class Lockstep:
    """One stream's conversation. Tokens are numbered from 0.

    `round_trip_ns` is that of the control stream, of which `slow_ms` tells what a quarter takes at least by now.
    `lead_ns` is how long after a grant was heard its tokens leave, where grants are requests: 0 if they go another way
    than the stream.
    """

    def __init__(
        self,
        emission: Emission,
        round_trip_ns: int,
        brief: bool = False,
        slow_ms: Callable[[], float] = lambda: 0.0,
        lead_ns: int | None = None,
    ) -> None:
        self.phase = Phase.HEAD
        self.steps: list[Step] = []
        self.progress_ns: int
        workload = emission.workload
        self._delay_ns = int((emission.delay_ms or 0) * 1e6)
        self._hold_ns = int(HOLD_MS * 1e6) + round_trip_ns + self._delay_ns
        self._reader = Reader((round_trip_ns + self._delay_ns) / 1e6, emission)
        self._round_trip_ns = round_trip_ns
        self._least = workload.tokens
        self._last = last_token(emission)
        self._last_ends = emission.body == "length"
        self._span = span_tokens(emission)
        self._steady: Steady | None = None
        self._held_again = False
        self._longest_ns = 0
        self._known: tuple[int, int] | None = None
        self._held: int
        self._stretched = self._flowed = False
        self._flow_through = -1
        self._far = round_trip_ns > FAR_MS * 1e6
        self._pauses = PAUSES
        self._pause_ns: int
        self._sent_by_ns: int
        self._brief = brief
        self._slow_ms = slow_ms
        self._lead_ns = lead_ns
        self._told = -1
        self._heard_ns: int | None = 0
        self._met_tokens = 0
        self._leads_to: tuple[int, Phase]
        self._flows_ns: int
        self._chance = random.Random(workload.seed)

    @property
    def awaited(self) -> int:
        """The token that is waited for next."""
        return self._reader.arrived + 1

    @property
    def granted(self) -> int:
        """The last token that may be sent."""
        return self._reader.granted

    @property
    def due(self) -> Due:
        """What has to be waited for now."""
        match self.phase:
            case Phase.HEAD:
                return Due("silence", self._hold_ns)
            case Phase.ARRIVAL:
                if (self._confirming and not self._in_flow) or self._by_bytes:
                    return Due("silence", self._hold_ns)
                longer_ns = int(min(self._longest_ns, TIME_MS * 1e6) * LONGER)
                return Due("silence", max(self._hold_ns, longer_ns))
            case Phase.SILENCE:
                return Due("silence", int(TIME_MS * 1e6) + self._round_trip_ns)
            case Phase.TRYING | Phase.SETTLING:
                return Due("barrier", self._sent_by_ns - self.progress_ns)
            case Phase.FLOW if self._lead_ns is not None:
                return Due("pause", self._flows_ns - self.progress_ns)
            case Phase.FLOW:
                return Due("pause", max(int(FLOW_MS * 1e6), self._delay_ns))
            case Phase.PAUSE:
                return Due("pause", self._pause_ns)
            case Phase.LEAD:
                return Due("pause", self._lead_ns or 0) if self._heard_ns is not None else Due("told")
            case Phase.ENDED:
                return Due("nothing")

    @property
    def is_holding(self) -> bool:
        """Whether a token is held right now, or the last two nearly were: one may be so on a busy machine."""
        last = self._reader.seen[-2:]
        return self.phase is Phase.TRYING or (len(last) == 2 and all(map(self._nearly_held, last)))

    def begin(self, now_ns: int) -> None:
        """Take note that the backend has been asked. A head that has come before is told right after."""
        self.progress_ns = now_ns

    def head(self, now_ns: int) -> Grant | None:
        """Take note that the head is here."""
        self._step("head", self._reader.granted, now_ns)
        return self._next(now_ns) if self.phase is Phase.HEAD else None

    def pulsed(self, now_ns: int) -> None:
        """Take note that others' bytes follow the awaited token from now on: they may be what lets it go."""
        self._step("pulse", self.awaited, now_ns)

    def arrived(self, through: int, now_ns: int) -> Grant | None:
        """Take note that all tokens up to `through` are here; return what may be sent now."""
        if through <= self._reader.arrived:
            return None
        if left := self._left_already(through):
            meets = self._meets_answer(now_ns)
            self._count(left, now_ns)
            if meets:
                self._met(now_ns)
        seen = len(self._reader.seen)
        self._step("arrive", through, now_ns)
        self.progress_ns = now_ns
        if len(self._reader.seen) > seen:
            self._observed()
        if self.phase in (Phase.TRYING, Phase.SILENCE) and through >= self._held:
            self.phase = Phase.SETTLING
        return self._next(now_ns) if self.phase is Phase.ARRIVAL and self._all_here else None

    def heard(self, now_ns: int) -> None:
        """Take note that the last grant was heard: one that took longer than a round trip counts that much later."""
        late_ns = max(0, now_ns - self.progress_ns - self._round_trip_ns)
        self._heard_ns = now_ns
        self.progress_ns += late_ns
        self._flows_ns += late_ns

    def outwaited(self, now_ns: int) -> Grant | None:
        """Take note that it has been silent for long enough, on a machine that was awake."""
        match self.phase:
            case Phase.HEAD:
                return self._next(now_ns)
            case Phase.SILENCE:
                return self._end(now_ns)
            case Phase.ARRIVAL:
                self._step("hold", self.awaited, now_ns)
                if self._confirming:
                    return self._end(now_ns)
                self.phase, self._held = Phase.TRYING, self.awaited
                return self._try(now_ns)
        return None

    def stepped(self, now_ns: int) -> Grant | None:
        """Take note that what was sent has had the time to arrive, or that a pause is over."""
        match self.phase:
            case Phase.TRYING:
                return self._try(now_ns)
            case Phase.SETTLING:
                self.phase, self.progress_ns = Phase.ARRIVAL, now_ns
                if self._confirmed or self._is_over_early:
                    return self._end(now_ns)
                if self._by_bytes and not self._stretched:
                    return self._stretch(now_ns)
                return self._next(now_ns) if self._all_here else None
            case Phase.FLOW:
                if self._reader.granted < self._flow_through:
                    return self._grant(1, now_ns, Phase.FLOW)
                self.phase = Phase.SETTLING
            case Phase.PAUSE:
                return self._grant(1, now_ns, Phase.ARRIVAL)
            case Phase.LEAD:
                self._count(self._leads_to[0], now_ns)
        return None

    @property
    def _all_here(self) -> bool:
        return self._reader.arrived >= self._reader.granted

    @property
    def _confirming(self) -> bool:
        """Whether that a token is held again is all that is wanted."""
        return _by_time(self._steady)

    @property
    def _in_flow(self) -> bool:
        """Whether tokens of a flow are still under way: when they come tells what kind of timer lets them go."""
        return self._flowed and self._reader.arrived < self._flow_through

    @property
    def _by_bytes(self) -> bool:
        """Whether bytes are known to let go, in what may be start buffers still. What comes next is waited for no
        longer than anything: what time lets go then, after all bytes were tried, confirms nothing, and holds go on."""
        return self._steady is not None and self._steady.how == "bytes"

    @property
    def _confirmed(self) -> bool:
        """Whether bytes let go after the stretch as they did before."""
        if not self._by_bytes or not self._reader.stretches:
            return False
        last = self._reader.seen[-1]
        return isinstance(last, Hold) and last.seq >= self._reader.stretches[-1].start

    @property
    def _is_over_early(self) -> bool:
        seen = self._reader.seen
        return self._brief and (any(isinstance(one, Hold) for one in seen) or turns_late(seen, self._over_ms()))

    def _observed(self) -> None:
        """Look at what is known now that one more observation has been made."""
        known, self._steady = self._steady, steady(self._reader.seen)
        last = self._reader.seen[-1]
        self._held_again = isinstance(last, Hold) and _by_time(known) and _by_time(self._steady)
        if isinstance(last, Hold):
            self._longest_ns = max(self._longest_ns, int(last.trip_ms * 1e6))
            if last.let_go == "bytes":
                self._known = last.before_tokens, last.after_tokens

    def _next(self, now_ns: int) -> Grant | None:
        """All is here: end, or send what the steady state still asks for."""
        here = self._reader.arrived + 1
        if here > self._last or self._held_again or self._is_over_early:
            return self._end(now_ns)
        known = self._steady
        if known and known.how == "alone":
            if not self._flowed and (self._far or self._late(known)):
                return self._flow(now_ns)
            if self._lead_ns or here >= self._least or sum(one.trip_ms for one in self._run(known)) >= ENOUGH_MS:
                return self._end(now_ns)
        if known and known.how == "time" and not self._flowed:
            return self._flow(now_ns)
        if self._pauses and here and (self._far or self._nearly_held(self._reader.seen[-1])):
            self._pauses -= 1
            self.phase, self.progress_ns = Phase.PAUSE, now_ns
            self._pause_ns = int(self._chance.random() * HOLD_MS * 1e6)
            return None
        return self._grant(1, now_ns, Phase.ARRIVAL)

    def _stretch(self, now_ns: int) -> Grant | None:
        """Send several times what let go, so that buffers of the start are over when the next token is held."""
        self._stretched = True
        last = self._reader.seen[-1]
        assert isinstance(last, Hold), "that bytes let go is known as soon as they do"
        return self._send_on(min(STRETCH * last.after_tokens, self._span), now_ns, Phase.SETTLING)

    def _flow(self, now_ns: int) -> Grant | None:
        """Send one after another without waiting, which tells a lag and each kind of timer apart."""
        self._flowed = True
        return self._send_on(FLOW_TOKENS, now_ns, Phase.FLOW, at_once=1)

    def _run(self, known: Steady) -> list[Alone]:
        return [one for one in self._reader.seen[known.since :] if isinstance(one, Alone)]

    def _nearly_held(self, one: Observation) -> bool:
        """Tell whether a token was under way for nearly as long as one that is held: by chance, it may be."""
        over_ms = (self._round_trip_ns + self._delay_ns) / 1e6
        return isinstance(one, Alone) and one.trip_ms - over_ms >= NEARLY * HOLD_MS

    def _late(self, known: Steady) -> bool:
        run = self._run(known)
        return sum(one.trip_ms >= LATE_MS + self._over_ms() for one in run) >= SHARE * len(run)

    def _over_ms(self) -> float:
        return max((self._round_trip_ns + self._delay_ns) / 1e6, self._slow_ms())

    def _send_on(self, tokens: int, now_ns: int, phase: Phase, at_once: int | None = None) -> Grant | None:
        """Send tokens without waiting for any, as far as there are some left: a stretch."""
        through = min(self._reader.granted + tokens, self._tries_through)
        if through <= self._reader.granted:
            return self._next(now_ns) if self._all_here else None
        self._flow_through = through
        self._step("stretch", through, now_ns)
        return self._grant(at_once or through - self._reader.granted, now_ns, phase)

    @property
    def _tries_through(self) -> int:
        """The last token that may be sent before the end."""
        return self._last - 1 if self._last_ends else self._last

    def _try(self, now_ns: int) -> Grant | None:
        """Send more after the held token, or fall silent when all was tried."""
        sent = self._reader.granted - self._held
        limit = min(self._span, self._tries_through - self._held)
        if sent < limit:
            return self._grant(min(self._step_tokens(sent, limit, now_ns), limit - sent), now_ns, Phase.TRYING)
        self._step("wait", self._reader.granted, now_ns)
        if self._brief:
            return self._end(now_ns)
        self.phase, self.progress_ns = Phase.SILENCE, now_ns
        return None

    def _step_tokens(self, sent: int, limit: int, now_ns: int) -> int:
        """Return how many to send next, of which `sent` are sent and `limit` may be: soon enough to reach that."""
        if self._known and sent < self._known[1] + TOKENS_OFF:
            least, most = self._known
            return max(1, least - TOKENS_OFF - sent, min((most - least) // FINE, most + TOKENS_OFF - sent))
        if not sent:
            return 1
        spent_ns, last_ns = now_ns - self._reader.outwaited[self._held], now_ns - self.progress_ns
        steps_left = max(1.0, (TRYING_NS - spent_ns) / max(last_ns, 1))
        factor: float = (limit / sent) ** (1 / steps_left)
        return max(sent, math.ceil(sent * (factor - 1)))

    def _grant(self, tokens: int, now_ns: int, phase: Phase) -> Grant | None:
        through = self.granted + tokens
        end = self._last_ends and through == self._last
        self._leads_to = tokens, phase
        if self._lead_ns is None:
            self._count(tokens, now_ns)
            return Grant(through, end)
        if through <= self._told:
            self._count(tokens, now_ns)
            return None
        if self._lead_ns and not self._all_here:
            self.pulsed(now_ns)
        self.phase, self.progress_ns, self._heard_ns = Phase.LEAD, now_ns, None
        flows = phase is Phase.FLOW
        self._flows_ns, self._told = now_ns + self._lead_ns, self._flow_through if flows else through
        return Grant(self._told, end, later=True, every_ms=FLOW_MS if flows else 0.0)

    def _left_already(self, through: int) -> int:
        """Return how many tokens of what was told and does not count yet have left when all up to `through` are here.

        Where a grant goes another way, all that it lets leave may have let go what comes.
        """
        if self._told <= self.granted:
            return 0
        flows = self._leads_to[1] is Phase.FLOW
        left = through if flows or (self._lead_ns and through <= self.granted) else self._told
        return max(0, min(left, self._told) - self.granted)

    def _meets_answer(self, now_ns: int) -> bool:
        """Tell whether what comes now comes before the answer to its grant, on the same way, or close behind it."""
        if self.phase is not Phase.LEAD or not self._lead_ns:
            return False
        return self._heard_ns is None or now_ns - self._heard_ns < CLOSE * self._lead_ns

    def _met(self, now_ns: int) -> None:
        """Take note that an answer may have let go what comes now, unless most before show that they need none: on a
        busy machine a few meet so.
        """
        seen = self._reader.seen
        if self.phase is Phase.ARRIVAL and all(isinstance(one, Alone) for one in seen):
            self._met_tokens += 1
            if self._met_tokens < SHARE * (len(seen) + 1):
                return
        self.pulsed(now_ns)

    def _count(self, tokens: int, now_ns: int) -> None:
        """Let tokens count as granted from now on, or from when a request that goes another way can have been heard."""
        _, phase = self._leads_to
        if self.phase is Phase.LEAD and not self._lead_ns:
            least_ns = now_ns - self._round_trip_ns if self._heard_ns is None else 0
            now_ns = max([self.progress_ns, least_ns, *(step.at_ns for step in self.steps[-1:])])
        self._step("grant", self.granted + tokens, now_ns)
        let_go = phase is Phase.TRYING and self._reader.arrived >= self._held
        self.phase, self.progress_ns = Phase.SETTLING if let_go else phase, now_ns
        self._sent_by_ns = now_ns + tokens * self._delay_ns
        if self._lead_ns is not None:
            self._flows_ns += tokens * int(FLOW_MS * 1e6)

    def _end(self, now_ns: int) -> Grant:
        """End the stream, and send with the end what is left of its workload or its announced length."""
        through = max(self._reader.granted, self._last if self._last_ends else self._least - 1)
        if through > self._reader.granted:
            self._step("drain", self._reader.granted + 1, now_ns)
            self._step("grant", through, now_ns)
        self._step("end", self._reader.arrived, now_ns)
        self.phase = Phase.ENDED
        return Grant(through, end=True)

    def _step(self, kind: StepKind, seq: int, now_ns: int) -> None:
        step = Step(kind, seq, now_ns)
        self.steps.append(step)
        self._reader.take(step)


def last_token(emission: Emission) -> int:
    """Return the last token that such a stream may have: of a length that is fixed or announced, or of any."""
    most = max(emission.workload.tokens, CONVERSATION_BYTES // emission.event_bytes)
    return (emission.most_tokens or most) - 1


def _by_time(known: Steady | None) -> bool:
    return known is not None and known.how in ("time", "both")
