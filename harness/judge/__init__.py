"""From traces to figures, a verdict, an effect and an outcome. Pure.

In: what streams left behind, and what was expected of them.
Out: figures, judgements and results judged again; the same from disk as on the day.
Enter: `measure/`, which asks as it goes, and doors that judge again; it names no plug-in.
"""
