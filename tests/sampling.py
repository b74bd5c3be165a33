"""Of the many points of a claim that cost much, some for every change; `.ci/full` and `make full` visit all of them.

Rules: the first point stays, so that no claim is without a test; which others do is fixed; nothing else is exhaustive.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(points: Iterable[Any], each: int) -> list[Any]:
    """Return the parameters of a test, made by `pytest.param`, with all but every `each`th marked as exhaustive.

    Of points that are pairs, all inner ones are visited if `each` and their number have no factor in common.
    """
    return [
        point._replace(marks=(*point.marks, pytest.mark.exhaustive)) if number % each else point
        for number, point in enumerate(points)
    ]
