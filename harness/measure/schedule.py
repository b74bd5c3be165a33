"""Who may measure when. A stream runs on a lease of all that it needs; nothing else in the harness makes one wait.

Rules:

1. A lease takes what it needs in one order, the scarcest first: the programs of its chain from the backend's side on,
   a seat of its client, a core if a program keeps time, a job. As all take in that order, no two wait for each other.
2. At each of these one gets in by rank, and of a rank the first to ask. Who wants one alone comes last, as it would
   idle while that waits for all to leave; a run has an end, so nobody waits for ever. At the jobs, who has a chain to
   itself comes first, as others wait for that chain; then who has delays between its tokens, and takes longest.
3. A job comes last: who waits for its turn has none, and keeps nobody from one who needs nothing that it has.
4. Who gives up waiting leaves nothing taken, and stands in nobody's way.
5. Where the machine is too busy for so many jobs at once, as a round trip beside a stream tells, half as many run from
   then on, and one more whenever as many in a row were in time: what is late for others' sake would be measured again.
6. A serial program has one stream at a time, whichever chains lead through it. A cell that is measured alone has its
   chain to itself, with all programs in it, or all jobs: then nobody measures beside it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Literal

from harness import resources
from harness.clients.base import Client, Launching, Seated, Seats
from harness.judge.rules import LATE_MS
from harness.model import Chain, Plan
from harness.resources import JOBS

Alone = Literal["in its chain", "on the machine"]
Told = Callable[[float], None]

BUSY_MS = LATE_MS / 2
"""So late is a round trip where too many streams run at once, well before lateness puts any of them in doubt."""


class Rank(IntEnum):
    """Who gets in before whom: who keeps others waiting, who takes long, everybody else, and who wants to be alone."""

    AWAITED = auto()
    LONG = auto()
    USUAL = auto()
    ALONE = auto()


class Gate:
    """Lets in who asks, by rank: as many at once as there are places (None: any number), or one alone."""

    def __init__(self, places: int | None = None) -> None:
        self._places = places
        self._inside = 0
        self._waking = 0
        self._closed = False
        self._queue: deque[tuple[asyncio.Future[None], Rank]] = deque()

    @property
    def places(self) -> int | None:
        """How many may be inside. Who is, stays when there are fewer."""
        return self._places

    @places.setter
    def places(self, places: int | None) -> None:
        self._places = places
        self._let_in()

    @asynccontextmanager
    async def passed(self, rank: Rank = Rank.USUAL) -> AsyncIterator[None]:
        """Be inside while the block runs."""
        await self._enter(rank)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, rank: Rank) -> None:
        ahead = sum(other <= rank for _, other in self._queue)
        if not ahead and not self._waking and self._has_room(rank):
            self._admit(rank)
            return
        loop = asyncio.get_running_loop()
        admitted: asyncio.Future[None] = loop.create_future()
        self._queue.insert(ahead, (admitted, rank))
        loop.call_soon(self._let_in)  # when those have heard of it who were let in before
        try:
            await admitted
        except asyncio.CancelledError:
            if not admitted.cancelled():  # it was let in, and heard of it too late
                self._waking -= 1
                self._leave()
            raise
        self._waking -= 1

    def _leave(self) -> None:
        self._inside -= 1
        self._let_in()

    def _has_room(self, rank: Rank) -> bool:
        if rank is Rank.ALONE or self._closed:  # by who is inside, if anybody is
            return not self._inside
        return self.places is None or self._inside < self.places

    def _admit(self, rank: Rank) -> None:
        self._inside += 1
        self._closed = rank is Rank.ALONE

    def _let_in(self) -> None:
        while self._queue:
            admitted, rank = self._queue[0]
            if not admitted.cancelled():  # else it has given up
                if not self._has_room(rank):
                    return
                self._admit(rank)
                self._waking += 1
                admitted.set_result(None)
            self._queue.popleft()


@dataclass(frozen=True, slots=True)
class Need:
    """What one stream takes while it runs.

    `programs` are those that it goes through, each as the chain that begins with it, the backend's side first; those
    in `serial` serve one stream at a time. `seats` are those of its client, if they are limited; `core` says that a
    program's own time is the question, `delays` that there are some between the tokens.
    """

    programs: tuple[Chain, ...] = ()
    serial: frozenset[Chain] = frozenset()
    seats: Seats | None = None
    core: bool = False
    delays: bool = False


def needed_by(plan: Plan, serial: Collection[Chain], client: Client) -> Need:
    """Return what a plan's stream takes, read by that client through programs of which some are serial."""
    chain = plan.chain
    return Need(
        programs=tuple(chain[start:] for start in reversed(range(len(chain)))),
        serial=frozenset(serial),
        seats=client.seats if isinstance(client, Seated) else None,
        core=isinstance(client, Launching) and plan.emission.pace == "paced",
        delays=bool(plan.emission.delay_ms),
    )


class Schedule:
    """All leases of a run: at most `jobs` streams at once, and `cores` programs that start or keep time."""

    def __init__(self, jobs: int = JOBS, cores: int | None = None) -> None:
        self.jobs = jobs
        cores = cores or resources.cores()
        self._programs: dict[Chain, Gate] = {}
        self._seats: dict[Seats, Gate] = {}
        self._cores = Gate(cores)
        self._starts = Gate(cores)
        self._jobs = Gate(jobs)
        self._at_once = jobs
        self._in_time = 0
        self._changes = 0

    @asynccontextmanager
    async def lease(self, need: Need, alone: Alone | None = None) -> AsyncIterator[Told]:
        """Hold all that a stream needs while the block runs, beside others or alone; what this yields is told by how
        many milliseconds round trips beside the stream were late.
        """
        async with AsyncExitStack() as held:
            for program in need.programs:
                gate = self._programs.setdefault(program, Gate(1 if program in need.serial else None))
                await held.enter_async_context(gate.passed(Rank.ALONE if alone == "in its chain" else Rank.USUAL))
            if need.seats:
                seats = self._seats.setdefault(need.seats, Gate(need.seats.number))
                await held.enter_async_context(seats.passed())
            if need.core:
                await held.enter_async_context(self._cores.passed())
            usual = Rank.LONG if need.delays else Rank.USUAL
            rank = {"in its chain": Rank.AWAITED, "on the machine": Rank.ALONE, None: usual}[alone]
            await held.enter_async_context(self._jobs.passed(rank))
            changes = self._changes

            def told(late_ms: float) -> None:
                if alone is None and changes == self._changes:  # else it ran beside others than run from now on
                    self._hear(late_ms >= BUSY_MS)

            yield told

    def _hear(self, is_busy: bool) -> None:
        """Let half as many streams run at once where the machine is too busy; one more once it was not for a while."""
        self._in_time = 0 if is_busy else self._in_time + 1
        at_once = self._at_once
        if is_busy:
            at_once = max(at_once // 2, 1)
        elif self._in_time >= at_once:
            at_once = min(at_once + 1, self.jobs)
        if at_once != self._at_once:
            self._at_once, self._in_time = at_once, 0
            self._changes += 1
            self._jobs.places = at_once

    def most(self, need: Need) -> int:
        """Return how many can hold such a lease at once, if none of its programs is serial."""
        limits = [
            self.jobs,
            need.seats.number if need.seats else None,
            self._cores.places if need.core else None,
        ]
        return min(limit for limit in limits if limit is not None)

    def start(self) -> AbstractAsyncContextManager[None]:
        """Hold what a program takes while it starts. Whoever holds that asks for no lease."""
        return self._starts.passed()
