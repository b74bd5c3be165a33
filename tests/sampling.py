"""Of the many points of a claim that cost much, some for every change; `.ci/full` and `make full` visit all of them.

Rules: the first point stays; which others do is fixed; nothing else is exhaustive. What its points cost together may
leave some of a test to `.ci/full` as well, or all of it (tests/costs.py).
On another Python, which may differ in its library but not in our data, one point is enough of any claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.costs import function

POINT = type(pytest.param())
LEFT = "left"
"""Where pytest keeps how many tests it left out, for the last line of `.ci/run`: `.pytest_cache/v/left`."""


def sampled(points: Iterable[Any], each: int) -> list[Any]:
    """Return the parameters of a test, made by `pytest.param`, with all but every `each`th marked as exhaustive.

    Of points that are pairs, all inner ones are visited if `each` and their number have no factor in common.
    """
    return [
        point._replace(marks=(*point.marks, pytest.mark.exhaustive)) if number % each else point
        for number, point in enumerate(points)
    ]


def first_points(items: Iterable[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the first point of each test, and all others."""
    firsts: dict[str, pytest.Item] = {}
    others = [item for item in items if firsts.setdefault(function(item.nodeid), item) is not item]
    return [*firsts.values()], others


def some_of(names: str | tuple[str, ...], values: Iterable[Any], each: int, **told: Any) -> pytest.MarkDecorator:
    """Return what `pytest.mark.parametrize` does, with all but every `each`th of the values marked as exhaustive."""
    rows = ([value] if isinstance(names, str) or isinstance(value, POINT) else value for value in values)
    points = (row[0] if isinstance(row[0], POINT) else pytest.param(*row) for row in rows)
    return pytest.mark.parametrize(names, sampled(points, each), **told)


class Left:
    """Counts what is left to `make full`, and says so at the end: any of several workers finds all of it."""

    def __init__(self) -> None:
        self._count = 0

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self._count += sum(any(map(item.get_closest_marker, ("slow", "exhaustive"))) for item in items)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        config = session.config
        if hasattr(config, "workeroutput"):
            config.workeroutput[LEFT] = self._count
        elif cache := getattr(config, "cache", None):  # which -p no:cacheprovider takes away
            cache.set(LEFT, self._count)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._count = getattr(node, "workeroutput", {}).get(LEFT, self._count)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._count:
            terminalreporter.write_line(f"{self._count} slow or exhaustive tests are left to `make full`.")
