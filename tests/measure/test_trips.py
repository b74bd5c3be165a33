"""Round trips in memory: which of them count, how often one goes, and the figures of those that went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from harness.errors import BackendError
from harness.measure.guard import (
    Trips,
)
from tests.measure.gates import Gate, settle
from tests.waiting import DEADLINE_S


async def test_a_trip_that_was_under_way_before_does_not_count() -> None:
    gate = Gate()
    trips = Trips(gate.trip)
    with trips.watched():
        await settle()
        waiting = asyncio.create_task(trips.after(2))
        await settle()
        for _ in range(3):
            assert not waiting.done()
            gate.permits.release()
            await settle()
        assert waiting.done()
    assert gate.begun == 3
    await trips.close()


async def test_a_machine_that_stands_still_while_one_is_under_way_is_told_and_one_that_nobody_watches_does_not(
    took: Callable[[int], None],
) -> None:
    gate = Gate()
    trips = Trips(gate.trip)
    waiting = asyncio.create_task(trips.after(1))
    await settle()
    took(4000)
    gate.permits.release()
    await waiting
    await settle()
    assert trips._task
    gate.permits.release()
    await trips._task
    lost_ns = trips.standstill.lost_ns(4000 * 10**6)
    assert lost_ns > 3000 * 10**6
    assert trips.standstill.lost_ns(10**15) == lost_ns
    await trips.close()


async def test_nobody_watching_means_no_trips() -> None:
    gate = Gate(free=1000)
    trips = Trips(gate.trip)
    await trips.after(3)
    assert trips._task is not None
    await trips._task
    seen = gate.begun
    await settle()
    assert gate.begun == seen
    await trips.after(1)
    assert gate.begun > seen, "and they start again when somebody does"
    await trips.close()


async def test_a_trip_that_fails_is_told_to_all_who_wait() -> None:
    gate = Gate()
    gate.error = BackendError("the emitter is gone")
    trips = Trips(gate.trip)
    waiting = [asyncio.create_task(trips.after(1)) for _ in range(3)]
    await settle()
    gate.permits.release()
    for told in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(told, BackendError)
    await trips.close()


async def test_a_fault_of_ours_in_a_trip_is_told_too_and_the_next_who_waits_gets_new_trips() -> None:
    gate = Gate(free=1000)
    gate.error = ValueError("odd")
    trips = Trips(gate.trip)
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(BackendError, match="the guard failed: ValueError: odd") as told:
            await trips.after(1)
        assert told.value.__cause__ is gate.error
        gate.error = None
        await trips.after(1)
    await trips.close()


async def test_trips_that_stop_coming_are_an_error_and_not_a_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.measure.guard.TRIPS_S", 0.05)
    trips = Trips(Gate().trip)
    with pytest.raises(BackendError, match="nothing has gone round"):
        await trips.after(1)
    await trips.close()


@pytest.mark.usefixtures("unhurried")
async def test_who_waits_is_not_made_to_rest_and_no_trip_goes_that_nobody_waits_for() -> None:
    gate = Gate(free=1000)
    trips = Trips(gate.trip)
    for asked in (3, 1, 2):
        before, waiting = gate.begun, asyncio.create_task(trips.after(asked))
        await settle()
        assert waiting.done()
        assert gate.begun == before + asked
    await trips.close()


@pytest.mark.usefixtures("unhurried")
async def test_whoever_only_watches_lets_trips_rest_and_who_comes_to_wait_hurries_them() -> None:
    gate = Gate(free=1000)
    trips = Trips(gate.trip)
    with trips.watched():
        await settle()
        assert gate.begun == 1
        await asyncio.gather(trips.after(1), trips.after(3), trips.after(2))
        assert gate.begun == 4
        await settle()
        assert gate.begun == 4
    await trips.close()


@pytest.mark.parametrize(
    ("ms", "since_ms", "least", "median", "slow"),
    [
        ((), 0, None, None, None),
        ((7,), 0, 7, 7, 7),
        ((5, 2, 4, 8), 0, 2, 4.5, 8),
        ((8, 1, 7, 2, 6, 3, 5, 4), 0, 1, 4.5, 7),
        ((1, 9, 3), 10, 1, 6, 9),  # the second ends at this very instant
        ((1, 9, 3), 11, 1, 3, 3),
        ((1, 9, 3), 14, 1, None, None),
    ],
)
async def test_figures_are_of_the_trips_since_then_and_the_least_of_all(
    took: Callable[[int], None], ms: Sequence[int], since_ms: int, least: float, median: float, slow: float
) -> None:
    lasting = iter(ms)

    async def trip() -> None:
        took(next(lasting))

    trips = Trips(trip)
    if ms:
        await trips.after(len(ms))
    since_ns = since_ms * 10**6
    assert (trips.least_ms, trips.median_ms(since_ns), trips.slow_ms(since_ns)) == (least, median, slow)
    await trips.close()
