"""Proxies that a matrix file brings: what becomes of their hops, and that what is wrong with one is told once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

import pytest

from harness.documents.programs import OwnProxyShape
from harness.errors import InputError
from harness.matrix.chains import OwnProxy
from harness.matrix.reading import Known, Matrix, parse
from harness.model import Hop, chain_text
from tests.matrix.knowing import HEAD, KNOWN

GATEWAY = "proxies: {gateway: {command: [gw]}}\n"


def looked_at(name: str, shape: OwnProxyShape) -> OwnProxy:
    """Return a proxy of two configs, which writes all its versions alike; or refuse it."""
    if shape.command == ["no"]:
        raise InputError("there is no such program")
    configs = {variant: PurePath(name, f"{variant}.toml") for variant in ("plain", "gzip")}
    return OwnProxy(configs, ".toml", lambda hop: replace(hop, version="1"))


OWN = replace(KNOWN, own_proxy=looked_at)


def read(body: str, known: Known = OWN) -> Matrix:
    return parse(HEAD + body, "m.yaml", known)


def complaints(body: str, known: Known = OWN) -> list[str]:
    """Return what is told of a file, line by line, without where."""
    with pytest.raises(InputError) as refused:
        read(body, known)
    return [line.partition(": ")[2] for line in str(refused.value).splitlines()]


def test_its_configs_are_variants_beside_those_of_the_users() -> None:
    matrix = read(
        f"{GATEWAY}variants: {{gateway: {{mine: ./mine.toml}}}}\n"
        "axes: {chain: ['gateway:plain', 'gateway:mine', 'gateway:./other.toml', 'gateway:gzip@2>nginx:gzip']}"
    )
    assert matrix.own == {
        Hop("gateway", "plain"): PurePath("gateway/plain.toml"),
        Hop("gateway", "gzip"): PurePath("gateway/gzip.toml"),
        Hop("gateway", "mine"): PurePath("mine.toml"),
        Hop("gateway", "other"): PurePath("other.toml"),
    }
    chains = dict.fromkeys(chain_text(cell.chain) for cell in matrix.cells)
    assert [*chains] == [
        "direct",
        "gateway:plain",
        "gateway:mine",
        "gateway:other",
        "gateway:gzip@1>nginx:gzip",
    ]


def test_a_variant_that_it_does_not_have_is_told_with_those_that_it_has() -> None:
    (told,) = complaints(f"{GATEWAY}axes: {{chain: 'gateway:gzpi'}}")
    assert told.startswith("axes.chain: unknown variant 'gateway:gzpi'; allowed: plain, gzip (did you mean 'gzip'?)")
    assert told.endswith("or a file like ./my.toml")


@pytest.mark.parametrize(
    ("proxies", "known", "complaint"),
    [
        ("gateway: {command: [gw]}", KNOWN, "proxies.gateway: no proxies of your own can be named here"),
        ("gateway: {command: ['no']}", OWN, "proxies.gateway: there is no such program"),
        ("nginx: {command: [gw]}", OWN, "proxies.nginx: nginx is a proxy already; choose another name"),
        ("direct: {command: [gw]}", OWN, "proxies.direct: direct is the chain without hops; choose another name"),
    ],
)
def test_of_one_that_cannot_be_nothing_more_is_told(proxies: str, known: Known, complaint: str) -> None:
    name = proxies.partition(":")[0]
    body = f"proxies: {{{proxies}}}\nvariants: {{{name}: {{mine: ./mine.toml}}}}\naxes: {{chain: '{name}:any'}}"
    assert complaints(body, known) == [complaint]


def test_where_none_can_be_named_each_is_told() -> None:
    told = complaints("proxies: {one: {command: [gw]}, other: {command: [gw]}}\naxes: {chain: direct}", KNOWN)
    assert [line.partition(": ")[0] for line in told] == ["proxies.one", "proxies.other"]


def test_what_else_is_wrong_is_told_beside_it() -> None:
    told = complaints(
        "proxies: {direct: {command: [gw]}, gateway: {command: ['no']}}\n"
        "variants: {gateway: {mine: ./mine.toml}, apache: {mine: ./a.conf}, traefik: {mine: ./t.toml}}\n"
        "axes: {chain: ['gateway:any>nginx:none', 'direct>nginx:gzip']}"
    )
    assert [line.partition(": ")[0] for line in told] == [
        "proxies.direct",
        "proxies.gateway",
        "variants.apache",
        "variants.traefik",
        "axes.chain[0]",
        "axes.chain[1]",
    ]
    assert "unknown variant 'nginx:none'" in told[4]
    assert "direct stands alone" in told[5]
