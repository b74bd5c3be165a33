"""The lockstep machine, driven by hand, by a simulated hop, and by whatever hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge import release
from harness.judge.release import PROBE_FRACTION
from harness.measure import lockstep
from harness.measure.lockstep import BUDGET_PATIENCES, MAX_HOLDS, PATIENT, Grant, Lockstep, Phase
from harness.model import Trace
from tests.factories import plan, workload
from tests.hops import Blocks, Empties, HoldsToEnd, Hop, Passes, StartBuffer, Timer
from tests.simulation import simulate


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """The times that are told here are multiples of a patience of 100 ms."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(lockstep, "PATIENCE_NS", 100 * 10**6)
        monkeypatch.setattr(release, "PATIENCE_MS", 100.0)
        yield


def machine(tokens: int = 6, last_token_ends: bool = False, **others: Any) -> Lockstep:
    return Lockstep(workload(tokens), last_token_ends, **others)


def record(of: Lockstep | Trace) -> str:
    """Return the steps in short: `g0 a0 g1 hold1 ...`."""
    short = {"grant": "g", "arrive": "a"}
    return " ".join(f"{short.get(step.kind, step.kind)}{step.seq}" for step in of.steps)


# ---------------------------------------------------------------- rule 1: one after the other


def test_begins_with_one_token() -> None:
    talk = machine()
    assert talk.begin(0) == Grant(0)
    assert (talk.phase, talk.awaited) == (Phase.LOCKSTEP, 0)


def test_the_next_token_is_granted_when_the_last_one_is_here() -> None:
    talk = machine()
    talk.begin(0)
    assert talk.arrived(0, 1) == Grant(1)
    assert talk.arrived(1, 2) == Grant(2)


def test_what_was_here_already_grants_nothing() -> None:
    talk = machine()
    talk.begin(0)
    talk.arrived(0, 1)
    assert talk.arrived(0, 2) is None
    assert talk.arrived(-1, 3) is None
    assert talk.progress_ns == 1
    assert record(talk) == "g0 a0 g1"


def test_the_stream_ends_when_the_last_token_is_here() -> None:
    talk = machine(tokens=2)
    talk.begin(0)
    talk.arrived(0, 1)
    assert talk.arrived(1, 2) == Grant(1, end=True)
    assert talk.phase is Phase.ENDED
    assert record(talk) == "g0 a0 g1 a1 end1"


def test_nothing_is_said_after_the_end() -> None:
    talk = machine(tokens=1)
    talk.begin(0)
    talk.arrived(0, 1)
    assert (talk.arrived(0, 2), talk.outwaited(3), talk.stepped(4)) == (None, None, None)
    assert talk.phase is Phase.ENDED


def test_a_probing_step_has_no_place_in_lockstep() -> None:
    talk = machine()
    talk.begin(0)
    assert talk.stepped(1) is None
    assert record(talk) == "g0"


# ---------------------------------------------------------------- rule 2: holds and probing


def test_a_silence_past_the_patience_is_a_hold_and_starts_probing_at_once() -> None:
    talk = machine()
    talk.begin(0)
    talk.arrived(0, 1)
    assert talk.outwaited(2) == Grant(2)
    assert talk.phase is Phase.PROBING
    assert record(talk) == "g0 a0 g1 hold1 g2"


def test_probing_goes_on_without_waiting_until_the_held_token_comes() -> None:
    talk = machine()
    talk.begin(0)
    talk.outwaited(1)
    assert [talk.stepped(2), talk.stepped(3)] == [Grant(2), Grant(3)]
    assert talk.outwaited(4) is None, "the patience has no say while probing"
    assert talk.arrived(0, 5) is None, "tokens are still under way: nothing new is granted"
    assert talk.phase is Phase.LOCKSTEP
    assert talk.stepped(6) is None


def test_probing_steps_grow_with_what_was_sent_so_that_a_release_is_known_to_a_sixteenth() -> None:
    talk = machine(tokens=400)
    talk.begin(0)
    talk.outwaited(1)
    while talk.phase is Phase.PROBING:
        talk.stepped(2)
    granted = [step.seq for step in talk.steps if step.kind == "grant"]
    assert granted[:PROBE_FRACTION] == list(range(PROBE_FRACTION))
    assert all(1 <= later - earlier <= 1 + earlier / PROBE_FRACTION for earlier, later in pairwise(granted))
    assert granted[-1] == 399
    assert len(granted) < 400 / 4


# ---------------------------------------------------------------- rule 3: back to lockstep, with more patience


def after_a_hold(lasted_ms: int = 110, **others: Any) -> Lockstep:
    """Return a machine whose token 0 was held until token 1 was sent; token 2 is waited for since 0."""
    talk = machine(**others)
    talk.begin(-lasted_ms * 10**6)
    talk.outwaited(-(lasted_ms - 100) * 10**6)
    talk.arrived(1, 0)
    return talk


@pytest.mark.parametrize(("lasted_ms", "silence_ms"), [(110, 300), (199, 300), (201, 301), (5000, 5100)])
def test_after_a_hold_a_silence_lasts_long_enough_for_a_timer_to_show(lasted_ms: int, silence_ms: int) -> None:
    assert machine().silence_ns == 100 * 10**6
    assert after_a_hold(lasted_ms).silence_ns == silence_ms * 10**6


def test_a_patient_stream_waits_so_from_its_start() -> None:
    assert machine(patient=True).silence_ns == PATIENT * 100 * 10**6


def test_a_token_that_only_came_because_of_more_patience_counts_as_a_hold_and_its_timer_is_waited_for_at_the_end() -> (
    None
):
    talk = after_a_hold(tokens=6)
    assert talk.arrived(2, 101 * 10**6) is None
    assert talk.phase is Phase.DRAINING
    assert [talk.stepped(0), talk.stepped(0), talk.stepped(0), talk.stepped(0)] == [Grant(3), Grant(4), Grant(5), None]
    assert (talk.phase, talk.silence_ns) == (Phase.LAST_WAIT, PATIENT * 100 * 10**6)


def test_a_token_that_came_within_the_patience_is_none() -> None:
    talk = after_a_hold(tokens=6)
    assert talk.arrived(2, 100 * 10**6) == Grant(3)


def test_in_a_stream_that_is_not_patient_a_stall_of_the_machine_is_no_hold() -> None:
    talk = machine(tokens=9)
    talk.begin(0)
    for seq in range(3):
        assert talk.arrived(seq, (seq + 1) * 10**9) == Grant(seq + 1)
    assert talk.silence_ns == 100 * 10**6


def test_before_the_end_a_stream_without_timers_waits_for_one_patience_however_patient_it_was() -> None:
    talk = after_a_hold(tokens=2)
    assert talk.phase is Phase.ENDED
    talk = after_a_hold(tokens=3)
    talk.outwaited(1)
    talk.stepped(2)
    assert (talk.phase, talk.silence_ns) == (Phase.LAST_WAIT, 100 * 10**6)


def test_what_comes_while_nobody_sends_shows_that_the_rest_may_come_so_too() -> None:
    talk = machine(tokens=2)
    talk.begin(0)
    talk.outwaited(100)
    assert talk.stepped(101) is None
    assert (talk.phase, talk.silence_ns) == (Phase.LAST_WAIT, 100 * 10**6)
    assert talk.arrived(0, 102) is None
    assert (talk.phase, talk.silence_ns) == (Phase.LAST_WAIT, PATIENT * 100 * 10**6)


def test_a_pulse_is_recorded_with_the_token_that_is_waited_for() -> None:
    talk = machine()
    talk.begin(0)
    talk.arrived(0, 1)
    talk.pulsed(2)
    assert record(talk) == "g0 a0 g1 pulse1"


# ---------------------------------------------------------------- rules 3 and 4: back to lockstep, then drained


def test_back_in_lockstep_it_waits_for_all_that_was_granted_before_it_grants_more() -> None:
    talk = machine(tokens=9)
    talk.begin(0)
    talk.outwaited(1)
    talk.stepped(2)
    talk.stepped(3)  # 0 to 3 are granted
    assert talk.arrived(1, 4) is None
    assert talk.arrived(2, 5) is None
    assert talk.arrived(3, 6) == Grant(4)


def test_a_token_that_was_granted_while_probing_can_be_held_too() -> None:
    talk = machine(tokens=9)
    talk.begin(0)
    talk.outwaited(1)
    talk.stepped(2)
    talk.arrived(0, 3)
    assert talk.outwaited(4) == Grant(3)
    assert record(talk) == "g0 hold0 g1 g2 a0 hold1 g3"


def test_after_two_holds_the_rest_is_drained_and_what_is_under_way_may_arrive() -> None:
    talk = machine(tokens=6)
    talk.begin(0)
    talk.outwaited(1)
    talk.arrived(1, 2)
    talk.outwaited(3)
    talk.arrived(3, 4)
    assert MAX_HOLDS == 2
    assert talk.phase is Phase.DRAINING
    assert talk.outwaited(5) is None
    assert [talk.stepped(6), talk.stepped(7)] == [Grant(4), Grant(5)]
    assert talk.stepped(8) is None
    assert talk.arrived(4, 9) is None, "the end waits for silence"
    assert talk.outwaited(10) == Grant(5, end=True)
    assert record(talk) == "g0 hold0 g1 a1 g2 hold2 g3 a3 drain4 g4 g5 wait5 a4 end4"


def slow(wait_ms: int, tokens: int = 40) -> tuple[Lockstep, int]:
    """Return a machine that waited so long for each token until it drained, and for how many."""
    talk = machine(tokens)
    talk.begin(7)
    for seq in range(tokens - 1):
        talk.arrived(seq, 7 + (seq + 1) * wait_ms * 10**6)
        if talk.phase is Phase.DRAINING:
            return talk, seq + 1
    return talk, tokens


@pytest.mark.parametrize("wait_ms", [60, 90, 99])
def test_a_slow_stream_is_drained_when_its_waits_have_used_up_the_budget(wait_ms: int) -> None:
    talk, waits = slow(wait_ms)
    assert (waits - 1) * wait_ms <= BUDGET_PATIENCES * 100 < waits * wait_ms
    assert talk.stepped(10**12) == Grant(waits)


def test_tokens_that_come_at_once_use_nothing_up_however_many_they_are() -> None:
    assert slow(10, tokens=400)[0].phase is Phase.LOCKSTEP


def test_a_stall_of_the_machine_costs_a_patience_and_no_more() -> None:
    assert slow(10_000)[1] == BUDGET_PATIENCES + 1


def test_all_tokens_here_ends_a_drained_stream_at_once() -> None:
    talk = machine(tokens=6)
    talk.begin(0)
    talk.outwaited(1)
    talk.arrived(1, 2)
    talk.outwaited(3)
    talk.arrived(3, 4)
    assert talk.phase is Phase.DRAINING
    talk.stepped(5)
    talk.stepped(6)
    assert talk.arrived(5, 7) == Grant(5, end=True)


# ---------------------------------------------------------------- rule 5: the last wait


def test_when_all_is_granted_and_the_held_token_is_missing_the_patience_runs_once_more_before_the_end() -> None:
    talk = machine(tokens=2)
    talk.begin(0)
    assert talk.outwaited(1) == Grant(1)
    assert talk.stepped(2) is None
    assert (talk.phase, talk.progress_ns) == (Phase.LAST_WAIT, 2)
    assert talk.stepped(3) is None
    assert talk.outwaited(4) == Grant(1, end=True)
    assert record(talk) == "g0 hold0 g1 wait1 end-1"


def test_what_comes_in_the_last_wait_starts_the_patience_anew() -> None:
    talk = machine(tokens=3)
    talk.begin(0)
    talk.outwaited(1)
    talk.stepped(2)
    talk.stepped(3)
    assert talk.arrived(0, 50) is None
    assert (talk.phase, talk.progress_ns) == (Phase.LAST_WAIT, 50)
    assert talk.arrived(2, 60) == Grant(2, end=True)
    assert record(talk) == "g0 hold0 g1 g2 wait2 a0 a2 end2"


def test_what_only_the_end_let_go_is_still_recorded() -> None:
    talk = machine(tokens=2)
    talk.begin(0)
    talk.outwaited(1)
    talk.stepped(2)
    talk.outwaited(3)
    assert talk.arrived(1, 4) is None
    assert record(talk) == "g0 hold0 g1 wait1 end-1 a1"


# ---------------------------------------------------------------- rule 6: length framing


def test_with_length_framing_granting_the_last_token_grants_the_end() -> None:
    talk = machine(tokens=2, last_token_ends=True)
    assert talk.begin(0) == Grant(0)
    assert talk.arrived(0, 1) == Grant(1, end=True)
    talk.arrived(1, 2)
    assert talk.phase is Phase.ENDED


def test_with_length_framing_the_last_token_is_granted_when_all_else_was_waited_for() -> None:
    talk = machine(tokens=3, last_token_ends=True)
    talk.begin(0)
    assert talk.outwaited(1) == Grant(1)
    assert talk.stepped(2) is None
    assert talk.outwaited(3) == Grant(2, end=True)
    assert record(talk) == "g0 hold0 g1 wait1 g2 end-1"


def test_with_length_framing_the_last_token_is_granted_at_once_when_all_else_came() -> None:
    talk = machine(tokens=3, last_token_ends=True)
    talk.begin(0)
    talk.outwaited(1)
    talk.stepped(2)
    assert talk.arrived(1, 3) == Grant(2, end=True)
    assert record(talk) == "g0 hold0 g1 wait1 a1 g2"


@pytest.mark.parametrize("last_token_ends", [False, True])
def test_a_stream_of_one_token_is_granted_and_ended(last_token_ends: bool) -> None:
    talk = machine(tokens=1, last_token_ends=last_token_ends)
    assert talk.begin(0) == Grant(0, end=last_token_ends)
    assert talk.arrived(0, 1) == Grant(0, end=True)
    assert record(talk) == "g0 a0 end0"


def test_a_stream_of_one_token_that_is_held_ends_after_the_last_wait() -> None:
    talk = machine(tokens=1)
    talk.begin(0)
    assert talk.outwaited(1) is None
    assert talk.outwaited(2) == Grant(0, end=True)
    assert record(talk) == "g0 hold0 wait0 end-1"


def test_a_stream_of_one_token_with_length_framing_may_still_come() -> None:
    talk = machine(tokens=1, last_token_ends=True)
    talk.begin(0)
    talk.outwaited(1)
    talk.outwaited(2)
    assert record(talk) == "g0 hold0 wait0 end-1"


# ---------------------------------------------------------------- a simulated hop: 80 byte tokens, six of them

HOPS: dict[str, tuple[Callable[[], Hop], str]] = {
    "passes all": (Passes, "g0 a0 g1 a1 g2 a2 g3 a3 g4 a4 g5 a5 end5"),
    "releases only at the end": (HoldsToEnd, "g0 hold0 g1 g2 g3 g4 g5 wait5 end-1 a5"),
    "passes two tokens, then holds": (
        lambda: HoldsToEnd(free_bytes=160),
        "g0 a0 g1 a1 g2 hold2 g3 g4 g5 wait5 end1 a5",
    ),
    "empties at 160 bytes": (
        lambda: Empties(size_bytes=160),
        "g0 hold0 g1 a1 g2 hold2 g3 a3 drain4 g4 g5 a5 end5",
    ),
    "blocks of 200 bytes": (
        lambda: Blocks(size_bytes=200),
        "g0 hold0 g1 g2 a1 hold2 g3 g4 a4 drain5 g5 wait5 end4 a5",
    ),
    "start buffer of 240 bytes": (
        lambda: StartBuffer(size_bytes=240),
        "g0 hold0 g1 g2 a2 g3 a3 g4 a4 g5 a5 end5",
    ),
    "timer within the patience": (lambda: Timer(after_ms=60), "g0 a0 g1 a1 g2 a2 g3 a3 g4 a4 g5 a5 end5"),
    "timer past the patience": (
        lambda: Timer(after_ms=150),
        "g0 hold0 g1 g2 g3 g4 g5 wait5 a5 end5",
    ),
}


@pytest.mark.parametrize(("hop", "conversation"), HOPS.values(), ids=HOPS)
def test_conversation_with_a_hop_that(hop: Callable[[], Hop], conversation: str) -> None:
    assert record(simulate(plan(workload(6)), hop())) == conversation


def test_conversation_with_length_framing_ends_with_the_last_byte() -> None:
    trace = simulate(plan(workload(3), body="length"), HoldsToEnd())
    assert record(trace) == "g0 hold0 g1 wait1 g2 end-1 a2"


# ---------------------------------------------------------------- any order of events


class Chance:
    """Drives a machine with what hypothesis says, and holds every grant against the rules."""

    def __init__(self, tokens: int, last_token_ends: bool) -> None:
        self.last = tokens - 1
        self.last_token_ends = last_token_ends
        self.machine = machine(tokens, last_token_ends)
        self.now_ns = 0
        self.granted = -1
        self.arrived = -1
        self.ends = 0
        self.check(self.machine.begin(0), alone=True)

    def check(self, grant: Grant | None, alone: bool) -> None:
        if grant is None:
            return
        assert self.granted <= grant.through <= self.last
        if alone and not grant.end:
            assert self.arrived >= grant.through - 1, "n+1 was granted before n was here"
        if grant.end:
            assert grant.through == self.last, "the end is granted with the last token"
            self.ends += 1
        self.granted = grant.through

    def event(self, kind: str, how_far: float, after_ns: int) -> None:
        self.now_ns += after_ns
        talk = self.machine
        if kind == "arrived":
            self.arrived += round(how_far * (self.granted - self.arrived))
            self.check(talk.arrived(self.arrived, self.now_ns), alone=True)
        elif kind == "outwaited":
            self.check(talk.outwaited(self.now_ns), alone=False)
        else:
            self.check(talk.stepped(self.now_ns), alone=False)


events = st.tuples(
    st.sampled_from(["arrived", "outwaited", "stepped"]), st.floats(0, 1), st.sampled_from([1, 10**6, 10**9])
)


@given(st.integers(1, 200), st.booleans(), st.lists(events, max_size=60))
def test_whatever_happens_nothing_is_granted_out_of_turn_and_the_stream_ends(
    tokens: int, last_token_ends: bool, happens: list[tuple[str, float, int]]
) -> None:
    chance = Chance(tokens, last_token_ends)
    for kind, how_far, after_ns in happens:
        chance.event(kind, how_far, after_ns)
    for _ in range(2 * tokens + 4):  # from here on nothing ever arrives: the driver's own calls lead to the end
        if chance.machine.phase is Phase.ENDED:
            break
        probing = chance.machine.phase in (Phase.PROBING, Phase.DRAINING)
        chance.event("stepped" if probing else "outwaited", 0, 1)
    assert chance.machine.phase is Phase.ENDED
    assert chance.granted == chance.last
    assert 1 <= chance.ends <= (2 if last_token_ends else 1)
    seqs = [step.seq for step in chance.machine.steps if step.kind == "arrive"]
    assert seqs == sorted(set(seqs))
    assert sum(step.kind == "end" for step in chance.machine.steps) == 1
