"""An application's answer, from bytes off the wire to a recording that can be replayed.

In: what was received, read by read; what was said to whom.
Out: a recording, what the application does by itself, or why nothing can be replayed. Pure.
Enter: `session/`, which asks.
"""
