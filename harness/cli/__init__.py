"""The command line: reads options, asks the session, prints what comes back. It decides nothing.

In: words that a person typed.
Out: what that person reads, files that were asked for, an exit status.
Enter: nobody but `__main__.py` and the console script.
"""
