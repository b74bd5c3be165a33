"""Field reports put to the test: claim by claim what holds, the real cause, the cheapest fix, and their page. Pure.

In: a report as its file tells it, and the results of its cells.
Out: judgements with what they rest on, in words.
Enter: doors; all it knows of a run is its results.
"""
