"""The search finds what brute force finds, with far fewer measurements. Its chains are simulated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis import search as module
from harness.diagnosis.manner import Manner
from harness.model import Cell, Cost, Facts, Hop, Outcome, Refusal, TurnedAway, Verdict
from tests.diagnosis.chains import BOTH, Gate, SimulatedHop, World, by_force, every_set, hop, search, searched, streams
from tests.reports.samples import result

FREE = SimulatedHop()
COSTS: dict[str, Cost] = {
    **dict.fromkeys(("x-accel", "no-transform", "no-cache", "nosniff"), "header"),
    "identity": "request",
    "ndjson": "format",
    "pad": "bytes",
    "buffering-off": "config",
    "rewrite": "architecture",
}


def world(**hops: SimulatedHop) -> World:
    return World(hops, COSTS)


def eased(mended_by: str) -> SimulatedHop:
    """A hop with two gates. `mended_by` opens both, `nosniff` one, and both if a hop behind it adds a coding."""
    return SimulatedHop((Gate(((mended_by,), ("@coded", "nosniff"))), Gate(((mended_by,), ("nosniff",)))))


TABLE = {
    "streams as it is": (world(a=FREE, b=FREE), None),
    "one hop, one header": (world(nginx=hop("x-accel", "pad", "buffering-off")), ("x-accel",)),
    "two hops, a header each": (
        world(next=hop("no-transform", "identity", requests=["browser"]), nginx=hop("x-accel", "pad")),
        ("no-transform", "x-accel"),
    ),
    "one header for both is cheaper than two": (world(a=hop("x-accel", "no-cache"), b=hop("no-cache")), ("no-cache",)),
    "the dearest part decides, then how many": (world(a=hop("x-accel", "pad"), b=hop("no-cache", "pad")), None),
    "two of one kind before a single dearer one": (
        world(a=hop("no-cache", "rewrite"), b=hop("x-accel", "rewrite")),
        ("no-cache", "x-accel"),
    ),
    "no header, one setting": (world(a=hop("buffering-off", "rewrite"), b=FREE), ("buffering-off",)),
    "a header that an inner hop uses up": (
        world(outer=hop("x-accel", "pad"), inner=hop("x-accel", uses_up=("x-accel",))),
        ("pad", "x-accel"),
    ),
    "the outer looks guilty and the inner disarms it": (
        world(outer=hop("rewrite", "@coded"), inner=hop("no-cache", adds="@coded")),
        ("no-cache",),
    ),
    "what looks guilty is spared, for a cheaper set without it": (
        world(
            outer=hop("no-cache", "@coded"), mid=hop("x-accel", "no-cache"), inner=hop("no-transform", adds="@coded")
        ),
        ("no-transform", "x-accel"),
    ),
    "what each hop needs alone is not needed once another eases them all": (
        world(
            outer=eased("x-accel"),
            mid=eased("no-transform"),
            inner=hop("no-cache", uses_up=("x-accel", "no-transform"), adds="@coded"),
        ),
        ("no-cache", "nosniff"),
    ),
    "two more are needed than what each hop needs alone": (
        world(
            outer=SimulatedHop(
                (
                    Gate((("x-accel",), ("@coded", "no-transform", "nosniff"))),
                    Gate((("x-accel",), ("nosniff",))),
                    Gate((("x-accel",), ("no-transform",))),
                )
            ),
            inner=hop("no-cache", uses_up=("x-accel",), adds="@coded"),
        ),
        ("no-cache", "no-transform", "nosniff"),
    ),
    "what looks guilty twice and resists alone is disarmed by the inner": (
        world(outer=hop("@coded"), next=hop("@coded"), mid=hop("x-accel"), inner=hop("no-cache", adds="@coded")),
        ("no-cache", "x-accel"),
    ),
    "alone both stream, together not": (
        world(outer=SimulatedHop((Gate((("pad",), ("@plain",))),)), inner=SimulatedHop(uses_up=("@plain",))),
        ("pad",),
    ),
    "a hop that needs two": (world(a=SimulatedHop((hop("x-accel").gates[0], hop("no-cache").gates[0]))), None),
    "nothing helps": (world(a=hop("@never"), b=hop("x-accel")), None),
    "one request is answered by a login": (world(a=hop("x-accel", refuses=("browser",))), ("x-accel",)),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_cheapest_set_is_found(name: str) -> None:
    chain, answer = TABLE[name]
    chain.asked.clear()
    found = searched(chain).best
    assert found == by_force(chain)
    if answer:
        assert found == answer
    assert len(chain.asked) < 120


AWAY = Facts(turned_away=TurnedAway(3, 401, "nothing"))


REFUSED = Facts(refusal=Refusal(401, 200))


@pytest.mark.parametrize(
    ("outcome", "verdict", "facts", "told"),
    [
        ("blocked", "buffered", AWAY, "refused"),
        ("blocked", "buffered", Facts(), "unknown"),
        ("observed", "buffered", AWAY, "held"),
        ("unstable", "buffered", Facts(), "unknown"),
        ("observed", "broken", REFUSED, "refused"),
        ("observed", "broken", Facts(), "held"),
        ("observed", "buffered", REFUSED, "held"),
        ("fail", "buffered", Facts(), "held"),
        ("pass", "streamed", Facts(), "streams"),
    ],
)
def test_refused_is_what_a_hop_turned_away(outcome: Outcome, verdict: Verdict, facts: Facts, told: module.Fate) -> None:
    assert module.fate(result(world(a=FREE).layers[0], verdict, outcome=outcome, facts=facts)) == told


def test_of_what_was_measured_a_set_that_was_not_measured_for_every_request_is_known_not_to_work() -> None:
    both = ("no-cache", "x-accel")
    layers = world(a=FREE).layers
    singles = [replace(layer, mitigations=names) for layer in layers for names in ((), ("no-cache",), ("x-accel",))]
    results = [result(one, "buffered") for one in singles]
    results.append(result(replace(layers[0], mitigations=both), "streamed", "defeats"))
    found = module.Search.of_what_was_measured(layers, world().catalogue, results)
    assert (found.best, both in found.tried) == (None, True)


def test_of_what_was_measured_a_set_of_a_part_alone_was_not_tried() -> None:
    chain = world(a=FREE, b=FREE)
    (layer, *_) = chain.layers
    both = ("no-cache", "x-accel")
    results = [result(replace(layer, mitigations=names), "buffered") for names in ((), both[:1], both[1:])]
    results.append(result(replace(layer, chain=layer.chain[:1], mitigations=both), "buffered"))
    found = module.Search.of_what_was_measured([layer], chain.catalogue, results)
    assert sorted(found.tried) == [both[:1], both[1:]]


# ---------------------------------------------------------------- as brute force has it, whatever the chain

NAMES = tuple(COSTS)
OPENED = st.lists(st.sampled_from(NAMES).map(lambda name: (name,)), min_size=1, max_size=3, unique=True).map(tuple)
REQUESTS = st.sampled_from([BOTH, ("browser",), ("curl",)])
GATES = st.builds(Gate, OPENED, REQUESTS)
SOLE_GATE = st.lists(GATES, min_size=0, max_size=1).map(tuple)
PRICES = st.fixed_dictionaries({name: st.sampled_from(get_args(Cost)) for name in NAMES})


def chains(hops: st.SearchStrategy[SimulatedHop], longest: int = 3) -> st.SearchStrategy[World]:
    some = st.lists(hops, min_size=1, max_size=longest)
    return st.builds(lambda made, costs: World(dict(zip("abc", made, strict=False)), costs), some, PRICES)


def agrees(chain: World) -> None:
    """Of what is as dear, the order of the catalogue only decides among what is tried."""
    found, cheapest = searched(chain), by_force(chain)
    if found.best and cheapest and found.best != cheapest:
        assert found.price(found.best)[:-1] == found.price(cheapest)[:-1]
        assert all(streams(chain, found, found.best, layer) for layer in chain.layers)
    else:
        assert found.best == cheapest
    assert found.wanted() == []
    assert len(chain.asked) <= len(chain.layers) * len(list(every_set(COSTS))) / 4  # of four that cost alike: a fifth


@given(chains(SOLE_GATE.map(SimulatedHop)))
def test_hops_that_each_do_their_own_thing(chain: World) -> None:
    agrees(chain)


def test_a_part_that_is_mended_as_cheaply_in_two_ways_may_be_mended_by_either() -> None:
    """Alone `a` is mended by headers for less; beside what `b` needs, both ways cost the same."""
    costs: dict[str, Cost] = {**COSTS, "pad": "request"}
    two = Gate((("no-transform",), ("pad",)))
    agrees(World({"a": SimulatedHop((Gate((("x-accel",),)), two)), "b": hop("identity")}, costs))


@given(chains(st.lists(GATES, min_size=1, max_size=2).map(lambda gates: SimulatedHop(tuple(gates))), longest=2))
def test_hops_with_two_layers_within(chain: World) -> None:
    agrees(chain)


@given(chains(st.builds(SimulatedHop, SOLE_GATE, st.lists(st.sampled_from(NAMES), max_size=1).map(tuple)), longest=2))
def test_hops_that_use_headers_up(chain: World) -> None:
    agrees(chain)


@given(chains(SOLE_GATE.map(SimulatedHop), longest=2), OPENED)
def test_a_hop_that_another_disarms(chain: World, opened_by: tuple[tuple[str], ...]) -> None:
    first, *rest = chain.hops
    inner = replace(chain.hops[first], adds="@coded")
    outer = SimulatedHop((Gate((*opened_by, ("@coded",))),))
    agrees(replace(chain, hops={"outer": outer, "inner": inner, **{name: chain.hops[name] for name in rest}}))


@given(chains(SOLE_GATE.map(SimulatedHop)), st.sets(st.sampled_from(NAMES), min_size=2, max_size=2))
def test_mitigations_that_contradict_each_other(chain: World, both: set[str]) -> None:
    agrees(replace(chain, contradict=(frozenset(both),)))


@given(chains(SOLE_GATE.map(SimulatedHop)), st.sampled_from(NAMES))
def test_a_mitigation_of_one_hop_s_config(chain: World, name: str) -> None:
    hops = {other: one if other == "a" else unopened(one, name) for other, one in chain.hops.items()}
    agrees(replace(chain, hops=hops, only={name: "a"}))


def unopened(by: SimulatedHop, name: str) -> SimulatedHop:
    """Return a hop whose gates do not know a mitigation."""
    gates = (replace(gate, opened_by=tuple(words for words in gate.opened_by if words != (name,))) for gate in by.gates)
    return replace(by, gates=tuple(gates))


# ---------------------------------------------------------------- what is asked, and in which order


def test_each_hop_alone_comes_with_the_whole_and_the_rest_only_if_that_holds() -> None:
    chain = world(a=FREE, b=hop("x-accel"), c=FREE)
    asks = search(chain)
    first = asks.wanted()
    assert [cell.mitigations for cell in first] == [()] * 8
    assert {len(cell.chain) for cell in first} == {1, 3}
    for cell in first:
        asks.told(cell, chain.fate(cell))
    second = asks.wanted()
    assert {len(cell.chain) for cell in second if not cell.mitigations} == {2}, "each hop is left out"
    assert {cell.mitigations for cell in second if cell.mitigations} == {
        ("x-accel",),
        ("no-transform",),
        ("no-cache",),
        ("nosniff",),
        ("identity",),
    }, "headers and requests come first"
    assert {cell.chain for cell in second if len(cell.chain) == 1} == {(Hop("b", "sim"),)}, "a and c hold nothing"


def test_a_chain_of_one_hop_leaves_none_out() -> None:
    for chain, left in ((world(a=FREE), []), (world(a=FREE, b=FREE), [(Hop("b", "sim"),), (Hop("a", "sim"),)])):
        assert [cell.chain for cell in search(chain).left_out(chain.layers[0])] == left


def test_what_is_likely_tells_what_will_be_wanted_and_is_not_known() -> None:
    chain = world(a=hop("x-accel"))
    asks = search(chain)
    first, *others = asks.wanted()
    assert asks.wanted({first: "held"}) == others
    asks.told(first, "streams")
    likely: dict[Cell, module.Fate] = dict.fromkeys([first, *others], "held")
    assert {cell.request for cell in asks.wanted(likely)} == {cell.request for cell in others}, "what is known stays"
    assert asks.wanted() == others
    assert (asks.held, asks.tried) == ([], [])


def test_what_is_likely_leads_to_the_next_of_what_is_tried_together_and_no_further() -> None:
    chain = world(a=hop("@never"))
    asks = search(chain)
    likely = dict[Cell, module.Fate]()
    while wanted := asks.wanted(likely):
        likely |= dict.fromkeys(wanted, "held")
    assert {chain.costs[name] for cell in likely for name in cell.mitigations} == {"header", "request", "config"}
    for cell in likely:
        if not {*cell.mitigations} & {"buffering-off"}:
            asks.told(cell, "held")
    assert {cell.mitigations for cell in asks.wanted()} == {("buffering-off",)}
    assert {chain.costs[name] for cell in asks.wanted(likely) for name in cell.mitigations} == {
        "format",
        "bytes",
        "architecture",
    }


def test_what_streams_or_is_refused_is_asked_about_no_further() -> None:
    for chain in (world(a=FREE, b=FREE), world(a=FREE, b=hop("x-accel", refuses=BOTH))):
        assert {cell.mitigations for cell in searched(chain).layers} == {()}
        assert len(chain.asked) == 6


def asked_of_whole(chain: World) -> set[tuple[str, tuple[str, ...]]]:
    return {(cell.request, cell.mitigations) for cell in chain.asked if len(cell.chain) == len(chain.hops)}


def test_what_is_dearer_than_what_works_is_asked_about_no_more() -> None:
    chain = world(a=hop("no-transform"), b=FREE)
    asks = search(chain)
    for cell in asks.wanted():
        asks.told(cell, chain.fate(cell))
    while works := [cell for cell in asks.wanted() if cell.mitigations == ("no-transform",)]:
        for cell in works:
            asks.told(cell, chain.fate(cell))
    assert {cell.mitigations for cell in asks.wanted()} == {("x-accel",)}


def test_where_requests_are_limited_what_is_dearer_than_a_line_of_a_config_is_not_tried_by_itself() -> None:
    chain = World({"a": hop("rewrite")}, {**COSTS, "around": "config"}, detours=["around"])
    asks, alone = search(chain), set[str]()
    asks.one_by_one = True
    while wanted := asks.wanted():
        asked = {cell.mitigations for cell in wanted}
        alone |= {name for names in asked if len(asked) == len(names) == 1 for name in names}
        for cell in wanted:
            asks.told(cell, chain.fate(cell))
    assert asks.best == ("rewrite",)
    assert alone == {name for name, cost in COSTS.items() if cost in ("header", "request", "config")}


def test_what_fails_where_it_is_held_is_not_tried_where_it_streams() -> None:
    chain = world(a=hop("no-transform", requests=["browser"]), b=FREE)
    assert searched(chain).best == ("no-transform",)
    assert {names for request, names in asked_of_whole(chain) if request == "curl"} == {(), ("no-transform",)}


def test_pairs_are_not_tried_where_a_cheaper_single_one_mends() -> None:
    gates = (hop("x-accel", "nosniff", "rewrite").gates[0], hop("no-cache", "nosniff", "rewrite").gates[0])
    chain = world(a=SimulatedHop(gates), b=hop("pad"))
    assert searched(chain).best == ("nosniff", "pad")
    assert {cell.mitigations for cell in chain.asked if len(cell.chain) == 1 and len(cell.mitigations) > 1} == set()


CODED = Gate((("no-cache",), ("nosniff",), ("rewrite",)), ("browser",))
COMPRESSES = SimulatedHop((CODED, hop("buffering-off", "rewrite").gates[0]))
"""For browsers a compressor before a buffer, which no header opens."""


def pairs_asked(chain: World) -> set[tuple[str, ...]]:
    return {cell.mitigations for cell in chain.asked if len(cell.mitigations) == 2}


def test_no_pair_is_tried_of_what_leaves_a_part_as_another_request_meets_it_and_what_does_nothing_there() -> None:
    chain = world(a=COMPRESSES)
    assert searched(chain).best == by_force(chain) == ("buffering-off", "no-cache")
    assert {"buffering-off" in pair for pair in pairs_asked(chain)} == {True}, "no two headers"


def test_of_those_that_leave_a_part_alike_the_cheapest_stands_for_all() -> None:
    chain = world(a=COMPRESSES)
    found = module.Search(chain.layers[1:], chain.catalogue, chain.costs, chain.can)
    while wanted := found.wanted():
        for cell in wanted:
            found.told(cell, chain.fate(cell), chain.manner(cell))
    assert found.best == ("buffering-off", "no-cache")
    assert {pair for pair in pairs_asked(chain) if "nosniff" in pair} == set(), "no-cache does what it does"
    assert ("no-cache", "x-accel") in pairs_asked(chain), "nobody else met it so"


def test_pairs_wait_until_it_is_known_how_what_makes_a_part_milder_leaves_it() -> None:
    chain = world(a=COMPRESSES)
    asks = search(chain)
    likely = dict[Cell, module.Fate]()
    while wanted := asks.wanted(likely):
        likely |= {cell: replace(chain, asked=[]).fate(cell) for cell in wanted}
    asked = {cell.mitigations for cell in likely}
    assert ("no-cache",) in asked
    assert ("no-cache", "x-accel") not in asked, "which would be asked if nothing were known of how it holds"


@pytest.mark.parametrize(
    ("app", "replaced", "best"),
    [
        (hop("rewrite"), False, None),
        (hop("rewrite"), True, ("rewrite", "x-accel")),
        (hop("no-transform"), False, ("no-transform", "x-accel")),
        (hop("no-transform", requests=["browser"]), False, ("no-transform", "x-accel")),
    ],
)
def test_of_an_application_that_keeps_its_whole_answer_only_what_is_cheap_is_tried_but_where_something_does_it_good(
    app: SimulatedHop, replaced: bool, best: module.Names | None
) -> None:
    chain = World({"front": hop("x-accel"), "app": app}, COSTS)
    catalogue = dict(chain.catalogue)
    if replaced:
        catalogue["rewrite"] = replace(catalogue["rewrite"], chain={"app:sim": "app:other"})
    asks = module.Search(chain.layers, catalogue, chain.costs, chain.can)
    kept = chain.layers[0].chain[1]
    while wanted := asks.wanted():
        for cell in wanted:
            met = chain.fate(cell)
            how = Manner("end", in_code=True) if met == "held" and cell.chain == (kept,) else None
            asks.told(cell, met, how)
    assert asks.best == best
    assert asks.in_code == ([] if best else [kept])
    dear = {name for name in chain.costs if chain.costs[name] not in ("header", "request")}
    assert bool(dear & {name for cell in chain.asked for name in cell.mitigations}) is bool(best and replaced)


def test_an_application_that_keeps_its_answer_from_some_is_asked_about_like_any_other() -> None:
    chain = world(app=hop("no-transform", requests=["browser"]))
    asks = search(chain)
    for cell in asks.wanted():
        met = chain.fate(cell)
        asks.told(cell, met, Manner("end", in_code=True) if met == "held" else None)
    assert asks.in_code == []
    assert {cell.mitigations for cell in asks.wanted()} >= {("no-transform",)}


def test_of_a_set_that_fails_for_one_request_the_others_are_not_asked() -> None:
    chain = world(a=hop("x-accel"), b=FREE)
    assert searched(chain).best == ("x-accel",)
    asked = asked_of_whole(chain)
    assert {("curl", ("nosniff",)), ("curl", ("x-accel",)), ("browser", ("x-accel",))} <= asked
    assert ("browser", ("nosniff",)) not in asked


def test_where_every_hop_holds_alone_the_whole_is_tried_with_what_does_one_of_them_good() -> None:
    chain = world(a=hop("x-accel"), b=hop("x-accel", "no-cache", requests=["browser"]))
    searched(chain)
    assert ("nosniff",) in {names for _, names in asked_of_whole(chain)}, "for curl, b may hold in the chain alone"
    chain = world(a=hop("x-accel"), b=hop("x-accel", "no-cache"))
    assert searched(chain).best == ("x-accel",)
    assert {names for _, names in asked_of_whole(chain)} == {(), ("x-accel",), ("no-cache",)}


def test_of_what_hides_each_other_in_a_config_pairs_are_tried_unless_something_else_mends_it() -> None:
    costs: dict[str, Cost] = {"no-cache": "header", "lua": "config", "buffer": "config", "gzip": "config"}
    hops = {"a": SimulatedHop((hop("lua").gates[0], hop("buffer").gates[0])), "b": FREE}
    hidden = World(hops, costs, edits=("lua", "buffer", "gzip"), hides=True)
    assert searched(hidden).best == ("buffer", "lua") == by_force(hidden)
    assert searched(World(hops, costs, hides=True)).best is None
    gates = (hop("lua", "no-cache").gates[0], hop("buffer", "no-cache").gates[0])
    mended = World({"a": SimulatedHop(gates)}, costs, edits=hidden.edits, hides=True)
    assert searched(mended).best == ("no-cache",)
    assert {names for _, names in asked_of_whole(mended) if len(names) > 1} == set()


def test_what_is_dearer_than_the_first_that_ought_to_work_waits_until_that_has_failed() -> None:
    chain = world(a=hop("x-accel"), b=hop("no-transform", "no-cache"))
    found = searched(chain)
    assert found.best == ("no-transform", "x-accel")
    assert {names for _, names in asked_of_whole(chain) if len(names) > 1} == {("no-transform", "x-accel")}
    assert ("no-cache", "x-accel") not in found.tried


def test_a_set_that_contradicts_itself_is_known_not_to_work() -> None:
    both = ("no-cache", "x-accel")
    found = searched(World({"a": hop("x-accel"), "b": hop("no-cache")}, COSTS, contradict=(frozenset(both),)))
    assert (found.best, both in found.tried) == (None, True)


def test_a_part_resists_if_nothing_mends_it_alone_but_what_goes_around_it() -> None:
    hops = {"free": FREE, "mended": hop("x-accel"), "eased": eased("@never"), "passed": hop("bypass")}
    found = searched(World(hops, {**COSTS, "bypass": "architecture"}, detours={"bypass"}))
    told = {(part.chain[0].proxy, found.resists(part)) for layer in found.layers for part in found.alone(layer)}
    assert told == {("free", False), ("mended", False), ("eased", True), ("passed", True)}


def test_of_the_pairs_for_a_part_so_many_are_tried_the_cheapest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAIRS", 3)
    chain = world(a=eased("@never"))
    searched(chain)
    pairs = {cell.mitigations for cell in chain.asked if len(cell.mitigations) == 2}
    assert pairs == {("nosniff", "x-accel"), ("no-transform", "nosniff"), ("no-cache", "nosniff")}


def test_so_many_sets_are_tried_where_many_mend_each_hop_and_none_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SETS", 4)
    outer, inner = ([f"{hop}{number}" for number in range(8)] for hop in ("a", "b"))
    hops = {"outer": hop(*outer), "inner": hop(*inner, uses_up=(*outer,))}
    found = searched(World(hops, dict.fromkeys((*outer, *inner), "header")))
    composed = [names for names in found.tried if len(names) > 1]
    assert found.best is None
    assert len(composed) == 4 + 7, "those that ought to work, and what extends sets that failed"
    assert all({*names} & {*outer} and {*names} & {*inner} for names in composed), "with something for each"


def test_no_set_is_extended_to_one_with_which_a_part_is_known_to_hold() -> None:
    inner = SimulatedHop((hop("buffering-off").gates[0], hop("nosniff", "no-cache").gates[0]))
    chain = world(outer=hop("x-accel"), inner=inner)
    assert searched(chain).best == by_force(chain) == ("buffering-off", "no-cache", "x-accel")
    composed = {names for _, names in asked_of_whole(chain) if len(names) > 1}
    assert {names for names in composed if "buffering-off" not in names} == {("no-cache", "x-accel")}, "left out of it"


THREE = ("no-cache", "nosniff", "x-accel")
TWICE = SimulatedHop((hop("nosniff").gates[0], hop("no-cache").gates[0]))


ALONE = {"a": hop("x-accel"), "b": hop("no-cache"), "c": hop("nosniff")}
THREE_COSTS: dict[str, Cost] = dict.fromkeys(THREE, "header")


@pytest.mark.parametrize(
    "chain",
    [
        World(ALONE, COSTS),
        World(ALONE, THREE_COSTS),
        World({"a": hop("x-accel"), "b": TWICE}, THREE_COSTS, edits=("no-cache", "nosniff"), hides=True),
    ],
    ids=["of many", "of all that there are", "of which two hide each other"],
)
def test_every_part_of_the_answer_was_left_out_once_and_missed(chain: World) -> None:
    found = searched(chain)
    assert found.best == THREE
    assert set(found.without_one(found.best)) <= set(found.tried)
    told = {cell.mitigations for cell in chain.asked if cell.chain == chain.layers[0].chain}
    assert set(found.without_one(found.best)) <= told


def test_what_concerns_one_request_may_help_and_what_concerns_none_does_not() -> None:
    chain = world(a=FREE)

    def can(cell: Cell) -> bool:
        return cell.mitigations != ("nosniff",) and (cell.request, cell.mitigations) != ("curl", ("no-cache",))

    names = module.Search(chain.layers, chain.catalogue, THREE, can).names
    assert sorted(names) == ["no-cache", "x-accel"]


def test_what_makes_one_request_milder_eases_it() -> None:
    hops = {"a": SimulatedHop((hop("@never").gates[0], hop("no-cache", requests=["browser"]).gates[0]))}
    found = searched(World(hops, COSTS))
    assert [name for name in found.names if found.eases(name)] == ["no-cache"]


def test_those_that_spare_a_hop_are_asked_about_along_with_the_first_that_ought_to_work() -> None:
    names = ("x-accel", "no-transform", "no-cache", "nosniff", "identity")
    chain = world(**{f"hop{number}": hop(name) for number, name in enumerate(names)})
    assert next(first_sets(chain)) == [*itertools.combinations(sorted(names), 4), tuple(sorted(names))]


def test_once_one_that_ought_to_work_has_failed_others_are_asked_about_several_at_once() -> None:
    outer = hop("x-accel", "no-transform", "no-cache")
    asked = first_sets(world(outer=outer, inner=hop("nosniff", uses_up=("x-accel",))))
    likely = [("nosniff", "x-accel"), ("no-transform", "nosniff"), ("no-cache", "nosniff")]
    assert [[names in sets for names in likely] for sets in (next(asked), next(asked))] == [
        [True, False, False],
        [False, True, True],
    ]


def first_sets(chain: World) -> Iterator[list[tuple[str, ...]]]:
    """Yield the sets of two or more that are asked for together of the whole chain, time and again."""
    asks = search(chain)
    while wanted := asks.wanted():
        sets = {cell.mitigations for cell in wanted if cell.chain == chain.layers[0].chain}
        if composed := [names for names in sets if len(names) > 1]:
            yield sorted(composed, key=lambda names: (len(names), names))
        for cell in wanted:
            asks.told(cell, chain.fate(cell))


def test_of_pairs_for_a_part_only_those_that_mend_it_are_tried_on_the_whole() -> None:
    chain = world(a=eased("@never"), b=FREE)
    searched(chain)
    assert {names for _, names in asked_of_whole(chain) if len(names) > 1} == set()
    assert any(len(cell.mitigations) > 1 for cell in chain.asked)
    apart = world(a=TWICE, b=hop("x-accel"), c=hop("no-transform"))
    assert searched(apart).best == ("no-cache", "no-transform", "nosniff", "x-accel")
    assert ("no-cache", "nosniff") not in {names for _, names in asked_of_whole(apart)}


def test_where_nothing_mends_any_part_no_set_is_composed_of_what_only_helps() -> None:
    gates = (gate for name in ("no-cache", "x-accel", "@never") for gate in hop(name).gates)
    chain = world(a=SimulatedHop(tuple(gates)), b=FREE)
    searched(chain)
    assert {names for _, names in asked_of_whole(chain) if len(names) > 1} == set()


def test_a_sole_hop_that_needs_all_that_there_is() -> None:
    chain = World({"a": TWICE}, {name: COSTS[name] for name in THREE[:2]})
    assert searched(chain).best == THREE[:2] == by_force(chain)


def test_what_mends_one_request_must_not_spoil_another_that_streams() -> None:
    spoils = SimulatedHop((Gate((("x-accel",), ("no-cache",)), ("browser",)), Gate((("@ever",),), ())))
    chain = world(a=spoils)
    asks = search(chain)
    harm = replace(chain.layers[0], mitigations=("x-accel",))
    while wanted := asks.wanted():
        for cell in wanted:
            asks.told(cell, "held" if cell == harm else chain.fate(cell))
    assert asks.best == ("no-cache",)


def test_detours_are_asked_about_only_if_nothing_else_works() -> None:
    costs = {**COSTS, "bypass": "architecture", "socket": "format"}
    chain = World({"a": hop("rewrite", "bypass", "socket")}, costs, detours={"bypass", "socket"})
    assert searched(chain).best == ("rewrite",)
    assert not {("bypass",), ("socket",)} & {cell.mitigations for cell in chain.asked}
    assert searched(replace(chain, hops={"a": hop("bypass", "socket")}, asked=[])).best == ("socket",)


def test_a_set_goes_around_if_one_of_it_does() -> None:
    asks = search(World({"a": FREE}, {**COSTS, "bypass": "architecture"}, detours={"bypass"}))
    assert [asks.is_around(names) for names in (("bypass",), ("bypass", "pad"), ("pad",), ("gone",))] == [
        True,
        True,
        False,
        False,
    ]


def test_answers_may_come_in_any_order_and_guesses_are_forgotten() -> None:
    chain = world(a=hop("x-accel"), b=hop("no-transform", requests=["browser"]))
    asks, late = search(chain), list[Cell]()
    for cell in asks.wanted():
        asks.told(cell, "held")
        late.append(cell)
    assert asks.wanted(), "it goes on with what is likely"
    for cell in reversed(late):
        asks.told(cell, chain.fate(cell))
    while wanted := asks.wanted():
        asks.told(wanted[-1], chain.fate(wanted[-1]))
    assert asks.best == ("no-transform", "x-accel")
