"""The number of the rules stands for what they say: for the verdicts on conversations that stay the same."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from itertools import product

from harness.judge.rules import RULES, STREAK
from harness.judge.verdict import assess
from tests.factories import BUFFERED, BY_TIMER, COALESCED, story, streamed
from tests.judge.test_busy_flow import clock, idle_timer, lag, now_and_then, timer, words

DIGESTS = {5: "a995d5cd4098"}
"""What each number of the rules stands for. One that is published stays as it is."""


def conversations() -> Iterator[str]:
    yield from (BUFFERED, BY_TIMER, COALESCED)
    yield from (streamed(STREAK, hold_ms) for hold_ms in (0.0, 49.0, 51.0, 299.0))
    for hop, wait_ms, late_ms in product((timer, idle_timer, clock, lag), (60, 200, 350, 700, 1200), (0, 60, 140)):
        chance = random.Random(wait_ms + late_ms)
        yield " ".join(words(chance, hop, wait_ms, now_and_then(chance, late_ms)))


def said(words: str) -> object:
    """Return what the rules say of a conversation, apart from the words for it."""
    found = assess([story(words)])
    told = found.judgement
    return told.verdict, told.release, told.start, told.head_held, told.tail_tokens, found.doubtful


def test_the_same_streams_are_judged_as_the_number_of_the_rules_says() -> None:
    told = [*map(said, conversations())]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:12] == DIGESTS[RULES], (
        "they are judged otherwise than before: RULES goes up, and what it stands for then is written down here"
    )
