"""Chains as people write them: options of hops, and files of the users' own with options."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from harness.errors import InputError
from harness.formats import FORMATS
from harness.matrix import mitigations
from harness.matrix.reading import Known, Matrix, parse
from harness.model import Hop, Option, chain_text, hop_as_given
from harness.proxies.application_options import ASGI, canonical
from harness.resources import configs
from tests.planning import REQUESTS, plan

CATALOGUE = mitigations.parse((configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
KNOWN = Known(
    {"nginx": ("gzip",), "asgi": ("plain", "queue-starved")},
    {"client": ("aiohttp",), "format": tuple(FORMATS)},
    CATALOGUE,
    REQUESTS,
    {"asgi": lambda hop: canonical(hop, ASGI)},
    {"nginx": ".conf", "asgi": ".py"},
)
HEAD = "title: A test\nworkloads: {short: {tokens: 24, token_bytes: 112}}\n"


def read(body: str) -> Matrix:
    return parse(HEAD + body, "m.yaml", KNOWN)


def test_options_are_kept_in_one_way_so_that_equal_hops_are_equal() -> None:
    matrix = read(
        "axes: {chain: ['asgi:plain@PAUSE_S=0,uvloop', 'asgi:plain@uvloop,PAUSE_S=0', 'asgi:plain@asyncio']}",
    )
    chains = list(dict.fromkeys(chain_text(cell.chain) for cell in matrix.cells))
    assert chains == ["direct", "asgi:plain@uvloop,PAUSE_S=0", "asgi:plain"]
    hop = matrix.cells[1].chain[0]
    assert hop == Hop("asgi", "plain", options=(Option("word", "uvloop"), Option("setting", "PAUSE_S", "0")))
    assert hop.bare == Hop("asgi", "plain")


def test_a_file_of_the_users_own_may_have_options_and_stands_for_all_of_them() -> None:
    matrix = read(
        "axes: {chain: ['asgi:./app.py@uvloop', 'asgi:mine=a@b/app.py@PAUSE_S=0', 'asgi:./app.py', asgi:one@uvloop,"
        " 'asgi:two=a@b.py@uvloop']}\n"
        "variants: {asgi: {one: ./one.py}}",
    )
    assert matrix.own == {
        Hop("asgi", "app"): PurePath("app.py"),
        Hop("asgi", "mine"): PurePath("a@b/app.py"),
        Hop("asgi", "one"): PurePath("one.py"),
        Hop("asgi", "two"): PurePath("a@b.py"),
    }
    chains = list(dict.fromkeys(chain_text(cell.chain) for cell in matrix.cells))
    assert chains == [
        "direct",
        "asgi:app@uvloop",
        "asgi:mine@PAUSE_S=0",
        "asgi:app",
        "asgi:one@uvloop",
        "asgi:two@uvloop",
    ]


FILES = [
    "./gzip.conf",
    "conf.d/gzip.conf",
    "/etc/nginx/conf.d/gzip.conf",
    "../gzip.conf",
    "a/x.conf",
    "b/x.conf",
    "c/b/x.conf",
    "d/b/x.conf",
    "./my-gzip.conf",
    "*/x.conf",
]


def test_a_file_whose_name_is_taken_goes_by_its_folders_too_and_each_is_found_again_by_what_is_told() -> None:
    matrix = read(f"axes: {{chain: {[f'nginx:{one}' for one in (*FILES, *FILES)]}}}")
    assert {hop.variant: str(file) for hop, file in matrix.own.items()} == {
        "my-gzip": "gzip.conf",
        "confd-gzip": "conf.d/gzip.conf",
        "nginx-confd-gzip": "/etc/nginx/conf.d/gzip.conf",
        "my-my-gzip": "../gzip.conf",
        "x": "a/x.conf",
        "b-x": "b/x.conf",
        "c-b-x": "c/b/x.conf",
        "d-b-x": "d/b/x.conf",
        "my-my-my-gzip": "my-gzip.conf",
        "my-x": "*/x.conf",
    }
    hops = {cell.chain[0] for cell in matrix.cells if cell.chain}
    assert hops == {*matrix.own}
    for hop, file in matrix.own.items():
        again = read(f"axes: {{chain: '{hop_as_given(hop, matrix.own)}'}}")
        assert again.own == {hop: file}
        assert hop in {one for cell in again.cells for one in cell.chain}


def test_a_setting_with_a_slash_is_told_as_an_option_and_not_as_a_file() -> None:
    with pytest.raises(InputError, match=r"asgi:plain@uvloop,A=/x: the value of A may only have letters"):
        read("axes: {chain: ['asgi:plain@uvloop,A=/x']}\n")


@pytest.mark.parametrize(("hop", "like"), [("asgi:nope", r"\./my\.py"), ("nginx:nope", r"\./my\.conf")])
def test_an_unknown_variant_is_told_with_how_a_file_of_its_proxy_looks(hop: str, like: str) -> None:
    with pytest.raises(InputError, match=rf"unknown variant '{hop}'; .*, or a file like {like}"):
        read(f"axes: {{chain: '{hop}'}}\n")


@pytest.mark.parametrize("hops", [65, 5000])
def test_a_chain_has_an_end(hops: int) -> None:
    with pytest.raises(InputError, match=rf"axes.chain: {hops} hops are too many; a chain has at most 64"):
        read(f"axes: {{chain: '{'>'.join(['nginx:gzip'] * hops)}'}}\n")


@pytest.mark.parametrize("hops", [41, 64])
def test_a_chain_may_have_as_many_hops(hops: int) -> None:
    cells = read(f"axes: {{chain: '{'>'.join(['nginx:gzip'] * hops)}'}}\n").cells
    assert max(len(cell.chain) for cell in cells) == hops


STARVED = "axes: {chain: asgi:queue-starved, mitigations: m}\n"
SLEEPY = "mitigations: {{m: {{claim: x, source: y, cost: latency, chain: {{asgi:queue-starved: '{}'}}}}}}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("axes: {chain: nginx:gzip@uvloop}", "axes.chain: nginx:gzip@uvloop: nginx takes no options, only asgi does"),
        (
            "axes: {chain: nginx:gzip@1.31.3}",
            "axes.chain: nginx:gzip@1.31.3: nginx takes no version or source yet: it runs in the version that",
        ),
        ("axes: {chain: nginx:gzip@docker:1.31}", "nginx takes no version or source yet: it runs in the version that"),
        ("axes: {chain: asgi:plain@3.12}", "asgi:plain@3.12: an application takes no version 3.12; an option is a"),
        ("axes: {chain: asgi:plain@wheel:1}", "asgi:plain@wheel:1: 'wheel:1' is no option; an option is a server"),
        ("axes: {chain: nginx:gzip@}", "axes.chain: nginx:gzip@: an option is empty; a version begins with a digit"),
        ("axes: {chain: 'asgi:plain@uvloop@A=0'}", "asgi:plain@uvloop@A=0: 'uvloop@A=0' has a / or an @, which no"),
        (
            "axes: {chain: asgi:plain@trio}",
            "m.yaml:3: axes.chain: asgi:plain@trio: 'trio' is no option; an",
        ),
        ("axes: {chain: asgi:pain@uvloop}", "axes.chain: unknown variant 'asgi:pain'; allowed: plain, "),
        (
            "axes: {chain: asgi:queue-starved, mitigations: m}\n"
            + SLEEPY.format("asgi:queue-starved@PAUSE_S=0,asyncio"),
            "is to replace a hop, but the way to write it is asgi:queue-starved@PAUSE_S=0",
        ),
        (
            STARVED + SLEEPY.format("asgi:queue-starved@zzz"),
            "asgi:queue-starved@zzz is to replace a hop, but 'zzz' is no option",
        ),
    ],
)
def test_bad_options_are_told_with_what_is_allowed(body: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read(body)
    assert message in str(refused.value)


def test_a_mitigation_replaces_the_hop_with_the_very_options_that_it_names() -> None:
    body = "axes: {chain: ['asgi:queue-starved@uvloop', asgi:queue-starved], mitigations: sleep-0}"
    matrix = read(body)
    applied = [chain_text(plan(cell, CATALOGUE).chain) for cell in matrix.cells if cell.mitigations]
    assert applied == ["asgi:queue-starved@uvloop,PAUSE_S=0", "asgi:queue-starved@PAUSE_S=0"]


def test_a_file_that_is_named_twice_is_one_variant() -> None:
    with pytest.raises(InputError, match="unknown variant 'nginx:nope'") as refused:
        read("axes: {chain: ['nginx:./a.conf', 'nginx:./a.conf>nginx:./b.conf', 'nginx:nope']}")
    assert str(refused.value).count("a, ") == 1
