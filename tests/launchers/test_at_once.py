"""Blocking work done side by side: how many at once, in which order, and that an interrupt leaves none of it."""

from __future__ import annotations

import asyncio
import fcntl
import threading
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest

from harness.errors import Unavailable
from harness.launchers.at_once import at_once, pause
from harness.launchers.commands import apart
from harness.launchers.installation import Installation, Steps

LONG_S = 60.0


class Works:
    """Works that take note of when they begin and end, and of how many run."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.most = 0
        self._lock = threading.Lock()
        self.all_run = threading.Event()

    def work(self, name: str, does: Callable[[], object]) -> tuple[str, Callable[[], object]]:
        return name, partial(self._do, name, does)

    def _do(self, name: str, does: Callable[[], object]) -> None:
        with self._lock:
            self.begun.append(name)
            self.most = max(self.most, len(self.begun) - len(self.ended))
        try:
            does()
        finally:
            with self._lock:
                self.ended.append(name)


def installation(folder: Path) -> Installation:
    return Installation(folder / "what", "what", "What", "set it up", "room")


@pytest.mark.parametrize("jobs", [1, 2, 5])
async def test_so_many_run_at_once_in_their_order_and_each_is_told_with_what_it_raised(jobs: int) -> None:
    works, gate = Works(), threading.Barrier(jobs)
    names = [f"w{number}" for number in range(2 * jobs)]

    def does(name: str) -> None:
        gate.wait(LONG_S)  # which only so many at once get through
        if name == "w0":
            raise Unavailable("no", "way out")

    todo = [works.work(name, partial(does, name)) for name in names]
    told = {name: error async for name, error in at_once(todo, jobs)}
    assert works.most == jobs
    assert [sorted(works.begun[:jobs]), sorted(works.begun[jobs:])] == [sorted(names[:jobs]), sorted(names[jobs:])]
    assert {name for name, error in told.items() if error} == {"w0"}
    assert sorted(told) == sorted(names)


async def test_who_stops_listening_has_what_runs_ended_and_no_more_begun(tmp_path: Path) -> None:
    """What runs: a program's loop, a wait between two looks, one for somebody else's lock, and one in a thread."""
    works, waits, mine, theirs = Works(), threading.Semaphore(0), tmp_path / "mine", tmp_path / "theirs"

    async def serve() -> None:
        waits.release()
        await asyncio.sleep(LONG_S)

    def make(steps: Steps) -> str:
        waits.release()
        pause(LONG_S)
        return "made"

    def pauses() -> None:
        waits.release()
        pause(LONG_S)

    theirs.mkdir()
    running = {
        "loop": lambda: apart(serve()),
        "pause": pauses,
        "thread": lambda: installation(mine).ensure(make, lambda said: None),
        "lock": lambda: installation(theirs).ensure(make, lambda said: waits.release()),
    }
    quick = works.work("quick", lambda: [waits.acquire(timeout=LONG_S) for _ in running])
    todo = [
        *(works.work(*one) for one in running.items()),
        quick,
        works.work("next", pauses),
        works.work("never", pauses),
    ]
    with open(theirs / "what.lock", "w") as lock:  # noqa: ASYNC230
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with aclosing(at_once(todo, len(running) + 1)) as told:
            assert await anext(told) == ("quick", None)
    assert sorted(works.ended) == sorted(works.begun)
    assert {*works.ended} - {"next"} == {*running, "quick"}
    assert list(mine.glob("what/*")) == []
    assert apart(asyncio.sleep(0, "goes on")) == "goes on", "what was over is so no more"


@pytest.mark.parametrize("interrupts", [1, 3])
async def test_who_is_cancelled_goes_on_only_when_all_of_it_has_ended(interrupts: int) -> None:
    works, runs = Works(), threading.Semaphore(0)

    def long() -> None:
        runs.release()
        pause(LONG_S)

    async def listens() -> None:
        async with aclosing(at_once([works.work(name, long) for name in ("a", "b", "never")], 2)) as told:
            await anext(told)

    listening = asyncio.create_task(listens())
    for _ in range(2):
        assert await asyncio.to_thread(runs.acquire, timeout=LONG_S)
    for _ in range(interrupts):
        listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert (sorted(works.begun), sorted(works.ended)) == (["a", "b"], ["a", "b"])


async def test_an_error_of_who_listens_ends_it_too() -> None:
    works, runs = Works(), threading.Event()

    def long() -> None:
        runs.set()
        pause(LONG_S)

    todo = [works.work("long", long), works.work("quick", lambda: runs.wait(LONG_S))]
    with pytest.raises(Unavailable):  # noqa: PT012
        async with aclosing(at_once(todo, 2)) as told:
            await anext(told)
            raise Unavailable("no", "way out")
    assert sorted(works.ended) == ["long", "quick"]


async def test_two_threads_that_want_the_same_make_it_once_and_say_nothing_of_another_harness(tmp_path: Path) -> None:
    made, said, both = list[str](), list[str](), threading.Barrier(2)

    def make(steps: Steps) -> str:
        made.append("once")
        return "made"

    def does() -> None:
        both.wait(LONG_S)
        installation(tmp_path).ensure(make, said.append)

    assert [error async for _, error in at_once([("a", does), ("b", does)], 2)] == [None, None]
    assert (made, said, installation(tmp_path).manifest()) == (["once"], [], "made")
