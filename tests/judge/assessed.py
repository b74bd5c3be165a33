"""Assessments as tests need them: of stories, and by what they come to."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from harness.judge.rules import STREAK
from harness.judge.verdict import Assessment, assess
from harness.model import (
    MANNERS,
    Judgement,
    Release,
    ReleasedBy,
    Shows,
    Verdict,
)
from tests.factories import figures, story, streamed

STREAMED = streamed(STREAK)
DELAYED = streamed(STREAK, hold_ms=60)


ONE_BY_ONE, IN_BURSTS, AT_THE_END = (Shows(manner, 1, 400.0, seen=False) for manner in MANNERS)


@cache
def assessed(words: str) -> Assessment:
    return assess([story(words)])


def shaky() -> Assessment:
    """Two streams of a cell, of which only the first came whole."""
    return assess([story(STREAMED), story("s0 r0 s1 end")])


def ruling(verdict: Verdict) -> Assessment:
    return Assessment(figures(story(STREAMED)), Judgement(verdict, "because"))


def delayed(late_ms: float) -> Assessment:
    some = ruling("delayed")
    return replace(some, metrics=replace(some.metrics, over_control_ms=late_ms))


def coalesced(wait_ms: float, by: ReleasedBy = "bytes") -> Assessment:
    release = Release(0, by, 80, 1, wait_ms, 400.0, 80)
    return replace(ruling("coalesced"), judgement=Judgement("coalesced", "because", release))
