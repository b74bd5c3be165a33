"""A port for one program alone, and waiting for conditions."""

from __future__ import annotations

import socket
import sys
import time

import pytest

from harness.errors import ProxyError
from harness.launchers.ports import PortTaken, on_free_port, reserved_port
from harness.launchers.process import until

DEADLINE_S = 20.0


def test_a_reserved_port_is_kept_from_all_but_those_who_bind_it_by_number() -> None:
    with reserved_port() as port:
        others = [socket.create_server(("127.0.0.1", 0)) for _ in range(200)]
        assert port not in [other.getsockname()[1] for other in others]
        for other in others:
            other.close()
        with socket.create_server(("127.0.0.1", port)):
            socket.create_connection(("127.0.0.1", port)).close()


def test_a_reserved_port_is_answered_by_nobody_as_long_as_nobody_serves_there() -> None:
    with reserved_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_a_taken_port_is_followed_by_another_three_times_in_all() -> None:
    tried: list[int] = []

    async def start(port: int) -> int:
        tried.append(port)
        if len(tried) < 3:
            raise PortTaken("somebody was faster")
        return port

    assert await on_free_port(start) == tried[2]
    assert len(set(tried)) == 3

    async def never(port: int) -> None:
        tried.append(port)
        raise PortTaken("somebody was faster")

    with pytest.raises(PortTaken):
        await on_free_port(never)
    assert len(tried) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets two sockets share a port until one listens")
async def test_a_port_that_was_tried_is_given_to_nobody_while_another_is() -> None:
    tried: list[int] = []

    async def start(port: int) -> None:
        for before in tried:
            with socket.socket() as another, pytest.raises(OSError, match="in use"):
                another.bind(("127.0.0.1", before))
        tried.append(port)
        raise PortTaken("somebody was faster")

    with pytest.raises(PortTaken):
        await on_free_port(start)
    assert len(tried) == 3


async def test_any_other_fault_is_not_tried_again() -> None:
    tried: list[int] = []

    async def start(port: int) -> None:
        tried.append(port)
        raise ProxyError("a broken config stays broken")

    with pytest.raises(ProxyError, match="stays broken"):
        await on_free_port(start)
    assert len(tried) == 1


async def test_waiting_ends_with_the_condition_or_the_deadline() -> None:
    began = time.monotonic()
    answers = iter([False, 0, "", "here"])
    assert await until(lambda: next(answers), DEADLINE_S)
    assert time.monotonic() - began < DEADLINE_S
    assert not await until(lambda: False, 0.02)
