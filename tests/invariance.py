"""Draws hops and the circumstances they are met in, and holds what is judged of them against the oracle.

    python -m tests.invariance [N]             N cases (20,000) with seeds of their own, on all cores
    python -m tests.invariance --first SEED    from a seed on, to see the same ones again
    python -m tests.invariance --seed SEED     one case alone, with all that is known of it
    python -m tests.invariance --real N        N emulated hops instead, through real sockets (`tests/emulating.py`);
                                               --real 1 --first SEED sees one again

A seed gives a case and nothing else does: hops, tokens, payload, format, how the body is framed, and how far the
client is. The verdict that is right depends on the hop, and on how large and compressible a token is; everything
else is circumstance. Only cases are drawn that are clear (`tests/oracle.py`).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.judge.metrics import delivery
from harness.judge.rules import SPAN_BYTES, SPAN_MS
from harness.judge.shows import seen
from harness.judge.verdict import Assessment, assess, follow_up
from harness.model import Body, Format, Manner, Payload, Plan, Trace
from tests.factories import plan, workload
from tests.hops import (
    Begins,
    Blocks,
    Chain,
    Compresses,
    Empties,
    FirstHeld,
    HoldsToEnd,
    Hop,
    Idle,
    Lag,
    LastHeld,
    Passes,
    Periodic,
    Pieces,
    StartBuffer,
    Stumbles,
    Timer,
    fresh,
    head_held,
)
from tests.oracle import ASKED_BYTES, HOLD_MS, flat, is_clear, right, ways, wrong_release
from tests.simulation import Link, simulate

CASES = 20_000
UNDECIDED = 0.01
"""At most so many may be undecided, as their share."""

TOKEN_BYTES = (64, 80, 100, 128, 200, 333, 512, 1000, 1024, 2000, 4096, 8192, 16_000, 30_000)
MOST_TOKENS = 400
MOST_BYTES = 400_000
DEAR = 250
"""How many tokens a hop may take to be known, in nearly all cases: simulated time is free, tokens are not."""

HOUR_MS = 3_600_000.0
STREAMS = 3
"""How many streams a case may take: one that was too short, and two longer ones. A cell may take more."""


@dataclass(frozen=True)
class Case:
    """A hop and the circumstances in which it is met."""

    hop: Hop
    token_bytes: int = 100
    kind: str = ""
    tokens: int = 32
    payload: Payload = "repetitive"
    format: Format = "sse"
    body: Body = "chunked"
    exact: bool = False
    seed: int = 1
    interval_ms: float = 50.0
    delay_ms: float | None = None
    link: Link = field(default_factory=Link)

    @property
    def plan(self) -> Plan:
        load = workload(
            self.tokens,
            self.token_bytes,
            payload=self.payload,
            interval_ms=self.interval_ms,
            exact=self.exact,
            seed=self.seed,
        )
        return plan(load, format=self.format, body=self.body, delay_ms=self.delay_ms)

    @property
    def right(self) -> str:
        """The verdict that is right, as the oracle says."""
        return right(self.hop, self.plan.emission)

    def trace(self, told: Plan | None = None) -> Trace:
        """Return what a stream through a fresh hop leaves behind: as planned, or otherwise."""
        return simulate(told or self.plan, fresh(self.hop), self.link)

    @property
    def manner(self) -> Manner:
        """How the stream as asked really comes through a fresh hop, at the pace that is asked."""
        told = self.plan
        paced = self.trace(replace(told, emission=replace(told.emission, pace="paced")))
        return seen(paced, delivery(paced).arrivals, usual_ms=0.0).manner

    def assessed(self) -> Assessment:
        """Return what is judged of it, after as many streams as are asked for and a cell may take."""
        traces = [self.trace()]
        assessed = assess(traces)
        while (again := follow_up(traces, assessed)) and len(traces) < STREAMS:
            traces.append(self.trace(again.plan))
            assessed = assess(traces)
        return assessed


@dataclass(frozen=True)
class Answer:
    """What is said of a case: `wrong` tells what contradicts the oracle, `undecided` why nothing is claimed."""

    wrong: str | None = None
    undecided: str | None = None


def answer(case: Case) -> Answer:
    """Judge a case, and hold that against the oracle."""
    return held_against(case, case.assessed())


def held_against(case: Case, assessed: Assessment) -> Answer:
    """Hold what is judged of a case against the oracle."""
    said = assessed.judgement
    if assessed.unsure:
        return Answer(undecided=assessed.unsure)
    if said.verdict != case.right:
        return Answer(wrong=f"{said.verdict} ({said.reason}) instead of {case.right}")
    if said.head_held is not case.hop.holds_head:
        return Answer(wrong=f"the head is {'' if said.head_held else 'not '}said to be held")
    return Answer(wrong=wrong_release(said.release, case.hop, case.plan.emission))


# ---------------------------------------------------------------- drawing


def log_uniform(rng: random.Random, least: float, most: float) -> float:
    """Draw a number of any order of magnitude."""
    return math.exp(rng.uniform(math.log(least), math.log(most)))


def some_bytes(rng: random.Random) -> int:
    """Draw the size of a buffer: one in eight is larger than what is asked."""
    return round(log_uniform(rng, 320_000, 2_000_000) if rng.random() < 1 / 8 else log_uniform(rng, 1, 210_000))


def some_ms(rng: random.Random) -> float:
    """Draw how long a timer runs: one in eight is longer than what is waited for."""
    return log_uniform(rng, 6000, 600_000) if rng.random() < 1 / 8 else log_uniform(rng, 1, 2000)


def start_buffers(rng: random.Random) -> StartBuffer:
    """Draw one to three start buffers; alike ones look most like what lasts."""
    size_bytes, count = some_bytes(rng), rng.randrange(3)
    then = [size_bytes] * count if rng.random() < 0.5 else [some_bytes(rng) for _ in range(count)]
    return StartBuffer(size_bytes, tuple(then))


def periodic(rng: random.Random) -> Hop:
    period_ms = log_uniform(rng, 1, 2000)
    return Periodic(period_ms=period_ms, phase_ms=rng.uniform(0, period_ms))


def in_series(rng: random.Random) -> Hop:
    """Draw two or three hops, one behind the other."""
    first = KINDS[rng.choice([kind for kind in KINDS if kind not in ("in series", "start buffers, then", "stumbles")])](
        rng
    )
    behind = [KINDS[kind](rng) for kind in rng.sample(["empties", "timer", "periodic", "lag"], rng.choice([1, 1, 2]))]
    if isinstance(first, Compresses):
        behind = [hop for hop in behind if not isinstance(hop, Empties)]  # it would count what is compressed
    return Chain(tuple(sorted((first, *behind), key=lambda hop: isinstance(hop, Lag))))  # it moves all alike anywhere


KINDS: Mapping[str, Callable[[random.Random], Hop]] = {
    "passes": lambda rng: Passes(),
    "to the end": lambda rng: HoldsToEnd(free_bytes=rng.choice([0, rng.randrange(200)])),
    "blocks": lambda rng: Blocks(size_bytes=some_bytes(rng)),
    "small blocks": lambda rng: Blocks(size_bytes=rng.choice([1, 2, 4, 8, 10, 20, 50])),
    "empties": lambda rng: Empties(size_bytes=some_bytes(rng)),
    "start buffers": start_buffers,
    "start buffers, then": lambda rng: Begins(
        start_buffers(rng),
        KINDS[rng.choice(["empties", "lag"])](rng),  # a timer may go off after as many bytes, by chance
    ),
    "first held": lambda rng: FirstHeld(),
    "last held": lambda rng: LastHeld(size_bytes=rng.choice([1, some_bytes(rng)])),
    "pieces": lambda rng: Pieces(count=rng.choice([2, 2, rng.randrange(3, 20)])),
    "timer": lambda rng: Timer(after_ms=some_ms(rng)),
    "idle": lambda rng: Idle(after_ms=some_ms(rng)),
    "timer and size": lambda rng: Timer(after_ms=some_ms(rng), size_bytes=some_bytes(rng)),
    "idle and size": lambda rng: Idle(after_ms=some_ms(rng), size_bytes=some_bytes(rng)),
    "periodic": periodic,
    "lag": lambda rng: Lag(lag_ms=log_uniform(rng, 1, 2000)),
    "compresses": lambda rng: Compresses(rng.choice(["gzip", "deflate"]), flushes=rng.random() < 0.3),
    "stumbles": lambda rng: Stumbles(lag_ms=log_uniform(rng, 80, 240), every=rng.choice([2, 3, 8, 20])),
    "in series": in_series,
}


def tokens_to_know(case: Case) -> float:
    """Return about how many tokens it takes to know what a hop does."""
    out = ways(case.hop, case.plan.emission)
    starts = [one for one in flat(case.hop) if isinstance(one, StartBuffer)]
    sizes_bytes = [size for one in starts for size in (one.size_bytes, *one.then)]
    if not any(not way.bytes and way.held_ms <= HOLD_MS for way in out):
        sizes_bytes += [max((way.bytes for way in out), default=ASKED_BYTES) or ASKED_BYTES] * 3
    return sum(min(size, ASKED_BYTES) for size in sizes_bytes) / case.token_bytes


def some_delay_ms(rng: random.Random, token_bytes: int) -> float:
    """Draw a delay with which there still is the time to send as many bytes as are asked."""
    return log_uniform(rng, 0.05, 1) * min(SPAN_MS / math.ceil(SPAN_BYTES / token_bytes), 20)


def some_link(rng: random.Random) -> Link:
    """Draw how far the client is, and by how much the emitter's clock is wrong."""
    return Link(
        round_trip_ms=rng.choice([0.05, log_uniform(rng, 0.05, 200)]),
        chain_ms=log_uniform(rng, 0.1, 30),
        clock_off_ms=rng.choice([0.0, 2.0, -2.0, HOUR_MS, -HOUR_MS]),
    )


def drawn(seed: int) -> Case:
    """Return the case of a seed."""
    rng = random.Random(seed)
    kind, dear = rng.choice(list(KINDS)), rng.random() < 1 / 100
    while True:
        hop = KINDS[kind](rng)
        case = Case(
            head_held(hop) if rng.random() < 1 / 8 else hop,
            token_bytes=rng.choice(TOKEN_BYTES),
            kind=kind,
            payload=rng.choice(["repetitive", "random"]),
            format=rng.choice(["sse", "ndjson", "text"]),
        )
        if is_clear(hop, case.plan.emission) and (dear or tokens_to_know(case) <= DEAR):
            return circumstanced(case, rng)


def circumstanced(case: Case, rng: random.Random) -> Case:
    """Return a case met in other circumstances."""
    return replace(
        case,
        tokens=round(log_uniform(rng, 1, min(MOST_TOKENS, MOST_BYTES / case.token_bytes))),
        body=rng.choice(["chunked", "chunked", "close", "length"]),
        interval_ms=log_uniform(rng, 1, 1000),
        delay_ms=some_delay_ms(rng, case.token_bytes) if rng.random() < 1 / 8 else None,
        seed=rng.randrange(1000),
        link=some_link(rng),
    )


# ---------------------------------------------------------------- many of them


def answered(seed: int) -> tuple[int, Answer]:
    try:
        return seed, answer(drawn(seed))
    except Exception as error:
        return seed, Answer(wrong=f"{type(error).__name__}: {error}")


def main() -> int:
    """Run as said at the top; the exit status tells whether anything contradicted the oracle."""
    parser = argparse.ArgumentParser(prog="python -m tests.invariance")
    parser.add_argument("cases", nargs="?", type=int, default=CASES, metavar="N")
    parser.add_argument("--first", type=int, default=time.time_ns() // 10**6 * 10**6, metavar="SEED")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--real", type=int, metavar="N")
    told = parser.parse_args()
    if told.seed is not None:
        case = drawn(told.seed)
        print(case, case.assessed().judgement, answer(case), sep="\n")
        return 1 if answer(case).wrong else 0
    if told.real is not None:
        from tests import emulating  # which draws cases of ours

        seeds = range(told.first, told.first + told.real)
        return summed_up(emulating.answered(seeds), emulating.drawn, len(seeds), told.first)
    with multiprocessing.Pool() as pool:
        seeds = range(told.first, told.first + told.cases)
        return summed_up(pool.imap_unordered(answered, seeds, chunksize=20), drawn, len(seeds), told.first)


def summed_up(said: Iterable[tuple[int, Answer]], of: Callable[[int], object], cases: int, first: int) -> int:
    """Print what is wrong as it comes, and what it comes to; return the exit status."""
    began_s, undecided, wrong = time.monotonic(), 0, 0
    for seed, one in said:
        undecided += one.undecided is not None
        if one.wrong:
            wrong += 1
            print(f"seed {seed}: {one.wrong}\n    {of(seed)}", flush=True)
    print(f"{cases} cases from seed {first} in {time.monotonic() - began_s:.0f} s")
    print(f"{wrong} contradictions, {undecided} undecided")
    return 1 if wrong or undecided > UNDECIDED * cases else 0


if __name__ == "__main__":
    sys.exit(main())
