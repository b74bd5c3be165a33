"""No input gives a traceback, a wrong exit status or a file outside the run: 300 of what `benchmarks.rubbish` draws."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests import rubbish
from tests.rubbish import Input, inputs

PARTS = 6
"""So that they are shared among who runs tests."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_typed_is_answered_or_refused_in_words(part: int) -> None:
    @seed(part)
    @settings(max_examples=300 // PARTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs())
    def answers(some: Input) -> None:
        rubbish.check(some)

    answers()
