"""What passed, or was held, before the steady state: a start, and a head that is held."""

from __future__ import annotations

import pytest

from harness.judge.rules import STREAK
from harness.model import Filler, Start
from tests.factories import alone, judged, story, streamed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (streamed(STREAK), None),
        (f"s0 +400 hold0 s1 s2-9 r0-9 {alone(10, 9 + STREAK)} end", Start(held_bytes=800, resolution_bytes=8 * 80)),
        (f"s0 +400 hold0 s1 r0-1 {alone(2, 1 + STREAK)} end", Start(held_bytes=160, resolution_bytes=80)),
        (f"s0 +400 hold0 wait +50 r0 {alone(1, STREAK)} end", None),
        (
            f"{alone(0, 4)} s5 +400 hold5 s6 r5-6 s7 +500 hold7 s8 r7-8 end",
            Start(passed_bytes=400, resolution_bytes=80),
        ),
        (
            "s0 +400 hold0 s1-9 s10 r0-10 s11 +500 hold11 s12 r11-12 s13 +900 hold13 s14 r13-14 end",
            Start(held_bytes=880, resolution_bytes=80),
        ),
        (
            "s0 +400 hold0 s1-8 s9 r0-9 s10 +500 hold10 s11-17 s18 r10-18 s19 +900 hold19 s20-26 s27 r19-27 end",
            Start(held_bytes=800, resolution_bytes=80),
        ),
        ("s0 +400 hold0 s1 r0-1 s2 +500 hold2 s3-8 s9 r2-9 s10 +900 hold10 s11-16 s17 r10-17 end", None),
        ("s0 +400 hold0 s1-7 s8 r0-8 s9 +500 hold9 s10-16 s17 r9-17 s18 +900 hold18 s19-24 s25 r18-25 end", None),
    ],
    ids=[
        "nothing",
        "start buffer",
        "first token",
        "by time",
        "what passed",
        "larger",
        "larger by a token",
        "smaller",
        "as the larger",
    ],
)
def test_what_was_before_the_steady_state(words: str, told: Start | None) -> None:
    assert judged(story(words)).start == told


def test_a_start_is_in_bytes_of_the_body_with_all_that_left() -> None:
    words = f"prelude beat s0 +400 hold0 s1 s2-9 r0-9 {alone(10, 9 + STREAK)} end"
    told = judged(story(words, prelude=Filler(1000), padding=Filler(20))).start
    assert told == Start(held_bytes=1000 + len(b": heartbeat\n\n") + 10 * 100, resolution_bytes=8 * 100)


@pytest.mark.parametrize(("words", "held"), [("head s0", False), ("s0 head", True), ("s0", False)])
def test_a_held_head_is_told(words: str, held: bool) -> None:
    assert judged(story(f"{words} r0 {alone(1, STREAK)} end")).head_held is held
