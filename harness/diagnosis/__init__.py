"""Which hop holds, and the cheapest that mends it: what to measure next, and what the answers come to. Pure.

In: the cells of a chain as it is, the catalogue, and the results that there are.
Out: the cells that are wanted next; in the end a diagnosis, in words.
Enter: `session/`, which measures what is wanted, doors that tell it, and `claims/`, whose reports look for fixes, too.
"""
