"""The baseline that a team keeps beside its matrix: what is kept of a run, as text, and what has changed since. Pure.

In: results, and what ids do not say; the text of a baseline.
Out: a baseline and its text; results that say what became of each cell, and all that changed, in words.
Enter: `session/`, which knows files and git, and doors that tell it.
"""
