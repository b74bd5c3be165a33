"""How long a diagnosis may take is counted from the command's start, but for what no budget can hasten."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import typer.testing

from harness import cli, session
from harness.cli.commands import app

TOOK = {"start": 1.0, "answer": 25.0, "download": 40.0}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passing(self, seconds: float, do: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes so long."""

        def slowly(*args: Any, **kwargs: Any) -> Any:
            self.now += seconds
            return do(*args, **kwargs)

        return slowly


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.mark.parametrize(("asked", "left_s"), [(["--budget", "3"], 2.0), ([], None)])
def test_what_an_application_takes_to_answer_and_what_is_fetched_are_left_out(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, asked: list[str], left_s: float | None
) -> None:
    seen: list[float | None] = []
    monkeypatch.setattr(session, "diffs", clock.passing(TOOK["start"], session.diffs))
    monkeypatch.setattr(cli, "job_of", clock.passing(TOOK["answer"], cli.job_of))
    monkeypatch.setattr(session, "fetched", clock.passing(TOOK["download"], lambda job, fetching: job))
    monkeypatch.setattr(cli, "diagnose", lambda job, runs, keep, budget, looked: seen.append(budget.left_s))
    words = ["diagnose", "--hop", "emulator:store-and-forward", *asked]
    done = typer.testing.CliRunner().invoke(app, words, obj=clock.now, catch_exceptions=False)
    assert (done.exit_code, seen) == (0, [left_s])


def test_a_budget_that_is_over_has_nothing_left(clock: Clock) -> None:
    budget = cli.Budget(3, 0)
    clock.now = 4
    assert budget.left_s == 0
    with budget.left_out():
        clock.now = 9
    clock.now = 9.5
    assert budget.left_s == 0
    assert cli.Budget(None, 0).left_s is None
