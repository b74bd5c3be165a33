"""From a cell to its traces: the only room with sockets, processes and clocks that decide something.

In: cells, and where the configs of their hops lie.
Out: results, each on disk with its evidence before anybody is told.
Enter: `session.py` and benchmarks; it meets all adapters.
"""
