"""What becomes of a hop that is replaced: what is carried over, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given

from harness.documents.hops import read as hop
from harness.errors import InputError
from harness.matrix.mitigations import parse
from harness.matrix.replacements import replacements
from harness.model import Cell, Hop, Mitigation, Workload, chain_text
from tests.documents.test_hops import asked
from tests.planning import objections, plan

SHORT = Workload("short", tokens=24, token_bytes=112)


def replacing(mapping: dict[str, str], name: str = "mine") -> Mitigation:
    return Mitigation(name, "It helps.", "us", "config", chain=mapping)


def cell(chain: str, *names: str) -> Cell:
    return Cell(tuple(map(hop, chain.split(">"))), SHORT, mitigations=names or ("mine",))


DEFAULT = {"nginx:default": "nginx:http11"}

CARRIED = [
    # what is replaced                     by which mapping                                     what it becomes
    ("nginx:default", DEFAULT, "nginx:http11"),
    ("nginx:default@1.31.3", DEFAULT, "nginx:http11@1.31.3"),
    ("nginx:default@docker:1.31,quic,A=1,x==2", DEFAULT, "nginx:http11@docker:1.31,quic,A=1,x==2"),
    ("nginx:gzip@1.31.3", DEFAULT, None),
    ("nextjs:default@15", DEFAULT, None),
    # to another proxy
    ("nextjs:prod@15.5,A=1", {"nextjs:prod": "nginx:default"}, "nginx:default"),
    ("nextjs:prod@15.5,A=1", {"nextjs:prod": "nginx:default@1.31"}, "nginx:default@1.31"),
    # by kind
    ("nginx:default@1.22", {"nginx:default": "nginx:default@1.31"}, "nginx:default@1.31"),
    ("nginx:default@1.22,docker:1", {"nginx:default": "nginx:http11@apt:2"}, "nginx:http11@1.22,apt:2"),
    ("asgi:a@A=1,B=2", {"asgi:a": "asgi:b@A=0,C=3"}, "asgi:b@A=0,B=2,C=3"),
    ("asgi:a@x==1,y==2", {"asgi:a": "asgi:b@x==9"}, "asgi:b@x==9,y==2"),
    ("asgi:a@uvloop", {"asgi:a": "asgi:a@gunicorn"}, "asgi:a@gunicorn,uvloop"),
    # what the mapping names is what it is about
    ("asgi:a@uvloop,A=1", {"asgi:a@uvloop": "asgi:b"}, "asgi:b@A=1"),
    ("asgi:a@uvloop,A=1", {"asgi:a@uvloop": "asgi:b@uvloop"}, "asgi:b@uvloop,A=1"),
    ("asgi:a@A=1", {"asgi:a@uvloop": "asgi:b"}, None),
    ("asgi:a@uvloop,A=2", {"asgi:a@A=1,uvloop": "asgi:b"}, None),
    ("nginx:default@1.22,A=1", {"nginx:default@1.22": "nginx:default"}, "nginx:default@A=1"),
    ("nginx:default", {"nginx:default@1.22": "nginx:http11"}, None),
    # of several the one that names more
    ("asgi:a@uvloop,A=1", {"asgi:a": "asgi:b", "asgi:a@uvloop": "asgi:c@uvloop"}, "asgi:c@uvloop,A=1"),
    ("asgi:a@1.2,uvloop", {"asgi:a@1.2": "asgi:b", "asgi:a@1.2,uvloop": "asgi:c", "asgi:a": "asgi:d"}, "asgi:c"),
]


@pytest.mark.parametrize(("old", "mapping", "new"), CARRIED)
def test_what_is_carried_over(old: str, mapping: dict[str, str], new: str | None) -> None:
    assert replacements(hop(old), replacing(mapping)) == ({hop(new)} if new else set())


@given(old=asked)
def test_another_config_is_all_that_changes_where_a_mapping_names_nothing_else(old: Hop) -> None:
    new = f"{old.proxy}:other"
    (found,) = replacements(old, replacing({str(old.bare): new}))
    assert (found.bare, found.version, found.options) == (hop(new), old.version, old.options)


@given(old=asked, new=asked)
def test_a_mapping_of_the_very_hop_gives_the_very_replacement(old: Hop, new: Hop) -> None:
    assert replacements(old, replacing({str(old): str(new)})) == {new}


@given(old=asked, new=asked)
def test_what_a_replacement_names_it_has(old: Hop, new: Hop) -> None:
    (found,) = replacements(old, replacing({str(old.bare): str(new)}))
    assert found.bare == new.bare
    assert set(new.options) <= set(found.options)
    assert new.version in ("", found.version)
    assert hop(str(found)) == found  # in order, nothing twice


# ---------------------------------------------------------------- in a cell


def test_every_hop_of_a_chain_keeps_its_own_version() -> None:
    planned = plan(cell("nginx:default@1.31>nginx:default@1.22>nginx:gzip@1.22"), {"mine": replacing(DEFAULT)})
    assert chain_text(planned.chain) == "nginx:http11@1.31>nginx:http11@1.22>nginx:gzip@1.22"


@pytest.mark.parametrize(
    ("chain", "mapping", "why"),
    [
        (
            "asgi:a@uvloop,A=1",
            {"asgi:a@uvloop": "asgi:b", "asgi:a@A=1": "asgi:b"},
            "mine sets the replacement of asgi:a@uvloop,A=1 differently: 'asgi:b@A=1' and 'asgi:b@uvloop'",
        ),
        (
            "asgi:a@A=1",
            {"asgi:a": "asgi:a@A=1"},
            "mine replaces asgi:a@A=1 by what it is already",
        ),
        (
            "nginx:gzip",
            {"nginx:gzip": "nginx:gzip"},
            "mine replaces nginx:gzip by what it is already",
        ),
        (
            "asgi:a@A=1",
            {"asgi:a@A=2": "asgi:b", "asgi:c": "asgi:b"},
            "mine replaces asgi:a@A=2 or asgi:c, which the chain does not have",
        ),
    ],
)
def test_what_cannot_be_meant_is_told(chain: str, mapping: dict[str, str], why: str) -> None:
    assert [one.message for one in objections(cell(chain), {"mine": replacing(mapping)})] == [why]


def test_two_mitigations_contradict_each_other_by_what_they_make_of_the_hop_and_not_by_how_they_name_it() -> None:
    catalogue = {
        "any": replacing({"nginx:default": "nginx:http11"}, "any"),
        "old": replacing({"nginx:default@1.22": "nginx:buffering-off@1.22"}, "old"),
        "same": replacing({"nginx:default@1.22": "nginx:http11@1.22"}, "same"),
        "other": replacing({"nginx:gzip": "nginx:default"}, "other"),
    }
    assert [one.message for one in objections(cell("nginx:default@1.22", "any", "old"), catalogue)] == [
        "any and old set the replacement of nginx:default@1.22 differently: "
        "'nginx:buffering-off@1.22' and 'nginx:http11@1.22'"
    ]
    assert plan(cell("nginx:default@1.22", "any", "same"), catalogue).chain == (hop("nginx:http11@1.22"),)
    both = plan(cell("nginx:default@1.22>nginx:gzip", "any", "other"), catalogue)
    assert chain_text(both.chain) == "nginx:http11@1.22>nginx:default"


STRICT, FEW, FLUSH = "haproxy:compression", "haproxy:compression-html", "haproxy:compression-no-delay"
BOTH = "haproxy:compression-html-no-delay"


@pytest.mark.parametrize(
    ("few", "flush", "chain"),
    [
        ({STRICT: FEW}, {STRICT: FLUSH}, None),
        ({STRICT: FEW}, {STRICT: FLUSH, FEW: BOTH}, BOTH),
        ({STRICT: FEW, FLUSH: BOTH}, {STRICT: FLUSH}, BOTH),
        ({STRICT: FEW, FLUSH: BOTH}, {STRICT: FLUSH, FEW: BOTH}, BOTH),
        ({STRICT: FEW, FLUSH: BOTH}, {STRICT: FLUSH, FEW: "haproxy:default"}, None),
        ({STRICT: FEW, FLUSH: FEW}, {STRICT: FLUSH, FEW: FLUSH}, None),
    ],
)
def test_what_replaces_one_hop_goes_together_if_one_after_the_other_leads_to_one_hop(
    few: dict[str, str], flush: dict[str, str], chain: str | None
) -> None:
    catalogue = {"few": replacing(few, "few"), "flush": replacing(flush, "flush")}
    both = cell(f"{STRICT}@2.8", "few", "flush")
    told = [one.message for one in objections(both, catalogue)]
    assert bool(told) is (chain is None)
    if chain:
        assert chain_text(plan(both, catalogue).chain) == f"{chain}@2.8"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("{'nginx:default@,': nginx:http11}", "f:5: mine.chain: nginx:default@,: an option is empty"),
        ("{nginx:default: 'nginx:http11@1.2,1.3'}", "there can only be one version, not 1.2 and 1.3"),
        (
            "{'asgi:a@A=1,uvloop': asgi:b, 'asgi:a@uvloop,A=1': asgi:c}",
            "asgi:a@A=1,uvloop and asgi:a@uvloop,A=1 are the same hop",
        ),
    ],
)
def test_a_mapping_that_cannot_be_read_is_told_with_its_place(mapping: str, message: str) -> None:
    text = f"mine:\n  claim: It helps.\n  source: me\n  cost: config\n  chain: {mapping}\n"
    with pytest.raises(InputError) as refused:
        parse(text, "f")
    assert message in str(refused.value)
