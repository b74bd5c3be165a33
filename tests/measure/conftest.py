"""A run to write results to, a clock that stands still until a test lets time pass, and trips that rest for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trips rest for ever between two, unless somebody hurries them."""
    monkeypatch.setattr("harness.measure.guard.PERIOD_S", LONG_S)
