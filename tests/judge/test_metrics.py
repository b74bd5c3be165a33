"""Figures of traces, read back from their bytes; and what is wrong with a delivery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.formats import CODECS
from harness.judge.metrics import (
    Arrival,
    alone_ms,
    bursts,
    delivery,
    header_changes,
    late_bursts,
    let_go_ns,
    measure,
    usual_ms,
)
from harness.judge.reading import read
from harness.model import EMITTER_HEADER, Filler, HeaderChange, Metrics, Read, Trace
from tests.factories import OPENED_NS, figures, story, streamed

ALL_HERE = streamed(4)


def problem(trace: Trace) -> str | None:
    return delivery(trace).problem


def tell(words: str, **others: Any) -> list[float]:
    trace = story(words, **others)
    return [round(under_way_ms, 1) for under_way_ms in alone_ms(trace, delivery(trace).arrivals, read(trace.steps))]


# ---------------------------------------------------------------- what arrived


def test_arrivals_carry_where_and_when_a_token_left_and_came() -> None:
    trace = story("s0 r0 s1 s2 +7 r1-2 end")
    arrivals = delivery(trace).arrivals
    assert [(a.seq, a.read, a.end_bytes) for a in arrivals] == [(0, 0, 80), (1, 1, 160), (2, 1, 240)]
    assert [round(a.hold_ms, 3) for a in arrivals] == [0.1, 7.2, 7.1]
    assert problem(trace) is None


@pytest.mark.parametrize("size_bytes", range(1, 40, 3))
def test_arrival_is_the_read_that_completes_the_token_wherever_reads_are_cut(size_bytes: int) -> None:
    whole = story(ALL_HERE)
    starts = range(0, len(whole.body), size_bytes)
    pieces = tuple(Read(OPENED_NS + at, min(size_bytes, len(whole.body) - at)) for at in starts)
    arrivals = delivery(replace(whole, reads=pieces)).arrivals
    # The blank line that completes an event ends with its last byte.
    assert [a.read for a in arrivals] == [(80 * (seq + 1) - 1) // size_bytes for seq in range(4)]


def test_a_gzipped_body_is_read_back_as_it_came() -> None:
    trace = story("s0 r0 s1 s2 +7 r1-2 end", gzip=True)
    assert trace.body[:2] == b"\x1f\x8b"
    assert [a.read for a in delivery(trace).arrivals] == [0, 1, 1]
    assert problem(trace) is None
    assert figures(trace).wire_bytes == len(trace.body)
    assert figures(trace).emitted_bytes == 240


@pytest.mark.parametrize("fill", ["spaces", "random"])
def test_prelude_and_padding_are_no_tokens_but_bytes(fill: str) -> None:
    trace = story(f"prelude {ALL_HERE}", prelude=Filler(100, fill), padding=Filler(30, fill))  # type: ignore[arg-type]
    assert problem(trace) is None
    assert [a.end_bytes for a in delivery(trace).arrivals] == [210, 320, 430, 540]
    assert figures(trace).emitted_bytes == len(trace.body) == 540


def test_heartbeats_count_as_bytes_that_were_emitted_also_after_the_last_token() -> None:
    trace = story("s0 beat r0 s1 beat r1 end")
    assert problem(trace) is None
    assert [a.end_bytes for a in delivery(trace).arrivals] == [80, 173]
    assert figures(trace).emitted_bytes == len(trace.body) == 186


# ---------------------------------------------------------------- what is wrong with it


def test_lost_at_the_end() -> None:
    assert problem(story("s0 r0 s1 s2 end")) == "the last 2 of 3 tokens never came"


def test_lost_in_the_middle() -> None:
    assert problem(story("s0 s1 s2 r0,2 end")) == "token 2 came in place of token 1"


def test_repeated() -> None:
    assert problem(story("s0 s1 r0 r0 r1 end")) == "token 0 came twice"


def test_reordered() -> None:
    assert problem(story("s0 s1 s2 r1,0 r2 end")) == "token 1 came in place of token 0"


def test_altered_text() -> None:
    trace = story(ALL_HERE, alter=lambda seq, data: data.replace(b"w words", b"w Words") if seq == 2 else data)
    assert problem(trace) == "the text of token 2 was altered on the way"


def test_cut_text() -> None:
    trace = story(ALL_HERE, alter=lambda seq, data: data[:-8] + data[-4:] if seq == 1 else data)
    assert problem(trace) == "the text of token 1 was altered on the way"


def test_replayed_from_another_stream() -> None:
    told, elsewhere = story(ALL_HERE), story(f"+1 {ALL_HERE}")
    replayed = replace(told, body=elsewhere.body)
    assert problem(replayed) == "token 0 is not the one that was sent (replayed?)"


def test_more_tokens_than_were_sent() -> None:
    trace = story("s0 s1 s2 r0 r1 r2 end", tokens=2)
    assert problem(replace(trace, sent=trace.sent[:2])) == "token 2 is not the one that was sent (replayed?)"


def test_undecodable_body_tells_what_and_where_and_keeps_what_came_before() -> None:
    trace = story("s0 r0 s1 r1 end", gzip=True)
    spoilt = replace(trace, body=trace.body[: trace.reads[0].size_bytes] + b"\xff" * trace.reads[1].size_bytes)
    delivered = delivery(spoilt)
    assert "gzip body is corrupt" in (delivered.problem or "")
    assert [a.seq for a in delivered.arrivals] == [0]


def test_body_that_ends_within_its_coding_is_a_problem_even_when_all_tokens_came() -> None:
    trace = story("s0 r0 s1 r1 end", gzip=True)
    cut = trace.reads[-1].size_bytes
    assert problem(replace(trace, body=trace.body[:-cut], reads=trace.reads[:-1])) is not None


def test_unknown_content_coding_is_a_problem() -> None:
    trace = replace(story(ALL_HERE), headers=(("content-encoding", "lzma"),))
    assert "unknown content coding 'lzma'" in (problem(trace) or "")


def test_plain_body_that_claims_to_be_gzip_is_a_problem() -> None:
    trace = replace(story(ALL_HERE), headers=(("Content-Encoding", "gzip"),))
    assert "gzip body is corrupt" in (problem(trace) or "")


# ---------------------------------------------------------------- which tokens tell of lateness


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("s0 r0 s1 +9 r1 s2 r2 end", [0.1, 9.1, 0.1]),
        ("s0 r0 s1 +400 hold1 s2 s3 r1-3 s4 +2 r4 end", [0.1, 2.1]),
        ("s0 +400 r0 s1 r1 end", [400.1, 0.1]),
        ("s0 +400 hold0 r0 s1 r1 end", [400.2, 0.1]),
        ("s0 r0 s1-3 r1-3 end", [0.1]),
        ("s0 r0 s1 s2 r1 r2 end", [0.1]),
        ("s0 r0 stretch2 s1 s2 r1-2 s3 r3 end", [0.1, 0.1]),
        ("s0 r0 drain s1-2 end r1-2", [0.1]),
    ],
    ids=["all", "held, and more", "late", "held, and no more", "at once", "overlapping", "a flow", "the rest"],
)
def test_of_lateness_tells_what_came_before_anything_else_was_sent(words: str, told: list[float]) -> None:
    assert tell(words) == told


def test_all_paced_tokens_tell() -> None:
    assert tell("s0 s1 s2 r0-2 end", pace="paced") == [0.3, 0.2, 0.1]


# ---------------------------------------------------------------- bursts


def test_a_burst_is_two_or_more_tokens_in_one_read() -> None:
    groups = bursts(delivery(story("s0 s1 s2 s3 s4 r0-1 r2 r3-4 end")).arrivals)
    assert [[a.seq for a in group] for group in groups] == [[0, 1], [3, 4]]


def paced_late_bursts(words: str) -> list[list[int]]:
    arrivals = delivery(story(words, pace="paced")).arrivals
    return [[a.seq for a in group] for group in late_bursts(arrivals)]


def test_a_late_burst_spans_50_ms_of_emission() -> None:
    assert paced_late_bursts("s0 +49.8 s1 r0-1 s2 +49.9 s3 r2-3 end") == [[2, 3]]


def test_tokens_let_go_at_once_are_a_late_burst_even_if_each_comes_in_its_own_read() -> None:
    assert paced_late_bursts("s0 +50 s1 +50 s2 r0 r1 r2 end") == [[0, 1, 2]]


@pytest.mark.parametrize(("apart_ns", "groups"), [(10_000_000, 1), (10_000_001, 0)])
def test_together_is_a_tenth_of_the_time_apart_in_which_they_were_sent(apart_ns: int, groups: int) -> None:
    first, second = Arrival(0, 0, 80, 0, 0), Arrival(1, 100_000_000, 160, apart_ns, 1)
    assert len(late_bursts([first, second])) == groups


@pytest.mark.parametrize("missing", ["hold_p50_ms", "over_control_ms"])
def test_how_long_is_usual_takes_both_of_its_figures(missing: str) -> None:
    told = replace(figures(story(streamed(2))), hold_p50_ms=30.0, over_control_ms=10.0)
    assert usual_ms(told) == 20.0
    assert usual_ms(replace(told, **{missing: None})) is None  # type: ignore[arg-type]


def test_a_constant_lag_makes_no_late_burst() -> None:
    assert paced_late_bursts("s0 +60 s1 +39.9 r0 +20 s2 +39.9 r1 +20 s3 +39.9 r2 +60 r3 end") == []


# ---------------------------------------------------------------- figures


def test_figures_of_a_stream() -> None:
    told = figures(story("+0.9 s0 +2 r0 +0.9 s1 +3 r1 +0.9 s2 +4 r2 end"))
    assert told == Metrics(
        ttfb_ms=3.1,
        ttft_ms=3.1,
        inter_token_p50_ms=4.1,
        inter_token_p99_ms=5.1,
        hold_p50_ms=3.1,
        hold_p99_ms=4.1,
        hold_max_ms=4.1,
        over_control_ms=3.1,
        reads=3,
        tokens_expected=3,
        tokens_received=3,
        tokens_per_read=1.0,
        bursts=0,
        burst_tokens_max=1,
        holds=0,
        wire_bytes=240,
        emitted_bytes=240,
        head_ms=0.05,
        reads_merged=0,
        reads_split=0,
        first_read_bytes=80,
        pause_max_ms=5.1,
        source_span_ms=7.2,
    )


def test_figures_of_nothing_are_none_and_never_zero() -> None:
    told = figures(story("s0 s1 end"))
    assert (told.reads, told.tokens_received, told.bursts, told.burst_tokens_max) == (0, 0, 0, 0)
    assert [told.ttfb_ms, told.ttft_ms, told.inter_token_p50_ms, told.inter_token_p99_ms] == [None] * 4
    assert [told.hold_p50_ms, told.hold_p99_ms, told.hold_max_ms, told.over_control_ms] == [None] * 4
    assert told.tokens_per_read is None


def test_a_stream_of_one_token_has_no_gaps() -> None:
    told = figures(story("s0 r0 end"))
    assert told.inter_token_p50_ms is None
    assert told.hold_p50_ms == pytest.approx(0.1)


def test_the_head_may_come_before_the_first_byte_of_the_body_and_that_before_the_first_token() -> None:
    told = figures(story("prelude +5 s0 r0 end", prelude=Filler(10)))
    assert (told.head_ms, told.ttfb_ms, told.ttft_ms) == (0.05, 0.1, 5.3)


def test_tokens_per_read_counts_only_reads_that_completed_tokens() -> None:
    told = figures(story("prelude s0 s1 s2 r0-2 end", prelude=Filler(10)))
    assert (told.reads, told.tokens_per_read, told.bursts, told.burst_tokens_max) == (2, 3.0, 1, 3)


def test_holds_are_those_of_the_conversation_or_the_late_bursts() -> None:
    assert figures(story("s0 +400 hold0 s1 s2 r0-2 end")).holds == 1
    assert figures(story("s0 +400 hold0 r0 +400 s1 r1 end")).holds == 1
    assert figures(story("s0 +60 s1 r0-1 +9 s2 +60 s3 r2-3 end", pace="paced")).holds == 2


def test_of_many_figures_the_one_is_told_that_so_many_in_a_hundred_are_below() -> None:
    gaps = figures(story(" ".join(f"s{n} r{n} +{n}" for n in range(101)) + " s101 r101 end", pace="paced"))
    assert [gaps.inter_token_p50_ms, gaps.inter_token_p99_ms] == pytest.approx([50, 99], abs=0.4)
    holds = figures(story(" ".join(f"s{n} +{n} r{n}" for n in range(101)) + " end", pace="paced"))
    assert [holds.hold_p50_ms, holds.hold_p99_ms] == pytest.approx([50, 99], abs=0.4)


def test_over_control_is_the_median_above_the_controls() -> None:
    control = figures(story(streamed(4, hold_ms=1)))
    assert figures(story(streamed(4, hold_ms=5)), control).over_control_ms == pytest.approx(4)


def test_over_control_is_taken_against_the_guard_when_the_machine_was_slower_than_the_control() -> None:
    control = figures(story(streamed(4, hold_ms=1)))
    trace = replace(story(streamed(4, hold_ms=5)), guard_ms=3.0)
    assert figures(trace, control).over_control_ms == pytest.approx(2.1)
    assert figures(replace(trace, guard_ms=0.5), control).over_control_ms == pytest.approx(4)
    assert figures(trace).over_control_ms == pytest.approx(2.1)
    nothing_alone = replace(control, hold_p50_ms=None)
    assert figures(replace(trace, guard_ms=0.5), nothing_alone).over_control_ms == pytest.approx(4.6)


def test_the_same_trace_gives_the_same_figures() -> None:
    trace = story("s0 r0 s1 +400 hold1 s2 s3 r1-3 end")
    assert measure(trace, delivery(trace), read(trace.steps)) == measure(trace, delivery(trace), read(trace.steps))


def test_the_longest_pause_is_between_two_reads_or_before_the_first() -> None:
    assert figures(story("s0 r0 s1 +30 r1 s2 r2 end")).pause_max_ms == pytest.approx(30.2)
    assert figures(story("+40 s0 r0 s1 +30 r1 s2 r2 end")).pause_max_ms == pytest.approx(40.2)
    assert figures(story("s0 end")).pause_max_ms is None


def test_a_source_spans_the_time_from_its_first_token_to_its_last() -> None:
    assert figures(story("s0 +3 r0 s1 s2 r1-2 end")).source_span_ms == pytest.approx(3.3)
    assert figures(replace(story("s0 r0 end"), sent=())).source_span_ms is None


def test_what_was_asked_beside_a_stream_is_told_by_its_longest_wait() -> None:
    assert figures(replace(story("s0 r0 end"), beside_ns=(2_000_000, 7_000_000, 1_000_000))).beside_max_ms == 7
    assert figures(story("s0 r0 end")).beside_max_ms is None


# ---------------------------------------------------------------- headers


def changes(sent: list[tuple[str, str]], received: list[tuple[str, str]]) -> tuple[HeaderChange, ...]:
    return header_changes(replace(story("s0 r0 end"), sent_headers=tuple(sent), headers=tuple(received)))


def test_header_added_removed_and_changed_by_the_chain() -> None:
    assert changes([("X-Gone", "1"), ("Via", "a")], [("content-length", "9"), ("via", "a, b")]) == (
        HeaderChange("content-length", None, "9"),
        HeaderChange("via", "a", "a, b"),
        HeaderChange("x-gone", "1", None),
    )


def test_header_names_have_no_case_and_repeated_headers_are_a_list() -> None:
    assert changes([("Vary", "a"), ("VARY", "b")], [("vary", "a, b")]) == ()


def test_headers_of_one_hop_are_not_changes() -> None:
    sent = [("Date", "now"), ("Connection", "close"), (EMITTER_HEADER, "7")]
    assert changes(sent, [("Date", "then"), ("Keep-Alive", "timeout=5")]) == ()


# ---------------------------------------------------------------- one clock at a time


def ahead(trace: Trace, by_ns: int) -> Trace:
    """Return the trace as an emitter elsewhere would have left it, whose clock is so far ahead."""

    def alter(seq: int, at_ns: int) -> bytes:
        return CODECS["sse"].token(trace.plan.emission.workload, seq, at_ns + by_ns)

    assert trace.ended_ns is not None
    return replace(
        trace,
        sent=tuple(replace(sent, at_ns=sent.at_ns + by_ns) for sent in trace.sent),
        body=b"".join(alter(sent.seq, sent.at_ns) for sent in trace.sent),
        ended_ns=trace.ended_ns + by_ns,
        emitter_clock="its own",
    )


HOUR_NS = 3600 * 10**9


@pytest.mark.parametrize("by_ns", [-HOUR_NS, -(2 * 10**6), 0, 2 * 10**6, HOUR_NS])
def test_in_lockstep_figures_are_told_by_our_clock_whatever_the_emitters_is(by_ns: int) -> None:
    ours = story("s0 +2 r0 s1 +4 r1 s2 +400 hold2 s3 s4 r2-4 s5 +6 r5 end")
    theirs = ahead(ours, by_ns)
    assert delivery(theirs).problem is None
    for trace in (ours, theirs):
        assert let_go_ns(trace, read(trace.steps)) == {sent.seq: sent.at_ns for sent in ours.sent}
    assert figures(theirs) == figures(ours)
    assert figures(ours).hold_p50_ms == pytest.approx(4.1)
    assert figures(ours).hold_max_ms == pytest.approx(400.4)


def test_when_paced_an_emitter_with_a_clock_of_its_own_leaves_no_holds() -> None:
    ours = story("s0 +2 r0 s1 +4 r1 s2 +6 r2 end", pace="paced")
    theirs = figures(ahead(ours, HOUR_NS))
    assert figures(ours).hold_max_ms == pytest.approx(6.1)
    assert (theirs.hold_p50_ms, theirs.hold_p99_ms, theirs.hold_max_ms, theirs.over_control_ms) == (None,) * 4
    assert theirs.source_span_ms == figures(ours).source_span_ms


def test_a_delay_of_the_emitters_is_no_hold() -> None:
    trace = story("s0 +30 r0 s1 +30 r1 s2 s3 +60 r2-3 end", delay_ms=30)
    assert figures(trace).hold_p50_ms == pytest.approx(0.1)


def test_tokens_beyond_the_workloads_are_expected_once_they_were_sent() -> None:
    assert figures(story(streamed(9), tokens=4)).tokens_expected == 9
    assert delivery(story(streamed(9), tokens=4)).problem is None
    lost = story("s0 r0 s1 r1 s2 s3 end", tokens=2)
    assert delivery(lost).problem == "the last 2 of 4 tokens never came"
    assert figures(lost).tokens_expected == 4
    stopped = story("s0 r0 s1 r1 end", tokens=6)
    assert (delivery(stopped).problem, figures(stopped).tokens_expected) == ("the last 4 of 6 tokens never came", 6)
