"""The schedule: nobody who may not be beside another is, nobody waits for ever, and who gives up leaves nothing taken.

The cells here are tasks that do nothing for a few turns of the event loop; hypothesis deals them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from itertools import combinations, groupby

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Client, Seats
from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.clients.curl import Curl
from harness.measure.schedule import BUSY_MS, Alone, Need, Schedule, needed_by
from harness.model import Chain, Hop
from tests.factories import plan

ENOUGH = 200
"""Turns of the event loop in which all streams that are dealt here end, if nothing keeps them from it."""

JOBS, CORES = 3, 2
PAGES = Seats("browser", 2)
SERIAL = Hop("app", "one-at-a-time")
PROXIES = (Hop("proxy", "a"), Hop("proxy", "b"))


@dataclass(frozen=True)
class Stream:
    """One who asks for a lease: after how many turns, for how many, and after how many it gives up, if it does."""

    need: Need
    alone: Alone | None
    asks_after: int
    lasts: int
    gives_up_after: int | None
    restarts: bool


def through(*hops: Hop, **more: object) -> Need:
    """Return the need of a stream through a chain."""
    needed = needed_by(replace(plan(), chain=hops), {hops[n:] for n, hop in enumerate(hops) if hop is SERIAL}, PLAIN)
    return replace(needed, **more)  # type: ignore[arg-type]


PLAIN = AiohttpReader()
chains = st.lists(st.sampled_from((*PROXIES, SERIAL)), max_size=3)
needs = st.builds(
    lambda hops, seats, core: through(*hops, seats=seats, core=core),
    chains,
    st.sampled_from([None, PAGES]),
    st.booleans(),
)
streams = st.builds(
    Stream,
    needs,
    st.sampled_from([None, None, None, "in its chain", "on the machine"]),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([None, None, 0, 1, 2, 3, 5, 8]),
    st.booleans(),
)


PLAINEST = Stream(through(), None, 0, 0, None, False)


def paging(asks_after: int) -> Stream:
    """Return a stream that goes through several programs, for a client whose seats are limited."""
    return replace(PLAINEST, need=through(PROXIES[0], PROXIES[1], PROXIES[1], seats=PAGES), asks_after=asks_after)


class Run:
    """Lets streams ask for their leases, and looks at who is inside together whenever one comes in."""

    def __init__(self) -> None:
        self.schedule = Schedule(JOBS, CORES)
        self.inside: list[Stream] = []
        self.came_in: list[int] = []
        self.asked: list[int] = []

    async def all(self, dealt: Sequence[Stream]) -> None:
        """Return when every stream has ended or given up."""
        tasks = [asyncio.create_task(self._one(number, stream)) for number, stream in enumerate(dealt)]
        giving_up = [asyncio.create_task(given_up(*each)) for each in zip(tasks, dealt, strict=True)]
        for _ in range(ENOUGH):
            if all(task.done() for task in tasks):
                break
            await asyncio.sleep(0)
        try:
            assert all(task.done() for task in tasks), "some wait for ever"
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
        finally:
            await ended(*tasks, *giving_up)
        assert not self.inside

    async def _one(self, number: int, stream: Stream) -> None:
        await turns(stream.asks_after)
        self.asked.append(number)
        async with self.schedule.lease(stream.need, stream.alone):
            self.inside.append(stream)
            self.came_in.append(number)
            try:
                agree(self.inside)
                if stream.restarts:  # a program of its chain died
                    async with self.schedule.start():
                        await turns(1)
                await turns(stream.lasts)
            finally:
                self.inside.remove(stream)


async def given_up(task: asyncio.Task[None], stream: Stream) -> None:
    if stream.gives_up_after is not None:
        await turns(stream.gives_up_after)
        task.cancel()


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def agree(inside: Sequence[Stream]) -> None:
    """Assert that these may run together."""
    assert len(inside) <= JOBS
    assert sum(stream.need.core for stream in inside) <= CORES
    assert sum(stream.need.seats is PAGES for stream in inside) <= PAGES.number
    serial = Counter(program for stream in inside for program in stream.need.serial)
    assert not serial or max(serial.values()) == 1
    for pair in combinations(inside, 2):
        ways = [stream.alone for stream in pair]
        assert "on the machine" not in ways
        assert "in its chain" not in ways or not {*pair[0].need.programs} & {*pair[1].need.programs}


@given(st.lists(streams, max_size=9))
def test_who_is_inside_together_may_be_and_everybody_gets_in_who_does_not_give_up(dealt: list[Stream]) -> None:
    async def main() -> None:
        run = Run()
        await run.all(dealt)
        patient = {number for number, stream in enumerate(dealt) if stream.gives_up_after is None}
        assert patient <= {*run.came_in}
        for stream in dealt:  # nothing is left taken: each gets in at once, and alone
            for alone in ("in its chain", "on the machine"):
                taking = asyncio.create_task(run._one(0, replace(stream, alone=alone, asks_after=0, lasts=0)))
                await turns(4)
                assert taking.done()

    asyncio.run(main())


@given(st.lists(streams, max_size=9))
@example([PLAINEST, PLAINEST, paging(1), paging(2), *[replace(PLAINEST, restarts=True)] * 3])  # two in one turn
def test_of_those_who_need_the_same_the_first_to_ask_is_the_first_to_get_in(dealt: list[Stream]) -> None:
    async def main() -> None:
        run = Run()
        await run.all(dealt)
        for _, alike in groupby(sorted(run.asked, key=lambda n: repr(key(dealt[n]))), lambda n: key(dealt[n])):
            group = [*alike]
            asked = [number for number in run.asked if number in group and number in run.came_in]
            assert [number for number in run.came_in if number in group] == asked

    def key(stream: Stream) -> object:
        return stream.need, stream.alone

    asyncio.run(main())


# ---------------------------------------------------------------- in particular


async def holding(schedule: Schedule, need: Need, alone: Alone | None = None) -> asyncio.Task[None]:
    """Ask for a lease and keep it until cancelled; return as soon as it is had, or waited for."""

    async def hold() -> None:
        async with schedule.lease(need, alone):
            tasks[0].set_name("inside")
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hold(), name="waits")]
    await turns(3)
    return tasks[0]


def inside(*tasks: asyncio.Task[None]) -> list[bool]:
    return [task.get_name() == "inside" for task in tasks]


async def ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await turns(3)


async def test_who_waits_for_its_turn_or_a_seat_or_a_core_has_no_job() -> None:
    for scarce, places in ((through(SERIAL), 1), (through(seats=PAGES), PAGES.number), (through(core=True), CORES)):
        schedule = Schedule(jobs=places + 1, cores=CORES)
        holders = [await holding(schedule, scarce) for _ in range(places)]
        waiting = await holding(schedule, scarce)
        quick = await holding(schedule, through(PROXIES[0]))
        assert inside(*holders, waiting, quick) == [*([True] * places), False, True]
        await ended(*holders, quick)
        assert inside(waiting) == [True]
        await ended(waiting)


async def test_a_serial_program_is_one_whichever_chains_lead_through_it_and_others_do_not_wait() -> None:
    schedule = Schedule(jobs=9)
    alone, behind = await holding(schedule, through(SERIAL)), await holding(schedule, through(PROXIES[0], SERIAL))
    other = await holding(schedule, through(SERIAL, PROXIES[0]))  # another instance: it has another upstream
    assert inside(alone, behind, other) == [True, False, True]
    await ended(alone)
    assert inside(behind) == [True]
    await ended(behind, other)


async def test_a_cell_alone_in_its_chain_shares_no_program_of_it_and_leaves_the_rest_of_the_machine_to_others() -> None:
    schedule, (a, b) = Schedule(jobs=9), PROXIES
    beside = await holding(schedule, through(b))
    alone = await holding(schedule, through(a, b), "in its chain")
    late, elsewhere, direct = [await holding(schedule, through(*chain)) for chain in ((b,), (b, a), ())]
    assert inside(beside, alone, late, elsewhere, direct) == [True, False, True, True, True], "no program idles for one"
    await ended(beside)
    assert inside(alone, late) == [False, True]
    await ended(late)
    later = await holding(schedule, through(b))
    assert inside(alone, later) == [True, False]
    await ended(alone)
    assert inside(later) == [True]
    await ended(later, elsewhere, direct)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_chains_that_share_programs_take_them_in_one_order(order: tuple[int, int]) -> None:
    schedule, (a, b) = Schedule(jobs=9), PROXIES
    held = await holding(schedule, through(b))
    chains = [(a, a, b), (a, b)]
    first, second = [await holding(schedule, through(*chains[number]), "in its chain") for number in order]
    assert inside(first, second) == [False, False]
    await ended(held)
    assert inside(first, second) == [True, False], "what the second has not got, it has not taken"
    await ended(first)
    assert inside(second) == [True]
    await ended(second)


async def test_a_cell_alone_on_the_machine_waits_for_all_who_do_not_want_to_be_alone_there() -> None:
    schedule = Schedule(jobs=2)
    before = [await holding(schedule, through(hop)) for hop in PROXIES]
    alone = await holding(schedule, through(SERIAL), "on the machine")
    after = await holding(schedule, through())
    assert inside(*before, alone, after) == [True, True, False, False]
    await ended(before[0])
    later = await holding(schedule, through())
    assert inside(alone, after, later) == [False, True, False], "the machine does not idle for one"
    await ended(before[1])
    assert inside(alone, after, later) == [False, True, True]
    await ended(after, later)
    late, next_alone = await holding(schedule, through()), await holding(schedule, through(), "on the machine")
    assert inside(alone, late, next_alone) == [True, False, False]
    await ended(alone)
    assert inside(late, next_alone) == [True, False]
    await ended(late)
    assert inside(next_alone) == [True]
    await ended(next_alone)


async def test_who_has_its_chain_to_itself_is_the_next_to_get_a_job() -> None:
    schedule = Schedule(jobs=1)
    before, waiting = await holding(schedule, through()), await holding(schedule, through())
    alone = await holding(schedule, through(PROXIES[0]), "in its chain")
    assert inside(before, waiting, alone) == [True, False, False]
    await ended(before)
    assert inside(waiting, alone) == [False, True]
    await ended(alone)
    assert inside(waiting) == [True]
    await ended(waiting)


async def test_who_has_delays_between_its_tokens_begins_before_those_who_asked_earlier() -> None:
    schedule, delays = Schedule(jobs=1), replace(through(), delays=True)
    before, waiting = await holding(schedule, through()), await holding(schedule, through())
    long, longer = await holding(schedule, delays), await holding(schedule, delays)
    await ended(before)
    assert inside(waiting, long, longer) == [False, True, False]
    await ended(long)
    assert inside(waiting, longer) == [False, True]
    await ended(longer)
    assert inside(waiting) == [True]
    await ended(waiting)


async def test_who_gives_up_stands_in_nobodys_way() -> None:
    schedule = Schedule(jobs=9)
    ways: tuple[Alone | None, ...] = (None, "in its chain", "in its chain")
    before, alone, after = [await holding(schedule, through(PROXIES[0]), way) for way in ways]
    assert inside(before, alone, after) == [True, False, False]
    await ended(alone)
    await ended(before)
    assert inside(after) == [True]
    await ended(after)


async def test_who_is_let_in_and_cancelled_in_the_same_turn_leaves_nothing_taken() -> None:
    schedule = Schedule(jobs=1)
    first, second, third = [await holding(schedule, through()) for _ in range(3)]
    first.cancel()
    await asyncio.sleep(0)  # the second is let in, and has not heard of it
    await ended(second)
    assert inside(third) == [True]
    await ended(first, third)
    with pytest.raises(StopIteration):  # nobody is about to come in, so that who asks next is in with no turn between
        schedule.lease(through()).__aenter__().send(None)


async def test_no_more_programs_start_at_once_than_there_are_cores_and_a_lease_does_not_keep_them_from_it() -> None:
    schedule = Schedule(jobs=1, cores=2)
    alone = await holding(schedule, through(), "on the machine")
    at_once: list[int] = []

    async def start() -> None:
        async with schedule.start():
            at_once.append(1)
            await turns(2)
            most.append(len(at_once))
            at_once.pop()

    most: list[int] = []
    await asyncio.gather(*(start() for _ in range(5)))
    assert max(most) == 2
    await ended(alone)


# ---------------------------------------------------------------- what a plan needs


@pytest.mark.parametrize(
    ("client", "seats", "program"),
    [(AiohttpReader(), False, False), (Curl(), False, True), (Chromium(), True, True)],
)
def test_a_client_says_how_many_streams_it_reads_and_whether_it_is_a_program(
    client: Client, seats: bool, program: bool
) -> None:
    chain: Chain = (PROXIES[0], SERIAL)
    lockstep, paced = (
        needed_by(replace(plan(pace=pace), chain=chain), {(SERIAL,)}, client) for pace in ("lockstep", "paced")
    )
    assert lockstep.programs == paced.programs == ((SERIAL,), (PROXIES[0], SERIAL))
    assert lockstep.serial == {(SERIAL,)}
    assert bool(lockstep.seats) is bool(paced.seats) is seats
    assert (lockstep.core, paced.core) == (False, program)


@pytest.mark.parametrize("delay_ms", [None, 10])
def test_a_plan_says_whether_there_are_delays_between_tokens(delay_ms: float | None) -> None:
    assert needed_by(plan(delay_ms=delay_ms), (), AiohttpReader()).delays is (delay_ms is not None)


def test_both_clients_of_a_browser_share_its_seats() -> None:
    assert Chromium().seats == ChromiumEventSource().seats


# ---------------------------------------------------------------- on a busy machine


async def ran(schedule: Schedule, *late_ms: float, alone: Alone | None = None) -> None:
    """Run streams side by side, beside which round trips were so late."""
    async with AsyncExitStack() as held:
        told = [await held.enter_async_context(schedule.lease(through(), alone)) for _ in late_ms]
        for tell, late in zip(told, late_ms, strict=True):
            tell(late)


async def at_once(schedule: Schedule) -> int:
    """Return how many streams may run at once."""
    tasks = [await holding(schedule, through()) for _ in range(12)]
    number = sum(inside(*tasks))
    await ended(*tasks)
    return number


@pytest.mark.parametrize(
    ("late", "left"),
    [
        ([[BUSY_MS - 1] * 8], 8),
        ([[BUSY_MS] * 8], 4),
        ([[0.1] * 7 + [BUSY_MS]], 4),
        ([[BUSY_MS], [BUSY_MS]], 2),
        ([[BUSY_MS]] * 9, 1),
        ([[BUSY_MS], [0.1] * 4], 5),
        ([[BUSY_MS], [0.1] * 3], 4),
        ([[BUSY_MS], [0.1] * 3, [BUSY_MS]], 2),
        ([[BUSY_MS], *([[0.1]] * 100)], 8),
    ],
)
async def test_where_the_machine_is_too_busy_fewer_streams_run_at_once_until_it_is_so_no_more(
    late: list[list[float]], left: int
) -> None:
    schedule = Schedule(jobs=8)
    for group in late:
        await ran(schedule, *group)
    assert await at_once(schedule) == left
    assert schedule.jobs == schedule.most(through()) == 8


async def test_what_ran_alone_or_beside_more_than_run_now_tells_nothing_of_these() -> None:
    schedule = Schedule(jobs=8)
    await ran(schedule, BUSY_MS, alone="on the machine")
    await ran(schedule, BUSY_MS, alone="in its chain")
    assert await at_once(schedule) == 8
    async with schedule.lease(through()) as before:
        await ran(schedule, BUSY_MS)
        before(BUSY_MS)
    assert await at_once(schedule) == 4


async def test_who_is_inside_stays_when_fewer_may_be_and_who_waits_gets_in_when_more_may() -> None:
    schedule = Schedule(jobs=2)
    first, second = await holding(schedule, through()), await holding(schedule, through())
    await ended(second)
    await ran(schedule, BUSY_MS)
    waiting = await holding(schedule, through())
    assert inside(first, waiting) == [True, False]
    await ended(first)
    late = await holding(schedule, through())
    assert inside(waiting, late) == [True, False]
    await ended(waiting)
    assert inside(late) == [True]
    await ended(late)
    await ran(schedule, 0.1)
    assert await at_once(schedule) == 2
