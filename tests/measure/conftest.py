"""A run to write results to; clocks that stand still until a test lets time pass, or until all wait; trips that rest
for ever.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.store.runs import Run
from tests.measure.gates import LONG_S
from tests.reports.samples import run_info


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, run_info())


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what lets time pass, in ms; it begins at 0."""
    now_ns = 0

    def passes(ms: int) -> None:
        nonlocal now_ns
        now_ns += ms * 10**6

    monkeypatch.setattr("harness.measure.guard.time.monotonic_ns", lambda: now_ns)
    return passes


@pytest.fixture
async def leaping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a clock that nobody waits for: where nothing is left to do, it leaps to what is due next.

    Only for what happens in memory: work takes no time by it, and what sockets and threads bring is not waited for.
    """
    loop: Any = asyncio.get_running_loop()
    select, now_ns = loop._selector.select, time.monotonic_ns()

    def leaps(timeout_s: float | None) -> Any:
        nonlocal now_ns
        assert loop._default_executor is None, "nobody would wait for what a thread brings"
        ready = select(timeout_s and 0)
        now_ns += 0 if ready else math.ceil((timeout_s or 0) * 1e9)
        return ready

    monkeypatch.setattr(loop._selector, "select", leaps)
    monkeypatch.setattr(loop, "time", lambda: now_ns / 1e9)
    monkeypatch.setattr(time, "monotonic", loop.time)
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trips rest for ever between two, unless somebody hurries them."""
    monkeypatch.setattr("harness.measure.guard.PERIOD_S", LONG_S)
