"""How long each test computes, as measured: `python -m tests.costs` writes `costs.tsv`, and who takes long is marked.

    python -m tests.costs [WHAT PYTEST TAKES]

Rules:
- a test is `costly`, and points of it are `slow`, by what was measured; nobody marks by hand, and a new one is neither;
- every change visits all points of a test that is not costly, and of each other as many as `POINTS_S` pays for: the
  first, if that takes no more than `FIRST_S`, and others, chosen by lot but the same each time;
- whatever it takes, the first point stays of what docs/threat-model.md names, of `ENDS`, and of the cheapest in each
  file, of those that are costly or start programs. A test that was not measured costs nothing, and is the cheapest.

The cost of a test is in seconds, the mean of its points: what its body computes here and in the programs that have
ended by its end, or a third of the time it takes if that is more, which is what the programs of a shared bench compute.
"""

from __future__ import annotations

import math
import random
import re
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

TABLE = Path(__file__).with_name("costs.tsv")
PROMISES = TABLE.parents[1] / "docs/threat-model.md"
COSTLY_S = 0.03
"""From where on a test is not fast."""

POINTS_S, FIRST_S = 0.3, 1.0
"""What all points of a test that are for every change may take, and what the first one may."""

WHOLE = (
    "tests/cli/test_rubbish.py::test_whatever_is_typed_is_answered_or_refused_in_words",
    "tests/launchers/test_killed.py::test_nothing_is_left_of_who_is_killed_at_any_line",
    "tests/proxies/test_asgi.py::test_every_server_ends_when_it_is_told_to_whatever_still_streams",
)
"""What is claimed of all their points together: they stay with all of them."""

ENDS = (
    "tests/cli/test_interruption.py::test_a_run_that_ends_in_mid_stream_leaves_no_program_that_read_it",
    "tests/cli/test_interruption.py::test_a_run_that_ends_while_it_starts_leaves_nothing",
    "tests/cli/test_interruption.py::test_a_set_up_of_several_programs_at_once_ends_with_all_of_them",
    "tests/cli/test_interruption.py::test_an_interrupted_run_ends_with_130_says_where_its_cells_are_and_leaves_nothing",
    "tests/clients/test_chromium_deaths.py::test_a_run_that_ends_in_mid_stream_leaves_no_browser_behind",
    "tests/proxies/test_nextjs.py::test_nothing_outlives_a_harness_that_is_killed",
    "tests/proxies/test_nextjs_install.py::test_a_killed_installation_is_gone_with_its_programs_and_does_not_trip_the_next",
    "tests/proxies/test_programs_below_node.py::test_one_serves_on_this_machine_only_and_is_gone_with_all_its_children",
)
"""That nothing outlives a real run or set-up, whatever programs it has started: no cheaper test says so of these."""

WAITS = 3
"""How long a test of programs waits for a second of computing: Makefile, WORKERS."""

PROPERTY = "cost_s"


def function(nodeid: str) -> str:
    """Return the address of a test without its parameters."""
    return nodeid.partition("[")[0]


def read() -> dict[str, float]:
    """Return the costs in seconds of the functions that are costly, by their addresses."""
    rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {name: float(cost) for name, cost in rows}


def write(costs: Mapping[str, float]) -> None:
    """Write the costs of those functions that are costly and are still there."""
    kept = sorted((name, cost) for name, cost in costs.items() if cost > COSTLY_S and is_there(name))
    TABLE.write_text("".join(f"{name}\t{cost:.2f}\n" for name, cost in kept), encoding="utf-8")


def is_there(name: str) -> bool:
    """Tell whether there is a function of that address."""
    path, _, last = name.partition("::")
    file = TABLE.parents[1] / path
    return file.is_file() and f"def {last.rpartition('::')[2]}(" in file.read_text(encoding="utf-8")


def promised() -> frozenset[str]:
    """Return the addresses of the tests that docs/threat-model.md names."""
    return frozenset(re.findall(r"`(tests/\S+?::\w+)`", PROMISES.read_text(encoding="utf-8")))


def mark(items: Iterable[pytest.Item], costs: Mapping[str, float], stay: Collection[str] = ()) -> None:
    """Mark as `costly` who is not fast, and as `slow` what is left to `make full`; some tests are to `stay`."""
    tests = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        tests[function(item.nodeid)].append(item)
    heavy = [name for name in tests if costs.get(name, 0.0) > COSTLY_S]
    real = [name for name, points in tests.items() if points[0].get_closest_marker("proxies")]
    cheapest: dict[str, str] = {}
    for name in sorted({*heavy, *real}, key=lambda name: (costs.get(name, 0.0), name)):
        cheapest.setdefault(name.partition("::")[0], name)
    stay = {*stay, *cheapest.values(), *WHOLE, *ENDS}
    for name in heavy:
        for item in tests[name]:
            item.add_marker("costly")
        points = [item for item in tests[name] if not item.get_closest_marker("exhaustive")]
        visited = _visited(name, len(points), costs[name], math.inf if name in stay else FIRST_S)
        for number, item in enumerate(points):
            if number not in visited:
                item.add_marker("slow")


def _visited(name: str, count: int, cost_s: float, first_s: float) -> set[int]:
    """Return which of a test's points every change visits."""
    if not count or cost_s > first_s:
        return set()
    stays = count if name in WHOLE else min(count, max(1, int(POINTS_S / cost_s)))
    return {0, *random.Random(name).sample(range(1, count), stays - 1)}


# ---------------------------------------------------------------- measuring: a plugin of pytest, also of its workers


def _computed_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    began, computed = time.monotonic(), _computed_s()
    try:
        return (yield)
    finally:
        took = (time.monotonic() - began) / WAITS
        item.user_properties.append((PROPERTY, max(_computed_s() - computed, took)))


class Measured:
    """What the workers have measured; the table is written anew when they end, however that is."""

    def __init__(self) -> None:
        self._costs = defaultdict[str, list[float]](list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._costs[function(report.nodeid)] += [
                float(str(value)) for name, value in report.user_properties if name == PROPERTY
            ]

    def pytest_sessionfinish(self) -> None:
        write({**read(), **{name: mean(costs) for name, costs in self._costs.items() if costs}})


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Measured())


if __name__ == "__main__":
    sys.exit(pytest.main(["-p", "tests.costs", "-n", "4", "--dist", "worksteal", *sys.argv[1:]]))
