"""How long is waited for what before it counts as a fault, and how much may come: every limit of a measurement.

Rules: nothing gives up before that on which it waits does; what only waits for a machine that stands still waits for
as long as one may; what a stream may take follows from what it is told to emit. A test holds how they relate.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.backends.local import Limits
from harness.backends.posting import Patience
from harness.clients.limits import ANSWER_S, STALLED_S
from harness.formats import CODECS
from harness.formats.body import EmittedBody
from harness.judge.rules import SPAN_BYTES
from harness.measure.lockstep import CONVERSATION_BYTES
from harness.model import Emission

TRIPS_S = 2 * STALLED_S
"""How long one witness may take to go round; there are two."""

READER_TRIPS = 3
"""How often a reader in another process is asked whether it is awake before a silence means something."""

AWAKE_S = 2 * TRIPS_S + READER_TRIPS * ANSWER_S
"""How long it may take to find out that everything on the way is awake: a machine that stands still stretches a wait
by that."""

CONVERSATION_SILENCE_S = 10.0
"""How long a conversation waits at most for anything, on a machine that is awake."""

CONVERSATION_S = 30 * CONVERSATION_SILENCE_S
"""What a conversation may take beside a second a token: it waits as long as it may some times, not for every token."""

TOKEN_S = 1.0
"""What a token may take that comes by itself, in the mean."""

REACHED_S = ANSWER_S
"""How long a request may take through a chain to the backend, once a client asks: a proxy that serves one at a time
lets ours wait for the guard's."""

SILENCE_S = 30.0
"""How long no token may come that is only waited for, on a machine that is awake: the response does not end."""

BUSY_S = 2.0
"""How long a chain that serves one request at a time may be busy with ours before its pulse is given up, and how long
an answer to a pulse may go on after it has begun."""

RESTS_S = (0.25, 1.0, 2.5)
"""How long a chain rests before each stream that is asked for again: whoever allows two requests a second, or one every
two seconds, lets one through by then. Each is more than twice the one before."""

DEATH_S = 0.5
"""What is dying may take a moment to be dead: so long is looked at it before it is taken to live."""

LOSS_S = 2 * DEATH_S
"""How long after a backend failed it may take to tell what died: it looks at it itself, and hears of it later."""

EMITTER = Limits(
    ready_s=20.0, look_s=5.0, death_s=DEATH_S, answer_s=STALLED_S, abandoned_s=2 * CONVERSATION_SILENCE_S + AWAKE_S
)
"""Its start takes a second on a busy machine; one that died is started anew within a look; it gives a stream up when
a client that still lives has granted nothing for longer than any conversation is silent."""

ELSEWHERE = Patience(answer_s=STALLED_S, busy_s=BUSY_S, turned_away_s=STALLED_S + 10)
"""Of an emitter elsewhere: who lets so many through a minute does so again by then."""

GROWTH = 2
"""How many times what is sent may come: a hop may add comments of its own, and a coding that does not pay."""

SLACK_BYTES = 2**20
"""How much may come of what nobody sent, whatever is."""

SLACK_READS = 2**16
"""How many reads there may be beside one for every byte of the workload and of what is sent in one hold, ..."""

MOST_READS = 2**19
"""... of which so many count: a hundred bytes of memory each."""

PAGE_BYTES = 2**16
"""How much of an answer that is no stream is read: who refuses says why in fewer bytes."""

PULSE_BYTES = 2**16
"""How much of an answer to a pulse is read; any answer will do."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one stream may take.

    `asked_s` is until its request has reached the backend, `span_s` what it then takes itself on a machine that is
    awake, `silence_s` how long no token may come after that, `deadline_s` all of it. `body_bytes` and `reads` are those
    of its body, `page_bytes` those of an answer that is none.
    """

    asked_s: float
    span_s: float
    silence_s: float
    deadline_s: float
    body_bytes: int
    reads: int
    page_bytes: int = PAGE_BYTES

    @property
    def awake_s(self) -> float:
        """What a stream may take from when it was asked for, in time in which the machine does not stand still."""
        return self.span_s + self.silence_s

    @classmethod
    def of(cls, emission: Emission, asks_within_s: float) -> Bounds:
        """Return those of a stream that emits this, read by a client that asks within so many seconds."""
        tokens, paced = emission.workload.tokens, emission.pace == "paced"
        asked_s = asks_within_s + REACHED_S
        span_s = tokens * (emission.gap_ms if paced else TOKEN_S * 1e3 + (emission.delay_ms or 0)) / 1e3
        span_s += 0 if paced else CONVERSATION_S
        deadline_s = asked_s + span_s + SILENCE_S + AWAKE_S
        own_bytes = EmittedBody(emission).bytes_of(emission.most_tokens or tokens)
        beat, period_ms = CODECS[emission.format].heartbeat(), emission.heartbeat_ms
        beats_bytes = round(len(beat) * deadline_s * 1e3 / period_ms) if beat and period_ms else 0
        sent_bytes = own_bytes + beats_bytes + (0 if paced else CONVERSATION_BYTES)
        return cls(
            asked_s=asked_s,
            span_s=span_s,
            silence_s=SILENCE_S,
            deadline_s=deadline_s,
            body_bytes=GROWTH * sent_bytes + SLACK_BYTES,
            reads=min(own_bytes + beats_bytes + (0 if paced else SPAN_BYTES), MOST_READS) + SLACK_READS,
        )
