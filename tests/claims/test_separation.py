"""What tells cells apart: one axis, several that change together, two that are needed, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.claims.separation import separation
from harness.model import Cell
from tests.reports.samples import LONG, cell

BOTH = [cell(request="curl"), cell(request="browser")]


def test_one_axis() -> None:
    found = separation([cell(request="browser")], [cell(), cell(body="close")])
    assert found
    assert (found.axes, found.together) == (("request",), False)
    assert (found.holding, found.others) == ((("browser",),), (("curl",),))


def test_an_axis_with_several_values_on_both_sides() -> None:
    found = separation([cell("a:1", "x"), cell("a:1", "y")], [cell("a:1"), cell("a:1", "x", "z")])
    assert found
    assert found.axes == ("mitigations",)
    assert (found.holding, found.others) == ((("x",), ("y",)), (("no mitigation",), ("x+z",)))


def test_axes_that_change_together_are_all_named() -> None:
    found = separation([cell("a:1", workload=LONG)], [cell("b:1"), cell("c:1")])
    assert found
    assert (found.axes, found.together) == (("chain", "workload"), False)
    assert found.holding == (("a:1", "long"),)


def test_two_axes_that_are_needed_both() -> None:
    held = [cell("dev:x", request="browser")]
    others = [cell("dev:x", request="curl"), cell("prod:x", request="browser"), cell("prod:x", request="curl")]
    found = separation(held, others)
    assert found
    assert (found.axes, found.together) == (("chain", "request"), True)
    assert found.holding == (("dev:x", "browser"),)
    assert len(found.others) == 3


def test_of_two_pairs_that_do_the_one_with_fewer_combinations_is_told() -> None:
    held = [cell("x:1", request="browser", body="close"), cell("y:1", request="browser", body="close")]
    others = [cell("x:1", request="curl", body="close"), cell("z:1", request="browser", body="chunked")]
    found = separation(held, others)
    assert found
    assert found.axes == ("body", "request")  # and not chain and request, which would take four combinations


def test_cells_that_differ_in_three_axes_at_once_are_not_explained() -> None:
    def at(*bits: int) -> Cell:
        chain, request, body = bits
        return cell(f"a:{chain}", request="browser" if request else "curl", body="close" if body else "chunked")

    every = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    odd = [at(*bits) for bits in every if sum(bits) % 2]
    even = [at(*bits) for bits in every if not sum(bits) % 2]
    assert separation(odd, even) is None


@pytest.mark.parametrize(("holding", "others"), [(BOTH, BOTH), (BOTH, BOTH[:1])])
def test_the_same_cell_on_both_sides_is_told_apart_by_nothing(holding: Sequence[Cell], others: Sequence[Cell]) -> None:
    assert separation(holding, others) is None
