"""Hops that were changed: where the stream as asked really comes otherwise, that is told, and `--update` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from harness.baseline.changes import Turn, differences
from harness.baseline.keeping import kept, with_what_was
from harness.judge.rules import RULES
from harness.model import Baseline, Kept
from tests.hops import Begins, Empties, Hop, Idle, Lag, Passes, StartBuffer, Timer, fresh
from tests.invariance import Case
from tests.reports.samples import cell, result

CELL, PADDED = cell("nginx:default"), cell("nginx:default", "pad-2k")


@dataclass
class FreeStart(Passes):
    """Passes the first `free_bytes`, and then does as another hop."""

    free_bytes: int = 0
    then: Hop = field(default_factory=Passes)

    def push(self, data: bytes, now_ns: int) -> bytes:
        if self.free_bytes <= 0:
            return self.then.push(data, now_ns)
        self.free_bytes -= len(data)
        return data

    def end(self) -> bytes:
        return self.then.end()


def met(hop: Hop, tokens: int) -> Case:
    return Case(fresh(hop), token_bytes=200, tokens=tokens)


def found(case: Case) -> Kept:
    """Return what is kept of a hop that was measured."""
    assessed = case.assessed()
    one = result(CELL, assessed.verdict, metrics=assessed.metrics, shows=assessed.shows, facts=assessed.facts)
    return kept(replace(one, release=assessed.judgement.release))


def updated(was: Kept, now: Kept) -> Kept:
    """Return what `--update` makes of a line."""
    return all_updated({CELL.id: was}, {CELL.id: now})[CELL.id]


def all_updated(was: Mapping[str, Kept], now: Mapping[str, Kept]) -> Mapping[str, Kept]:
    here, before = (Baseline("b.yaml", RULES, "0.1.0", cells) for cells in (now, was))
    return with_what_was(here, before, list(now)).cells


def turns(was: Kept, now: Kept) -> dict[str, Turn]:
    """Return which way what differs has turned, by what it is."""
    return {one.of: one.turn for one in differences(CELL.id, {CELL.id: was}, {CELL.id: now})}


@pytest.mark.parametrize(
    ("was", "now", "tokens"),
    [
        pytest.param(Timer(after_ms=400), Idle(after_ms=400), 60, id="a timer becomes idle"),
        pytest.param(Timer(after_ms=1000), Idle(after_ms=1000), 100, id="a long timer becomes idle"),
        pytest.param(Timer(after_ms=200), Idle(after_ms=200), 60, id="a timer that delays becomes idle"),
        pytest.param(Lag(lag_ms=200), Timer(after_ms=200), 60, id="a lag becomes a timer"),
        pytest.param(Lag(lag_ms=200), Idle(after_ms=200), 60, id="a lag becomes an idle timer"),
        pytest.param(Empties(4096), Begins(StartBuffer(16_384), Empties(4096)), 80, id="a start buffer comes on top"),
        pytest.param(FreeStart(7400, Empties(4096)), FreeStart(3600, Empties(4096)), 40, id="less passes at first"),
        pytest.param(FreeStart(7400, Empties(4096)), Empties(4096), 40, id="nothing passes at first any more"),
        pytest.param(
            Begins(StartBuffer(600), Timer(200)), Begins(StartBuffer(12_000), Timer(200)), 60, id="a start of a delay"
        ),
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


def test_a_delay_that_an_earlier_harness_did_not_tell_apart_is_no_change_and_is_written_down() -> None:
    was = Kept("delayed", "in bursts")
    for hop in (Timer(after_ms=200), Lag(lag_ms=2000)):
        now = replace(found(met(hop, 60)), shows=was.shows)
        assert not turns(was, now)
        assert updated(was, now) == now


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (Lag(lag_ms=60), Lag(lag_ms=250), {}),
        (Lag(lag_ms=2000), Lag(lag_ms=2300), {}),
        (Lag(lag_ms=60), Lag(lag_ms=2000), {"lag": "worse"}),
        (Timer(after_ms=60), Timer(after_ms=110), {}),
        (Timer(after_ms=200), Timer(after_ms=280), {}),
    ],
)
def test_a_delay_is_another_where_it_is_many_times_as_long(was: Hop, now: Hop, told: dict[str, Turn]) -> None:
    before, after = (found(met(hop, 60)) for hop in (was, now))
    assert turns(before, after) == told
    assert updated(before, after) == (after if told else before)
    assert turns(after, before) == dict.fromkeys(told, "better")


def test_a_timer_that_delays_is_told_where_it_is_twice_as_long() -> None:
    before, after = (found(met(Timer(after_ms=ms), 60)) for ms in (60, 280))
    assert turns(before, after) == turns(after, before) == {"lag": "other"}
    assert updated(before, after) == after


@pytest.mark.parametrize("finer", [CELL.id, PADDED.id])
def test_an_effect_and_what_it_is_held_against_stay_together_or_are_written_anew_together(finer: str) -> None:
    held = Kept("buffered", "at the end", held_bytes=69_232, within_bytes=1792)
    was = {CELL.id: held, PADDED.id: replace(held, shows="in bursts", effect="reduces")}
    now = {
        CELL.id: replace(held, shows="in bursts", held_bytes=68_896),
        PADDED.id: replace(was[PADDED.id], effect="no effect"),
    }
    assert all_updated(was, now) == was, "a step that was not resolved"
    now[finer] = replace(now[finer], within_bytes=448)
    assert all_updated(was, now) == now
    for one in now:
        assert not differences(one, all_updated(was, now), now)
