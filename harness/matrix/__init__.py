"""From the text of a file to cells, and from a cell with its mitigations to a plan. Pure.

In: a matrix file or a catalogue, and the names that it may use.
Out: cells with their references, expectations, a field report; the plan of each cell.
Enter: `measure/`, `claims/` and doors; it names no plug-in.
"""
