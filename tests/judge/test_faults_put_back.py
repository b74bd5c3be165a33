"""Each fault that made a verdict depend on more than the hop, put back alone: a property has to find it.

The property is that of tests/judge/test_invariance.py: a hop in any circumstances is told as the oracle says, and is
decided. Where a fault lies outside of one simulated stream, it is found elsewhere:

- 2, a stream that never ends: `test_who_says_for_ever_that_it_lives_does_not_end_its_response`,
  `test_a_flood_is_broken_off_...` and `test_a_stream_that_is_slow_for_ever_...` in tests/test_endless_responses.py,
  `test_what_comes_without_a_token_is_no_progress_...` in tests/measure/test_conversation.py
- 3 and 6, a pace that contradicts: `test_a_paced_cell_carries_the_verdict_of_its_twin_...` in
  tests/judge/test_outcome.py
- 8, a proxy's own limit: `test_what_a_hop_lets_through_when_it_is_asked_again_counts` and
  `test_a_limit_that_meets_the_baseline_too_blocks_and_is_no_effect` in tests/measure/test_again.py; a refusal that
  counts as awake:
  `test_a_hop_that_refuses_a_pulse_or_hangs_up_is_asked_for_none_again` in tests/measure/test_guard.py
- 9, a browser that is not started: `test_every_client_is_asked_in_a_way_that_it_accepts` in
  tests/measure/test_warming.py
- 10, an unstable control: `test_an_unstable_control_blocks_its_cells` in tests/judge/test_outcome.py; a serial chain's
  pulse: `test_a_serial_chain_that_is_busy_loses_its_pulse_for_that_stream_and_gets_it_back` in
  tests/measure/test_guard.py; a death: `test_a_proxy_that_dies_in_the_second_stream_has_died_and_is_not_unstable` in
  tests/measure/test_runner.py; a token in two reads:
  `test_a_token_of_the_control_stream_in_two_reads_is_one_round_trip` in tests/measure/test_conversation.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.judge import flow, reading, steady, verdict
from harness.judge.reading import Hold, LetGo
from harness.measure import limits, lockstep
from harness.measure.grants import Due, Phase
from harness.measure.lockstep import Lockstep
from harness.model import Emission, Trace
from tests.hops import Begins, Empties, HoldsToEnd, Idle, Lag, Passes, Periodic, StartBuffer, Stumbles, Timer, head_held
from tests.invariance import HOUR_MS, Case, answer
from tests.simulation import Link

Put = Callable[[pytest.MonkeyPatch], None]


def waits_otherwise(patch: pytest.MonkeyPatch, otherwise: Callable[[int], int]) -> None:
    """Wait otherwise for what is silent."""
    due: Any = Lockstep.due

    def told(machine: Lockstep) -> Due:
        right: Due = due.fget(machine)
        return replace(right, ns=otherwise(right.ns)) if right.what == "silence" else right

    patch.setattr(Lockstep, "due", property(told))


def little_patience(patch: pytest.MonkeyPatch) -> None:
    """How long is waited is a setting, and somebody has set a tenth."""
    waits_otherwise(patch, lambda ns: ns // 10)


def emitter_gives_up(patch: pytest.MonkeyPatch) -> None:
    """With 20 s of patience three of them are waited, and a moment until all are known to be awake. The emitter gives
    up after a minute."""
    patience_s, awake_s = 20, 0.05
    waits_otherwise(patch, lambda ns: int((3 * patience_s + awake_s) * 1e9))
    patch.setattr(limits, "EMITTER", replace(limits.EMITTER, abandoned_s=max(60, 3 * patience_s)))


def unconfirmed(patch: pytest.MonkeyPatch) -> None:
    """What only the end let go is buffered, however few bytes followed."""
    patch.setattr(verdict, "span_tokens", lambda emission: 0)


def as_long_as_asked(patch: pytest.MonkeyPatch) -> None:
    """A stream is never longer than its workload, so that nothing can confirm that a token is buffered."""

    def last_token(emission: Emission) -> int:
        return emission.workload.tokens - 1

    patch.setattr(lockstep, "last_token", last_token)


def as_long_as_asked_and_unconfirmed(patch: pytest.MonkeyPatch) -> None:
    """And what its end lets go is buffered all the same."""
    as_long_as_asked(patch)
    unconfirmed(patch)


def clocks_compared(patch: pytest.MonkeyPatch) -> None:
    """A token is under way from when it left by the emitter's clock."""
    assess: Any = verdict.assess_one

    def by_both_clocks(trace: Trace, control: None) -> verdict.Assessment:
        steps = [
            replace(step, at_ns=trace.sent[step.seq].at_ns) if step.kind == "grant" else step for step in trace.steps
        ]
        told: verdict.Assessment = assess(replace(trace, steps=tuple(steps)), control)
        return told

    patch.setattr(verdict, "assess_one", by_both_clocks)


def ordered_by_clocks(patch: pytest.MonkeyPatch) -> None:
    """What had been sent when a token came is what had left by the emitter's clock."""
    assess: Any = verdict.assess_one

    def by_both_clocks(trace: Trace, control: None) -> verdict.Assessment:
        def read(*told: Any, **more: Any) -> reading.Reader:
            reader = reading.read(*told, **more)
            reader.seen[:] = [counted(one, reader) if isinstance(one, Hold) else one for one in reader.seen]
            return reader

        def counted(hold: Hold, reader: reading.Reader) -> Hold:
            came_ns = reader.arrived_ns[hold.seq]
            after = sum(token.at_ns <= came_ns for token in trace.sent[hold.seq + 1 :])
            ended = trace.ended_ns is not None and trace.ended_ns <= came_ns
            let_go: LetGo = "end" if ended else "bytes" if after else "time"
            return replace(hold, let_go=let_go, after_tokens=after, before_tokens=min(hold.before_tokens, after))

        with pytest.MonkeyPatch.context() as within:
            within.setattr(verdict, "read", read)
            told: verdict.Assessment = assess(trace, control)
        return told

    patch.setattr(verdict, "assess_one", by_both_clocks)


def no_pauses(patch: pytest.MonkeyPatch) -> None:
    """A token is sent as soon as all before it are here: a flush keeps step with it."""
    patch.setattr(lockstep, "PAUSES", 0)


def no_longer(patch: pytest.MonkeyPatch) -> None:
    """No token is waited for longer than another: in each hold bytes are sent before the flush."""
    patch.setattr(lockstep, "LONGER", 0)


def no_flow(patch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at that was sent at a pace of its own."""
    patch.setattr(verdict, "last_flow", lambda reader: None)


def two_holds_are_enough(patch: pytest.MonkeyPatch) -> None:
    """The stream ends when two holds agree."""
    patch.setattr(Lockstep, "_stretch", Lockstep._end)


def head_not_awaited(patch: pytest.MonkeyPatch) -> None:
    """Token 0 is granted as soon as the backend is asked."""
    due: Any = Lockstep.due

    def at_once(machine: Lockstep) -> Due:
        told: Due = due.fget(machine)
        return replace(told, ns=0) if machine.phase is Phase.HEAD else told

    patch.setattr(Lockstep, "due", property(at_once))


def median_is_late(patch: pytest.MonkeyPatch) -> None:
    """Late is what is late in the median."""
    patch.setattr(verdict, "SHARE", 0.51)


def time_keeps_the_count(patch: pytest.MonkeyPatch) -> None:
    """What time let go after all bytes were tried came after as many as anything."""
    as_many: Any = steady._as_many
    patch.setattr(steady, "_as_many", lambda before, last: as_many(before, replace(last, let_go="bytes")))


def idle_after_any_flow(patch: pytest.MonkeyPatch) -> None:
    """A timer waits for a pause if a flow came after one, however short that flow was."""
    patch.setattr(flow, "FLOW_SHARE", 0)
    patch.setattr(flow.Flow, "idle", lambda told, wait_ms: not told.spaced and told.quickest_ms > wait_ms / 2)


PHASES = range(10)

FAULTS: dict[str, tuple[Put, str, list[Case]]] = {
    "1: little patience": (little_patience, "coalesced .* instead of delayed", [Case(Timer(after_ms=200))]),
    "1: much patience": (emitter_gives_up, "broken .* instead of coalesced", [Case(Empties(size_bytes=1024))]),
    "3: of an exact length": (
        unconfirmed,
        "buffered .* instead of coalesced",
        [Case(Empties(size_bytes=41_000), 1000, tokens=30, exact=True)],
    ),
    "3: of any length": (
        as_long_as_asked_and_unconfirmed,
        "buffered .* instead of coalesced",
        [Case(Empties(size_bytes=41_000), 1000, tokens=60)],
    ),
    "3: of any length, if only the judge asks for more": (
        as_long_as_asked,
        "too few to tell",
        [Case(Empties(size_bytes=41_000), 1000, tokens=60)],
    ),
    "4: durations": (
        clocks_compared,
        "instead of delayed",
        [Case(Timer(after_ms=200), link=Link(clock_off_ms=off)) for off in (-HOUR_MS, HOUR_MS)],
    ),
    "4: order": (
        ordered_by_clocks,
        "too few to tell",
        [
            Case(hop, link=Link(clock_off_ms=off))
            for hop in (Empties(size_bytes=4096), HoldsToEnd())
            for off in (2, HOUR_MS)
        ],
    ),
    "5: pauses": (
        no_pauses,
        "streamed .* instead of delayed",
        [Case(Periodic(100, 10 * phase), 1000, link=Link(round_trip_ms=60)) for phase in PHASES],
    ),
    "5: longer": (
        no_longer,
        "not a timer",
        [Case(Periodic(1000, 100 * phase), 1000, link=Link(round_trip_ms=60, chain_ms=30)) for phase in PHASES],
    ),
    "5: flow": (
        no_flow,
        "delayed .* instead of coalesced",
        [
            Case(Periodic(400, 40 * phase), 1000, link=Link(round_trip_ms=far))
            for phase in PHASES
            for far in (60, 100, 120)
        ],
    ),
    "6: start buffers": (
        two_holds_are_enough,
        "coalesced .* instead of streamed",
        [Case(StartBuffer(4096, then)) for then in ((4096,), (4096, 4096))],
    ),
    "6: a held head": (
        head_not_awaited,
        "the head is said to be held",
        [Case(hop) for hop in (Passes(), Empties(size_bytes=4096), HoldsToEnd(), head_held(Passes()))],
    ),
    "later: what start buffers are followed by": (
        time_keeps_the_count,
        "coalesced .* instead of delayed",
        [Case(Begins(StartBuffer(4000, (4000, 4000)), then)) for then in (Lag(400), Lag(1500))],
    ),
    "later: an idle timer": (
        idle_after_any_flow,
        "told as idle",
        [Case(Timer(after_ms=1733), 4096, tokens=3, body="length"), Case(Idle(after_ms=1733))],
    ),
    "7": (
        median_is_late,
        "streamed .* instead of delayed",
        [Case(Stumbles(lag_ms=290, every=every)) for every in (2, 3)],
    ),
}
"""Each by its number in issue 8, or found later; with how what is found reads, and cases of which one shows it."""


def found(cases: list[Case]) -> list[str]:
    """Return what contradicts the oracle, or is not decided although a stream may be as long as that takes."""
    said = [(case, answer(case)) for case in cases]
    return [what for case, one in said if (what := one.wrong or (None if case.exact else one.undecided))]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_is_put_back_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put, reads, cases = FAULTS[fault]
    assert found(cases) == []
    put(monkeypatch)
    assert any(map(re.compile(reads).search, found(cases)))
