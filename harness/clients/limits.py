"""How long a client waits for what. All other time limits of a measurement are derived from these (measure/limits.py).

Rule: whoever waits for something that only has to be awake waits for longer than a machine may stand still.
"""

from __future__ import annotations

STALLED_S = 60.0
"""How long a machine may stand still."""

ANSWER_S = STALLED_S + 15
"""What a program of ours may take for what it does in no time: a page that is asked something, a pipe that comes to
rest, the network stack that tells how a stream began and ended, curl that ends."""

CONNECT_S = ANSWER_S
"""What a connection may take to come about, that of a page with us included."""

READY_S = STALLED_S + 30
"""What a browser may take to start, and then to be steered."""

OPEN_S = STALLED_S + 20
"""What a browser may take to open a page, and then to go where the stream is."""

CLOSE_S = 5.0
"""What a page may take to close: one that hangs goes with its browser."""

DEATH_S = 2.0
"""What a browser that is dying may take to be dead."""

LAST_WORDS_S = 2.0
"""How long the network stack may take to say better than the page did why a stream ended badly."""

LAST_FRAME_S = 1.0
"""What the last read may take to be on the screen. Nothing depends on it but whether the page is used again."""

MESSAGE_BYTES = 2**25
"""How large one message of a WebSocket may be: it is handed over as a whole, and no token is as large."""

HEAD_BYTES = 2**20
"""How large the heads of the answers to one request may be, as far as who reads them sets no limit itself."""

BROWSER_S = ANSWER_S + DEATH_S + CLOSE_S + 2 * READY_S + 2 * OPEN_S
"""What a browser may take until it asks: one that hangs is found out first, and replaced."""
