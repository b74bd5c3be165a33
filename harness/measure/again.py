"""Asks again for a stream that a hop turned away: is it the mitigation, or a limit that whoever asks may meet?

Rules:

1. What is asked again is asked alone, after a rest of the chain, and without pulses. The last time nobody else measures
   on the machine, either.
2. A stream that is let through ends the question: it is what the chain does when nothing of ours is in the way.
3. A round asks for the baseline twice and then for the cell, each after the same rest. If the baseline is let through
   both times and the cell is not, in two rounds of which the second rests more than twice as long, no rate limit can be
   the cause: one that let the baseline through twice and then had nothing left in the first round has enough in the
   second.
4. Where the baseline is never let through itself, it is asked no more: the cell is, once, after the longest rest.
5. Some statuses are about the request and no limit: who answers with one of them twice, and lets the baseline through
   in the same rest, is asked no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.judge.counted import turned_away
from harness.measure.limits import RESTS_S
from harness.measure.streams import Streams, Take, Terms
from harness.model import Cell, LetThrough, Plan

FOR_GOOD = (501, 505)
"""Not Implemented, and HTTP Version Not Supported: what the server lacks, no rest brings (RFC 9110, 15.6.2 and
15.6.6)."""

ROUNDS = 2
"""How many rounds in a row have to let only the baseline through."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a cell is asked again beside: the same without its mitigations. `refused`: no hop ever lets it through."""

    cell: Cell
    plan: Plan
    refused: bool


async def asked_again(streams: Streams, baseline: Baseline | None) -> tuple[list[Take], LetThrough]:
    """Return the cell's own streams that were asked for again, and who was let through. Raises HarnessError."""
    own: list[Take] = []

    async def is_let_through(terms: Terms) -> bool:
        asked = await streams.ask(terms)
        own.extend(asked)
        return not any(turned_away(take.trace) for take in asked)

    tries = [*_terms()]
    if baseline is None or baseline.refused:
        for terms in tries[-1:] if baseline else tries:
            if await is_let_through(terms):
                return own, "it"
        return own, "nothing"
    if await is_let_through(tries[0]):
        return own, "it"
    if own[-1].trace.status in FOR_GOOD:
        beside = await streams.ask_beside(baseline.cell, baseline.plan, replace(tries[0], brief=True))
        if not turned_away(beside):
            return own, "only its baseline"
    rounds = 0
    for terms in tries:
        twice = [await streams.ask_beside(baseline.cell, baseline.plan, terms) for _ in range(2)]
        if await is_let_through(terms):
            return own, "it"
        rounds = 0 if any(map(turned_away, twice)) else rounds + 1
        if rounds == ROUNDS:
            return own, "only its baseline"
    return own, "nothing"


def _terms() -> Iterator[Terms]:
    for rest_s in RESTS_S:
        yield Terms("on the machine" if rest_s == RESTS_S[-1] else "in its chain", rest_s, quiet=True)
