"""How long is waited for what before it counts as a fault: every time limit of a measurement, and why it is that long.

Rules: nothing gives up before that on which it waits does; what only waits for a machine that stands still waits for
as long as one may. A test holds how they relate, and says where they do not as they should.
"""

from __future__ import annotations

from harness.backends.local import Limits

STALLED_S = 60.0
"""How long a machine may stand still. A pulse, the emitter and a connection of ours are waited for that long."""

ASKED_S = 2 * STALLED_S
"""How long a request may take to reach the backend: a proxy that serves one at a time lets ours wait for the guard's,
and a browser may have to start first."""

SILENCE_S = 30.0
"""How long a response may be silent that is only waited for to end; a paced one longer by as long as it lasts."""

BUSY_S = 2.0
"""How long a chain that serves one request at a time may be busy with ours before its pulse is given up."""

DEATH_S = 0.5
"""What is dying may take a moment to be dead: so long is looked at it before it is taken to live."""

LOSS_S = 2 * DEATH_S
"""How long after a backend failed it may take to tell what died: it looks at it itself, and hears of it later."""

EMITTER = Limits(ready_s=20.0, look_s=5.0, death_s=DEATH_S, answer_s=STALLED_S, abandoned_s=STALLED_S)
"""Its start takes a second on a busy machine; one that died is started anew within a look; it gives a stream up when
a client that still lives has granted nothing for longer than any client does."""
