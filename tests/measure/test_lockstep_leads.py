"""The conversation with an emitter whose grants are requests: none is under way beside a token where they go the way of
the stream, or the record says so, and how long one takes is no hop's doing.
"""

from __future__ import annotations

import pytest

from harness.judge.reading import Alone, Hold, read
from harness.judge.rules import FLOW_MS, FLOW_TOKENS, HOLD_MS
from harness.measure.grants import Due, Grant, Phase
from harness.measure.lockstep import Lockstep
from harness.model import Emission, Workload

MS = 1_000_000
LEAD_MS = 30
TOLD = Emission(Workload("w", tokens=40, token_bytes=120))


class Talk:
    """A conversation, and the clock that it lives by. A grant is answered after `answered_ms`, or a round trip."""

    def __init__(self, round_trip_ms: int = 1, lead_ms: int = LEAD_MS) -> None:
        self.machine = Lockstep(TOLD, round_trip_ms * MS, lead_ns=lead_ms * MS)
        self.now_ns = 0
        self.answered_ms = round_trip_ms
        self.machine.begin(0)

    def head(self) -> Grant | None:
        return self.machine.head(self.now_ns)

    def due(self) -> Grant | None:
        """Wait for what is due; return what is granted then."""
        self.is_heard()
        due = self.machine.due
        self.now_ns = max(self.now_ns, self.machine.progress_ns + due.ns)
        return (self.machine.outwaited if due.what == "silence" else self.machine.stepped)(self.now_ns)

    def is_heard(self) -> None:
        if self.machine.due.what == "told":
            self.now_ns = self.machine.progress_ns + self.answered_ms * MS
            self.machine.heard(self.now_ns)

    def arrives(self, through: int, after_ms: int = 1) -> Grant | None:
        self.now_ns += after_ms * MS
        return self.machine.arrived(through, self.now_ns)

    @property
    def kinds(self) -> list[tuple[str, int]]:
        return [(step.kind, step.seq) for step in self.machine.steps]


def test_a_grant_is_told_before_it_counts_and_a_trip_is_measured_from_then_on() -> None:
    talk = Talk()
    assert talk.head() == Grant(0, later=True)
    assert talk.kinds == [("head", -1)]
    assert talk.due() is None
    assert talk.now_ns == LEAD_MS * MS
    assert talk.arrives(0) == Grant(1, later=True)
    assert read(talk.machine.steps).seen == [Alone(0, 1.0)]


@pytest.mark.parametrize("lead_ms", [LEAD_MS, 0])
def test_a_grant_that_takes_long_is_not_taken_for_a_token_that_does(lead_ms: int) -> None:
    """It would outwait a hold, and a short request that is then made would seem to let it go."""
    talk = Talk(lead_ms=lead_ms)
    talk.answered_ms = int(HOLD_MS) + 70
    talk.head()
    for seq in range(4):
        assert talk.machine.due == Due("told"), "until it is heard, no silence counts"
        talk.is_heard()
        if lead_ms:
            talk.due()
        talk.arrives(seq)
    seen = read(talk.machine.steps, 1.0).seen
    assert [(type(one), one.seq, one.trip_ms <= 2) for one in seen] == [(Alone, seq, True) for seq in range(4)]
    assert "pulse" not in dict(talk.kinds)
    talk.answered_ms = 1
    talk.due()
    talk.due()
    assert ("hold", 4) in talk.kinds, "and one that is held is found as ever"


def test_a_token_that_comes_before_the_answer_to_its_grant_has_taken_no_longer_than_a_round_trip() -> None:
    talk = Talk(round_trip_ms=10, lead_ms=0)
    talk.head()
    assert talk.arrives(0, after_ms=400) == Grant(1, later=True)
    assert read(talk.machine.steps, 10.0).seen == [Alone(0, 10.0)]
    assert talk.arrives(1, after_ms=4) == Grant(2, later=True)
    assert read(talk.machine.steps, 10.0).seen[-1] == Alone(1, 4.0)


def test_where_grants_go_another_way_what_comes_before_the_answer_was_let_go_by_what_left() -> None:
    talk = Talk(lead_ms=0)
    talk.head()
    talk.due()
    grant = talk.due()
    assert (grant, talk.machine.phase, talk.kinds[-1]) == (Grant(1, later=True), Phase.LEAD, ("hold", 0))
    talk.arrives(0)
    reader = read(talk.machine.steps, 1.0)
    assert talk.kinds[-2:] == [("grant", 1), ("arrive", 0)]
    (hold,) = reader.seen
    assert isinstance(hold, Hold)
    assert (hold.let_go, hold.after_tokens, reader.pulsed) == ("bytes", 1, set())


def test_what_comes_while_a_grant_is_under_way_was_let_go_by_that_and_by_no_byte() -> None:
    talk = Talk()
    talk.head()
    talk.due()
    grant = talk.due()
    assert (grant, talk.machine.phase) == (Grant(1, later=True), Phase.LEAD)
    talk.arrives(0)
    talk.due()
    assert talk.machine.phase is Phase.SETTLING, "no more bytes are tried"
    reader = read(talk.machine.steps)
    assert talk.kinds[2:] == [("hold", 0), ("pulse", 0), ("arrive", 0), ("grant", 1)]
    (hold,) = reader.seen
    assert isinstance(hold, Hold)
    assert (hold.let_go, hold.after_tokens, reader.pulsed) == ("time", 0, {0})


def test_what_comes_after_it_was_let_go_by_bytes() -> None:
    talk = Talk()
    talk.head()
    talk.due()
    talk.due()
    talk.due()
    talk.arrives(1)
    reader = read(talk.machine.steps)
    (hold,) = reader.seen
    assert isinstance(hold, Hold)
    assert (hold.let_go, hold.after_tokens, reader.pulsed) == ("bytes", 1, set())


def test_a_token_that_comes_before_its_grant_counts_by_a_clock_that_looked_late_has_left() -> None:
    talk = Talk()
    talk.head()
    talk.is_heard()
    assert talk.arrives(0, LEAD_MS - 2) == Grant(1, later=True)
    assert talk.kinds == [("head", -1), ("grant", 0), ("arrive", 0)]


@pytest.mark.parametrize("heard", [False, True], ids=["before it", "close behind it"])
def test_a_token_that_comes_with_the_answer_to_its_own_grant_may_have_been_let_go_by_that(heard: bool) -> None:
    talk = Talk()
    talk.answered_ms = 2 * LEAD_MS
    talk.head()
    if heard:
        talk.is_heard()
    assert talk.arrives(0, 1 if heard else 2 * LEAD_MS) == Grant(1, later=True)
    assert talk.kinds == [("head", -1), ("grant", 0), ("pulse", 0), ("arrive", 0)]
    assert read(talk.machine.steps).pulsed == {0}


def test_more_that_comes_with_the_answer_to_its_grant_did_not_let_go_by_bytes_alone() -> None:
    talk = Talk()
    talk.head()
    talk.due()
    assert talk.due() == Grant(1, later=True)
    talk.arrives(1, 2 * LEAD_MS)
    assert talk.kinds[2:] == [("hold", 0), ("pulse", 0), ("grant", 1), ("pulse", 0), ("arrive", 1)]
    assert read(talk.machine.steps).pulsed == {0}


def test_a_few_that_come_with_an_answer_are_nothing_in_a_stream_whose_others_do_not() -> None:
    talk = Talk()
    talk.head()
    for seq in range(8):
        met = seq in (4, 6, 7)
        if not met:
            talk.due()
        talk.arrives(seq)
    assert [step.seq for step in talk.machine.steps if step.kind == "pulse"] == [6, 7], "a quarter is no more a few"


def test_a_step_of_which_some_came_before_it_counted_has_left_whole() -> None:
    talk = Talk()
    grant = talk.head()
    while grant is None or grant.through < 4:
        grant = talk.due()
    assert (talk.machine.granted, talk.machine.phase) == (2, Phase.LEAD)
    talk.is_heard()
    talk.arrives(3, LEAD_MS - 2)
    assert talk.kinds[-3:] == [("pulse", 0), ("grant", 4), ("arrive", 3)]


def test_of_a_flow_that_began_before_it_counted_no_more_has_left_than_came() -> None:
    talk = Talk(round_trip_ms=100)
    grant = talk.head()
    while grant is None or not grant.every_ms:
        grant = talk.due() if talk.machine.phase is not Phase.ARRIVAL else talk.arrives(talk.machine.granted, 100)
    first = talk.machine.granted + 1
    talk.is_heard()
    talk.arrives(first + 1, LEAD_MS - 2)
    assert talk.kinds[-2:] == [("grant", first + 1), ("arrive", first + 1)]


@pytest.mark.parametrize(("late_ms", "heard_late_ms"), [(0, 0), (7, 0), (0, 300)])
def test_a_flow_is_told_at_once_and_counts_at_its_own_pace(late_ms: int, heard_late_ms: int) -> None:
    talk = Talk(round_trip_ms=100)
    grant = talk.head()
    while grant is None or not grant.every_ms:
        grant = talk.due() if talk.machine.phase is not Phase.ARRIVAL else talk.arrives(talk.machine.granted, 100)
    assert grant == Grant(grant.through, later=True, every_ms=FLOW_MS)
    first = talk.machine.granted + 1
    assert grant.through == first + FLOW_TOKENS - 1
    told_ns = talk.now_ns + heard_late_ms * MS
    talk.answered_ms += heard_late_ms
    talk.is_heard()
    while talk.machine.granted < grant.through:
        talk.now_ns = talk.machine.progress_ns + talk.machine.due.ns + late_ms * MS  # as a busy machine looks at it
        assert talk.machine.stepped(talk.now_ns) is None
    granted_ns = read(talk.machine.steps).granted_ns[first:]
    due_ns = [told_ns + int((LEAD_MS + FLOW_MS * number) * MS) for number in range(FLOW_TOKENS)]
    assert all(0 <= at_ns - due <= late_ms * MS for at_ns, due in zip(granted_ns, due_ns, strict=True))


def test_what_is_left_once_it_is_known_that_it_streams_goes_with_the_end() -> None:
    talk = Talk()
    grant = talk.head()
    while grant is None or not grant.end:
        grant = talk.due() if talk.machine.phase is not Phase.ARRIVAL else talk.arrives(talk.machine.granted)
    assert grant == Grant(TOLD.workload.tokens - 1, end=True)
    assert talk.machine.steps[-3].kind == "drain"
    assert talk.machine.steps[-3].seq == 16
    assert talk.now_ns < 17 * (HOLD_MS + LEAD_MS + 1) * MS
