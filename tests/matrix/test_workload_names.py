"""The name of a workload that options give: it says all of it, and is read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.documents.keys import NAME
from harness.matrix.workload_names import UNSAID, name_of, workload_of
from harness.model import WORKLOAD_KEYS

USUAL = {key: one.default for key, one in WORKLOAD_KEYS.items()}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "32x96"),
        ({"interval_ms": 40.0}, "32x96-every40ms"),
        ({"payload": "random", "seed": 7, "exact": True}, "32x96-random-seed7-exact"),
        ({"patience_ms": 5.0}, "32x96"),
        ({"tokens": -1}, UNSAID),
        ({"payload": "zeros"}, UNSAID),
        ({"interval_ms": float("nan")}, UNSAID),
    ],
)
def test_what_is_not_as_usual_is_said(more: dict[str, object], name: str) -> None:
    assert name_of({**USUAL, "tokens": 32, "token_bytes": 96, **more}) == name


@given(
    tokens=st.integers(1, 10**6),
    token_bytes=st.integers(1, 10**6),
    interval_ms=st.floats(0.01, 10**6).map(lambda ms: round(ms, 3)),
    payload=st.sampled_from(["repetitive", "random"]),
    seed=st.integers(0, 10**9),
    exact=st.booleans(),
)
def test_a_name_is_read_back(**workload: object) -> None:
    name = name_of(workload)
    assert re.match(NAME, name)
    assert {**USUAL, **(workload_of(name) or {})} == {**USUAL, **workload}


@pytest.mark.parametrize("name", ["short", UNSAID, "32x", "8x112-quick", "32x96-every40s"])
def test_the_name_of_one_in_a_file_is_none(name: str) -> None:
    assert workload_of(name) is None
