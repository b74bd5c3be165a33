"""Do the tests hold what they say? Small faults are put into the rooms that decide verdicts: a fast test has to fail.

    python -m benchmarks.mutants [MODULE ...] [-n 300] [--seed 0] [--workers 2]

A MODULE is one of those rooms or of their modules: `judge`, `judge.steady`, `lockstep`; without any, all of them. So
many mutants are drawn from all that there are (`operators` says which), and each is tried by the fast tests that reach
its line. Those that survive are shown as diffs. Exit status 1 if one survives that `listed.yaml` does not list with a
reason, as equivalent or as a tuned figure, or if an entry there applies no more.

Why not a library: mutmut (3.8) puts no fault into a decorated function, so into no property (`_all_here` of lockstep
is one), nor into what is done on import (rules, tables, shapes), and draws no sample. cosmic-ray (8.7) writes each
mutant into the working tree, where an end at the wrong moment leaves it, and starts all tests anew for it, which is
eleven seconds of imports a mutant before the first test runs. Here nothing is written to the tree, and a mutant costs
a fork and the tests that reach it; what reaches what, coverage tells.
"""
