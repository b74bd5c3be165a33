"""The lockstep machine by hand, rules 1 to 3 at the top of `lockstep.py`: one after the other, held, in silence."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from harness.judge.rules import FAR_MS, LONGER, TIME_MS
from harness.measure.grants import Due, Grant, Phase
from harness.measure.lockstep import PAUSES, TRYING_NS
from tests.measure.steps import record
from tests.measure.talking import HOLD_NS, MS, SPAN, TIME_NS, begun, held, machine, pauses, silent

# ---------------------------------------------------------------- rule 1: one after the other


@pytest.mark.parametrize(("over_ns", "phase"), [(0, Phase.ARRIVAL), (1, Phase.PAUSE)])
def test_a_backend_is_far_away_from_beyond_the_constant_on(over_ns: int, phase: Phase) -> None:
    talk = begun(round_trip_ms=FAR_MS + over_ns / MS)
    talk.arrived(0, 1)
    assert talk.phase is phase


def test_when_the_time_for_trying_bytes_is_over_all_that_are_left_are_sent() -> None:
    talk = begun()
    assert not talk.is_holding
    talk.outwaited(HOLD_NS)
    assert talk.is_holding
    assert talk.stepped(HOLD_NS + TRYING_NS) == Grant(SPAN)


def test_the_first_token_is_granted_when_the_head_is_here() -> None:
    talk = machine()
    assert (talk.phase, talk.due) == (Phase.HEAD, Due("silence", HOLD_NS))
    grant = talk.head(1)
    assert grant == Grant(0)
    assert (grant.end, grant.later, grant.every_ms) == (False, False, 0)
    assert (talk.phase, talk.awaited, record(talk.steps)) == (Phase.ARRIVAL, 0, "head-1 g0")


def test_or_when_the_head_has_been_waited_for_and_then_it_grants_nothing_more() -> None:
    talk = machine()
    assert talk.outwaited(HOLD_NS) == Grant(0)
    assert talk.head(HOLD_NS + 1) is None
    assert record(talk.steps) == "g0 head0"


def test_the_next_token_is_granted_when_the_last_one_is_here() -> None:
    talk = begun()
    assert [talk.arrived(0, 1), talk.arrived(1, 2)] == [Grant(1), Grant(2)]


def test_what_was_here_already_grants_nothing() -> None:
    talk = begun()
    talk.arrived(0, 1)
    assert [talk.arrived(0, 2), talk.arrived(-1, 3)] == [None, None]
    assert (talk.progress_ns, record(talk.steps)) == (1, "head-1 0 g1")


def test_what_is_not_due_changes_nothing() -> None:
    talk = begun()
    assert talk.stepped(1) is None
    talk.outwaited(HOLD_NS)
    assert talk.outwaited(HOLD_NS + 1) is None, "what is tried is a matter of barriers"
    assert record(talk.steps) == "head-1 g0 hold0 g1"


def test_where_a_round_trip_is_long_a_random_pause_comes_before_each_of_the_first_tokens() -> None:
    first = list(pauses(begun(100, round_trip_ms=50)))
    waits = [pause_ns for pause_ns in first if pause_ns]
    assert (len(waits), len(set(waits))) == (PAUSES, PAUSES)
    assert 0 < min(waits) < HOLD_NS / 4 < 3 * HOLD_NS / 4 < max(waits) < HOLD_NS
    assert list(pauses(begun(100, round_trip_ms=50))) == first, "the same workload is led the same way"
    assert not any(pauses(begun(100)))


# ---------------------------------------------------------------- rule 2: held, tried, silent


@pytest.mark.parametrize(
    ("others", "ms"), [({}, 0), ({"round_trip_ms": 40}, 40), ({"delay_ms": 10}, 10), ({"heartbeat_ms": 5}, 0)]
)
def test_a_token_is_held_that_has_not_come_in_its_time(others: dict[str, Any], ms: float) -> None:
    talk = begun(**others)
    assert talk.due == Due("silence", HOLD_NS + int(ms * MS))
    assert talk.outwaited(HOLD_NS) == Grant(1)
    assert (talk.phase, talk.awaited, record(talk.steps)) == (Phase.TRYING, 0, "head-1 g0 hold0 g1")


def test_a_step_is_given_the_time_to_be_sent_and_to_arrive() -> None:
    talk = begun()
    talk.outwaited(HOLD_NS)
    assert talk.due == Due("barrier", 0)
    talk = begun(delay_ms=10, tokens=100)
    talk.outwaited(HOLD_NS)
    while talk.steps[-1].seq - talk.steps[-2].seq < 2:
        talk.stepped(HOLD_NS)
    assert talk.due == Due("barrier", 20 * MS), "when all is sent, the emitter tells"


@pytest.mark.parametrize(("barrier_ms", "in_time"), [(0.3, True), (5, True), (30, True), (200, True), (600, False)])
def test_each_step_sends_as_many_as_all_before_it_or_more_if_else_not_all_is_tried_in_time(
    barrier_ms: float, in_time: bool
) -> None:
    talk, now_ns = begun(), HOLD_NS
    talk.outwaited(now_ns)
    while talk.phase is Phase.TRYING:
        now_ns += int(barrier_ms * MS)
        talk.stepped(now_ns)
    sent = [step.seq for step in talk.steps if step.kind == "grant"]
    assert sent[-1] == SPAN
    assert now_ns - HOLD_NS <= 1.1 * TRYING_NS + 2 * barrier_ms * MS
    assert sent[:2] == [0, 1]
    times = [later / earlier for earlier, later in itertools.pairwise(sent[1:])]
    assert min(times[:-1]) >= 2
    assert (max(times) > 2) is not in_time
    assert max(times) <= 1.5 * min(times[:-1]), "all about as much larger than what was before"
    assert (talk.phase, talk.due) == (Phase.SILENCE, Due("silence", TIME_NS))


def test_what_lets_it_go_is_given_time_and_all_that_was_sent_is_waited_for() -> None:
    talk = begun()
    talk.outwaited(HOLD_NS)
    talk.stepped(HOLD_NS + 1)
    assert talk.arrived(0, HOLD_NS + 2) is None
    assert (talk.phase, talk.due.what) == (Phase.SETTLING, "barrier")
    assert talk.stepped(HOLD_NS + 3) is None, "token 1 and 2 are under way"
    assert (talk.phase, talk.awaited) == (Phase.ARRIVAL, 1)
    assert talk.arrived(1, HOLD_NS + 4) is None
    assert talk.progress_ns == HOLD_NS + 4, "the silence before token 2 begins anew"
    assert talk.arrived(2, HOLD_NS + 5) == Grant(3)


@pytest.mark.parametrize(("over_ms", "waits_longer"), [(0, False), (1, True)])
def test_what_comes_by_itself_was_held_if_it_took_longer_than_its_time_and_a_round_trip(
    over_ms: int, waits_longer: bool
) -> None:
    talk = begun(round_trip_ms=8)
    came_ns = HOLD_NS + (8 + over_ms) * MS
    talk.arrived(0, came_ns)
    assert talk.phase is (Phase.ARRIVAL if waits_longer else Phase.PAUSE)
    assert (talk.due.ns == int(came_ns * LONGER)) is waits_longer


def test_what_is_under_way_can_be_held_itself() -> None:
    talk = begun()
    talk.outwaited(HOLD_NS)
    talk.stepped(HOLD_NS)
    talk.arrived(0, HOLD_NS)
    talk.stepped(HOLD_NS)
    assert talk.outwaited(2 * HOLD_NS) == Grant(3)
    assert record(talk.steps) == "head-1 g0 hold0 g1 g2 a0 hold1 g3"


def test_a_silence_lasts_for_what_a_round_trip_takes_beside_its_time() -> None:
    assert silent(round_trip_ms=40).due == Due("silence", TIME_NS + 40 * MS)


def test_a_hold_that_outlasts_bytes_and_time_is_the_end() -> None:
    talk = silent()
    assert talk.outwaited(HOLD_NS + TIME_NS) == Grant(SPAN, end=True)
    assert talk.arrived(SPAN, HOLD_NS + TIME_NS + 1) is None
    assert record(talk.steps) == f"head-1 g0 hold0 g1-{SPAN} wait{SPAN} end-1 a{SPAN}"


def test_what_time_lets_go_is_known_and_the_conversation_goes_on() -> None:
    talk = silent()
    assert talk.arrived(SPAN, HOLD_NS + 1) is None
    assert talk.phase is Phase.SETTLING
    assert talk.stepped(HOLD_NS + 2) == Grant(SPAN + 1)


def test_a_pulse_is_recorded_with_the_token_that_is_waited_for() -> None:
    talk = begun()
    talk.arrived(0, 1)
    talk.pulsed(2)
    assert record(talk.steps) == "head-1 0 g1 pulse1"


# ---------------------------------------------------------------- rule 3: longer in silence, bytes from where they were


@pytest.mark.parametrize(("hold_ms", "silence_ms"), [(300, 375), (500, 625), (2000, 2500), (9000, TIME_MS * LONGER)])
def test_after_a_hold_a_token_is_waited_for_longer_than_any_before_took(hold_ms: float, silence_ms: float) -> None:
    talk = begun()
    held(talk, 2, hold_ms)
    talk.stepped(int(hold_ms * MS))
    assert talk.due == Due("silence", int(silence_ms * MS))


@pytest.mark.parametrize(
    ("more", "then"), [(4, [1, 2, 3, 4, 5, 10]), (8, [3, 4, 5, 6, 7, 8, 9, 18]), (64, [*range(31, 64, 4), 65, 130])]
)
def test_the_next_hold_is_tried_from_just_below_the_last_count_that_let_nothing_go_before(
    more: int, then: list[int]
) -> None:
    talk = begun()
    held(talk, more)
    assert talk.stepped(HOLD_NS) == Grant(more + 1)
    tried = [talk.outwaited(2 * HOLD_NS), *[talk.stepped(0) for _ in then[1:]]]
    assert tried == [Grant(more + 1 + count) for count in then], "in eighths of what was left open, and then as ever"


def test_what_time_let_go_after_all_bytes_were_tried_tells_nothing_of_how_many_to_try_next() -> None:
    talk, now_ns = silent(), HOLD_NS + TIME_NS
    talk.arrived(SPAN, now_ns)
    assert talk.stepped(now_ns) == Grant(SPAN + 1)
    assert talk.outwaited(2 * now_ns) == Grant(SPAN + 2)
