"""What emits tokens: the Protocol, the emitter in a process of its own, and the connection over which it is driven.

In: what to emit, and grants.
Out: tokens through the chain, and the log of when each left.
Enter: `measure/`; it knows formats and launchers, and no proxy or client.
"""
