"""One reading of a conversation: its grammar, and what it sees. Told by hand, step by step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from harness.judge.reading import ANYWHERE, Alone, Hold, LetGo, Reader, State, read
from harness.judge.rules import HOLD_MS
from harness.judge.steady import begins_alike
from harness.model import Emission, Step, StepKind
from tests.factories import alone, reading, story
from tests.recorded import load, recording


def seen(words: str, round_trip_ms: float = 0.0) -> list[dict[str, Any]]:
    """Return what was observed, in plain figures that can be compared."""
    figures = (asdict(one).items() for one in reading(words, round_trip_ms).seen)
    return [{name: round(it, 3) if isinstance(it, float) else it for name, it in one} for one in figures]


def test_a_pulse_counts_for_what_had_been_sent_by_then() -> None:
    steps = [Step("grant", 0, 0), Step("arrive", 0, 1), Step("pulse", 1, 2), Step("grant", 1, 3), Step("arrive", 1, 4)]
    assert read(steps).pulsed == set()
    assert read([*steps[:2], steps[3], steps[2], steps[4]]).pulsed == {1}


def test_the_tail_is_what_was_sent_and_not_waited_for_when_the_end_was() -> None:
    assert list(reading("s0 r0 s1").tail) == []
    assert list(reading("s0 r0 s1 r1 end").tail) == []
    assert list(reading("s0 r0 s1 +400 hold1 s2 s3 end r1-3").tail) == [1, 2, 3]


def test_of_a_recording_a_hold_spans_the_bytes_behind_its_token() -> None:
    pieces = [b"data: " + b"x" * size + b"\n\n" for size in (10, 200, 30, 400, 50)]
    emission = Emission(load(recording(pieces)))
    told: list[tuple[StepKind, int, int]] = [
        *(("grant", 0, 0), ("arrive", 0, 1), ("grant", 1, 2), ("hold", 1, 402), ("grant", 2, 403), ("grant", 3, 404)),
        ("arrive", 3, 405),
    ]
    reader = read((Step(kind, seq, at_ms * 10**6) for kind, seq, at_ms in told), emission=emission)
    (hold,) = (one for one in reader.seen if isinstance(one, Hold))
    assert hold.span
    assert (hold.before_tokens, hold.after_tokens) == (1, 2)
    assert (hold.span.before_bytes, hold.span.after_bytes) == (len(pieces[2]), len(pieces[2]) + len(pieces[3]))


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "spaced"), [(1410, 1600, True), (1410, 1410, False), (1000, 1600, False)]
)
def test_what_was_sent_during_a_hold_came_as_it_was_sent_if_all_of_it_did(
    first_ms: int, last_ms: int, spaced: bool
) -> None:
    told: list[tuple[StepKind, int, int]] = [
        *(("grant", 0, 0), ("hold", 0, 400), ("grant", 1, 410), ("grant", 2, 600)),
        *(("arrive", 0, 1000), ("arrive", 1, first_ms), ("arrive", 2, last_ms)),
    ]
    reader = read(Step(kind, seq, at_ms * 10**6) for kind, seq, at_ms in told)
    (hold,) = reader.seen
    assert isinstance(hold, Hold)
    assert reader.spaced(hold) is spaced


def test_if_one_that_was_sent_during_a_hold_was_held_itself_nothing_is_said_of_them() -> None:
    told: list[tuple[StepKind, int, int]] = [
        *(("grant", 0, 0), ("hold", 0, 400), ("grant", 1, 410), ("grant", 2, 600), ("arrive", 0, 1000)),
        *(("hold", 1, 1400), ("arrive", 1, 1410), ("arrive", 2, 1600)),
        *(("grant", 3, 1610), ("hold", 3, 2010), ("arrive", 3, 2610)),
    ]
    reader = read(Step(kind, seq, at_ms * 10**6) for kind, seq, at_ms in told)
    first, *_ = reader.seen
    assert isinstance(first, Hold)
    assert [one.seq for one in reader.seen] == [0, 1, 3]
    assert not reader.spaced(first)


# ---------------------------------------------------------------- the grammar

# What has happened, and where each step of the harness' own then leads.
GRAMMAR = """
                      grant    hold  wait   stretch  drain  end
BEFORE  -             ALONE    -     -      -        -      -
ALONE   s0            ALONE    HELD  -      STRETCH  DRAIN  ENDED
ALONE   s0,r0         ALONE    HELD  -      STRETCH  DRAIN  ENDED
HELD    s0,hold0      HELD     -     TRIED  -        DRAIN  ENDED
HELD    s0,hold0,s1   HELD     -     TRIED  -        DRAIN  ENDED
ALONE   s0,hold0,r0   ALONE    HELD  -      STRETCH  DRAIN  ENDED
TRIED   s0,hold0,wait TRIED    -     -      -        DRAIN  ENDED
STRETCH s0,stretch5   STRETCH  -     -      -        -      -
DRAIN   s0,drain      DRAIN    -     TRIED  -        -      ENDED
ENDED   s0,end        -        -     -      -        -      -
"""
KINDS: tuple[StepKind, ...] = ("grant", "hold", "wait", "stretch", "drain", "end")


def grammar() -> list[tuple[State, str, StepKind, State | None]]:
    head, *rows = [line.split() for line in GRAMMAR.strip().splitlines()]
    assert tuple(head) == KINDS
    return [
        (State[state], words.replace(",", " ").strip("-"), kind, None if to == "-" else State[to])
        for state, words, *leads in rows
        for kind, to in zip(KINDS, leads, strict=True)
    ]


@pytest.mark.parametrize(("state", "words", "kind", "leads"), grammar())
def test_each_step_leads_on_or_has_no_place(state: State, words: str, kind: StepKind, leads: State | None) -> None:
    reader, step = reading(words), Step(kind, 3, 10**12)
    assert reader.state is state
    if leads:
        reader.take(step)
        assert reader.state is leads
    else:
        with pytest.raises(ValueError, match=f"a step {kind} 3 has no place in state {state.name}"):
            reader.take(step)
        assert reader.state is state, "it was refused, and the conversation stands where it stood"


def test_the_table_is_whole() -> None:
    assert {state for state, *_ in grammar()} == set(State)
    assert {*KINDS, *ANYWHERE} == {"head", "grant", "arrive", "hold", "pulse", "wait", "stretch", "drain", "end"}


@pytest.mark.parametrize("words", ["", "s0", "s0 hold0", "s0 hold0 wait", "s0 stretch5", "s0 drain", "s0 end"])
@pytest.mark.parametrize("kind", ["head", "pulse"])
def test_what_the_chain_or_the_guard_does_has_a_place_anywhere_and_moves_nothing(words: str, kind: StepKind) -> None:
    reader = reading(words)
    state = reader.state
    reader.take(Step(kind, 0, 10**12))
    assert reader.state is state


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("s0 r0", State.ALONE),
        ("s0-1 r0 hold1 s2 r1", State.ALONE),
        ("s0 hold0 s1 wait r0", State.ALONE),
        ("s0 stretch5 r0", State.STRETCH),
        ("s0 drain r0", State.DRAIN),
        ("s0 r0 drain s1 wait r1", State.TRIED),
        ("s0 hold0 end r0", State.ENDED),
        ("s0 end r0", State.ENDED),
    ],
)
def test_an_arrival_only_moves_if_a_held_token_is_in_it(words: str, state: State) -> None:
    assert reading(words).state is state


def test_a_stretch_is_over_with_the_grant_of_its_last_token() -> None:
    assert reading("s0 r0 stretch3 s1 s2").state is State.STRETCH
    assert reading("s0 r0 stretch3 s1 s2 s3").state is State.ALONE
    assert reading("s0 r0 stretch3 s1-3").stretches == [range(1, 4)]


def test_what_was_never_granted_has_not_come() -> None:
    """A replay: the tokens themselves tell that it is one, and the conversation goes on until it ends."""
    reader = read([Step("grant", 0, 10), Step("arrive", 20, 20), Step("grant", 1, 30), Step("hold", 1, 40)])
    assert (reader.arrived, reader.granted, len(reader.arrived_ns)) == (0, 1, 1)
    reader.take(Step("arrive", 21, 50))
    assert (reader.arrived, [one.seq for one in reader.seen]) == (1, [0, 1])


# ---------------------------------------------------------------- what is seen


def by(let_go: LetGo, *ms: float, seq: int = 0, after: int = 0, before: int = 0, tried: bool = False) -> dict[str, Any]:
    """Return a hold in plain figures; `ms` are those of silence, trip and quiet."""
    silent_ms, trip_ms, quiet_ms = ms
    return asdict(Hold(seq, let_go, silent_ms, trip_ms, quiet_ms, after, before, tried))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("s0 r0 s1 +9 r1", [asdict(Alone(0, 0.1)), asdict(Alone(1, 9.1))]),
        ("s0 r0 s1 +400 r1", [asdict(Alone(0, 0.1)), by("time", 400.1, 400.1, 400.1, seq=1)]),
        ("s0 +400 hold0 +200 r0", [by("time", 400.1, 600.2, 600.2)]),
        ("s0 +400 hold0 s1 r0-1", [by("bytes", 400.1, 400.3, 0.1, after=1, before=0)]),
        ("s0 +400 hold0 s1 s2 r0-2", [by("bytes", 400.1, 400.4, 0.1, after=2, before=1)]),
        ("s0 +400 hold0 s1 s2-4 +7 s5-9 r0-9", [by("bytes", 400.1, 407.5, 0.1, after=9, before=4)]),
        ("s0 +400 hold0 s1-4 +7 r0", [by("bytes", 400.1, 407.3, 7.1, after=4, before=0)]),
        ("s0 +400 hold0 s1 s2 wait +900 r0-2", [by("time", 400.1, 1300.5, 900.2, after=2, tried=True)]),
        ("s0 +400 hold0 s1 s2 wait +900 r0", [by("time", 400.1, 1300.5, 900.2, after=2, tried=True)]),
        ("s0 +400 hold0 s1 wait +2500 end r0-1", [by("end", 400.1, 2900.4, 2500.2, after=1, tried=True)]),
        ("s0 +400 hold0 end r0", [by("end", 400.1, 400.2, 400.2)]),
        ("s0 +400 hold0 drain s1 end r0-1", [by("end", 400.1, 400.2, 400.2)]),
        ("s0 +400 hold0", []),
        ("s0 s1 r0 r1", []),
        ("s0-1 r0-1", []),
        ("s0 r0 stretch3 s1 r1 s2-3 r2-3 s4 r4", [asdict(Alone(0, 0.1)), asdict(Alone(4, 0.1))]),
        ("s0 r0 stretch2 s1 r1 s2 r2", [asdict(Alone(0, 0.1))]),
        ("s0 r0 drain s1 r1 end", [asdict(Alone(0, 0.1))]),
        ("s0 r0 s1 end r1", [asdict(Alone(0, 0.1))]),
    ],
)
def test_each_observation(words: str, told: list[dict[str, Any]]) -> None:
    assert told == seen(words)


def test_a_token_that_was_sent_during_a_hold_may_be_held_itself() -> None:
    (first, second) = reading("s0 +400 hold0 s1 s2 r0-1 +600 hold2 s3 s4 r2-4").seen
    assert isinstance(first, Hold)
    assert isinstance(second, Hold)
    assert (first.seq, first.after_tokens, second.seq, second.after_tokens, second.before_tokens) == (0, 2, 2, 2, 1)
    assert second.silent_ms == pytest.approx(600.1), "silence is since anything came"
    assert second.trip_ms == pytest.approx(600.5), "its trip since it was granted"


@pytest.mark.parametrize("round_trip_ms", [0, 80])
@pytest.mark.parametrize(("over_ms", "seen_as"), [(-1, Alone), (1, Hold)])
def test_late_is_told_over_the_round_trip(round_trip_ms: float, over_ms: float, seen_as: type) -> None:
    (one,) = reading(f"s0 +{HOLD_MS + round_trip_ms + over_ms} r0", round_trip_ms).seen
    assert isinstance(one, seen_as)


def test_no_round_trip_is_counted_unless_one_is_told() -> None:
    steps, by_default = story(f"s0 +{HOLD_MS + 0.5} r0").steps, Reader()
    for step in steps:
        by_default.take(step)
    assert [type(one.seen[0]) for one in (read(steps), by_default)] == [Hold, Hold]


@pytest.mark.parametrize("round_trip_ms", [0, 80, 500])
def test_the_round_trip_may_be_told_after_all_was_read(round_trip_ms: float) -> None:
    words = "s0 r0 s1 +340 r1 s2 +400 hold2 r2 s3 +600 r3 s4 +400 hold4 s5 r4-5"
    later, at_once = reading(words), reading(words, round_trip_ms)
    later.count_over(round_trip_ms)
    assert later.seen == at_once.seen
    assert later.by_themselves == at_once.by_themselves == reading(words).by_themselves


def test_what_came_while_nothing_was_sent_came_by_itself() -> None:
    assert reading("s0 r0 s1 +400 r1 s2 +400 hold2 r2 s3 +400 hold3 s4 r3-4 s5 r5").by_themselves == {0, 1, 2, 5}
    assert reading("s0 +400 hold0 s1 wait +50 r0-1").by_themselves == set()


def test_a_hold_of_which_all_was_tried_in_vain_is_over_and_the_next_begins_anew() -> None:
    first, second = reading("s0 +400 hold0 s1 wait +900 r0-1 s2 +400 hold2 s3 r2-3").seen
    assert isinstance(first, Hold)
    assert isinstance(second, Hold)
    assert (first.let_go, first.tried, second.let_go, second.tried) == ("time", True, "bytes", False)


@pytest.mark.parametrize(
    ("words", "stalled"),
    [
        ("s0 r0 s1 +400 hold1 s2 r1-2", False),
        ("s0 r0 stretch4 s1-4 +400 hold1 s5 r1-5", True),
        ("s0 r0 stretch4 s1-4 r1 +400 hold2 s5 r2-5", False),
        ("s0 r0 stretch2 s1-2 r1-2 s3 r3 stretch6 s4-6 +400 hold4 s7 r4-7", True),
    ],
)
def test_a_stretch_of_which_nothing_came_has_stalled(words: str, stalled: bool) -> None:
    hold = reading(words).seen[-1]
    assert isinstance(hold, Hold)
    assert hold.stalled is stalled


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        ("s0 +330 pulse0 r0 s1 r1 end", {0}),
        ("s0 r0 s1 +330 pulse1 +9 r1 end", {1}),
        ("s0 +330 pulse0 +9 hold0 s1 r0-1 end", set()),
        ("s0 +330 pulse0 hold0 s1 r0-1 s2 +900 pulse2 r2 end", {2}),
        ("s0 +330 hold0 s1 wait +9 pulse0 r0-1 end", {0}),
        ("s0 +330 r0 s1 r1 end", set()),
        ("s0 +330 pulse0 end", set()),
        ("+330 pulse0 head s0 r0 end", {0}),
        ("s0 +330 pulse0 head hold0 s1 r0-1 end", set()),
    ],
)
def test_a_token_that_came_only_after_a_pulse_may_have_been_let_go_by_it(words: str, seqs: set[int]) -> None:
    assert reading(words).pulsed == seqs


@pytest.mark.parametrize(("words", "is_held"), [("head s0 r0", False), ("s0 +9 head r0", True), ("s0 r0", None)])
def test_a_head_is_held_if_it_comes_only_after_a_token_was_sent(words: str, is_held: bool | None) -> None:
    assert reading(words).head_held is is_held


@pytest.mark.parametrize(
    ("words", "tail"),
    [
        ("s0 r0 end", []),
        ("s0 r0 s1-2 end r1-2", [1, 2]),
        ("s0 r0 s1 +400 hold1 wait +2500 end r1", [1]),
        ("s0 r0 drain s1-2 end r1-2", []),
        ("s0 r0 s1 +400 hold1 drain s2-4 end r1-4", [1]),
        ("s0-3 r0 +400 hold1 s4 r1 +400 hold2 end r2-4", [2, 3, 4]),
        ("s0-1 r0 drain s2 r1 end r2", []),
        ("s0 r0 drain s1-2 wait +400 end r1-2", [1, 2]),
        ("s0 r0 s1 +400 hold1 s2 drain", [1, 2]),
    ],
)
def test_the_tail_is_what_was_under_way_when_the_end_was_sent_and_did_not_go_with_it(
    words: str, tail: list[int]
) -> None:
    assert list(reading(words).tail) == tail


def test_none_stayed_behind_where_what_came_next_came_in_the_moment_of_its_grant() -> None:
    told: list[tuple[StepKind, int, int]] = [("grant", 0, 0), ("hold", 0, 400), ("grant", 1, 401), ("arrive", 1, 402)]
    reader = read(Step(kind, seq, at_ns) for kind, seq, at_ns in [*told, ("grant", 2, 500), ("arrive", 2, 500)])
    assert reader.left_behind(0, 1) == 0


# ---------------------------------------------------------------- how two begin

# What a conversation came to, and a brief one of the same cell.
ALIKE = {
    "nothing is held": ("s0 r0 s1 r1 end", "s0 r0 s1 r1 s2 r2 end"),
    "after as many bytes": ("s0 +400 hold0 s1 s2 s3-4 r0-4", "s0 +330 hold0 s1 s2 s3-4 r0-4 end"),
    "after counts that overlap": ("s0 +400 hold0 s1-3 s4 r0-4", "s0 +400 hold0 s1-2 s3-6 r0-6 end"),
    "after counts a token apart": ("s0 +400 hold0 s1 s2 r0-2", "s0 +400 hold0 s1-2 s3-4 r0-4 end"),
    "after as many alone": ("s0 r0 s1 r1 s2 +400 hold2 s3 r2-3", "s0 +90 r0 s1 r1 s2 +400 hold2 s3 r2-3 end"),
    "all is tried in vain": ("s0 +400 hold0 s1-2 wait +2500 end r0-2", "s0 +400 hold0 s1-2 wait end r0-2"),
    "and time lets it go": ("s0 +400 hold0 s1-2 wait +900 r0-2 s3 r3", "s0 +400 hold0 s1-2 wait end r0-2"),
    "after as long in silence": ("s0 +1000 r0", "s0 +950 r0 end"),
    "what follows is another thing": ("s0 +400 hold0 s1 r0-1 s2 +500 hold2 s3 wait end", "s0 +400 hold0 s1 r0-1 end"),
}
OTHERWISE = {
    "one is held": ("s0 r0 s1 r1 s2 r2 end", "s0 r0 s1 +400 hold1 s2 r1-2 end"),
    "one is held after as many": ("s0 r0 end", "s0 r0 s1 +400 hold1 s2 r1-2 end"),
    "after other counts": ("s0 +400 hold0 s1 s2 r0-2", "s0 +400 hold0 s1-4 s5-8 r0-8 end"),
    "after counts two tokens apart": ("s0 +400 hold0 s1 s2 r0-2", "s0 +400 hold0 s1-3 s4-6 r0-6 end"),
    "after one more alone": ("s0 r0 s1 +400 hold1 s2 r1-2", "s0 r0 s1 r1 s2 +400 hold2 s3 r2-3 end"),
    "in vain after one more alone": ("s0 +400 hold0 s1-2 wait end r0-2", "s0 r0 s1 +400 hold1 s2-3 wait end r1-3"),
    "in vain, or bytes let it go": ("s0 +400 hold0 s1-2 wait end r0-2", "s0 +400 hold0 s1-2 r0-2 end"),
    "in vain, or time let it go before": ("s0 +400 hold0 s1-2 wait +900 r0-2", "s0 +400 r0 end"),
    "in silence, or bytes let it go": ("s0 +400 r0", "s0 +400 hold0 s1 r0-1 end"),
    "after longer in silence": ("s0 +1000 r0", "s0 +850 r0 end"),
}


@pytest.mark.parametrize(("words", "brief"), ALIKE.values(), ids=ALIKE)
def test_two_begin_alike_where(words: str, brief: str) -> None:
    assert begins_alike(reading(words).seen, reading(brief).seen)
    assert begins_alike(reading(brief).seen, reading(words).seen)


@pytest.mark.parametrize(("words", "brief"), OTHERWISE.values(), ids=OTHERWISE)
def test_two_begin_otherwise_where(words: str, brief: str) -> None:
    assert not begins_alike(reading(words).seen, reading(brief).seen)
    assert not begins_alike(reading(brief).seen, reading(words).seen)


# ---------------------------------------------------------------- what an earlier harness wrote down


@pytest.mark.parametrize(
    ("words", "observed"),
    [
        (alone(0, 5) + " end", "alone " * 6),
        ("s0 +300 hold0 s1 s2 r0-2 s3 +900 hold3 s4 s5 r3-5 drain s6 s7 wait +300 end r6-7", "bytes bytes"),
        ("s0 +300 hold0 s1 s2 wait +300 end r0-2", "end"),
        ("s0 +300 pulse0 +30 hold0 s1 s2 wait +300 s3 end r0-3", "end"),
        ("s0 +300 hold0 s1 s2 wait +99 r0-2 s3 end r3", "time"),
        ("s0 +300 hold0 wait +99 r0 end", "time"),
        ("s0 +290 r0 s1 +290 r1 drain s2-4 s5 r2-5 end", "alone alone"),
        ("s0 +300 hold0 s1 s2 r0 r1 r2 s3 +900 r3 drain s4 wait +900 r4 end", "bytes time"),
    ],
)
def test_a_conversation_of_schema_v1_is_read_like_any_other(words: str, observed: str) -> None:
    """It began with the grant, had no stretch, and fell silent after it had sent the rest."""
    reader = reading(words)
    assert reader.state is State.ENDED
    assert [one.let_go if isinstance(one, Hold) else "alone" for one in reader.seen] == observed.split()


def test_what_was_held_past_the_budget_in_schema_v1_is_its_tail() -> None:
    assert list(reading("s0 +300 hold0 s1 r0-1 drain s2 s3 wait +300 end r2-3").tail) == [2, 3]
    assert HOLD_MS >= 300, "its patience was no longer, so that what it held would be held today"
