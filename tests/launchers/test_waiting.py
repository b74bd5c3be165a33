"""Waiting for what a program does: its end, or ours, ends the wait, in its last words."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from harness.errors import ProxyError
from harness.launchers.fake import FakeProgram
from harness.launchers.ports import reserved_port
from harness.launchers.waiting import accepts, announces, outlives

DEADLINE_S = 20.0
SOON_S = 0.05


@pytest.fixture
def program() -> FakeProgram:
    return FakeProgram("server", "thinking\n")


async def test_a_port_that_accepts_ends_the_wait(program: FakeProgram) -> None:
    with reserved_port() as port:
        waiting = asyncio.create_task(accepts(program, port, DEADLINE_S))
        await asyncio.sleep(0)
        assert not waiting.done()
        with socket.create_server(("127.0.0.1", port)):
            await waiting


async def test_words_that_a_program_says_end_the_wait(program: FakeProgram) -> None:
    waiting = asyncio.create_task(announces(program, re.compile(r"port (\d+)"), DEADLINE_S))
    await asyncio.sleep(0)
    program.says("on port 8080\n")
    assert await waiting == "8080"


async def test_a_program_that_ends_ends_whatever_is_waited_for_and_is_told_with_its_last_words(
    program: FakeProgram,
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        waiting = asyncio.create_task(outlives(program, asyncio.Event().wait(), within_s=3600))
        await asyncio.sleep(0)
        program.dies(3, "it cannot\n")
        with pytest.raises(ProxyError) as told:
            await waiting
    assert str(told.value) == "server exited with status 3:\nthinking\nit cannot"


async def test_a_program_that_is_late_is_told_with_its_last_words(program: FakeProgram) -> None:
    with reserved_port() as port:
        with pytest.raises(ProxyError) as told:
            await accepts(program, port, SOON_S)
        assert str(told.value) == f"server did not answer on port {port} within 0.05 s:\nthinking"
    with pytest.raises(ProxyError, match=r"server did not listen within 0\.05 s:\nthinking"):
        await announces(program, re.compile(r"port (\d+)"), SOON_S)
    with pytest.raises(ProxyError, match=r"server did not wake up within 0\.05 s:\nthinking"):
        await outlives(program, asyncio.Event().wait(), SOON_S, what="wake up")


async def test_what_came_of_the_wait_for_a_living_program_is_returned_or_raised(program: FakeProgram) -> None:
    async def work(fault: Exception | None = None) -> str:
        if fault:
            raise fault
        return "done"

    assert await outlives(program, work(), DEADLINE_S) == "done"
    with pytest.raises(ValueError, match="odd"):
        await outlives(program, work(ValueError("odd")), DEADLINE_S)


async def test_whoever_stops_waiting_leaves_nothing_that_waits(program: FakeProgram) -> None:
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(outlives(program, asyncio.Event().wait(), DEADLINE_S))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == before
