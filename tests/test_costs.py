"""Who is marked as costly or slow by what was measured, and that the table keeps up with the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import costs

ROOT = Path(__file__).parent.parent
OF_A_FILE = """\
import pytest

def test_quick(): ...

@pytest.mark.parametrize("number", [1, 2])
def test_longer(number): ...

@pytest.mark.proxies
def test_real(): ...

def test_long(): ...
"""


@pytest.mark.parametrize(
    ("measured", "costly", "slow"),
    [
        ({}, "", ""),
        ({"longer": 0.1}, "longer", ""),
        ({"long": 1.0}, "long", "long"),
        ({"longer": 1.0, "long": 2.0}, "longer long", "longer long"),
        ({"real": 1.0, "long": 2.0}, "real long", "long"),
        ({"real": 3.0, "longer": 1.0, "long": 2.0}, "real longer long", "real long"),
        ({"real": 30.0, "longer": 30.0, "long": 20.0}, "real longer long", "real longer long"),
    ],
)
def test_who_is_marked(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, measured: dict[str, float], costly: str, slow: str
) -> None:
    table = pytester.path / "costs.tsv"
    table.write_text("".join(f"test_some.py::test_{name}\t{cost}\n" for name, cost in measured.items()))
    monkeypatch.setattr(costs, "TABLE", table)
    pytester.makepyfile(test_some=OF_A_FILE)
    pytester.makeconftest("from tests.conftest import pytest_addoption, pytest_collection_modifyitems")
    pytester.makeini("[pytest]\nmarkers =\n  costly:\n  slow:")
    for marker, wanted in (("costly", costly), ("slow", slow)):
        told = pytester.inline_run("--collect-only", "-m", marker, "-p", "no:cacheprovider")
        items = [item for call in told.getcalls("pytest_collection_finish") for item in call.session.items]
        found = {costs.function(item.nodeid).removeprefix("test_some.py::test_") for item in items}
        assert found == set(wanted.split()), marker


def test_what_is_measured_is_written_and_what_is_not_stays(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pytester.mkdir("tests") / "costs.tsv"
    (pytester.path / "tests/test_some.py").write_text(OF_A_FILE)
    table.write_text("tests/test_some.py::test_quick\t7.00\ntests/test_some.py::test_gone\t8.00\n")
    monkeypatch.setattr(costs, "TABLE", table)
    monkeypatch.setattr(costs, "COSTLY_S", -1.0)
    ran = pytester.inline_run("-p", "tests.costs", "-p", "no:cacheprovider", "-k", "longer or real", "--no-header")
    ran.assertoutcome(passed=3)
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
