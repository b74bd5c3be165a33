"""The time in which the machine stood still: what is lost, and what is left of a stream without it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.measure.standstill import ALLOWED_NS, USUAL, Clock, Standstill
from harness.model import Read
from tests.factories import story

MS = 10**6
ALLOWED_MS = ALLOWED_NS // MS


def heard(*at_ms: int) -> Standstill:
    """Return what has heard of signs of life at these times, and waits for another one."""
    standstill = Standstill()
    standstill.begins(at_ms[0] * MS)
    for one in at_ms[1:]:
        standstill.sign(one * MS)
    return standstill


def test_what_goes_round_as_usual_loses_nothing() -> None:
    standstill = heard(*range(0, 1000, 20))
    assert standstill.lost_ns(1000 * MS) == 0


def test_beyond_what_is_allowed_all_is_lost_also_of_what_goes_on() -> None:
    standstill = heard(0, 20, 4020, 4040)
    assert standstill.lost_ns(20 * MS) == 0
    assert standstill.lost_ns((20 + ALLOWED_MS + 100) * MS) == 100 * MS
    assert standstill.lost_ns(4030 * MS) == (4000 - ALLOWED_MS) * MS
    assert standstill.lost_ns((4040 + ALLOWED_MS + 7) * MS) == (4000 - ALLOWED_MS + 7) * MS


def test_where_everything_is_slow_nothing_stands_still() -> None:
    slow_ms = ALLOWED_MS * 2
    standstill = heard(*range(0, 40 * slow_ms, slow_ms))
    assert standstill.lost_ns((39 * slow_ms + USUAL * slow_ms) * MS) == standstill.lost_ns(39 * slow_ms * MS)


def test_between_two_watches_nothing_is_lost() -> None:
    standstill = heard(0, 20)
    standstill.ends()
    assert standstill.lost_ns(9000 * MS) == 0
    standstill.begins(9000 * MS)
    assert standstill.lost_ns(9100 * MS) == 0


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.lists(st.integers(0, 60_000), min_size=2))
def test_time_never_goes_back_nor_faster_than_ours(gaps_ms: list[int], asked_ms: list[int]) -> None:
    instants = [0]
    for gap_ms in gaps_ms:
        instants.append(instants[-1] + gap_ms)
    clock = Clock(heard(*instants), 0)
    asked_ns = [ms * MS for ms in sorted(asked_ms)]
    told_ns = [clock.at_ns(ours_ns) for ours_ns in asked_ns]
    assert told_ns == sorted(told_ns)
    assert all(told_ns[n + 1] - told_ns[n] <= asked_ns[n + 1] - asked_ns[n] for n in range(len(asked_ns) - 1))


def test_what_is_told_of_a_stream_is_without_what_was_lost_after_it_began() -> None:
    standstill = heard(0, 20, 1020, 1040, 5040, 5060)
    trace = replace(story("s0 r0 end"), opened_ns=1040 * MS, reads=(Read(5040 * MS, 1),), closed_ns=5050 * MS)
    clock = Clock(standstill, 1040 * MS)
    assert clock.at_ns(5050 * MS) == (1050 + ALLOWED_MS) * MS
    told = clock.told(trace)
    assert told.opened_ns == 1040 * MS
    assert told.reads[0].at_ns == (1040 + ALLOWED_MS) * MS
    assert told.closed_ns == (1050 + ALLOWED_MS) * MS
    assert (told.sent, told.emitter_clock) == (trace.sent, "its own")


def test_where_nothing_was_lost_a_trace_stays_as_it_is() -> None:
    trace = replace(story("s0 r0 end"), opened_ns=20 * MS, reads=(Read(60 * MS, 1),), closed_ns=80 * MS)
    clock = Clock(heard(0, 20, 40, 60, 80), 20 * MS)
    assert clock.at_ns(80 * MS) == 80 * MS
    assert clock.told(trace) == trace
