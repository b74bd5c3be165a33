"""The fixtures: a cell's result, somebody's application measured behind a chain, and what fails if a stream is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from harness.plugin.states import FAILED, NotMeasured

if TYPE_CHECKING:
    from harness.model import Result
    from harness.plugin.lab import Lab
    from harness.plugin.measuring import Measure
    from harness.probe.live import Live


@pytest.fixture(scope="session")
def harness_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """What measures in this process; it starts when a test first needs it, and ends with the session."""
    from harness.plugin.lab import Lab, told_plainly

    with told_plainly():
        lab = Lab(request.config)
    yield lab
    with told_plainly():
        lab.close()


@pytest.fixture
def harness_result(request: pytest.FixtureRequest) -> Result:
    """The result of one cell, measured now (its control and baseline too, if no test has asked for them yet)."""
    from harness.plugin.lab import told_plainly

    if not hasattr(request, "param"):
        raise NotMeasured("harness_result must be an argument of a test function, which then runs once per cell")
    job, cell = request.param
    lab: Lab = request.getfixturevalue("harness_lab")
    with told_plainly():
        return lab.result(job, cell)


@pytest.fixture
def measure(request: pytest.FixtureRequest, harness_lab: Lab) -> Iterator[Measure]:
    """Measures an application of yours behind a chain: `measure("nginx:./nginx.conf", app=app, path="/chat", json={})`.

    It returns the result of whoever gets the stream worst, of curl and browsers; in a coroutine it is to be awaited,
    and one that is not fails the test.
    """
    from harness.plugin.measuring import Measure

    measuring = Measure(request.node, harness_lab)
    yield measuring
    if not request.node.stash.get(FAILED, False):  # else it may not have come to that
        measuring.check_awaited()


@pytest.fixture
def assert_streams(harness_lab: Lab) -> Callable[[Result | Live], None]:
    """Fails unless a result streams: with its timeline, the hop that holds, and the cheapest change that mends it."""
    from harness.plugin.asserting import asserting

    return asserting(harness_lab)
