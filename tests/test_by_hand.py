"""What is watched by hand: lines of strace become the calls of a hop, in one order with what its neighbours say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import by_hand
from benchmarks.by_hand import Event, Server, Stream
from tests.test_benchmarks import benchmark

PORTS, ASKED = {8080: "haproxy"}, {9000: "haproxy"}
CLIENT, UPSTREAM = "7<TCP:[127.0.0.1:8080->127.0.0.1:51000]>", "9<TCP:[127.0.0.1:52000->127.0.0.1:9000]>"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            f'10.000001 sendto({CLIENT}, ""..., 118, MSG_DONTWAIT|MSG_NOSIGNAL|MSG_MORE, NULL, 0) = 118 <0.000017>',
            (10.000001, "sendto to its client: 118 bytes, MSG_MORE"),
        ),
        (
            f'10.5 recvfrom({UPSTREAM}, ""..., 16384, 0, NULL, NULL) = 80 <0.25>',
            (10.75, "recvfrom from its upstream: 80 bytes"),
        ),
        (f'10.5 read({CLIENT}, "", 4096) = 0 <0.000001>', (10.500001, "read from its client: 0 bytes")),
        (
            "10.5 writev(7<TCPv6:[[::ffff:127.0.0.1]:8080->[::ffff:127.0.0.1]:51000]>, [{iov_len=5}], 1) = 5 <0.1>",
            (10.5, "writev to its client: 5 bytes"),
        ),
        (
            f"10.5 setsockopt({CLIENT}, SOL_TCP, TCP_NODELAY, [1], 4) = 0 <0.000003>",
            (10.5, "setsockopt to its client: TCP_NODELAY, [1], 4"),
        ),
        (f"10.5 setsockopt({CLIENT}, SOL_SOCKET, SO_LINGER, {{}}, 8) = 0 <0.000003>", None),
        (f"10.5 read({CLIENT}, 0x7f, 4096) = -1 EAGAIN (Resource temporarily unavailable) <0.000001>", None),
        ('10.5 write(7<TCP:[127.0.0.1:7000->127.0.0.1:51000]>, ""..., 5) = 5 <0.000001>', None),
        ('10.5 write(2</tmp/its.log>, ""..., 5) = 5 <0.000001>', None),
        (f"10.5 read({CLIENT},  <detached ...>", None),
        ("10.5 +++ exited with 0 +++", None),
    ],
)
def test_a_line_of_strace_is_a_call_that_moved_bytes_or_nothing(line: str, told: tuple[float, str] | None) -> None:
    found = [(round(call.at_s, 6), call.what) for call in by_hand.calls([line], PORTS, ASKED)]
    assert found == ([told] if told else [])


def test_times_are_since_the_first_token_whoever_was_told_of_first() -> None:
    events = [Event(3.25, "curl", "gets it"), Event(3.0, "server", "writes token 0, 9 bytes"), Event(2.5, "a", "b")]
    assert list(by_hand.timeline(events)) == [
        "   -500.0  a         b",
        "      0.0  server    writes token 0, 9 bytes",
        "    250.0  curl      gets it",
    ]


@pytest.mark.parametrize("format", by_hand.FORMATS)
@pytest.mark.parametrize("body", ["chunked", "length", "close"])
async def test_the_server_frames_what_it_says(format: str, body: str) -> None:
    stream = Stream(format, body, tokens=3, token_bytes=100, interval_s=0.0)
    server = await asyncio.start_server(Server({"1": stream}).answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        read = await by_hand.read_by_curl(f"http://127.0.0.1:{port}/stream/1", [])
    assert read[-1].what == "ends with status 0"
    got = sum(int(event.what.split()[1]) for event in read if event.what.startswith("gets "))
    assert got == 3 * 100 + len(by_hand.FORMATS[format][2])
    wrote = [event.what for event in stream.events]
    assert wrote[-1] == "ends the body"
    assert sum(what.startswith("writes token") for what in wrote) == 3


def test_what_it_cannot_start_is_told_in_a_line(tmp_path: Path) -> None:
    said = benchmark("by_hand", "nowhere:default", tmp=tmp_path)
    assert (said.returncode, said.stdout) == (1, "")
    assert "nowhere" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.proxies
def test_a_hop_that_holds_is_seen_to_hold(tmp_path: Path) -> None:
    said = benchmark("by_hand", "cloudrun:report", "--tokens", "2", "--interval", "20", tmp=tmp_path)
    told = [line.split(None, 2)[1:] for line in said.stdout.splitlines()]
    assert told[-3:] == [
        ["server", "ends the body"],
        ["curl", "gets 224 bytes: token 0 to 1"],
        ["curl", "ends with status 0"],
    ], said.stderr
    assert list(tmp_path.iterdir()) == []
