"""What mitigations edit in configs of the user's: read from a file, placed on hops, planned, or refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.matrix.mitigations import concerned, parse, placed
from harness.matrix.reading import Edits
from harness.matrix.reading import parse as read_matrix
from harness.model import Cell, Edit, Hop, Mitigation, Workload, chain_text
from tests.matrix.knowing import HEAD, KNOWN
from tests.planning import REQUESTS, objections, plan

OUTER, INNER, SHIPPED = Hop("nginx", "outer"), Hop("nginx", "inner"), Hop("nginx", "default")
ENTRIES = """
off:
  {claim: It streams., source: me, cost: config, chain: {nginx:default: nginx:buffering-off},
   edit: {nginx: {set: a off}}}
on: {claim: It holds., source: me, cost: config, edit: {nginx: {set: [a on, b 1]}}}
pass: {claim: It passes., source: me, cost: config, response_headers: {X-A: b}, edit: {nginx: {add: [c X, c Y z]}}}
past: {claim: It is past., source: me, cost: architecture, chain: direct}
"""
CATALOGUE = parse(ENTRIES, "f")


def test_each_way_to_edit_is_read_as_it_is_said() -> None:
    said = "each: {claim: It does., source: me, cost: config, edit: {nginx: {set: a on, add: [b 1], drop: [c, d X]}}}"
    assert parse(said, "f")["each"].edit == {"nginx": Edit(("a on",), ("b 1",), ("c", "d X"))}


def of(*hops: Hop, names: Collection[str] = ()) -> Cell:
    return Cell(hops, Workload("w", 24, 112), mitigations=tuple(names))


def placed_on(*hops: Hop, catalogue: dict[str, Mitigation] = CATALOGUE) -> dict[str, Mitigation]:
    return placed(catalogue, hops, lambda hop, one: hop != SHIPPED)


def planned(*hops: Hop, names: Collection[str], own: Collection[Hop]) -> str:
    return chain_text(plan(of(*hops, names=names), placed_on(*own)).chain)


def refused(*hops: Hop, names: Collection[str], own: Collection[Hop] = (OUTER, INNER)) -> str:
    return "; ".join(one.message for one in objections(of(*hops, names=names), placed_on(*own)))


def test_an_entry_says_what_is_to_be_in_effect() -> None:
    read = parse(ENTRIES, "f")
    assert read["on"].edit == {"nginx": Edit(set=("a on", "b 1"))}
    assert read["pass"].edit == {"nginx": Edit(add=("c X", "c Y z"))}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("{nginx: {}}", "f:1: m.edit.nginx: changes nothing; give at least one of set, add, drop"),
        ("{nginx: {set: [a on, a off]}}", "f:1: m.edit.nginx: sets a twice; `add` is for directives that stand beside"),
        ("{nginx: {put: a on}}", "f:1: m.edit.nginx.put: unknown key; allowed: add, drop, set"),
        ("{nginx: {set: 'a off;'}}", "f:1: m.edit.nginx.set: must be one directive and its arguments, without what"),
        ("{nginx: {set: 'a off; b on'}}", "must be one directive"),
        ("{nginx: {set: 'location / { }'}}", "must be one directive"),
        ("{nginx: {set: a}}", "must be one directive"),
        ("{nginx: {drop: 'a;'}}", "must be one directive"),
        ("{nginx: {add: \"a 'b\\nc'\"}}", "must be one directive"),
        ("{nginx: {set: 'a ${LISTEN}'}}", "must be one directive"),
        ("{nginx: {set: 3}}", "f:1: m.edit.nginx.set: must be text, not 3"),
    ],
)
def test_what_is_wrong_in_an_edit_is_told_with_its_place(edit: str, message: str) -> None:
    with pytest.raises(InputError) as told:
        parse(f"m: {{claim: c, source: s, cost: config, edit: {edit}}}", "f")
    assert message in str(told.value)


def test_an_edit_and_no_chain_contradict_each_other() -> None:
    with pytest.raises(InputError, match="goes past the proxies with `chain: direct`, and edits the config of one"):
        parse("m: {claim: c, source: s, cost: config, chain: direct, edit: {nginx: {set: a on}}}", "f")


def test_a_hop_whose_config_is_edited_is_another_hop_and_the_others_stay() -> None:
    assert planned(SHIPPED, OUTER, names=["on"], own=[OUTER]) == "nginx:default>nginx:outer@+on"
    version = replace(OUTER, version="1.2")
    assert planned(version, names=["on"], own=[OUTER]) == "nginx:outer@1.2,+on"
    assert planned(SHIPPED, OUTER, names=["off"], own=[OUTER]) == "nginx:buffering-off>nginx:outer@+off"


def test_edits_of_one_config_add_up() -> None:
    assert planned(OUTER, names=["off", "pass"], own=[OUTER]) == "nginx:outer@+off,+pass"


def test_of_several_configs_each_can_be_edited_alone() -> None:
    assert list(placed_on(OUTER)) == list(CATALOGUE)
    assert list(placed_on(OUTER, INNER))[:3] == ["off@outer", "off@inner", "off"]
    both = (OUTER, INNER)
    assert planned(*both, names=["off"], own=both) == "nginx:outer@+off>nginx:inner@+off"
    assert planned(*both, names=["off@inner"], own=both) == "nginx:outer>nginx:inner@+off"
    assert planned(*both, names=["off@inner", "off@outer"], own=both) == "nginx:outer@+off>nginx:inner@+off"
    assert planned(*both, names=["off@inner", "on@outer"], own=both) == "nginx:outer@+on>nginx:inner@+off"
    assert planned(SHIPPED, *both, names=["off@inner"], own=both) == "nginx:default>nginx:outer>nginx:inner@+off"


def test_what_cannot_be_is_told() -> None:
    assert refused(OUTER, names=["off", "on"]) == "off and on set a of nginx:outer differently: 'a off' and 'a on'"
    assert refused(OUTER, INNER, names=["off@inner", "on@outer"]) == ""
    assert "past bypasses the chain, which does not go with on" in refused(OUTER, names=["on", "past"])
    nothing = "on edits nginx configs of yours, of which none here would change, or can"
    assert refused(SHIPPED, names=["on"]) == nothing
    assert refused(OUTER, names=["pass@inner"]) == nothing.replace("on ", "pass@inner ", 1)
    assert refused(Hop("nginx", "gzip"), names=["off"]).endswith("which the chain does not have, and " + nothing[3:])
    assert refused(OUTER, names=["off@elsewhere"]).startswith("unknown mitigation 'off@elsewhere'; allowed: ")
    assert concerned(of(OUTER, names=["off@elsewhere"]), placed_on(OUTER), REQUESTS), "that is told otherwise"


# ---------------------------------------------------------------- a matrix file


def only(*changed: str) -> Edits:
    return lambda own, deployed: lambda hop, one: hop.variant in changed


def matrix_of(body: str, edits: Edits, editable: Collection[str] = ("nginx",)) -> list[str]:
    known = replace(KNOWN, edits=edits, editable=editable)
    cells = read_matrix(HEAD + body, "m.yaml", known).cells
    return [f"{chain_text(cell.chain)}/{'+'.join(cell.mitigations)}" for cell in cells if cell.mitigations]


TWO = "axes: {chain: ['nginx:./a.conf', 'nginx:./a.conf>nginx:./b.conf'], mitigations: %s}\n"


def test_what_is_so_already_in_a_config_is_left_out_of_its_cells() -> None:
    assert matrix_of(TWO % "nginx-gzip-off", only("b")) == ["nginx:a>nginx:b/nginx-gzip-off"]
    assert matrix_of(TWO % "nginx-gzip-off@b", only("a", "b")) == ["nginx:a>nginx:b/nginx-gzip-off@b"]
    every = matrix_of(TWO % "all", only("a"))
    assert {"nginx:a/nginx-gzip-off", "nginx:a/nginx-buffering-off", "nginx:a/x-accel-buffering"} <= set(every)


def test_a_file_s_own_mitigation_edits_too_and_only_what_can_be_edited() -> None:
    own = "mitigations: {m: {claim: c, source: s, cost: config, edit: {%s: {set: a on}}}}\n"
    assert matrix_of(TWO % "m" + own % "nginx", only("a")) == ["nginx:a/m", "nginx:a>nginx:b/m"]
    with pytest.raises(InputError, match=r"m\.yaml:4: mitigations\.m\.edit\.ngnix: no config for 'ngnix'"):
        matrix_of(TWO % "none" + own % "ngnix", only("a"))


def test_a_mitigation_that_edits_nothing_anywhere_is_an_error() -> None:
    with pytest.raises(InputError, match="nginx-gzip-off edits nginx configs of yours, of which none here would"):
        matrix_of(TWO % "nginx-gzip-off", only())
