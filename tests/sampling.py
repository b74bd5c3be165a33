"""Of the many points of a claim that cost much, some for every change; `.ci/full` and `make full` visit all of them.

Rules: the first point stays, so that no claim is without a test; which others do is fixed; nothing else is exhaustive.
On another Python, which may differ in its library but not in our data, one point is enough of any claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.costs import function

POINT = type(pytest.param())


def sampled(points: Iterable[Any], each: int) -> list[Any]:
    """Return the parameters of a test, made by `pytest.param`, with all but every `each`th marked as exhaustive.

    Of points that are pairs, all inner ones are visited if `each` and their number have no factor in common.
    """
    return [
        point._replace(marks=(*point.marks, pytest.mark.exhaustive)) if number % each else point
        for number, point in enumerate(points)
    ]


def first_points(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the first point of each test."""
    firsts: dict[str, pytest.Item] = {}
    for item in items:
        firsts.setdefault(function(item.nodeid), item)
    return [*firsts.values()]


def some_of(names: str | tuple[str, ...], values: Iterable[Any], each: int, **told: Any) -> pytest.MarkDecorator:
    """Return what `pytest.mark.parametrize` does, with all but every `each`th of the values marked as exhaustive."""
    rows = ([value] if isinstance(names, str) or isinstance(value, POINT) else value for value in values)
    points = (row[0] if isinstance(row[0], POINT) else pytest.param(*row) for row in rows)
    return pytest.mark.parametrize(names, sampled(points, each), **told)
