"""A test that waits in vain says what for, and what was there instead."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.waiting import eventually, wait_for


def shelf() -> list[str]:
    return ["a cup"]


def has_plates(things: list[str]) -> bool:
    return "a plate" in things


IN_VAIN: dict[str, tuple[Callable[[float], Any], str]] = {
    "a name": (lambda within_s: wait_for(shelf, has_plates, within_s), "shelf, has_plates"),
    "a method": (lambda within_s: wait_for(shelf().copy, has_plates, within_s), "list.copy, has_plates"),
    "lambdas": (
        lambda within_s: wait_for(lambda: shelf()[:], lambda found: len(found) > 1, within_s),
        "len(found) > 1",
    ),
    "a loop's": (lambda within_s: asyncio.run(eventually(shelf, has_plates, within_s)), "shelf, has_plates"),
}


@pytest.mark.parametrize("way", IN_VAIN)
def test_a_wait_in_vain_tells_what_it_waited_for_and_what_was_seen_last(way: str) -> None:
    waits, asked = IN_VAIN[way]
    with pytest.raises(AssertionError, match=rf"^waited 0 s for: .*{re.escape(asked)}.*\nthere was.*\['a cup'\]$"):
        waits(0)


@pytest.mark.parametrize("waits", [wait_for, lambda *asked: asyncio.run(eventually(*asked))])
def test_what_was_waited_for_is_returned(waits: Callable[..., object]) -> None:
    looks = iter([0, "", "here", "gone"])
    assert waits(lambda: next(looks)) == "here"
    numbers = iter(range(10))
    assert waits(lambda: next(numbers), lambda number: number > 2) == 3
