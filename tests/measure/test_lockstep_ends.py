"""The lockstep machine by hand, rules 4 to 7 at the top of `lockstep.py`: confirmed, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from harness.judge.rules import (
    ENOUGH,
    ENOUGH_MS,
    FLOW_MS,
    FLOW_TOKENS,
    HOLD_MS,
    HOLDS,
    LATE_MS,
    LONGER,
    STREAK,
    STRETCH,
)
from harness.measure.grants import Due, Grant, Phase
from harness.measure.lockstep import Lockstep
from tests.factories import plan, workload
from tests.measure.steps import record
from tests.measure.talking import HOLD_NS, MS, SPAN, TOKENS, alone, begun, held, pauses, silent

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


def test_an_announced_length_is_sent_to_its_end_however_soon_all_is_known() -> None:
    talk = begun(body="length", announced_tokens=40)
    assert alone(talk, STREAK) == Grant(39, end=True)


def by_themselves(talk: Lockstep, tokens: int, each_ms: float) -> None:
    """Let so many tokens arrive, each so long after it was granted, and let pass what pauses there are between."""
    for _ in range(tokens):
        if talk.phase is Phase.PAUSE:
            talk.stepped(talk.progress_ns)
        talk.arrived(talk.awaited, talk.progress_ns + int(each_ms * MS))


def test_late_tokens_are_enough_as_soon_as_they_were_waited_for_so_long_in_all() -> None:
    talk = begun(tokens=200)
    by_themselves(talk, ENOUGH, ENOUGH_MS / ENOUGH)
    now_ns, through = talk.progress_ns, ENOUGH + FLOW_TOKENS - 1
    assert record(talk.steps).endswith(f"stretch{through} g{ENOUGH}")
    while talk.phase is Phase.FLOW:
        talk.stepped(now_ns)
    talk.arrived(through, now_ns)
    assert talk.stepped(now_ns) == Grant(199, end=True)


def test_with_a_delay_at_the_source_a_token_is_late_only_beyond_that() -> None:
    talk = begun(delay_ms=200)
    by_themselves(talk, ENOUGH - 1, HOLD_MS + 199)
    assert "stretch" not in record(talk.steps), "of what a timer lets go two are enough"


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


def test_where_now_bytes_and_now_time_let_go_that_a_token_is_held_again_is_all_that_is_wanted() -> None:
    talk = begun()
    for number in range(1, HOLDS):
        talk.arrived(talk.awaited, talk.progress_ns + number * number * 400 * MS)
    held(talk, 4)
    through, now_ns = talk.awaited, talk.progress_ns
    assert talk.stepped(now_ns) == Grant(through)
    assert talk.due == Due("silence", HOLD_NS)
    assert talk.outwaited(now_ns + HOLD_NS) == Grant(through, end=True)


# ---------------------------------------------------------------- rule 5: the end


@pytest.mark.parametrize(("tokens", "sent"), [(1, STREAK), (STREAK, STREAK), (STREAK + 9, STREAK + 9)])
def test_a_stream_ends_when_the_steady_state_is_known_and_the_workload_is_here(tokens: int, sent: int) -> None:
    talk = begun(tokens)
    assert alone(talk, sent - 1) == Grant(sent - 1)
    assert talk.arrived(sent - 1, 0) == Grant(sent - 1, end=True)
    assert record(talk.steps) == f"head-1 0-{sent - 1} end{sent - 1}"


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize(
    ("others", "nearly_ms"), [({}, 200), ({"round_trip_ms": 8}, 208), ({"round_trip_ms": 8, "delay_ms": 5}, 213)]
)
def test_a_token_that_was_nearly_held_is_followed_by_a_pause_so_that_no_timer_keeps_step(
    before: int, others: dict[str, Any], nearly_ms: int
) -> None:
    for trip_ms, phase in ((nearly_ms - 1, Phase.ARRIVAL), (nearly_ms, Phase.PAUSE)):
        talk = begun(tokens=40, **others)
        alone(talk, before, at_ns=talk.progress_ns)
        alone(talk, 1, trip_ms, talk.progress_ns)
        assert talk.phase is phase
        assert not talk.is_holding, "that was one, by chance"
        alone(talk, 1, trip_ms, talk.progress_ns)
        assert talk.is_holding is (phase is Phase.PAUSE)


@pytest.mark.parametrize(
    ("others", "late_ms"), [({}, 50), ({"round_trip_ms": 8}, 58), ({"round_trip_ms": 8, "delay_ms": 5}, 63)]
)
@pytest.mark.parametrize(
    ("late", "off_ms", "phase"), [(16, 0, Phase.FLOW), (16, -1, Phase.ENDED), (4, 0, Phase.FLOW), (3, 0, Phase.ENDED)]
)
def test_a_flow_follows_where_a_quarter_or_more_were_late(
    others: dict[str, Any], late_ms: int, late: int, off_ms: int, phase: Phase
) -> None:
    talk = begun(**others)
    for number in range(STREAK):
        alone(talk, 1, late_ms + off_ms if number < late else 0, talk.progress_ns)
    assert talk.phase is phase


def test_what_was_late_before_the_steady_state_calls_for_no_flow() -> None:
    talk = begun()
    for _ in range(7):
        alone(talk, 1, 2 * LATE_MS, talk.progress_ns)
    held(talk, 4)
    talk.stepped(talk.progress_ns)
    answer = alone(talk, STREAK, at_ns=talk.progress_ns)
    assert (talk.phase, answer and answer.end) == (Phase.ENDED, True)


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


def test_how_long_was_waited_for_what_is_held_now_and_then_makes_no_stream_of_slow_tokens() -> None:
    talk = begun(tokens=60)
    for number in range(4):
        alone(talk, 1, HOLD_MS + 100 + 300 * number, talk.progress_ns)
        alone(talk, 5, at_ns=talk.progress_ns)
    assert alone(talk, 1, HOLD_MS + 1300, talk.progress_ns) == Grant(25), "it goes on, as most come at once"


@pytest.mark.parametrize(("slow_ms", "phase"), [(9, Phase.FLOW), (11, Phase.ENDED)])
def test_where_the_control_stream_is_as_slow_by_now_no_token_is_late(slow_ms: float, phase: Phase) -> None:
    talk = Lockstep(plan(workload(STREAK)).emission, 0, slow_ms=lambda: slow_ms)
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


@pytest.mark.parametrize(
    ("off_ms", "round_trip_ms", "ends"),
    [
        ((0, 0, 0), 0, True),
        ((0, 0, 0), 20, True),
        ((0, 0), 0, False),
        ((-1, 0, 0), 0, False),
        ((-1, 0, 0, 0), 0, True),
        ((0, 0, -1, 0), 0, False),
    ],
)
def test_it_ends_after_three_late_tokens_in_a_row(off_ms: tuple[int, ...], round_trip_ms: int, ends: bool) -> None:
    talk, longer = (begun(brief=brief, round_trip_ms=round_trip_ms) for brief in (True, False))
    for each in (talk, longer):
        for off in off_ms:
            alone(each, 1, LATE_MS + round_trip_ms + off, each.progress_ns)
            if each.phase is Phase.PAUSE:
                each.stepped(each.progress_ns + each.due.ns)
    assert (talk.phase is Phase.ENDED) is ends
    assert longer.phase is not Phase.ENDED


@pytest.mark.parametrize("others", [{}, {"round_trip_ms": 50}, {"body": "length"}, {"tokens": 100}])
def test_where_nothing_is_held_or_late_a_brief_conversation_streams_through_like_another(
    others: dict[str, Any],
) -> None:
    brief, other = begun(brief=True, **others), begun(**others)
    assert list(pauses(brief)) == list(pauses(other))
    assert brief.steps == other.steps
