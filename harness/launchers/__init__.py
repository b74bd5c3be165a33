"""Ways to start a program and to be sure that it ends: as a local process.

In: what to run, and where its log goes.
Out: a started program, which ends with the harness however that ends.
Enter: adapters that have programs, and who owns a run; it knows no adapter.
"""
