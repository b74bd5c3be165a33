"""Any endpoint that already runs, asked as its users ask: what arrived how, and which difference between them matters.

In: whose headers there are, and what each request brought.
Out: what to ask next; in the end what is told of it all. Pure.
Enter: `session/`, which asks, and doors that tell.
"""
