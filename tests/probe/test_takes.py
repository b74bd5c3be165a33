"""What one request brought: how its messages came, and how late against those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.probe.takes import Asking, How, Take, lags_ms

ASKING = Asking("curl", ())
EVENLY = tuple(100.0 * number for number in range(1, 11))


def take(messages_ms: Sequence[float], ended_ms: float = 2000.0) -> Take:
    return Take(ASKING, status=200, messages_ms=messages_ms, ended_ms=ended_ms)


@pytest.mark.parametrize(
    ("messages_ms", "ended_ms", "how"),
    [
        (EVENLY, 1100, "one by one"),
        (EVENLY, 1000, "one by one"),  # the last with the end, as anywhere
        ((100.0, 100.0, *EVENLY[1:]), 1100, "one by one"),  # one pair is made by chance
        ((100.0, 100.0, 200.0), 1100, "one by one"),  # of few, too
        ((100.0, 100.0, 200.0, 200.0), 1100, "in bursts"),
        ((*[100.0] * 5, *[200.0] * 5), 1000, "in bursts"),
        ((100.0, 100.5, 101.0, 300.0, 301.0, 302.0), 1000, "in bursts"),
        ([900.0] * 10, 901, "at the end"),
        ((100.0, 200.0, *[900.0] * 8), 901, "at the end"),
        ([100.0] * 10, 900, "in bursts"),  # the end comes long after
        ([100.0], 100, "in one piece"),
        ([], 100, "nothing"),
    ],
)
def test_how_messages_came(messages_ms: Sequence[float], ended_ms: float, how: How) -> None:
    assert take(messages_ms, ended_ms).how == how


def test_an_end_that_nobody_looked_for_in_time_may_have_come_with_the_messages() -> None:
    late = take([900.0, 900.0, 900.0], ended_ms=1200.0)
    assert late.how == "in bursts"
    assert replace(late, stood_still_ms=300.0).how == "at the end"


@pytest.mark.parametrize(
    ("told", "how"),
    [
        (replace(take(EVENLY), status=401), "refused"),
        (replace(take(EVENLY), status=307), "refused"),
        (replace(take(()), status=None, fault="cannot connect"), "failed"),
        (replace(take(()), status=None, cut="30 s were over"), "nothing"),
        (replace(take(EVENLY), status=101, transport="websocket"), "one by one"),
        (replace(take(EVENLY), status=200, transport="websocket"), "refused"),
        (replace(take([900.0] * 10, 901), cut="30 s were over"), "in bursts"),  # it had not ended
    ],
)
def test_how_an_answer_came_that_is_no_whole_stream(told: Take, how: How) -> None:
    assert told.how == how


def test_a_stream_that_ends_badly_is_unlike_a_whole_one() -> None:
    whole = take(EVENLY)
    assert replace(whole, fault="the body broke off").shows == "one by one, and broken" != whole.shows


def test_refusals_with_unlike_statuses_are_unlike() -> None:
    assert replace(take(()), status=401).shows != replace(take(()), status=403).shows


def test_a_lag_is_what_comes_on_top_of_the_quickest_message() -> None:
    held = take([1500.0 + 1000.0] * 10)  # elsewhere a second passes before anything comes at all
    assert lags_ms(held, take(EVENLY)) == [1000.0 - at for at in EVENLY]
    assert lags_ms(take([at + 700 for at in EVENLY]), take(EVENLY)) == [0.0] * 10


def test_messages_are_matched_as_far_as_both_go() -> None:
    assert lags_ms(take((1.0, 2.0, 9.0)), take((1.0, 2.0))) == [0.0, 0.0]


def test_the_longest_pause_is_between_two_messages() -> None:
    assert take((500.0, 600.0, 900.0)).pause_ms == 300.0
