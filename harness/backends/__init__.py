"""The token emitter, in a process of its own, and the connection over which it is told what to send and when.

In: what to emit, and grants.
Out: tokens through the chain, and the log of when each left.
Enter: `measure/`; it knows formats, and no proxy or client.
"""
