"""Each fault that made a verdict depend on more than the hop, put back: a property has to find it.

What lies outside of a simulated stream is held elsewhere:

- 2, streams without an end: tests/measure/test_limits.py, tests/test_misbehaving_proxies.py
- 8, a proxy's own limit: tests/judge/test_outcome.py, tests/measure/test_runner.py
- 9, browsers that start too late: tests/measure/test_warming.py
- 10, controls, pulses, deaths: tests/judge/test_outcome.py, tests/measure/test_guard.py, tests/measure/test_runner.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.judge import reading, verdict
from harness.measure import lockstep
from harness.measure.lockstep import Due, Lockstep
from harness.model import Trace
from tests.hops import Empties, Periodic, StartBuffer, Stumbles, Timer
from tests.invariance import Case, answer
from tests.simulation import Link

Put = Callable[[pytest.MonkeyPatch], None]

IMPATIENT = 0.1
"""The share of what is waited for now that somebody waited who was told to have little patience."""


def waits_by_patience(patch: pytest.MonkeyPatch) -> None:
    """1: how long is waited is a setting."""
    due: Any = Lockstep.due

    def impatient(machine: Lockstep) -> Due:
        told: Due = due.fget(machine)
        return replace(told, ns=int(told.ns * IMPATIENT)) if told.what == "silence" else told

    patch.setattr(Lockstep, "due", property(impatient))


def buffered_unconfirmed(patch: pytest.MonkeyPatch) -> None:
    """3: what only the end let go is buffered, however few bytes followed."""
    patch.setattr(verdict, "span_tokens", lambda emission: 0)


def clocks_compared(patch: pytest.MonkeyPatch) -> None:
    """4: a token is under way from when it left by the emitter's clock."""
    assess: Any = verdict.assess_one

    def by_both_clocks(trace: Trace, control: None) -> verdict.Assessment:
        steps = [
            replace(step, at_ns=trace.sent[step.seq].at_ns) if step.kind == "grant" else step for step in trace.steps
        ]
        told: verdict.Assessment = assess(replace(trace, steps=tuple(steps)), control)
        return told

    patch.setattr(verdict, "assess_one", by_both_clocks)


def one_rhythm(patch: pytest.MonkeyPatch) -> None:
    """5: no pauses, no flow, and no hold is waited for longer than another."""
    patch.setattr(lockstep, "PAUSES", 0)
    patch.setattr(lockstep, "LONGER", 0)
    patch.setattr(reading.Reader, "flow", lambda reader: None)


def two_holds_are_enough(patch: pytest.MonkeyPatch) -> None:
    """6: the stream ends when two holds agree."""
    patch.setattr(Lockstep, "_stretch", Lockstep._end)
    patch.setattr(verdict._Found, "_confirmed", True)


def median_is_late(patch: pytest.MonkeyPatch) -> None:
    """7: late is what is late in the median."""
    patch.setattr(verdict, "SHARE", 0.51)


FAULTS: dict[str, tuple[Put, list[Case]]] = {
    "1": (waits_by_patience, [Case(Timer(after_ms=after_ms)) for after_ms in (200, 500, 2000)]),
    "3": (buffered_unconfirmed, [Case(Empties(size_bytes=41_000), 1000, tokens=30, exact=True)]),
    "4": (clocks_compared, [Case(Timer(after_ms=200), link=Link(clock_off_ms=off)) for off in (-400, 400)]),
    "5": (
        one_rhythm,
        [
            Case(Periodic(period_ms=1000, phase_ms=phase), 1000, link=Link(round_trip_ms=far, chain_ms=30))
            for phase in range(0, 1000, 100)
            for far in (0.05, 60)
        ],
    ),
    "6": (two_holds_are_enough, [Case(StartBuffer(4096, then)) for then in ((4096,), (4096, 4096))]),
    "7": (median_is_late, [Case(Stumbles(lag_ms=290, every=2)), Case(Stumbles(lag_ms=290, every=3))]),
}
"""Each by its number, with cases that show it."""


def wrongs(cases: list[Case]) -> list[str]:
    return [wrong for case in cases if (wrong := answer(case).wrong)]


@pytest.mark.parametrize(("put", "cases"), FAULTS.values(), ids=FAULTS)
def test_a_fault_that_is_put_back_is_found(put: Put, cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrongs(cases) == []
    put(monkeypatch)
    assert wrongs(cases) != []
