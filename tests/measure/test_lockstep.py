"""The lockstep machine by hand: each rule at the top of `lockstep.py`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from harness.judge.reading import span_tokens
from harness.judge.rules import FAR_MS, FLOW_MS, FLOW_TOKENS, HOLD_MS, LATE_MS, LONGER, STREAK, STRETCH, TIME_MS
from harness.measure.lockstep import PAUSES, TRYING_NS, Due, Grant, Lockstep, Phase
from tests.factories import plan, workload
from tests.measure.steps import record

MS = 10**6
HOLD_NS, TIME_NS = int(HOLD_MS * MS), int(TIME_MS * MS)
TOKENS = 6
SPAN = span_tokens(plan().emission)
"""So many tokens are sent after one that is held."""


def machine(
    tokens: int = TOKENS, round_trip_ms: float = 0.0, exact: bool = False, brief: bool = False, **emission: Any
) -> Lockstep:
    """Return a machine whose backend has been asked at 0."""
    talk = Lockstep(plan(workload(tokens, exact=exact), **emission).emission, int(round_trip_ms * MS), brief)
    talk.begin(0)
    return talk


def begun(tokens: int = TOKENS, **others: Any) -> Lockstep:
    """Return one that has granted token 0 at 0."""
    talk = machine(tokens, **others)
    talk.head(0)
    return talk


def alone(talk: Lockstep, tokens: int, each_ms: float = 0.0, at_ns: int = 0) -> Grant | None:
    """Let so many tokens arrive, each so long after it was granted; return the last answer."""
    answer: Grant | None = None
    for number in range(1, tokens + 1):
        answer = talk.arrived(talk.awaited, at_ns + int(number * each_ms * MS))
    return answer


def held(talk: Lockstep, more: int, ms: float = HOLD_MS) -> None:
    """Hold the awaited token until it has been so long and so many more tokens have been sent, with which it comes."""
    seq = talk.awaited
    since_ns = talk.progress_ns
    grant = talk.outwaited(since_ns + int(ms * MS))
    while grant and grant.through < seq + more:
        grant = talk.stepped(since_ns + int(ms * MS))
    assert grant == Grant(seq + more), "the steps go there"
    talk.arrived(seq + more, since_ns + int(ms * MS))


# ---------------------------------------------------------------- rule 1: one after the other


@pytest.mark.parametrize(("over_ns", "phase"), [(0, Phase.ARRIVAL), (1, Phase.PAUSE)])
def test_a_backend_is_far_away_from_beyond_the_constant_on(over_ns: int, phase: Phase) -> None:
    talk = begun(round_trip_ms=FAR_MS + over_ns / MS)
    talk.arrived(0, 1)
    assert talk.phase is phase


def test_when_the_time_for_trying_bytes_is_over_all_that_are_left_are_sent() -> None:
    talk = begun()
    talk.outwaited(HOLD_NS)
    assert talk.stepped(HOLD_NS + TRYING_NS) == Grant(SPAN)


def test_the_first_token_is_granted_when_the_head_is_here() -> None:
    talk = machine()
    assert (talk.phase, talk.due) == (Phase.HEAD, Due("silence", HOLD_NS))
    assert talk.head(1) == Grant(0)
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


def pauses(talk: Lockstep) -> Iterator[int]:
    """Yield how long it waits before each token after the first, which comes at once; 0 where it does not wait."""
    while talk.phase is not Phase.ENDED:
        talk.arrived(talk.awaited, talk.progress_ns)
        yield talk.due.ns if talk.phase is Phase.PAUSE else 0
        if talk.phase in (Phase.PAUSE, Phase.SETTLING, Phase.FLOW):
            assert talk.due.what == ("barrier" if talk.phase is Phase.SETTLING else "pause")
            talk.stepped(talk.progress_ns)


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
    assert talk.due == Due("barrier", 25 * MS), "sleeps take longer on a busy machine"


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
    steps = list(itertools.pairwise(sent[1:]))
    assert all(later >= min(2 * earlier, SPAN) for earlier, later in steps)
    assert any(later > 2 * earlier for earlier, later in steps) is not in_time
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
    assert talk.arrived(2, HOLD_NS + 5) == Grant(3)


def test_what_is_under_way_can_be_held_itself() -> None:
    talk = begun()
    talk.outwaited(HOLD_NS)
    talk.stepped(HOLD_NS)
    talk.arrived(0, HOLD_NS)
    talk.stepped(HOLD_NS)
    assert talk.outwaited(2 * HOLD_NS) == Grant(3)
    assert record(talk.steps) == "head-1 g0 hold0 g1 g2 a0 hold1 g3"


def silent() -> Lockstep:
    """Return a machine that has tried all bytes in vain in no time."""
    talk = begun()
    talk.outwaited(HOLD_NS)
    while talk.phase is Phase.TRYING:
        talk.stepped(HOLD_NS)
    return talk


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


@pytest.mark.parametrize(("more", "then"), [(4, [1, 2, 3, 4]), (8, [3, 4, 5, 6, 7, 8]), (64, [31, 35, 39, 43])])
def test_the_next_hold_is_tried_from_just_below_the_last_count_that_let_nothing_go_before(
    more: int, then: list[int]
) -> None:
    talk = begun()
    held(talk, more)
    assert talk.stepped(HOLD_NS) == Grant(more + 1)
    tried = [talk.outwaited(2 * HOLD_NS), *[talk.stepped(0) for _ in then[1:]]]
    assert tried == [Grant(more + 1 + count) for count in then], "in eighths of what was left open"


# ---------------------------------------------------------------- rule 4: what let go twice is confirmed


def twice_by_bytes(more: int = 4, **others: Any) -> Lockstep:
    """Return a machine whose first two tokens that were waited for came when so many more had been sent, at 0 again."""
    talk = begun(**others)
    held(talk, more)
    talk.stepped(HOLD_NS)
    held(talk, more)
    return talk


def test_a_stretch_follows_which_nobody_waits_for_and_then_one_more_hold_that_has_to_end_like_the_others() -> None:
    talk = twice_by_bytes()
    through = 9 + STRETCH * 4
    assert talk.stepped(2 * HOLD_NS) == Grant(through)
    assert talk.phase is Phase.SETTLING
    assert talk.arrived(through, 2 * HOLD_NS) is None
    assert talk.stepped(2 * HOLD_NS) == Grant(through + 1)
    assert talk.due == Due("silence", HOLD_NS), "bytes are tried soon: what time lets go after them confirms nothing"
    held(talk, 4)
    assert talk.stepped(4 * HOLD_NS) == Grant(through + 5, end=True)
    tail = f"g{through} a{through} g{through + 1} hold{through + 1} g{through + 3}-{through + 5} a{through + 5}"
    assert record(talk.steps).endswith(f"a9 stretch{through} {tail} end{through + 5}")


def test_if_nothing_of_a_stretch_comes_it_was_not_bytes_and_all_is_tried_anew() -> None:
    talk = twice_by_bytes()
    talk.stepped(2 * HOLD_NS)
    talk.stepped(2 * HOLD_NS)
    answer = talk.outwaited(3 * HOLD_NS)
    assert (talk.phase, talk.awaited) == (Phase.TRYING, 10)
    assert answer
    assert not answer.end


@pytest.mark.parametrize(("body", "last"), [("chunked", False), ("length", True)])
def test_a_stretch_of_nothing_is_none(body: str, last: bool) -> None:
    talk = twice_by_bytes(tokens=11 if last else 10, exact=True, body=body)
    assert talk.stepped(2 * HOLD_NS) == (Grant(10, end=True) if last else Grant(9, end=True))
    assert "stretch" not in record(talk.steps)


def test_what_comes_by_itself_after_a_stretch_was_held_by_buffers_of_the_start() -> None:
    talk = twice_by_bytes()
    through = 9 + STRETCH * 4
    talk.stepped(2 * HOLD_NS)
    talk.arrived(through, 2 * HOLD_NS)
    talk.stepped(2 * HOLD_NS)
    assert alone(talk, STREAK, at_ns=2 * HOLD_NS) == Grant(through + STREAK, end=True)


def test_what_time_let_go_twice_is_followed_by_a_flow_and_one_more_hold() -> None:
    talk, timer_ns = silent(), HOLD_NS + 50 * MS
    now_ns = 2 * timer_ns
    talk.arrived(SPAN, timer_ns)
    talk.stepped(timer_ns)
    talk.arrived(SPAN + 1, now_ns)
    assert talk.phase is Phase.FLOW
    first = talk.steps[-1].seq
    for number in range(1, FLOW_TOKENS):
        assert talk.due == Due("pause", int(FLOW_MS * MS))
        assert talk.stepped(now_ns + number) == Grant(first + number)
    assert talk.stepped(now_ns + FLOW_TOKENS) is None
    talk.stepped(now_ns + FLOW_TOKENS)
    longer = Due("silence", int(timer_ns * LONGER))
    assert (talk.phase, talk.due) == (Phase.ARRIVAL, longer), "a timer that waits for a pause lets the flow go by then"
    assert talk.arrived(first + FLOW_TOKENS - 1, now_ns + timer_ns) == Grant(first + FLOW_TOKENS)
    assert talk.due == Due("silence", HOLD_NS)
    assert talk.outwaited(now_ns + timer_ns + HOLD_NS) == Grant(first + FLOW_TOKENS, end=True)


def test_that_the_third_comes_late_while_it_is_made_sure_that_everybody_is_awake_will_do() -> None:
    talk, timer_ns = silent(), HOLD_NS + 50 * MS
    talk.arrived(SPAN, timer_ns)
    talk.stepped(timer_ns)
    talk.arrived(SPAN + 1, 2 * timer_ns)
    while talk.phase is Phase.FLOW:
        talk.stepped(2 * timer_ns)
    flow_through = talk.steps[-1].seq
    talk.arrived(flow_through, 3 * timer_ns)
    assert talk.stepped(3 * timer_ns) == Grant(flow_through + 1)
    assert talk.arrived(flow_through + 1, 4 * timer_ns) == Grant(flow_through + 1, end=True)


# ---------------------------------------------------------------- rule 5: the end


@pytest.mark.parametrize(("tokens", "sent"), [(1, STREAK), (STREAK, STREAK), (STREAK + 9, STREAK + 9)])
def test_a_stream_ends_when_the_steady_state_is_known_and_the_workload_is_here(tokens: int, sent: int) -> None:
    talk = begun(tokens)
    assert alone(talk, sent - 1) == Grant(sent - 1)
    assert talk.arrived(sent - 1, 0) == Grant(sent - 1, end=True)
    assert record(talk.steps) == f"head-1 0-{sent - 1} end{sent - 1}"


@pytest.mark.parametrize(("trip_ms", "phase"), [(199, Phase.ARRIVAL), (201, Phase.PAUSE)])
def test_a_token_that_was_nearly_held_is_followed_by_a_pause_so_that_no_timer_keeps_step(
    trip_ms: int, phase: Phase
) -> None:
    talk = begun(tokens=40)
    alone(talk, 1, trip_ms, talk.progress_ns)
    assert talk.phase is phase


def test_nothing_is_said_after_the_end() -> None:
    talk = begun()
    alone(talk, STREAK)
    assert (talk.due, talk.arrived(STREAK, 1)) == (Due("nothing"), None)
    assert [talk.outwaited(2), talk.stepped(3), talk.head(4)] == [None, None, None]
    assert talk.phase is Phase.ENDED


@pytest.mark.parametrize("each_ms", [60, 199])
def test_tokens_that_come_late_are_followed_by_a_flow_and_what_then_is_left_leaves_with_the_end(each_ms: float) -> None:
    talk = begun(tokens=320)
    seq = 0
    while talk.phase is Phase.ARRIVAL:
        seq += 1
        alone(talk, 1, each_ms, talk.progress_ns)
    assert (seq * each_ms >= 2000, seq >= 8) == (seq < STREAK, True)
    assert talk.phase is Phase.FLOW
    while talk.phase is Phase.FLOW:
        talk.stepped(talk.progress_ns + 1)
    talk.arrived(talk.steps[-1].seq, talk.progress_ns)
    ends = talk.stepped(talk.progress_ns)
    while ends is None or not ends.end:
        ends = alone(talk, 1, each_ms, talk.progress_ns)
    assert ends == Grant(319, end=True)
    assert talk.steps[-1].seq < 150, "a workload of slow tokens is not waited for"


@pytest.mark.parametrize(("slow_ms", "phase"), [(9, Phase.FLOW), (11, Phase.ENDED)])
def test_where_the_control_stream_is_as_slow_by_now_no_token_is_late(slow_ms: float, phase: Phase) -> None:
    talk = Lockstep(plan(workload(STREAK)).emission, slow_ms=lambda: slow_ms)
    talk.begin(0)
    talk.head(0)
    while talk.phase is Phase.ARRIVAL:
        alone(talk, 1, LATE_MS + 10, talk.progress_ns)
    assert talk.phase is phase


# ---------------------------------------------------------------- rule 6: length framing


def test_with_length_framing_the_last_token_is_the_end_and_is_granted_alone() -> None:
    talk = begun(2, body="length")
    assert talk.arrived(0, 1) == Grant(1, end=True)
    talk.arrived(1, 2)
    assert record(talk.steps) == "head-1 0 1 end1"


def test_with_length_framing_all_but_the_last_token_is_tried_and_that_leaves_when_all_was_waited_for() -> None:
    talk = begun(4, body="length")
    assert [talk.outwaited(1), talk.stepped(2), talk.stepped(3)] == [Grant(1), Grant(2), None]
    assert talk.phase is Phase.SILENCE
    assert talk.outwaited(4) == Grant(3, end=True)
    assert record(talk.steps) == "head-1 g0 hold0 g1 g2 wait2 drain3 g3 end-1"


@pytest.mark.parametrize("body", ["chunked", "length"])
def test_a_stream_of_one_token_may_be_held_until_its_end(body: str) -> None:
    talk = begun(1, body=body, exact=True)
    assert talk.outwaited(1) is None
    assert (talk.phase, talk.outwaited(2)) == (Phase.SILENCE, Grant(0, end=True))
    assert record(talk.steps) == "head-1 g0 hold0 wait0 end-1"


# ---------------------------------------------------------------- rule 7: in brief


def test_a_brief_conversation_ends_when_bytes_let_its_first_hold_go_and_the_rest_leaves_with_the_end() -> None:
    talk = begun(tokens=9, brief=True)
    talk.arrived(0, 0)
    held(talk, 4)
    assert talk.due.what == "barrier", "what was sent with it is given the time to come"
    assert talk.stepped(HOLD_NS) == Grant(8, end=True)
    assert record(talk.steps) == "head-1 0 g1 hold1 g2-5 a5 drain6 g8 end5"


def test_it_does_not_wait_for_what_is_still_under_way_then() -> None:
    talk = begun(tokens=2, brief=True)
    talk.outwaited(HOLD_NS)
    talk.stepped(HOLD_NS)
    assert talk.arrived(0, HOLD_NS) is None
    assert talk.stepped(HOLD_NS) == Grant(2, end=True)
    assert record(talk.steps) == "head-1 g0 hold0 g1 g2 a0 end0"


def test_it_ends_when_time_lets_its_first_hold_go() -> None:
    talk = begun(brief=True)
    talk.arrived(0, 1)
    assert talk.arrived(1, HOLD_NS + 2 * MS) == Grant(TOKENS - 1, end=True)
    assert record(talk.steps) == "head-1 0 1 drain2 g5 end1"


@pytest.mark.parametrize(
    ("tokens", "body", "conversation"),
    [
        (TOKENS, "chunked", f"head-1 g0 hold0 g1-{SPAN} wait{SPAN} end-1"),
        (4, "length", "head-1 g0 hold0 g1 g2 wait2 drain3 g3 end-1"),
        (1, "length", "head-1 g0 hold0 wait0 end-1"),
    ],
)
def test_it_ends_without_a_silence_when_all_bytes_were_tried_in_vain(tokens: int, body: str, conversation: str) -> None:
    talk = begun(tokens, brief=True, body=body, exact=body == "length")
    answer = talk.outwaited(HOLD_NS)
    while talk.phase is Phase.TRYING:
        answer = talk.stepped(HOLD_NS)
    assert answer
    assert (talk.phase, answer.end) == (Phase.ENDED, True)
    assert record(talk.steps) == conversation


@pytest.mark.parametrize("others", [{}, {"round_trip_ms": 50}, {"body": "length"}, {"tokens": 100}])
def test_where_nothing_is_held_a_brief_conversation_streams_through_like_another(others: dict[str, Any]) -> None:
    brief, other = begun(brief=True, **others), begun(**others)
    assert list(pauses(brief)) == list(pauses(other))
    assert brief.steps == other.steps
