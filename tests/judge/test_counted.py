"""Which of a cell's streams count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.judge.counted import counted, turned_away
from harness.model import Answerer, Trace
from tests.factories import story, streamed

STREAM = replace(story(streamed(3)), answered_by="emitter")
ALONE = replace(STREAM, alone=True)
BRIEF = replace(ALONE, brief=True)
REFUSED = replace(STREAM, status=503, body=b"", reads=(), answered_by="hop")
BASELINES = replace(ALONE, cell_id="its baseline")


@pytest.mark.parametrize(
    ("takes", "count"),
    [
        ([STREAM], [STREAM]),
        ([STREAM, STREAM], [STREAM, STREAM]),
        ([STREAM, STREAM, ALONE], [ALONE]),
        ([STREAM, BRIEF], [STREAM]),
        ([STREAM, BRIEF, ALONE], [ALONE]),
        ([REFUSED, ALONE], [ALONE]),
        ([STREAM, REFUSED], [STREAM]),
        ([REFUSED, BASELINES, BASELINES, REFUSED], [REFUSED]),
        ([REFUSED, BASELINES, ALONE, ALONE], [ALONE, ALONE]),
        ([REFUSED, ALONE, BASELINES], [ALONE]),
    ],
)
def test_what_was_let_through_counts_and_of_that_what_ran_alone(takes: list[Trace], count: list[Trace]) -> None:
    assert list(counted(takes)) == count


@pytest.mark.parametrize("by", ["hop", "nobody"])
def test_an_answer_that_is_not_the_emitters_turns_a_stream_away(by: Answerer) -> None:
    assert turned_away(replace(REFUSED, answered_by=by))
    assert turned_away(replace(REFUSED, answered_by=by, status=200))


@pytest.mark.parametrize("trace", [replace(REFUSED, answered_by="emitter"), replace(REFUSED, answered_by=None)])
def test_the_emitters_own_refusal_does_not(trace: Trace) -> None:
    assert not turned_away(trace)


@pytest.mark.parametrize("failure", ["time-out: nothing came for 30 s", "the response did not end: it may take 30 s"])
def test_nor_does_a_silence(failure: str) -> None:
    silent = replace(REFUSED, status=None, answered_by="nobody", failure=failure)
    assert not turned_away(silent)
    assert turned_away(replace(silent, failure="cannot connect"))


def test_a_hop_that_takes_the_mark_off_but_lets_tokens_through_does_not() -> None:
    assert not turned_away(replace(STREAM, answered_by="hop"))
