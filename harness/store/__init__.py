"""Runs on disk: written as they happen, read back as they were. The one place that writes files.

In: results and traces, one by one.
Out: run folders, and the same nouns again.
Enter: `measure/` and doors; it decides nothing.
"""
