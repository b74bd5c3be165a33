"""What sorts sets of mitigations: kind of cost, number, and the bytes that are sent beside the tokens."""

from __future__ import annotations

import itertools

import pytest

from harness.diagnosis.price import price
from harness.session import catalogue

CHEAPEST_FIRST = [
    ("x-accel-buffering",),
    ("no-transform", "x-accel-buffering"),
    ("nginx-buffering-off",),  # a line of a config, once
    ("ndjson-instead",),  # another program at both ends
    ("prelude-2k",),
    ("prelude-16k",),
    ("pad-2k",),  # with every token
    ("pad-4k",),
    ("bypass-proxy",),
]


@pytest.mark.parametrize(("cheaper", "dearer"), itertools.pairwise(CHEAPEST_FIRST))
def test_a_set_is_cheaper_than_the_next(cheaper: tuple[str, ...], dearer: tuple[str, ...]) -> None:
    assert price(cheaper, catalogue()) < price(dearer, catalogue())
