"""The control stream in memory: a trip is one token of it, and how one stream follows another."""

from __future__ import annotations

import asyncio

import pytest

from harness.backends.fake import Fake as FakeBackend
from harness.clients.base import Request, Sink
from harness.clients.fake import Fake as FakeClient
from harness.errors import BackendError
from harness.measure import guard as module
from harness.measure.guard import (
    ControlStream,
)
from tests.measure.gates import Pieces, settle


async def sent(control: ControlStream) -> list[int]:
    assert control._stream is not None
    return [token.seq for token in (await control._stream.log()).sent]


def test_it_has_a_token_for_each_trip_of_the_longest_run() -> None:
    assert module.ENDLESS.tokens > 1_000 * 86_400 * 365, "a thousand a second for a year"


@pytest.mark.parametrize("piece_bytes", [1, 95, 96, 4096])
async def test_a_trip_is_one_token_and_ends_with_its_last_byte(piece_bytes: int) -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend, piece_bytes), backend)
    for trips in (1, 3, 2):
        before = await sent(control) if control._stream else []
        await control.trips.after(trips)
        assert await sent(control) == [*before, *range(len(before), len(before) + trips)]
    await control.close()


async def test_a_token_of_which_a_byte_is_missing_has_not_come() -> None:
    backend = FakeBackend()
    control = ControlStream(FakeClient(lambda request: backend.answer(request.url)), backend)
    await control._open()
    control._arrival, control._granted = asyncio.get_running_loop().create_future(), 1
    assert control.read(b"x" * 191, 0)
    assert not control._arrival.done()
    control.read(b"x", 0)
    assert control._arrival.result()
    control.read(b"x", 0)  # more than was granted: what it is, the reading of a stream tells, and not the guard
    await control.close()


async def test_its_log_is_forgotten_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORGET_EVERY", 4)
    backend = FakeBackend()
    control = ControlStream(Pieces(backend), backend)
    await control.trips.after(3)
    assert await sent(control) == [0, 1, 2]
    await control.trips.after(3)
    assert await sent(control) == [4, 5]
    await control.close()


async def test_a_closed_one_leaves_no_task_and_no_stream_and_opens_anew() -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend), backend)
    for _ in range(2):
        await control.trips.after(1)
        stream, reader = control._stream, control._reader
        await control.close()
        assert stream is not None
        assert stream._closed  # type: ignore[attr-defined]
        assert reader is not None
        assert reader.done()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_one_that_ends_well_under_way_is_followed_by_another() -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend, ends_after=2), backend)
    await control.trips.after(5)
    assert [stream._closed for stream in backend._streams.values()] == [True, True, False]
    await control.close()


async def test_late_news_of_one_that_has_ended_are_none_of_the_next() -> None:
    backend, goes_on = FakeBackend(), asyncio.Event()

    class Slow(Pieces):
        async def stream(self, request: Request, sink: Sink) -> None:
            if len(backend._streams) > 1:
                await goes_on.wait()
            await super().stream(request, sink)

    control = ControlStream(Slow(backend, ends_after=2), backend)
    await control.trips.after(2)
    first, waiting = control._stream, asyncio.create_task(control.trips.after(2))
    await settle()
    assert first is not None
    assert control._stream is not first
    first.lost.set_result("it was killed")
    await settle()
    goes_on.set()
    await waiting
    await control.close()


async def test_one_that_ends_before_its_first_token_is_broken() -> None:
    backend = FakeBackend()
    control = ControlStream(Pieces(backend, ends_after=0), backend)
    with pytest.raises(BackendError, match="the control stream broke: the emitter ended it"):
        await control.trips.after(1)
    await control.close()


async def test_who_waits_while_the_backend_dies_is_told_and_the_next_gets_another_stream() -> None:
    unseen: list[object] = []  # what callbacks raise, only the event loop hears of
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unseen.append(told))
    backend, mute = FakeBackend(), True

    class Mute(Pieces):
        async def stream(self, request: Request, sink: Sink) -> None:
            await (asyncio.Event().wait() if mute else super().stream(request, sink))

    control = ControlStream(Mute(backend), backend)
    waiting = asyncio.create_task(control.trips.after(1))
    await settle()
    backend.die("it was killed")
    with pytest.raises(BackendError, match="the control stream broke: it was killed"):
        await waiting
    mute = False
    await control.trips.after(1)
    await settle()
    backend.die("it was killed again, and nobody waits")
    await settle()
    await control.trips.after(1)
    await control.close()
    assert unseen == []
