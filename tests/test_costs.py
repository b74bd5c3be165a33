"""Who is marked as costly or slow by what was measured, and that the table keeps up with the tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import costs

ROOT = Path(__file__).parent.parent
Marked = Callable[..., list[str]]
OF_A_FILE = """\
import pytest

def test_quick(): ...

def test_longer(): ...

@pytest.mark.proxies
def test_real(): ...

def test_long(): ...
"""
POINTS = 20
OF_MANY_POINTS = f"""\
import pytest

@pytest.mark.parametrize("number", [*range({POINTS}), pytest.param(99, marks=pytest.mark.exhaustive)])
def test_points(number): ...

def test_cheap(): ...
"""


@pytest.fixture
def marked(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Marked:
    """Return what a marker chooses of a file, test_some.py, by what was measured of its tests and what a page names."""
    pytester.makeconftest("from tests.conftest import pytest_addoption, pytest_collection_modifyitems")
    pytester.makeini("[pytest]\nmarkers =\n  costly:\n  slow:\n  exhaustive:\n  proxies:")
    monkeypatch.setattr(costs, "TABLE", pytester.path / "costs.tsv")
    monkeypatch.setattr(costs, "PROMISES", pytester.path / "page.md")

    def chosen(text: str, measured: dict[str, float], marker: str, named: str = "") -> list[str]:
        table = "".join(f"tests/test_some.py::test_{name}\t{cost}\n" for name, cost in measured.items())
        costs.TABLE.write_text(table)
        costs.PROMISES.write_text(f"| who | cannot | because | `tests/test_some.py::test_{named}` |")
        file = pytester.path / "tests/test_some.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        told = pytester.inline_run("--collect-only", "-m", marker, "-p", "no:cacheprovider")
        items = [item for call in told.getcalls("pytest_collection_finish") for item in call.session.items]
        return [item.nodeid.removeprefix("tests/test_some.py::test_") for item in items]

    return chosen


@pytest.mark.parametrize(
    ("measured", "costly", "slow"),
    [
        ({}, "", ""),
        ({"longer": 0.1}, "longer", ""),
        ({"long": 1.0}, "long", ""),
        ({"long": 2.0}, "long", "long"),
        ({"longer": 1.5, "long": 2.0}, "longer long", "longer long"),
        ({"real": 1.0, "long": 2.0}, "real long", "long"),
        ({"real": 3.0, "longer": 1.5, "long": 2.0}, "real longer long", "real long"),
        ({"real": 30.0, "longer": 30.0, "long": 20.0}, "real longer long", "real longer"),
    ],
)
def test_who_is_marked(marked: Marked, measured: dict[str, float], costly: str, slow: str) -> None:
    for marker, wanted in (("costly", costly), ("slow", slow)):
        assert {costs.function(name) for name in marked(OF_A_FILE, measured, marker)} == set(wanted.split()), marker


@pytest.mark.parametrize(
    ("cost_s", "named", "visited"),
    [
        (0.01, "", POINTS),
        (0.04, "", 7),
        (0.11, "", 2),
        (0.3, "", 1),
        (1.0, "", 1),
        (1.1, "", 0),
        (60.0, "", 0),
        (60.0, "points", 1),
        (0.11, "points", 2),
    ],
)
def test_as_many_points_stay_as_are_paid_for_and_always_the_same(
    marked: Marked, cost_s: float, named: str, visited: int
) -> None:
    measured = {"points": cost_s, "cheap": 0.031}
    left = marked(OF_MANY_POINTS, measured, "slow", named)
    assert left == marked(OF_MANY_POINTS, measured, "slow", named)
    assert len(left) == POINTS - visited
    assert "points[99]" not in left, "is left as exhaustive, and takes no other point's place"
    assert ("points[0]" in left) == (visited == 0)


def test_of_what_is_claimed_of_all_points_together_all_stay(marked: Marked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "WHOLE", ("tests/test_some.py::test_points",))
    assert marked(OF_MANY_POINTS, {"points": 60.0, "cheap": 0.031}, "slow") == []


def test_the_first_point_stays_of_what_ends_whatever_it_takes(marked: Marked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "ENDS", ("tests/test_some.py::test_points",))
    left = marked(OF_MANY_POINTS, {"points": 60.0, "cheap": 0.031}, "slow")
    assert left == [f"points[{number}]" for number in range(1, POINTS)]


def test_what_stays_whatever_it_takes_is_there() -> None:
    assert len(costs.promised()) > 50
    assert [name for name in (*costs.WHOLE, *costs.ENDS, *costs.promised()) if not costs.is_there(name)] == []


def test_what_is_measured_is_written_and_what_is_not_stays(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pytester.mkdir("tests") / "costs.tsv"
    (pytester.path / "tests/test_some.py").write_text(OF_A_FILE)
    table.write_text("tests/test_some.py::test_quick\t7.00\ntests/test_some.py::test_gone\t8.00\n")
    monkeypatch.setattr(costs, "TABLE", table)
    monkeypatch.setattr(costs, "COSTLY_S", -1.0)
    ran = pytester.inline_run("-p", "tests.costs", "-p", "no:cacheprovider", "-k", "longer or real", "--no-header")
    ran.assertoutcome(passed=2)
    measured = costs.read()
    assert {name.rpartition("::")[2] for name in measured} == {"test_quick", "test_longer", "test_real"}
    assert measured["tests/test_some.py::test_quick"] == 7.0
    assert all(cost < 7 for name, cost in measured.items() if not name.endswith("quick"))


def test_every_test_of_the_table_is_there() -> None:
    gone = [name for name in costs.read() if not costs.is_there(name)]
    assert not gone, "python -m tests.costs tests/FILE.py measures what has changed"


def test_nobody_is_marked_by_hand() -> None:
    marks = re.compile(r"mark\.(slow|costly)\b")
    marked = [path.name for path in (ROOT / "tests").rglob("*.py") if marks.search(path.read_text(encoding="utf-8"))]
    assert not marked
