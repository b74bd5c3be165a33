"""No input gives a traceback, a wrong exit status or a file outside the run: 300 of what `benchmarks.rubbish` draws."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests import rubbish
from tests.rubbish import Input, inputs

pytestmark = pytest.mark.generated


@settings(max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs())
def test_whatever_is_typed_is_answered_or_refused_in_words(some: Input) -> None:
    rubbish.check(some)
