"""What is tested for every change and what is left: which points stay, and that make runs what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import product, starmap
from pathlib import Path
from typing import Any

import pytest

from tests.sampling import LEFT, sampled, some_of

ROOT = Path(__file__).parent.parent
MAKE = shutil.which("make")
FAST = '--first-points -m "not proxies and not costly"'


def kept(points: list[Any]) -> list[Any]:
    """Return the first value of each point that is not exhaustive."""
    return [point.values[0] for point in points if pytest.mark.exhaustive not in point.marks]


@pytest.mark.parametrize(("count", "each"), list(product([1, 2, 7, 12], [1, 2, 3, 12])))
def test_the_first_point_stays_and_every_so_manieth_after_it(count: int, each: int) -> None:
    assert kept(sampled(map(pytest.param, range(count)), each)) == list(range(0, count, each))


def test_a_point_is_left_as_it_is_but_for_its_mark() -> None:
    points = [pytest.param(number, "x", id=f"n{number}", marks=pytest.mark.proxies) for number in range(3)]
    for point, told in zip(points, sampled(points, 2), strict=True):
        assert (told.values, told.id, told.marks[0].name) == (point.values, point.id, "proxies")


def test_of_pairs_all_of_both_are_visited() -> None:
    pairs = list(product(range(5), range(3)))
    visited = [point.values for point in sampled(starmap(pytest.param, pairs), 4) if not point.marks]
    assert {inner for _, inner in visited} == {0, 1, 2}
    assert len({outer for outer, _ in visited}) >= 4


def test_some_of_the_values_of_a_test_are_taken_as_they_are_written() -> None:
    marked = some_of(("number", "name"), [(0, "a"), pytest.param(1, "b", id="one"), (2, "c")], each=2, ids=str)
    names, points = marked.args
    assert (names, marked.kwargs) == (("number", "name"), {"ids": str})
    assert [(point.values, point.id, len(point.marks)) for point in points] == [
        ((0, "a"), None, 0),
        ((1, "b"), "one", 1),
        ((2, "c"), None, 0),
    ]
    assert kept(some_of("size", [(1, 2), (3, 4)], each=2).args[1]) == [(1, 2)]


def test_of_each_test_the_first_point_that_is_chosen_is_enough_elsewhere(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import pytest_addoption, pytest_collection_modifyitems\n")
    pytester.makeini("[pytest]\nmarkers = other: ")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.other), 2, 3])
        @pytest.mark.parametrize("letter", "ab")
        def test_points(number, letter): ...

        class TestOne:
            def test_one(self): ...
        """
    )
    told = pytester.inline_run("--collect-only", "--first-points", "-m", "not other", "-p", "no:cacheprovider")
    chosen = [item.name for call in told.getcalls("pytest_collection_finish") for item in call.session.items]
    assert chosen == ["test_points[a-2]", "test_one"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_left_is_said_and_kept_for_who_asks_later(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makeconftest("from tests.conftest import pytest_configure\n")
    pytester.makeini("[pytest]\nmarkers =\n  slow:\n  exhaustive:\n  other:")
    pytester.makepyfile(
        """
        import pytest

        left = [pytest.mark.exhaustive, getattr(pytest.mark, "slow")]

        @pytest.mark.parametrize("number", [1, 2, pytest.param(3, marks=left), pytest.param(4, marks=left[1:])])
        def test_points(number): ...

        @pytest.mark.other
        def test_other(): ...
        """
    )
    ran = pytester.inline_run("-m", "not slow and not exhaustive and not other", "-n", workers, "-p", "no:pytester")
    ran.assertoutcome(passed=2)
    assert (pytester.path / ".pytest_cache/v" / LEFT).read_text() == "2"


def test_nothing_is_exhaustive_but_what_is_sampled() -> None:
    marks = re.compile(r"mark\.exhaustive\b")
    marked = [path.name for path in (ROOT / "tests").rglob("*.py") if marks.search(path.read_text(encoding="utf-8"))]
    assert set(marked) == {"sampling.py", "test_sampling.py", "test_costs.py"}


@pytest.mark.proxies
@pytest.mark.skipif(MAKE is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        ("fast", FAST),
        ("fast-3.99", f"{FAST} --hypothesis-profile=few"),
        ("test", '-m "not exhaustive and not slow"'),
        ("full", "--hypothesis-profile=ci"),
    ],
)
def test_what_make_runs_is_told(target: str, chosen: str) -> None:
    told = subprocess.run([str(MAKE), "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"pytest (.*?) -n ", told) == [chosen]


@pytest.mark.proxies
@pytest.mark.skipif(MAKE is None, reason="make is not installed")
def test_another_python_has_an_environment_of_its_own_for_the_fast_tests(tmp_path: Path) -> None:
    argv = [str(MAKE), "--no-print-directory", "-n", f"VENV={tmp_path}/v", "PYTHON-3.99=/my/python", "fast-3.99"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    made, installed, _, ran = told.splitlines()
    assert made == f"/my/python -m venv {tmp_path}/v-3.99"
    assert installed.endswith("--editable '.[test]'")
    assert ran.startswith(f"{tmp_path}/v-3.99/bin/pytest {FAST} --hypothesis-profile=few ")


@pytest.mark.proxies
@pytest.mark.parametrize("script", [".ci/run", ".ci/full"])
def test_a_script_can_be_run_and_read(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111 == 0o111
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)
