"""The constants of a verdict, and why each is what it is. Length, pace and patience of a cell are none of them."""

from __future__ import annotations

RULES = 5
"""The number of the rules of judgement: it goes up when the same streams are judged otherwise than before, or when the
shipped catalogue means something else by a name. What was kept by other rules fails nothing."""

LATE_MS = 50.0
"""A token that is later than this over the control is late to a person: half the 100 ms that feel instantaneous
(Nielsen 1993)."""

HOLD_MS = 300.0
"""A token that has not come by itself so long after it left is held: several times what any network or scheduler
needs, and short enough to be waited out several times per stream."""

TIME_MS = 2500.0
"""Nobody who streams waits longer for a timer: so long it is silent before a hold counts as one that no time ends."""

SPAN_BYTES = 200 * 1024
"""How much is sent after a held token to see whether bytes let it go: three times the largest buffers that proxies have
by default (64 KB), and well below what a compressor keeps of tokens that are much alike, a block of 16,383 symbols,
235 to 300 KB of ours. What is near this would fall on either side."""

SPAN_MS = 2000.0
"""How much an emission with a delay between tokens sends then: as many as it can in so long."""

STREAK = 16
"""So many tokens in a row that came by themselves, each alone under way, are the steady state: buffers of bytes let
at most every second token pass so."""

HOLDS = 5
"""After so many holds that do not agree the stream is known to be held, by more than one thing."""

LONGER = 1.25
"""How much longer than any hold before it a token is waited for in silence: a timer that let go then shows as one."""

SHARE = 0.25
"""From this share of late tokens on a stream is late, and from this share of held ones on it is held. So late is what
comes after what a quarter of the control's round trips take: a busy machine is in both."""

ALIKE = 0.1
ALIKE_MS = 25.0
"""Two times are one timer's if they differ by less than this share, or by what a busy machine adds."""

ENOUGH = 8
ENOUGH_MS = 2000.0
"""So many late tokens are enough once they have been waited for so long in all: 320 of them would take a minute."""

LATE_TOKENS = 3
"""A brief conversation ends after so many late tokens in a row: another one has told how late they are."""

STRETCH = 4
"""So many times what let go twice is sent on before a third hold confirms it: start buffers are over by then."""

FAR_MS = 10.0
"""From this round trip on a timer's phase could keep step with the conversation."""

FLOW_MS = 20.0
FLOW_TOKENS = 60
FLOW_SHARE = 0.4
"""A flow is so many tokens so far apart: it comes as it was sent from a lag, in bursts from a timer, and not before its
end from one that waits for a pause. It lasts for several of the longest timers by which tokens come by themselves."""
