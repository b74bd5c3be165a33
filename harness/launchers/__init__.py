"""Ways to start a program and to be sure that it ends: as a process of this machine.

In: what to run, and where its log goes.
Out: a started `Program`, which ends with the harness however that ends.
Enter: adapters that have programs, and who owns a run; it knows no adapter.
"""
