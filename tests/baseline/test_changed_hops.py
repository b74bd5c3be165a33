"""Hops that were changed: where the stream as asked really comes otherwise, that is told, and `--update` writes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.baseline.changes import Turn, differences
from harness.baseline.keeping import kept, with_what_was
from harness.judge.rules import RULES
from harness.model import Baseline, Kept
from tests.hops import Hop, Idle, Timer, fresh
from tests.invariance import Case
from tests.reports.samples import cell, result

CELL = cell("nginx:default")


def met(hop: Hop, tokens: int) -> Case:
    return Case(fresh(hop), token_bytes=200, tokens=tokens)


def found(case: Case) -> Kept:
    """Return what is kept of a hop that was measured."""
    assessed = case.assessed()
    one = result(CELL, assessed.verdict, metrics=assessed.metrics, shows=assessed.shows, facts=assessed.facts)
    return kept(replace(one, release=assessed.judgement.release))


def updated(was: Kept, now: Kept) -> Kept:
    """Return what `--update` makes of a line."""
    here, before = (Baseline("b.yaml", RULES, "0.1.0", {CELL.id: one}) for one in (now, was))
    return with_what_was(here, before, [CELL.id]).cells[CELL.id]


def turns(was: Kept, now: Kept) -> dict[str, Turn]:
    """Return which way what differs has turned, by what it is."""
    return {one.of: one.turn for one in differences(CELL.id, {CELL.id: was}, {CELL.id: now})}


@pytest.mark.parametrize(
    ("was", "now", "tokens"),
    [
        pytest.param(Timer(after_ms=400), Idle(after_ms=400), 60, id="a timer becomes idle"),
        pytest.param(Timer(after_ms=1000), Idle(after_ms=1000), 100, id="a long timer becomes idle"),
    ],
)
def test_a_hop_through_which_a_stream_comes_otherwise_is_told(was: Hop, now: Hop, tokens: int) -> None:
    had, has = met(was, tokens), met(now, tokens)
    assert had.manner != has.manner, "else there is nothing to tell"
    before, after = found(had), found(has)
    assert turns(before, after)["shows"] == "worse"
    assert turns(after, before)["shows"] == "better"
    assert updated(before, after) == after
    assert not turns(before, found(met(was, tokens)))


def test_a_line_that_does_not_say_whether_a_timer_is_idle_is_written_anew_and_tells_nothing() -> None:
    now = found(met(Idle(after_ms=400), 60))
    assert now.release
    was = replace(now, shows="in bursts", release=replace(now.release, idle=None))
    assert not turns(was, now)
    assert updated(was, now) == now
    assert updated(now, was) == now, "a line comes to say more, and never less"
