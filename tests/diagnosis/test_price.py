"""What sorts sets of mitigations: kind of cost, number, and the bytes that are sent beside the tokens."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from harness.diagnosis.price import cost, price
from harness.model import Cost, Filler, Hop, Mitigation
from harness.session import catalogue

CHEAPEST_FIRST = [
    ("x-accel-buffering",),
    ("no-transform", "x-accel-buffering"),
    ("nginx-buffering-off",),  # a line of a config, once
    ("ndjson-instead",),  # another program at both ends
    ("prelude-2k",),
    ("prelude-16k",),
    ("pad-2k",),  # with every token
    ("pad-4k",),
    ("bypass-proxy",),
]


def test_each_config_that_is_edited_is_a_part() -> None:
    hops = Hop("nginx", "a"), Hop("nginx", "b")
    edits = {name: replace(one, edited=hops) for name, one in catalogue().items() if one.edit}
    one = {"one": replace(edits["nginx-gzip-off"], edited=hops[:1])}
    every = catalogue() | edits | one
    assert price(("one",), every) < price(("nginx-buffering-off",), every)
    assert price(("nginx-buffering-off",), every)[2] == price(("one", "x-accel-buffering"), every)[2] == 2


@pytest.mark.parametrize(("cheaper", "dearer"), [*itertools.pairwise(CHEAPEST_FIRST)])
def test_a_set_is_cheaper_than_the_next(cheaper: tuple[str, ...], dearer: tuple[str, ...]) -> None:
    assert price(cheaper, catalogue()) < price(dearer, catalogue())


def made(name: str, kind: Cost = "bytes", **others: Filler | str) -> Mitigation:
    return Mitigation(name, "", "", kind, **others)  # type: ignore[arg-type]


DEAREST_FIRST = [
    made("direct", "header", chain="direct"),
    made("gateway", "architecture"),
    made("padded-more", padding=Filler(200)),
    made("padded", padding=Filler(100)),
    made("opened", prelude=Filler(300)),
    made("bare"),
    made("told", "header"),
]


KNOWN = {one.name: one for one in DEAREST_FIRST}


def test_bytes_and_kinds_decide_before_the_catalogue_s_order() -> None:
    names = [*KNOWN]
    assert sorted(names, key=lambda name: price((name,), KNOWN)) == names[::-1]


def test_a_set_leaves_the_chain_if_one_of_it_does() -> None:
    assert price(("told",), KNOWN) < price(("padded-more",), KNOWN) < price(("direct", "told"), KNOWN)


def test_what_the_catalogue_lacks_is_as_dear_as_can_be_and_comes_last_of_its_kind() -> None:
    known = {one.name: one for one in DEAREST_FIRST if one.chain != "direct"}
    assert cost(("gone",), known) == cost(("told", "gone"), known) == "architecture"
    assert max([*known, "gone"], key=lambda name: price((name,), known)) == "gone"
    more = known | {"other": made("other", "architecture")}
    assert price(("gone",), more) < price(("gateway", "other"), more), "it is one"


@pytest.mark.parametrize(("prelude_bytes", "cheaper"), [(32, "opened"), (33, "padded")])
def test_a_prelude_is_as_dear_as_padding_of_as_many_bytes_in_all(prelude_bytes: int, cheaper: str) -> None:
    known = {"opened": made("opened", prelude=Filler(prelude_bytes)), "padded": made("padded", padding=Filler(1))}
    assert min(known, key=lambda name: price((name,), known)) == cheaper
