"""Verdicts: one story for each rule. Simulated hops are judged in test_verdict_of_hops.py and test_invariance.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.judge.rules import ENOUGH, ENOUGH_MS, HOLD_MS, LATE_MS, STREAK
from harness.judge.verdict import assess
from harness.model import Filler, Judgement, Release, Start, Verdict
from harness.model.words import Body
from tests.factories import BUFFERED, BY_TIMER, COALESCED, TRIED, alone, figures, judged, story, streamed

IN_TIME = "came before the next was sent, less than 50 ms late"
MORE = f"{TRIED * 80} more bytes were sent, and 2500 ms of silence after; the end let it go"


def verdict(words: str, **others: Any) -> Verdict | None:
    return assess([story(words, **others)]).verdict


def release(words: str, **others: Any) -> Release:
    told = judged(story(words, **others)).release
    assert told is not None
    return told


# ---------------------------------------------------------------- streamed and delayed


def test_streamed_when_every_token_was_here_before_the_next_was_sent() -> None:
    assert judged(story(streamed(STREAK))) == Judgement("streamed", f"each of {STREAK} tokens {IN_TIME}")


@pytest.mark.parametrize(("hold_ms", "told"), [(LATE_MS - 0.2, "streamed"), (LATE_MS - 0.1, "delayed")])
def test_a_token_is_late_from_50_ms_on(hold_ms: float, told: Verdict) -> None:
    """The event of its arrival takes a tenth more."""
    assert verdict(streamed(STREAK, hold_ms)) == told


@pytest.mark.parametrize(("late", "told"), [(1, "streamed"), (3, "streamed"), (4, "delayed"), (8, "delayed")])
def test_delayed_from_a_quarter_of_late_tokens_on_whatever_the_median_is(late: int, told: Verdict) -> None:
    words = f"{alone(0, late - 1, 200)} {alone(late, STREAK - 1)} end"
    assert verdict(words) == told
    assert judged(story(words)).reason.startswith(
        f"{STREAK - late} of {STREAK} tokens {IN_TIME}"
        if told == "streamed"
        else f"{late} of {STREAK} tokens came by themselves, but 200 ms late in the median"
    )


@pytest.mark.parametrize(("late_ms", "told"), [(LATE_MS - 1, "streamed"), (LATE_MS, "delayed")])
def test_what_is_held_now_and_then_counts_as_late(late_ms: float, told: Verdict) -> None:
    """Three of thirteen are held, each by something else: with one that is late they are a quarter."""
    now_and_then = [f"s{6 * n} +{400 + 300 * n} r{6 * n} {alone(6 * n + 1, 6 * n + 5)}" for n in range(4)]
    assert verdict(f"{' '.join(now_and_then)} s24 +1600 r24 end".replace("s20 +0.1", f"s20 +{late_ms}")) == told


@pytest.mark.parametrize(
    ("on_time", "late", "held", "doubtful"),
    [(0, 8, 0, False), (3, 9, 0, False), (4, 9, 0, True), (3, 8, 3, True), (8, 8, 0, True)],
)
def test_it_is_doubtful_where_more_than_a_quarter_of_those_by_themselves_were_on_time(
    on_time: int, late: int, held: int, doubtful: bool
) -> None:
    kinds = [*["0.1"] * on_time, *["400"] * held, *["250"] * late]
    words = " ".join(f"s{seq} +{ms} r{seq}" for seq, ms in enumerate(kinds))
    told = assess([story(f"{words} end")])
    assert (told.verdict, told.doubtful) == ("delayed", doubtful)


@pytest.mark.parametrize(("off_ms", "doubtful"), [(0.0, False), (-0.1, True)])
def test_who_is_as_late_as_what_is_late_was_not_on_time(off_ms: float, doubtful: bool) -> None:
    """Four are on time, which is a quarter; a fifth is 50 ms late, or a little less."""
    words = f"{alone(0, 3)} {alone(4, 4, LATE_MS - 0.1 + off_ms)} {alone(5, STREAK - 1, LATE_MS)} end"
    told = assess([story(words)])
    assert (told.verdict, told.doubtful) == ("delayed", doubtful)


@pytest.mark.parametrize(("guard_ms", "doubtful"), [(5.0, False), (20.0, True)])
def test_which_were_on_time_is_told_over_what_the_control_stream_takes(guard_ms: float, doubtful: bool) -> None:
    found = assess([replace(story(f"{alone(0, 3, 60)} {alone(4, 12, 250)} end"), guard_ms=guard_ms)])
    assert (found.verdict, found.doubtful) == ("delayed", doubtful)


@pytest.mark.parametrize(
    ("hold_ms", "guard_ms", "distance_ms", "doubtful"),
    [
        (140.0, 124.0, 0.2, True),  # a hop that keeps each for 100 ms, on a machine where its control took as long
        (20.0, 124.0, 0.2, False),
        (140.0, 124.0, 120.0, False),  # so far away it is
        (140.0, 124.0, None, False),
        (70.0, 49.0, 0.2, False),  # which would not be late
    ],
)
def test_it_is_doubtful_where_who_is_late_hides_behind_a_control_that_is(
    hold_ms: float, guard_ms: float, distance_ms: float | None, doubtful: bool
) -> None:
    trace = replace(story(streamed(STREAK, hold_ms)), guard_ms=guard_ms, distance_ms=distance_ms)
    found = assess([trace])
    assert (found.verdict, found.doubtful) == ("streamed", doubtful)


@pytest.mark.parametrize(
    ("late", "slow_ms", "told", "doubtful"),
    [(16, 49, "delayed", False), (16, 51, "streamed", True), (4, 51, "streamed", True), (3, 51, "streamed", False)],
)
def test_it_is_doubtful_where_it_streams_only_because_the_machine_is_as_slow(
    late: int, slow_ms: float, told: Verdict, doubtful: bool
) -> None:
    busy = replace(story(f"{alone(0, late - 1, 100)} {alone(late, STREAK - 1)} end"), guard_slow_ms=slow_ms)
    found = assess([busy])
    assert (found.verdict, found.doubtful) == (told, doubtful)


@pytest.mark.parametrize(
    ("behind_ms", "pause_ms", "doubtful"),
    [(150, 99, False), (150, 101, True), (60, 99, True), (39, 99, False), (39, 101, False)],
)
def test_whether_a_timer_waits_for_a_pause_is_doubtful_where_one_that_does_not_may_look_so_or_was_as_slow(
    behind_ms: float, pause_ms: float, doubtful: bool
) -> None:
    a, b, c, d = range(STREAK, STREAK + 4)
    flow = f"stretch{d} s{a} +{pause_ms} s{b} +99 s{c} +99 s{d} +{behind_ms} r{a}-{d}"
    told = assess([story(f"{alone(0, STREAK - 1, 200)} {flow} end")])
    assert told.judgement.release
    assert (told.verdict, told.judgement.release.idle) == ("delayed", behind_ms > 100)
    assert told.doubtful is doubtful


@pytest.mark.parametrize(
    ("barely", "longer", "doubtful"), [(16, 0, True), (12, 4, True), (11, 5, False), (0, 16, False)]
)
def test_a_timer_is_doubtful_that_was_waited_for_barely_longer_than_what_is_no_hold(
    barely: int, longer: int, doubtful: bool
) -> None:
    waits = [*[HOLD_MS + 30] * barely, *[HOLD_MS * 1.6] * longer]
    words = " ".join(f"s{seq} +{HOLD_MS} hold{seq} +{ms - HOLD_MS} r{seq}" for seq, ms in enumerate(waits))
    told = assess([story(f"{words} end")])
    assert (told.judgement.verdict, told.judgement.release and told.judgement.release.by) == ("coalesced", "timer")
    assert told.doubtful is doubtful


@pytest.mark.parametrize("body", ["chunked", "length"])
@pytest.mark.parametrize(("held", "is_open"), [(0, False), (9, True), (STREAK, True)])
def test_what_one_token_leaves_open_is_doubtful_where_nothing_fixed_the_length(
    held: int, is_open: bool, body: Body
) -> None:
    """A longer one is asked for where the length is fixed."""
    came = [f"s{seq} +{HOLD_MS} hold{seq} +2700 r{seq}" if seq == held else alone(seq, seq) for seq in range(17)]
    told = assess([story(f"{' '.join(came)} end", body=body)])
    assert bool(told.too_short) is is_open
    assert told.doubtful is (is_open and body == "chunked")


def test_how_late_is_told_over_what_the_control_stream_takes() -> None:
    told = judged(replace(story(streamed(STREAK, 100)), guard_ms=20.0))
    assert told.reason.endswith("but 80 ms late in the median")


@pytest.mark.parametrize(
    ("most_ms", "between_ms", "verdict"),
    [(0.1, 35.0, "delayed"), (20.0, 40.0, "delayed"), (0.1, 70.0, "streamed"), (0.1, 0.1, "streamed")],
)
def test_from_far_away_a_flow_in_bursts_tells_of_a_timer_that_few_tokens_met(
    most_ms: float, between_ms: float, verdict: Verdict
) -> None:
    """Some were met midway between two of its ticks, as by a clock."""
    trips = [most_ms] * 12 + [between_ms, 70.0, 70.0, 0.1]
    run = " ".join(f"s{seq} +{ms} r{seq}" for seq, ms in enumerate(trips))
    flow = " ".join(f"s{seq} +20" if seq % 4 else f"s{seq} r{max(seq - 3, 16)}-{seq} +20" for seq in range(16, 76))
    told = judged(replace(story(f"{run} stretch75 {flow} r73-75 end"), distance_ms=20.0))
    assert told.verdict == verdict


@pytest.mark.parametrize(("flow", "idle"), [("+250 r8-11", True), ("r8-11", False)])
def test_of_late_tokens_it_is_told_where_others_sent_after_them_put_them_off(flow: str, idle: bool) -> None:
    told = judged(story(f"{alone(0, 7, 250)} stretch11 s8 +150 s9 +150 s10 +150 s11 {flow} end"))
    late = "8 of 8 tokens came by themselves, but 250 ms late in the median"
    put_off = ", and those that were sent without a pause only when one came: it lets them go" if idle else ""
    assert (told.verdict, told.reason) == ("delayed", f"{late}{put_off}")


def test_tokens_that_come_as_far_apart_as_they_were_sent_lag_even_if_the_hold_before_had_nothing_after_it() -> None:
    told = judged(story("s0 +400 hold0 s1 +400 r0 +400 r1 s2 +800 hold2 r2 end"))
    assert (told.verdict, told.release) == ("delayed", None)


def test_what_comes_before_a_steady_state_in_which_tokens_come_by_themselves_is_no_start() -> None:
    found = judged(story(f"{alone(0, 2)} s3 +400 hold3 s4 s5 r3-5 {alone(6, 5 + STREAK)} end"))
    assert (found.verdict, found.start) == ("streamed", None)


def test_late_tokens_that_were_waited_for_long_enough_are_enough() -> None:
    assert verdict(streamed(ENOUGH, ENOUGH_MS / ENOUGH)) == "delayed"
    assert verdict(streamed(ENOUGH - 1, ENOUGH_MS / ENOUGH)) is None


def test_delayed_is_measured_over_the_control() -> None:
    control = figures(story(streamed(STREAK, hold_ms=30)))
    assert judged(story(streamed(STREAK, hold_ms=79.8)), control).verdict == "streamed"
    assert judged(story(streamed(STREAK, hold_ms=80.1)), control).verdict == "delayed"


def test_delayed_is_measured_over_the_guard_when_the_machine_was_slow() -> None:
    slow = replace(story(streamed(STREAK, hold_ms=70)), guard_ms=30.0)
    assert judged(slow).verdict == "streamed"
    assert judged(replace(slow, guard_ms=15.0)).verdict == "delayed"


def test_a_delay_of_the_emitters_is_not_the_hops() -> None:
    assert verdict(streamed(STREAK, hold_ms=30 + LATE_MS - 0.2), delay_ms=30) == "streamed"
    assert verdict(streamed(STREAK, hold_ms=30 + LATE_MS), delay_ms=30) == "delayed"


def lagged(lag_ms: float, flow_lag_ms: float | None = None) -> str:
    """Return the words of two tokens that come so late, and of a flow that comes as far apart as it was sent."""
    sent, came = "s2 +110 s3 +110 s4 +110 s5", "r2 +110 r3 +110 r4 +110 r5"
    return f"s0 +{lag_ms} r0 s1 +{lag_ms} r1 stretch5 {sent} +{(flow_lag_ms or lag_ms) - 330.4} {came} end"


def test_a_lag_of_any_length_is_late_and_not_held() -> None:
    told = judged(story(lagged(800)))
    assert told == Judgement("delayed", "tokens came as far apart as they were sent, 800 ms late")


def test_a_lag_is_told_over_what_a_trip_takes_without_it() -> None:
    told = judged(replace(story(lagged(800)), guard_ms=100.0))
    assert told.reason == "tokens came as far apart as they were sent, 700 ms late"


def test_a_flow_that_came_sooner_than_what_was_held_is_no_lag() -> None:
    assert verdict(lagged(700, 600)) == "coalesced"


@pytest.mark.parametrize("came", ["r0 +400 r1 +300 r2", "r0-2"])
def test_where_no_flow_could_be_sent_nothing_tells_a_lag_from_a_timer(came: str) -> None:
    """All was sent during the first hold: that it came as far apart as that can be chance."""
    assert verdict(f"s0 +400 hold0 s1 +300 s2 wait +99 {came} s3 +800 r3 end", exact=True) is None, "too short to tell"


def test_a_lag_that_outlasts_bytes_and_silence_shows_in_how_its_tail_comes() -> None:
    words = f"s0 +400 hold0 s1 +400 s2-{TRIED} wait +2500 end +2000 r0"
    told = judged(story(f"{words} +400 r1 +400 r2-{TRIED}"))
    assert (told.verdict, told.release, told.tail_tokens) == ("delayed", None, 0)
    assert told.reason == "tokens came as far apart as they were sent, 5300 ms late"
    assert verdict(f"{words} r1 r2-{TRIED}") == "buffered"


def test_how_late_tokens_are_is_told_by_the_one_in_the_middle() -> None:
    late = " ".join(f"s{seq} +{100 + 5 * seq} r{seq}" for seq in range(STREAK + 1))
    assert judged(story(f"{late} end")).reason.endswith(f"but {100 + 5 * (STREAK // 2)} ms late in the median")


# ---------------------------------------------------------------- heartbeats


def beaten(beats: range) -> str:
    return " ".join(f"s{seq} +250{' beat' if seq in beats else ''} r{seq}" for seq in range(ENOUGH)) + " end"


def test_tokens_that_came_late_and_only_after_heartbeats_may_have_been_pushed_out() -> None:
    late = f"{ENOUGH} of {ENOUGH} tokens came by themselves, but 250 ms late in the median"
    told = judged(story(beaten(range(ENOUGH))))
    assert told == Judgement("delayed", f"{late}, each after a heartbeat: that or a timer let it go")
    assert judged(story(beaten(range(1, ENOUGH)))) == Judgement("delayed", late)


def test_a_heartbeat_after_a_token_or_before_it_pushed_nothing() -> None:
    words = " ".join(f"beat s{seq} +250 r{seq}" for seq in range(ENOUGH)) + " beat end"
    assert "heartbeat" not in judged(story(words)).reason


def test_a_heartbeat_that_left_along_with_a_token_pushed_nothing() -> None:
    trace = story(beaten(range(ENOUGH)))
    along = [replace(beat, at_ns=token.at_ns) for beat, token in zip(trace.heartbeats, trace.sent, strict=True)]
    assert "heartbeat" not in judged(replace(trace, heartbeats=tuple(along))).reason


def test_a_heartbeat_on_the_way_does_not_make_a_token_late() -> None:
    assert verdict(" ".join(f"s{seq} beat r{seq}" for seq in range(STREAK)) + " end") == "streamed"


# ---------------------------------------------------------------- coalesced


def test_coalesced_when_held_tokens_came_only_after_more_bytes() -> None:
    told = judged(story(COALESCED))
    assert (told.verdict, told.start, told.tail_tokens) == ("coalesced", None, 0)
    assert told.reason == "token 3 was held until 160 more bytes (2 tokens) had been sent"
    by_one = judged(story("s0 +400 hold0 s1 r0-1 s2 +500 hold2 s3 r2-3 end"))
    assert by_one.reason == "token 2 was held until 80 more bytes (1 token) had been sent"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("s0 +400 hold0 s1-4 s5-8 r0-8 s9 +500 hold9 s10-15 s16 r9-16 end", 9),
        ("s0 +400 hold0 s1-6 s7 r0-7 s8 +500 hold8 s9-12 s13-16 r8-16 end", 0),
    ],
)
def test_of_the_last_two_holds_the_one_that_is_known_best_is_told(words: str, told: int) -> None:
    assert release(words).seq == told


def test_coalesced_when_a_timer_let_them_go() -> None:
    told = judged(story(BY_TIMER))
    assert (told.verdict, told.reason) == (
        "coalesced",
        "token 1 came after 800 ms in which nothing was sent: a timer let it go",
    )
    assert told.release
    assert (told.release.by, told.release.idle) == ("timer", False)
    assert told.release.wait_ms == pytest.approx(800.2)


def test_a_timer_is_told_over_the_control_and_a_delay() -> None:
    control = figures(story(streamed(STREAK, hold_ms=30)))
    told = judged(story(BY_TIMER, delay_ms=70), control)
    assert told.release
    assert told.release.wait_ms == pytest.approx(700.1)


@pytest.mark.parametrize(("flow", "idle"), [("+800 r2-5", True), ("r2-5 ", False)])
def test_a_timer_that_waits_for_a_pause_is_idle(flow: str, idle: bool) -> None:
    words = BY_TIMER.replace("end", f"stretch5 s2 +150 s3 +150 s4 +150 s5 {flow} end")
    assert release(words).idle is idle


def test_coalesced_by_bytes_and_by_time_claims_neither() -> None:
    """A hop that has both: whichever comes first lets go."""
    holds, seq = [], 0
    silences = ["", "wait +900", "", "wait +300", ""]
    for wait_ms, more, silence in zip(range(400, 1900, 300), (2, 4, 8, 12, 20), silences, strict=True):
        last = seq + more
        holds.append(f"s{seq} +{wait_ms} hold{seq} s{seq + 1}-{last - 1} s{last} {silence} r{seq}-{last}")
        seq = last + 1
    told = judged(story(" ".join(holds) + " end"))
    assert told.verdict == "coalesced"
    ways = "token 8 by bytes, token 17 by time, token 30 by bytes"
    assert told.reason == f"tokens were held, and let go by different things: {ways}"
    assert told.release
    assert (told.release.by, told.release.seq, told.tail_tokens) == ("unknown", 8, 0)
    kept = judged(story(f"{' '.join(holds)} s{seq} +400 hold{seq} end r{seq}"))
    assert (kept.reason, kept.tail_tokens) == (told.reason, 0), "time would have let it go"


def test_a_partly_filled_last_buffer_is_a_tail_and_turns_no_verdict() -> None:
    told = judged(story(COALESCED.replace("end", "stretch9 s6-9 r6-8 +600 hold9 end r9")))
    assert (told.verdict, told.tail_tokens) == ("coalesced", 1)


def test_what_a_timer_would_have_let_go_is_no_tail() -> None:
    told = judged(story(BY_TIMER.replace("end", "s2 +400 hold2 end r2")))
    assert (told.verdict, told.tail_tokens) == ("coalesced", 0)


# ---------------------------------------------------------------- buffered


def test_buffered_when_neither_bytes_nor_silence_let_go_but_the_end() -> None:
    told = judged(story(BUFFERED))
    assert (told.verdict, told.reason) == ("buffered", f"token 0 was held while {MORE}")
    assert told.tail_tokens == 1 + TRIED


@pytest.mark.parametrize(
    "words",
    [
        BUFFERED.replace(f"-{TRIED}", f"-{TRIED - 1}"),
        BUFFERED.replace("wait +2500", ""),
        BUFFERED.replace(f"end r0-{TRIED}", f"r0-{TRIED} end"),
    ],
    ids=["not all bytes", "no silence", "not the end"],
)
def test_buffered_is_claimed_of_nothing_less(words: str) -> None:
    assert verdict(words) is None


def test_buffered_although_as_many_tokens_passed_as_would_be_a_steady_state() -> None:
    rest = f"s20 +400 hold20 s21-{20 + TRIED} wait +2500 end r20-{20 + TRIED}"
    told = judged(story(f"prelude {alone(0, 19)} {rest}", prelude=Filler(2048)))
    assert (told.verdict, told.reason) == ("buffered", f"token 20 was held while {MORE}")
    assert told.start == Start(2048 + 20 * 80, resolution_bytes=80)


# ---------------------------------------------------------------- too short to tell


@pytest.mark.parametrize(
    ("words", "looks", "would_do"),
    [
        (streamed(STREAK - 1), "streamed", 60),
        ("s0 +400 hold0 s1 r0-1 s2 r2 end", "coalesced", 8 * 2 + 60),
        ("s0 +400 hold0 s1-5 wait +2500 end r0-5", "buffered", TRIED + 2),
        (f"{alone(0, 19)} s20 +400 hold20 s21 wait +2500 end r20-21", "buffered", 20 + TRIED + 2),
    ],
)
def test_too_short_looks_like_something_and_says_what_length_would_do(
    words: str, looks: Verdict, would_do: int
) -> None:
    told = assess([story(words, exact=True)])
    assert (told.verdict, told.judgement.verdict, told.would_do) == (None, looks, would_do)
    assert told.too_short
    assert told.too_short.endswith(f" too few to tell ({told.judgement.reason}); at most {would_do} would do")


@pytest.mark.parametrize(("words", "says"), [("s0 r0 end", "1 token is"), ("s0 r0 s1 r1 end", "2 tokens are")])
def test_how_many_were_too_few_is_told(words: str, says: str) -> None:
    told = assess([story(words, exact=True)])
    assert told.too_short
    assert told.too_short.startswith(f"{says} too few to tell")


@pytest.mark.parametrize(("late", "reason"), [(0, "each of 16 tokens"), (3, "13 of 16 tokens")])
def test_of_a_lone_token_at_the_end_of_a_fixed_length_nothing_but_a_tail_is_claimed(late: int, reason: str) -> None:
    words = f"{alone(0, late - 1, 200)} {alone(late, STREAK - 1)} s16 +400 hold16 wait +2500 end r16"
    told = judged(story(words, exact=True))
    assert (told.verdict, told.reason, told.tail_tokens) == ("streamed", f"{reason} {IN_TIME}", 1)


def test_what_was_held_before_the_stretch_does_not_tell_that_buffers_of_the_start_are_over() -> None:
    """A flow of late tokens came first: it is a stretch too, but not the last."""
    late = f"{alone(0, 7, 250)} stretch9 s8-9 r8-9"
    twice = "s10 +400 hold10 s11 s12 r10-12 s13 +500 hold13 s14 s15 r13-15 stretch24 s16-24 r16-24"
    assert verdict(f"{late} {twice} end", exact=True) is None
    assert verdict(f"{late} {twice} s25 +400 hold25 s26 s27 r25-27 end", exact=True) == "coalesced"


def test_twice_as_many_as_were_sent_would_do_at_least() -> None:
    assert assess([story(f"s0 +400 hold0 s1 r0-1 {alone(2, 9)} s10-99 r10-99 end")]).would_do == 200


@pytest.mark.parametrize("broken", [0, 1])
def test_two_streams_of_which_one_is_broken_are_unstable_and_say_what_each_was(broken: int) -> None:
    traces = [story(streamed(STREAK)), story(streamed(STREAK))]
    traces[broken] = story("s0 r0 s1 end")
    said = [f"streamed (each of {STREAK} tokens {IN_TIME})"] * 2
    said[broken] = "broken (the last 1 of 2 tokens never came)"
    assert assess(traces).unstable == f"first {said[0]}, then {said[1]}"


# ---------------------------------------------------------------- paced streams


@pytest.mark.parametrize("words", ["s0 r0 +60 s1 r1 +60 end", "s0 +60 s1 +60 end r0-1", "s0 s1 +200 r0-1 end"])
def test_a_paced_stream_tells_no_verdict_but_that_it_is_not_broken(words: str) -> None:
    told = judged(story(words, pace="paced"))
    assert told == Judgement("streamed", "it came whole and in order; what the hop does, its lockstep twin tells")
    assert judged(story(f"{words} r0", pace="paced")).verdict == "broken"
