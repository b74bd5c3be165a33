"""The lockstep conversation as a state machine: who may speak next, and what a silence means. No I/O, no clock.

Rules:

1. Token n+1 is granted only when token n has arrived. A token that arrives was not waiting for more bytes.
2. When the driver has waited out the patience for a token, the token is *held*, and probing begins: more tokens are
   granted in small steps, without waiting for them, until the held token comes. What had been sent by then
   released it.
3. Back to lockstep then, with more patience: what came while it was probed for may have come by a timer, and one that
   lasts `PATIENT` patiences, or as long as that hold, now shows as such. A patient stream begins like that.
4. After `MAX_HOLDS` holds, those included that such patience spared, or when late tokens have used up the budget of
   patiences, the pattern is known: the rest is *drained* in small steps. A wait costs one patience at most, so that
   no stall of the machine uses the budget up.
5. When nothing is left to grant and tokens are still missing, the patience is waited out once more: a timer may
   release them, and what is only under way may arrive; if one comes, the wait is for `PATIENT` patiences from there.
   What comes after that was released by the end.
6. With `length` framing the last token is the end: it is granted alone, when all else has come or been waited for.

The driver calls `begin`, `arrived`, `outwaited` (when nothing has come for `silence_ns`) and `stepped`; each returns
what to grant. `steps` is the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from harness.judge.release import probe_step_tokens
from harness.model import Step, Workload

MAX_HOLDS = 2
PATIENT = 3
BUDGET_PATIENCES = 5
LATE_NS = 50 * 10**6
"""Only waits this long are charged to the budget: a long stream that passes is followed to its end."""


class Phase(Enum):
    """What the driver waits for: an arrival or the patience, a probing step to go round, the end of the body."""

    LOCKSTEP = auto()
    PROBING = auto()
    DRAINING = auto()
    LAST_WAIT = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to send tokens up to and including `through`, and to end the stream after them if `end`."""

    through: int
    end: bool = False


class Lockstep:
    """One stream's conversation. Tokens are numbered from 0. A patient one waits as others after a hold."""

    def __init__(self, workload: Workload, last_token_ends: bool, patient: bool = False) -> None:
        self.phase = Phase.LOCKSTEP
        self.steps: list[Step] = []
        self.progress_ns = 0
        self._last = workload.tokens - 1
        self._last_token_ends = last_token_ends
        self._probe_through = self._last - 1 if last_token_ends else self._last
        self._patience_ns = int(workload.patience_ms * 1e6)
        self._waited_ns = 0
        self._granted = -1
        self._arrived = -1
        self._probed_from = -1
        self._held_since_ns = 0
        self._longest_hold_ns = 0
        self._holds = 0
        self._patient = patient
        self._timed = False

    @property
    def awaited(self) -> int:
        """The token that is waited for next."""
        return self._arrived + 1

    @property
    def silence_ns(self) -> int:
        """How long nothing may come before that means something."""
        if not (self._timed if self.phase is Phase.LAST_WAIT else self._patient):
            return self._patience_ns
        return max(PATIENT * self._patience_ns, self._longest_hold_ns + self._patience_ns)

    def begin(self, now_ns: int) -> Grant:
        """Grant the first token."""
        return self._grant(1, now_ns)

    def arrived(self, through: int, now_ns: int) -> Grant | None:
        """Take note that all tokens up to `through` are here; return what may be sent now."""
        if through <= self._arrived:
            return None
        self._arrived = through
        if self.phase is Phase.LOCKSTEP:
            self._waited(now_ns - self.progress_ns)
        self._timed |= self.phase is Phase.LAST_WAIT  # nothing more is sent: a timer let this go, and may let go more
        self.progress_ns = now_ns
        self.steps.append(Step("arrive", through, now_ns))
        if self.phase is Phase.PROBING:
            self.phase, self._patient = Phase.LOCKSTEP, True
            self._longest_hold_ns = max(self._longest_hold_ns, now_ns - self._held_since_ns)
        known = self._holds >= MAX_HOLDS or self._waited_ns > BUDGET_PATIENCES * self._patience_ns
        if self.phase is Phase.LOCKSTEP and known:
            self.phase = Phase.DRAINING
            self._probed_from = self._granted
            self.steps.append(Step("drain", self.awaited, now_ns))
        if self._arrived == self._last:
            return self._end(now_ns)
        if self.phase in (Phase.LOCKSTEP, Phase.LAST_WAIT) and self._arrived >= self._granted:
            return self._grant(1, now_ns)
        return None

    def outwaited(self, now_ns: int) -> Grant | None:
        """Take note that the patience has passed in silence on a machine that was awake."""
        if self.phase is Phase.LAST_WAIT:
            return self._end(now_ns)
        if self.phase is not Phase.LOCKSTEP:
            return None
        self._probed_from, self._held_since_ns = self.awaited, self.progress_ns
        self._holds += 1
        self.steps.append(Step("hold", self.awaited, now_ns))
        self.phase = Phase.PROBING
        return self.stepped(now_ns)

    def pulsed(self, now_ns: int) -> None:
        """Take note that others' bytes follow the awaited token from now on: they may be what lets it go."""
        self.steps.append(Step("pulse", self.awaited, now_ns))

    def stepped(self, now_ns: int) -> Grant | None:
        """Take note that the last probing step has had its time; return the next step."""
        if self.phase not in (Phase.PROBING, Phase.DRAINING):
            return None
        if self._granted < self._probe_through:
            step = probe_step_tokens(self._granted - self._probed_from)
            return self._grant(min(step, self._probe_through - self._granted), now_ns)
        if self._arrived >= self._granted:
            return self._grant(1, now_ns)
        self.phase = Phase.LAST_WAIT
        self.progress_ns = now_ns
        self.steps.append(Step("wait", self._granted, now_ns))
        return None

    def _waited(self, wait_ns: int) -> None:
        """Charge a token's wait. One that only patience kept from being held is a hold by a timer."""
        if wait_ns >= LATE_NS:
            self._waited_ns += min(wait_ns, self._patience_ns)
        if self._patient and wait_ns > self._patience_ns:
            self._holds += 1
            self._timed = True

    def _grant(self, tokens: int, now_ns: int) -> Grant:
        self._granted = min(self._granted + tokens, self._last)
        self.progress_ns = now_ns
        self.steps.append(Step("grant", self._granted, now_ns))
        return Grant(self._granted, end=self._last_token_ends and self._granted == self._last)

    def _end(self, now_ns: int) -> Grant | None:
        if self.phase is Phase.ENDED:
            return None
        if self._granted < self._last:
            self._grant(1, now_ns)
        self.phase = Phase.ENDED
        self.steps.append(Step("end", self._arrived, now_ns))
        return Grant(self._last, end=True)
