"""How far a run is, where no bar shows it: a log is never silent for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.progress import SEEN_S, progress
from harness.store.runs import Run
from tests.reports.samples import cell, result, run_info


class Timers:
    """An event loop's timers, of which the time is moved by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now_s = 0.0
        self.set: list[tuple[float, Callable[[], None], asyncio.TimerHandle]] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(0.0, call, (), self._loop)
        self.set.append((self.now_s + delay_s, call, handle))
        return handle

    def pass_s(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while due := sorted((one for one in self._waiting if one[0] <= until_s), key=lambda one: one[0]):
            self.now_s = due[0][0]
            self.set.remove(due[0])
            due[0][1]()
        self.now_s = until_s

    @property
    def _waiting(self) -> list[tuple[float, Callable[[], None], asyncio.TimerHandle]]:
        return [one for one in self.set if not one[2].cancelled()]

    @property
    def waiting(self) -> int:
        return len(self._waiting)


async def test_a_cell_that_takes_long_is_told_to_be_measured_still(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timers = Timers(asyncio.get_running_loop())
    monkeypatch.setattr("harness.cli.progress.asyncio.get_running_loop", lambda: timers)
    run = Run.create(tmp_path, run_info(finished_at=None, cells=2))

    def said() -> list[str]:
        return capsys.readouterr().err.splitlines()

    with progress(run) as tell:
        timers.pass_s(SEEN_S - 1)
        tell(result(cell()))
        assert len(said()) == 1
        timers.pass_s(SEEN_S - 1)
        assert said() == [], "nothing while something turns"
        timers.pass_s(SEEN_S + 1)
        assert said() == [f"Still measuring: 1 of 2 cells are done, nothing new for {n * SEEN_S:g} s" for n in (1, 2)]
        tell(result(cell("nginx:gzip")))
        said()
        timers.pass_s(SEEN_S)
        assert said() == ["Still measuring: 2 of 2 cells are done, nothing new for 30 s"]
    assert timers.waiting == 0
