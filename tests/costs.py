"""How long each test computes, as measured: `python -m tests.costs` writes `costs.tsv`, and who takes long is marked.

    python -m tests.costs [WHAT PYTEST TAKES]

Rules: a test is `costly` or `slow` by what was measured, and nobody marks one by hand; a new one is neither until it is
measured; of each file's costly tests and those that start programs the cheapest stays for every change, if it may.

The cost of a test is in seconds, the mean of its points: what its body computes here and in the programs that have
ended by its end, or a third of the time it takes if that is more, which is what the programs of a shared bench compute.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

TABLE = Path(__file__).with_name("costs.tsv")
COSTLY_S, SLOW_S, STAYS_S = 0.03, 0.3, 8.0
"""From where on a test is not fast; is left to `make full`; is left to it even as the cheapest of its file."""

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


def mark(items: Iterable[pytest.Item], costs: Mapping[str, float]) -> None:
    """Mark as `costly` who is not fast, and as `slow` who is left to `make full`."""
    by_file = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if (cost := costs.get(function(item.nodeid), 0.0)) > COSTLY_S:
            item.add_marker("costly")
        if cost > COSTLY_S or item.get_closest_marker("proxies"):
            by_file[item.nodeid.partition("::")[0]].append(item)
    for those in by_file.values():
        each = {function(item.nodeid): costs.get(function(item.nodeid), 0.0) for item in those}
        cheapest = min(each, key=lambda name: each[name])
        for item in those:
            cost = each[name := function(item.nodeid)]
            if cost > (STAYS_S if name == cheapest else SLOW_S):
                item.add_marker("slow")


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
