"""A machine that stalls in the middle of a cell changes no verdict.

A stall lasts three times as long as a token that is called held, or longer than what no timer lets go: that is what it
takes, and all that is ever slept for here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import psutil
import pytest

from harness.judge.rules import HOLD_MS, TIME_MS
from harness.measure.bench import Bench
from harness.measure.guard import Guard
from harness.model import Judgement, Trace
from tests.backends.emitting import process_of
from tests.factories import judged
from tests.measuring import acting, plan
from tests.processes import process
from tests.sampling import sampled, some_of
from tests.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

STALL_S = 3 * HOLD_MS / 1e3
LONG_STALL_S = (TIME_MS + HOLD_MS) / 1e3
DEADLINE_S = 60.0

SMALL = (12, 100)
LARGE = (400, 512)
CELLS = [
    ("nginx:buffering-off", SMALL, "streamed"),
    ("nginx:http10", SMALL, "coalesced"),
    ("nginx:http10", LARGE, "coalesced"),
]
WHO = ["emitter", "nginx"]


def told(value: object) -> str:
    """Return what a point's part is called."""
    match value:
        case (str() as chain, (int() as tokens, int() as token_bytes), str()):
            return f"{chain}-{tokens}x{token_bytes}"
    return str(value)


async def stalled(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    chain: str,
    size: tuple[int, int],
    where: str,
    who: str,
    stall_s: float = STALL_S,
) -> tuple[Trace, Judgement]:
    """Measure one cell while the processes of the emitter or of nginx stall in the middle of it."""
    told = plan(chain, *size)
    entry = await bench.entry(told.chain)
    pid = process(entry.hops[0]).pid if who == "nginx" else process_of(bench).pid
    stopped_s: list[float] = []

    def stop() -> None:
        stopped_s.append(time.monotonic())
        os.killpg(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(stall_s, os.killpg, pid, signal.SIGCONT)

    client = acting(monkeypatch, where, stop)
    try:
        trace, _ = await bench.record("cell", replace(told, client=client))
    finally:
        os.killpg(pid, signal.SIGCONT)
    assert len(stopped_s) == 1, "the stall has to be in the middle of the cell"
    assert trace.closed_ns is not None
    assert time.monotonic() - stopped_s[0] >= stall_s, "and the cell has to outlast it"
    return trace, judged(trace)


@pytest.mark.parametrize("cell", CELLS, ids=told)
async def test_without_a_stall(bench: Bench, cell: tuple[str, tuple[int, int], str]) -> None:
    chain, size, verdict = cell
    trace, _ = await bench.record("cell", plan(chain, *size))
    assert judged(trace).verdict == verdict


@some_of(
    ("who", "cell"),
    [(who, cell) for number, cell in enumerate(CELLS) for who in (WHO if number % 2 else WHO[::-1])],
    each=2,
    ids=told,
)
async def test_a_stall_at_the_first_token_changes_no_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, who: str, cell: tuple[str, tuple[int, int], str]
) -> None:
    chain, size, verdict = cell
    _, told = await stalled(bench, monkeypatch, chain, size, "begin", who)
    assert told.verdict == verdict, told.reason


@pytest.mark.parametrize("who", WHO)
async def test_a_stall_between_tokens_that_stream_changes_no_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    trace, told = await stalled(bench, monkeypatch, "nginx:buffering-off", SMALL, "read", who, LONG_STALL_S)
    assert told.verdict == "streamed", told.reason
    assert {step.kind for step in trace.steps} - {"pulse"} == {"head", "grant", "arrive", "end"}


@some_of(
    ("who", "where", "cell"),
    [
        (who, where, cell)
        for who, where in product(WHO, ["outwaited", "stepped"])
        for cell in (CELLS[1:] if (who == "emitter") == (where == "outwaited") else CELLS[:0:-1])
    ],
    each=2,
    ids=told,
)
async def test_a_stall_while_it_is_found_out_what_releases_a_token_changes_no_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cell: tuple[str, tuple[int, int], str], who: str, where: str
) -> None:
    chain, size, verdict = cell
    _, told = await stalled(bench, monkeypatch, chain, size, where, who)
    assert told.verdict == verdict, told.reason


@pytest.mark.parametrize(
    ("chain", "size", "verdict", "where"),
    sampled(
        [
            pytest.param(*CELLS[0], "read"),
            *(pytest.param(*cell, "begin") for cell in CELLS),
            *(pytest.param(*cell, where) for where in ("outwaited", "stepped") for cell in CELLS[1:]),
        ],
        each=4,
    ),
)
async def test_a_stall_of_the_harness_itself_changes_no_verdict(
    tmp_path: Path, chain: str, size: tuple[int, int], verdict: str, where: str
) -> None:
    argv = [sys.executable, "-m", "tests.measuring", str(tmp_path), chain, *map(str, size), where]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as measuring:
        try:
            process = psutil.Process(measuring.pid)
            await eventually(process.status, lambda status: status == psutil.STATUS_STOPPED)
            await asyncio.sleep(STALL_S)
        finally:
            measuring.send_signal(signal.SIGCONT)
        told, _ = measuring.communicate(timeout=DEADLINE_S)
    assert (measuring.returncode, told.strip()) == (0, verdict)


async def test_without_its_witnesses_a_stall_would_count_as_a_hold(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above test something: a stopped nginx reads two tokens at once when it goes on."""

    async def at_once(guard: Guard) -> None:
        return None

    monkeypatch.setattr(Guard, "witnessed", at_once)
    monkeypatch.setattr(Guard, "witnessed_by_chain", at_once)
    trace, _ = await stalled(bench, monkeypatch, "nginx:buffering-off", SMALL, "read", "nginx")
    assert "hold" in {step.kind for step in trace.steps}
