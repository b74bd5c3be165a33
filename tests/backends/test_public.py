"""A deployed emitter: whom it obeys, what it refuses, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from harness.backends import public
from harness.backends.control import dump_emission, load_log
from harness.backends.posting import INSTANCE_HEADER, TOKEN_HEADER, TOKEN_VARIABLE
from harness.backends.public import Limits, PerMinute, described, main
from harness.launchers.process import Launcher
from harness.model import EMITTER_HEADER, Emission, Pace, Turn
from tests.backends.deploying import TOKEN, Public, deployed
from tests.backends.emitting import emission, expected_body
from tests.waiting import eventually

TOLD = emission()
LAST = TOLD.workload.tokens - 1


def real(test: Any) -> Any:
    """Mark a test that asks a real emitter."""
    return pytest.mark.proxies(pytest.mark.asyncio(loop_scope="module")(test))


# ---------------------------------------------------------------- pure


def test_so_many_pass_within_any_minute_and_the_next_is_told_how_long_to_wait() -> None:
    gate = PerMinute(2)
    assert [gate.wait_s(at_s) for at_s in (0.0, 10.0, 15.0, 59.0)] == [0, 0, 45, 1]
    assert [gate.wait_s(at_s) for at_s in (60.0, 61.0, 70.0)] == [0, 9, 0]


@pytest.mark.parametrize(
    ("limits", "through", "way_out"),
    [(Limits(tokens=5), 5, "--tokens"), (Limits(bytes=500), 5, "--bytes")],
)
def test_what_is_too_much_is_refused_with_the_way_out(limits: Limits, through: int, way_out: str) -> None:
    assert limits.refusal(TOLD, through - 1) is None
    assert way_out in str(limits.refusal(TOLD, through))


@pytest.mark.parametrize("body", ["chunked", "length", "close"])
def test_a_demo_is_paced_and_as_it_was_asked_for(body: str) -> None:
    emission = described({"tokens": "5", "interval_ms": "20", "format": "ndjson", "body": body})
    assert (emission.workload.tokens, emission.workload.interval_ms, emission.pace) == (5, 20, "paced")
    assert (emission.format, emission.body, emission.content_type) == ("ndjson", body, "application/x-ndjson")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"token": "5"}, "token: a demo has tokens, token_bytes, interval_ms, format, body"),
        ({"tokens": "0"}, "tokens is '0': it has to be a whole number, 1 at least"),
        ({"interval_ms": "-1"}, "interval_ms is '-1': it has to be a whole number, 0 at least"),
        ({"format": "xml"}, "format is 'xml': it may be sse, ndjson, text, openai"),
        ({"body": "gzip"}, "body is 'gzip': it may be chunked, length, close"),
    ],
)
def test_a_demo_that_nobody_can_mean_is_told_what_is_allowed(query: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        described(query)


# ---------------------------------------------------------------- how it starts


@pytest.mark.parametrize(
    ("env", "options", "told"),
    [
        ({TOKEN_VARIABLE: ""}, [], f"{TOKEN_VARIABLE} is not set"),
        ({TOKEN_VARIABLE: "short"}, [], f"{TOKEN_VARIABLE} has 5 characters"),
        ({TOKEN_VARIABLE: f"{TOKEN}\n"}, [], f"{TOKEN_VARIABLE} has a blank, a line end"),
        ({TOKEN_VARIABLE: "open sesame open sesame"}, [], f"{TOKEN_VARIABLE} has a blank, a line end"),
        ({TOKEN_VARIABLE: f"{TOKEN}\t"}, [], f"{TOKEN_VARIABLE} has a blank, a line end"),
        ({"PORT": "http"}, [], "PORT is 'http'"),
        ({"PORT": "65536"}, [], "65536 is no port"),
        ({}, ["--streams=0"], "--streams has to be more than 0"),
        ({}, ["--duration-s=nan"], "--duration-s has to be more than 0, and finite"),
        ({}, ["--abandoned-s=inf"], "--abandoned-s has to be more than 0, and finite"),
        ({}, ["--host=203.0.113.1"], "nobody can listen on 203.0.113.1:8080"),
    ],
)
def test_it_does_not_start_as_nobody_can_mean_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    env: dict[str, str],
    options: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["public", *options])
    for name, value in {"PORT": "8080", TOKEN_VARIABLE: TOKEN, **env}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


# ---------------------------------------------------------------- whom it obeys, and what it refuses


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Public]:
    folder = tmp_path_factory.mktemp("public")
    async with Launcher() as launcher, deployed(launcher, folder, "--tokens=100") as public:
        yield public
        assert public.process.death() is None
        assert "Traceback" not in (folder / "public.log").read_text()


@real
@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], "näh"])
@pytest.mark.parametrize("path", ["/control/pulse", "/control/open", "/control/ID/log", "/control/ID/close"])
async def test_who_has_no_token_tells_it_nothing_and_learns_of_no_stream(
    running: Public, path: str, token: str | None
) -> None:
    stream_id = await running.open(TOLD)
    for one in (stream_id, "f" * 32):
        status, said = await running.post(path.replace("ID", one), token)
        assert (status, "not without the token" in said) == (401, True)
    assert (await running.post(f"/control/{stream_id}/state"))[1] == {"asked": False, "sent": 0}
    await running.post(f"/control/{stream_id}/close")


@real
async def test_the_streams_of_nobody_are_not_found_and_a_get_controls_nothing(running: Public) -> None:
    assert (await running.post(f"/control/{'f' * 32}/grant", through=0))[0] == 404
    async with running.session.get(running.url + "/control/pulse") as answer:
        assert answer.status == 404


@real
@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("/control/open", {}, 400),
        ("/control/open", {"emission": {"workload": {"name": "w"}}}, 400),
        ("/control/open", {"emission": "x"}, 400),
        ("/control/ID/grant", {"through": "all"}, 400),
        ("/control/ID/grant", {"through": 100}, 413),
    ],
)
async def test_what_it_cannot_do_is_told_and_disturbs_nothing(
    running: Public, path: str, said: dict[str, Any], status: int
) -> None:
    stream_id = await running.open(TOLD)
    assert (await running.post(path.replace("ID", stream_id), **said))[0] == status
    assert (await running.post(f"/control/{stream_id}/close"))[0] == 200


@real
async def test_a_stream_is_sent_to_the_byte_as_it_is_granted_and_logged(running: Public) -> None:
    stream_id = await running.open(TOLD)
    async with running.session.get(f"{running.url}/stream/{stream_id}") as answer:
        assert (answer.status, answer.headers[EMITTER_HEADER]) == (200, stream_id)
        assert answer.headers[INSTANCE_HEADER]
        await running.post(f"/control/{stream_id}/grant", through=0)
        first = await answer.content.readany()
        assert len(first) == TOLD.event_bytes
        await running.post(f"/control/{stream_id}/grant", through=LAST, end=True, after_ms=20, every_ms=5)
        body = first + await answer.read()
    log = load_log((await log_of(running, stream_id)).encode())
    assert body == expected_body(TOLD, log)
    gaps_ms = [(b.at_ns - a.at_ns) / 1e6 for a, b in zip(log.sent[1:], log.sent[2:], strict=False)]
    assert all(gap_ms > 0 for gap_ms in gaps_ms)
    await running.post(f"/control/{stream_id}/close")
    assert (await running.post(f"/control/{stream_id}/log"))[0] == 404


@real
async def test_announced_turns_need_no_grant(running: Public) -> None:
    stream_id = await running.open(TOLD, turns=[(10, 1), (30, LAST), (20, LAST)])
    asked_ns = time.monotonic_ns()
    async with running.session.get(f"{running.url}/stream/{stream_id}") as answer:
        body = await answer.read()
    log = load_log((await log_of(running, stream_id)).encode())
    assert body == expected_body(TOLD, log)
    late_ms = [(log.sent[number].at_ns - asked_ns) / 1e6 for number in (1, 2)]
    assert late_ms[0] > 10, "the first turn had its silence"
    assert late_ms[1] > 40, "the second one had its own after that"
    await running.post(f"/control/{stream_id}/close")


class Stalls:
    """A stream whose machine stands still whenever a turn is taken."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.silences_ms: list[float] = []
        self.last_ns = time.monotonic_ns()

    def grant(self, through: int) -> None:
        self.silences_ms.append((time.monotonic_ns() - self.last_ns) / 1e6)
        time.sleep(0.05)
        self.last_ns = time.monotonic_ns()

    def end(self) -> None:
        self.gone.set()


async def test_no_silence_is_cut_short_where_a_machine_stands_still() -> None:
    stream: Any = Stalls()
    public._play(stream, [Turn(5, 0), Turn(30, 1), Turn(30, LAST)])
    await stream.gone.wait()
    assert [silent >= least for silent, least in zip(stream.silences_ms, (5, 30, 30), strict=True)] == [True] * 3


async def log_of(running: Public, stream_id: str) -> str:
    """Return its log as a line, as an emitter of ours writes it."""
    status, said = await running.post(f"/control/{stream_id}/log")
    assert status == 200
    return json.dumps(said["log"])


# ---------------------------------------------------------------- what keeps a place, and what is counted


@contextlib.asynccontextmanager
async def within(**limits: Any) -> AsyncIterator[tuple[public.Public, TestClient[Any, Any]]]:
    """Run one within limits, in this process, and ask it."""
    emitter = public.Public(TOKEN, Limits(**limits))
    async with TestClient(TestServer(emitter.application()), headers={TOKEN_HEADER: TOKEN}) as client:
        yield emitter, client


async def opened(client: TestClient[Any, Any], emission: Emission = TOLD) -> str:
    """Announce a stream; return its id, or nothing if there is no room."""
    said = {"emission": json.loads(dump_emission(emission))}
    async with client.post("/control/open", json=said) as answer:
        return str((await answer.json())["stream"]) if answer.status == 200 else ""


@pytest.mark.parametrize("how", ["never asked for", "granted no more", "left by its reader", "read, and not closed"])
async def test_who_is_gone_keeps_no_place(how: str) -> None:
    """Long before its time is over: nobody has said anything of it for a while."""
    async with within(streams=1, abandoned_s=0.05) as (emitter, client):
        stream_id = await opened(client)
        if how != "never asked for":
            answer = await client.get(f"/stream/{stream_id}")
            if how == "left by its reader":
                answer.close()
            if how == "read, and not closed":
                await client.post(f"/control/{stream_id}/grant", json={"through": LAST, "end": True})
            with contextlib.suppress(aiohttp.ClientError):
                await answer.read()
        await eventually(lambda: not emitter.streams)
        assert await opened(client)


async def test_who_reads_or_speaks_is_not_gone() -> None:
    async with within(streams=1) as (emitter, client):
        stream = emitter.streams[stream_id := await opened(client)]
        stream._heard -= 1000
        assert stream.silent_s > 999
        await client.post(f"/control/{stream_id}/state")
        assert stream.silent_s < 999
        async with client.get(f"/stream/{stream_id}"):
            stream._heard -= 1000
            assert stream.silent_s == 0
        assert not await opened(client)


async def test_who_was_given_up_can_be_asked_why_for_a_while() -> None:
    async with within() as (emitter, client):
        stream = emitter.streams[stream_id := await opened(client)]
        async with client.get(f"/stream/{stream_id}") as answer:
            await eventually(lambda: stream._wake)
            stream._heard -= 1000
            stream._listen()
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        async with client.post(f"/control/{stream_id}/log") as answer:
            assert answer.status == 200
            assert (await answer.json())["log"]["failure"] == "nobody granted anything for 60 s"


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
async def test_heartbeats_count_and_what_is_too_much_breaks_off(pace: Pace) -> None:
    told = replace(emission(pace=pace, interval_ms=60_000), heartbeat_ms=1)
    async with within(bytes=2000) as (_, client):
        stream_id, came = await opened(client, told), b""
        async with client.get(f"/stream/{stream_id}") as answer:
            with contextlib.suppress(aiohttp.ClientError):
                async for data in answer.content.iter_any():
                    came += data
        async with client.post(f"/control/{stream_id}/log") as answer:
            log = load_log(json.dumps((await answer.json())["log"]).encode())
        room = 2000 - told.bytes_through(LAST) + told.bytes_through(0)  # one token at most was sent of all that may be
        assert 0 < len(came) <= room
        assert len(log.heartbeats) > 10
        assert "a stream may have 2000 bytes here, not 20" in str(log.failure)
        assert "--bytes allows more" in str(log.failure)


async def test_what_heartbeats_have_taken_is_not_there_for_tokens() -> None:
    async with within(bytes=2000) as (emitter, client):
        stream = emitter.streams[stream_id := await opened(client)]
        stream.beats_bytes = 2000 - TOLD.bytes_through(LAST)
        async with client.post(f"/control/{stream_id}/grant", json={"through": LAST}) as answer:
            assert answer.status == 200
        async with client.post(f"/control/{stream_id}/grant", json={"through": LAST + 1}) as answer:
            assert (answer.status, "--bytes allows more" in await answer.text()) == (413, True)


@pytest.mark.parametrize(("tokens", "status"), [(LAST + 1, 200), (LAST + 2, 413)])
async def test_a_length_is_announced_of_as_many_tokens_as_a_stream_may_have(tokens: int, status: int) -> None:
    said = json.loads(dump_emission(replace(TOLD, body="length", announced_tokens=tokens)))
    async with (
        within(tokens=LAST + 1) as (_, client),
        client.post("/control/open", json={"emission": said}) as answer,
    ):
        assert answer.status == status
        assert (f"{LAST + 1} tokens here, not {LAST + 2}" in await answer.text()) == (status == 413)


# ---------------------------------------------------------------- limits and its end, each with an emitter of its own


@real
async def test_limits_refuse_with_the_way_out_and_grants_are_not_counted(tmp_path: Path) -> None:
    options = ["--streams=1", "--requests-per-minute=3"]
    async with Launcher() as launcher, deployed(launcher, tmp_path, *options) as public:
        stream_id = await public.open(TOLD)
        status, said = await public.post("/control/open", emission={})
        assert (status, "--streams" in said) == (503, True)
        for _ in range(20):
            assert (await public.post(f"/control/{stream_id}/grant", through=0))[0] == 200
        await public.post("/control/pulse")
        status, said = await public.post("/control/pulse")
        assert (status, "--requests-per-minute" in said) == (429, True)
        for _ in range(3):
            assert (await public.post("/control/pulse", token="a stranger's"))[0] == 401
        assert (await public.post("/control/pulse", token="a stranger's"))[0] == 429
        assert (await public.post(f"/control/{stream_id}/grant", through=1))[0] == 200, "strangers keep nobody out"


@real
async def test_only_a_demo_streams_to_strangers_and_within_the_limits(running: Public, tmp_path: Path) -> None:
    async with running.session.get(f"{running.url}/demo") as answer:
        assert answer.status == 404
    async with Launcher() as launcher, deployed(launcher, tmp_path, "--demo", "--tokens=5") as public:
        for query, status in (("tokens=5&interval_ms=1", 200), ("tokens=6", 413), ("tokens=many", 400)):
            async with public.session.get(f"{public.url}/demo?{query}") as answer:
                body = await answer.read()
                assert answer.status == status, body
                assert (body.count(b"data: ") == 5) == (status == 200)
        assert (await public.post("/control/open", token=None))[0] == 401


@real
async def test_a_stream_that_lasts_too_long_is_broken_off_and_forgotten(tmp_path: Path) -> None:
    async with Launcher() as launcher, deployed(launcher, tmp_path, "--duration-s=0.2") as public:
        stream_id = await public.open(TOLD)
        with pytest.raises(aiohttp.ClientError):
            async with public.session.get(f"{public.url}/stream/{stream_id}") as answer:
                await answer.read()
        assert (await public.post(f"/control/{stream_id}/log"))[0] == 404


@real
async def test_told_to_stop_it_breaks_off_what_streams_and_ends_well(tmp_path: Path) -> None:
    async with Launcher() as launcher, deployed(launcher, tmp_path) as public:
        stream_id = await public.open(TOLD)
        async with public.session.get(f"{public.url}/stream/{stream_id}") as answer:
            public.process.signal_group(signal.SIGTERM)
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        assert await eventually(lambda: public.process.returncode, lambda status: status is not None) == 0
        with contextlib.closing(socket.socket()) as knocking, pytest.raises(ConnectionRefusedError):
            knocking.connect(("127.0.0.1", public.port))
    assert "Traceback" not in (tmp_path / "public.log").read_text()
