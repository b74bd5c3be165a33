"""Parts of a matrix: nothing is lost, nothing measured twice but what every part needs, and all are about as large."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, SelectionError
from harness.matrix.references import baseline_of, control_of, referenced, twin_of
from harness.matrix.shards import Shard, part
from harness.model import Cell, Pace, StandIn
from tests.reports.samples import cell

PACES = get_args(Pace)
STAND_INS = {"curl-awk": StandIn("curl", "awk")}
CELLS = st.lists(
    st.builds(
        lambda chain, mitigation, request, client, pace: cell(
            chain, *filter(None, [mitigation]), request=request, client=client, pace=pace
        ),
        st.sampled_from(["direct", "nginx:default", "nginx:gzip", "nextjs:dev>nginx:default"]),
        st.sampled_from(["", "no-cache", "pad-2k"]),
        st.sampled_from(["curl", "browser"]),
        st.sampled_from(["aiohttp", "curl-awk"]),
        st.sampled_from(["lockstep", "paced"]),
    ),
    min_size=1,
    max_size=24,
).map(lambda cells: referenced((one for one in cells if one.chain or not one.mitigations), STAND_INS))


def parts(cells: tuple[Cell, ...], of: int) -> list[tuple[Cell, ...]]:
    found = []
    for number in range(1, of + 1):
        try:
            found.append(part(cells, Shard(number, of), STAND_INS))
        except SelectionError:
            continue
    return found


@given(CELLS, st.integers(1, 6))
def test_every_cell_is_in_one_part_and_all_that_it_is_held_against_with_it(cells: tuple[Cell, ...], of: int) -> None:
    found = parts(cells, of)
    assert set(itertools.chain(*found)) == set(cells)
    for one in found:
        for each in one:
            assert {control_of(each, STAND_INS), baseline_of(each), twin_of(each)} <= set(one)
    for one, other in itertools.combinations(found, 2):
        assert not {each for each in set(one) & set(other) if each.chain}


@given(CELLS, st.integers(1, 4))
def test_no_part_is_larger_than_another_by_more_than_a_layer(cells: tuple[Cell, ...], of: int) -> None:
    """Controls that chains are held against are not counted: each part measures those that it needs."""
    shared_out = {each for each in cells if not any(control_of(one, STAND_INS) == each != one for one in cells)}
    sizes = [len(shared_out & set(one)) for one in parts(cells, of)]
    layers = Counter(baseline_of(twin_of(each)) for each in shared_out)
    assert max(sizes, default=0) - min(sizes, default=0) <= max(layers.values(), default=0)


def test_a_control_that_a_reader_has_elsewhere_is_no_work_to_be_shared_out() -> None:
    """What curl-awk reads is held against what curl reads: both parts are as large, and one has that beside its own."""
    direct = [cell("direct", pace=pace, client=client) for client in ("curl-awk", "aiohttp") for pace in PACES]
    found = parts(referenced(direct, STAND_INS), 2)
    assert [{each.client for each in one} for one in found] == [{"curl", "curl-awk"}, {"aiohttp"}]


def test_the_largest_layers_are_shared_out_first_so_that_small_ones_fill_what_is_left() -> None:
    chains = {"nginx:a": 1, "nginx:b": 1, "nginx:c": 2}
    cells = [cell(chain, *["no-cache"][:more]) for chain, size in chains.items() for more in range(size)]
    found = parts(referenced(cells, {}), 2)
    assert [{each.chain[0].variant for each in one if each.chain} for one in found] == [{"c"}, {"a", "b"}]


@pytest.mark.parametrize("said", ["1/1", "2/4", "4/4", "1/1000", "1000/1000"])
def test_a_part_is_told_as_it_is_said(said: str) -> None:
    number, of = map(int, said.split("/"))
    assert Shard.read(said) == Shard(number, of)
    assert str(Shard.read(said)) == said


@pytest.mark.parametrize(
    "said", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/1001", "\N{ARABIC-INDIC DIGIT ONE}/2"]
)
def test_what_is_no_part_is_refused(said: str) -> None:
    with pytest.raises(InputError, match="is no shard: say which of how many, as 2/4"):
        Shard.read(said)


def test_a_part_without_anything_says_how_many_there_can_be() -> None:
    with pytest.raises(SelectionError, match="shard 3/3 has nothing to measure: the matrix has 1 layers"):
        part(referenced([cell()], {}), Shard(3, 3), {})
