"""What dies, hangs or is only slow in a real Chromium: told as ours, never a verdict, and the next stream is read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clients import chromium_browser, chromium_channel, chromium_tab
from harness.clients.base import Request
from harness.errors import ClientError, StreamError
from harness.judge.verdict import assess
from harness.measure.bench import Bench
from harness.model import Emission, Plan
from tests.clients.browsing import (
    CUT_OFF,
    GOOD,
    HEADERS,
    LOAD,
    WHOLE,
    Kept,
    Rig,
    answering,
    chunks,
    inject,
    line_of,
)
from tests.misbehaving import Answer
from tests.sampling import some_of
from tests.sandbox import SLOW, Sandbox
from tests.waiting import eventually, wait_for

pytestmark = [
    pytest.mark.proxies,
    pytest.mark.needs("chromium"),
]
in_modules_loop = pytest.mark.asyncio(loop_scope="module")


@in_modules_loop
@pytest.mark.parametrize(
    ("victim", "said"),
    [
        (("--user-data-dir", "--remote-debugging-pipe"), r"chromium was killed by SIGKILL"),
        (("run-driver",), "driver"),
        (("--type=renderer",), "has gone"),
    ],
    ids=["browser", "driver", "renderer"],
)
async def test_what_dies_in_mid_stream_is_told_and_the_next_stream_is_read(
    rig: Rig, victim: tuple[str, ...], said: str
) -> None:
    async def waits(answer: Answer, kept: Kept) -> None:
        await chunks(b"data: one\n\n", end=False)(answer, kept)
        await asyncio.Event().wait()

    def kill() -> None:
        for process in rig.processes(*victim):
            if not victim[0].startswith("--user") or "--type=" not in line_of(process):
                process.kill()

    await rig.read(GOOD)
    with pytest.raises(ClientError, match=said):
        await rig.read(waits, act=kill)
    assert len((await rig.read(GOOD)).reads) == 4


@in_modules_loop
async def test_a_page_that_dies_between_two_streams_is_not_read_with(rig: Rig) -> None:
    await rig.read(GOOD)
    assert rig.fetch._browser
    (idle,) = rig.fetch._browser._idle
    for process in rig.processes("--type=renderer"):
        process.kill()
    await eventually(lambda: idle.gone)
    assert len((await rig.read(GOOD)).reads) == 4


@in_modules_loop
async def test_a_slow_browser_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium_browser, "DEATH_S", 0.1)
    await rig.read(GOOD)
    browser = rig.browser()
    browser.suspend()
    asyncio.get_running_loop().call_later(1.0, browser.resume)
    assert len((await rig.read(GOOD)).reads) == 4
    assert rig.browser() == browser, "its other streams would have died with it"


@in_modules_loop
async def test_a_browser_that_hangs_is_replaced(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.read(GOOD)
    browser = rig.browser()
    browser.suspend()
    with monkeypatch.context() as patch:
        patch.setattr(chromium_browser, "ANSWER_S", 0.5)
        with contextlib.suppress(ClientError):  # the new one may be slower than that, too
            await rig.read(GOOD)
    assert len((await rig.read(GOOD)).reads) == 4
    assert rig.browser() != browser
    assert not browser.is_running()


@in_modules_loop
async def test_a_page_that_cannot_be_opened_is_no_fault_of_the_stream(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(chromium_tab, "PATH", ":")
        with pytest.raises(ClientError, match=r"Page\.goto: .*invalid URL"):
            await rig.read(GOOD)
    assert rig.fetch._browser
    assert not rig.fetch._browser._idle, "it is in a state that nobody knows"
    assert len((await rig.read(GOOD)).reads) == 4
    with monkeypatch.context() as patch:
        patch.setattr(chromium_tab, "OPEN_S", 0.001)
        with pytest.raises(ClientError, match=r"has not opened a page within 0\.001 s"):
            await rig.read(GOOD)
    assert len((await rig.read(GOOD)).reads) == 4


@in_modules_loop
async def test_only_a_page_that_read_to_a_good_end_reads_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    visited: list[str] = []
    visit = chromium_tab.Tab._visit

    async def counted(tab: chromium_tab.Tab, origin: str) -> None:
        visited.append(origin)
        await visit(tab, origin)

    monkeypatch.setattr(chromium_tab.Tab, "_visit", counted)
    async with answering(WHOLE, WHOLE, CUT_OFF, WHOLE) as port:
        request = Request(f"http://127.0.0.1:{port}/stream/1", headers=HEADERS)
        for _ in range(2):
            await rig.fetch.stream(request, Kept())
        assert len(visited) == 1
        with pytest.raises(StreamError):
            await rig.fetch.stream(request, Kept())
        assert len(visited) == 1
        await rig.fetch.stream(request, Kept())
        assert len(visited) == 2


@in_modules_loop
async def test_that_its_page_is_closed_is_no_fault_of_a_stream_that_is_over(rig: Rig) -> None:
    kept = Kept()
    async with answering(CUT_OFF) as port:
        request = Request(f"http://127.0.0.1:{port}/stream/1", headers=HEADERS)
        with pytest.raises(StreamError):
            await rig.fetch.stream(request, kept)
    assert kept.reader
    await kept.reader.awake()


BLOCKED = """
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) { if (typeof data !== "string") for (;;); return send.call(this, data); };
"""


@in_modules_loop
async def test_a_page_that_hangs_is_our_fault_and_not_a_verdict_on_the_stream(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium_channel, "ANSWER_S", 2.0)
    told = Plan((), "GET", HEADERS, Emission(LOAD), client="chromium")
    async with Bench(rig.launcher, tmp_path) as bench:
        with monkeypatch.context() as patch:
            inject(patch, tmp_path, BLOCKED)
            with pytest.raises(ClientError, match=r"has not answered for 2 s"):
                await bench.record("cell", told)
        trace, _ = await bench.record("cell", told)
        assert assess([trace]).judgement.verdict == "streamed"  # late tokens may be told of, where a machine is busy


# ---------------------------------------------------------------- nothing is left

MATRIX = f"""\
title: A cell that takes its time in a browser
workloads: {{short: {{tokens: 24, token_bytes: 112}}}}
axes: {{request: browser, client: chromium}}
include: [{{chain: nginx:http10, mitigations: slow}}]
{SLOW}"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", MATRIX)
        yield place


@pytest.mark.needs("nginx")
@some_of("number", [signal.SIGKILL, signal.SIGINT], each=2)
def test_a_run_that_ends_in_mid_stream_leaves_no_browser_behind(place: Sandbox, number: signal.Signals) -> None:
    program = place.start("matrix", "m.yaml")
    wait_for(lambda: (place.processes("--type=renderer"), place.streaming("http10")), all)
    assert place.processes("run-driver")
    listening = place.listening()
    os.killpg(program.pid, number)
    said = place.said(program)
    place.wait_until_clean(listening)
    assert said.status == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said.err


@pytest.mark.needs("nginx")
def test_a_driver_that_is_killed_costs_its_stream_and_nothing_else(place: Sandbox) -> None:
    program = place.start("matrix", "m.yaml")
    wait_for(lambda: list(place.results()), lambda told: len(told) == 2)
    wait_for(lambda: (place.processes("--type=renderer"), place.streaming("http10")), all)
    (driver,) = place.processes("run-driver")
    driver.kill()
    said = place.said(program)
    assert said.status == 3
    outcomes = [(result.cell.mitigations, result.outcome) for result in place.results().values()]
    assert outcomes == [((), "observed"), ((), "observed"), (("slow",), "error")]
    assert "Playwright's driver, which steers chromium, ended" in said.out
    assert "never retrieved" not in said.err
    assert "Traceback" not in said.err
    place.wait_until_clean()
