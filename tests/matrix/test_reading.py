"""Matrix files: what they expand to, which cells are chosen, and what is shipped."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path, PurePath

import jsonschema
import pytest
import yaml

from harness import session
from harness.errors import InputError, SelectionError
from harness.matrix import mitigations
from harness.matrix.globs import means
from harness.matrix.reading import (
    Matrix,
    brought,
    expand,
    parse,
    schema,
    select,
    workload_names,
)
from harness.matrix.references import baseline_of, control_of, referenced, twin_of
from harness.model import Cell, Deployment, Hop, Workload, chain_text
from harness.resources import configs
from tests.matrix.knowing import CATALOGUE, KNOWN, STAND_INS, VERSIONED, ids, read, refusal
from tests.planning import plan

# ---------------------------------------------------------------- what a file expands to


def test_axes_are_multiplied_and_references_come_first() -> None:
    matrix = read("axes: {chain: nginx:default, request: [curl, browser], mitigations: [no-cache, none]}")
    assert ids(matrix) == [
        "direct/sse/chunked/curl/none",
        "nginx:default/sse/chunked/curl/none",
        "nginx:default/sse/chunked/curl/no-cache",
        "direct/sse/chunked/browser/none",
        "nginx:default/sse/chunked/browser/none",
        "nginx:default/sse/chunked/browser/no-cache",
    ]


def test_every_cell_has_its_control_and_its_baseline() -> None:
    cells = read(
        "axes: {chain: [nginx:default, nextjs:dev>nginx:gzip], format: [sse, text], body: [length, close], "
        "pace: [lockstep, paced], mitigations: [pad-2k, no-cache]}"
    ).cells
    assert {control_of(cell, STAND_INS) for cell in cells} | {baseline_of(cell) for cell in cells} <= set(cells)


def test_every_paced_cell_comes_after_its_twin_and_so_do_its_control_and_its_baseline() -> None:
    cells = read("axes: {chain: nginx:default, pace: paced, mitigations: pad-2k}").cells
    assert {cell.chain for cell in cells if cell.pace == "lockstep"} == {(), (Hop("nginx", "default"),)}
    paced = [cell for cell in cells if cell.pace == "paced"]
    assert len(cells) == 2 * len(paced) == 6
    assert all(cells.index(twin_of(cell)) < cells.index(cell) for cell in paced)
    assert all(twin_of(cell) == cell for cell in cells if cell not in paced)


def test_a_control_keeps_everything_but_chain_and_mitigations() -> None:
    workload = Workload("w", 3, 100)
    cell = Cell((Hop("nginx", "gzip"),), workload, "text", "close", "browser", "aiohttp", ("pad-2k",), "paced")
    assert control_of(cell, STAND_INS) == Cell((), workload, "text", "close", "browser", "aiohttp", (), "paced")
    assert baseline_of(cell).id == cell.id.replace("pad-2k", "none")


@pytest.mark.parametrize(("client", "reader"), [("aiohttp", "aiohttp"), ("h2", "aiohttp"), ("curl-awk", "curl")])
def test_a_control_is_read_by_who_can_and_holds_nothing_itself(client: str, reader: str) -> None:
    cell = Cell((Hop("nginx", "gzip"),), Workload("w", 3, 100), client=client)
    assert control_of(cell, session.known().stand_ins).client == reader
    assert baseline_of(cell).client == client


def test_a_block_takes_from_axes_what_it_leaves_out() -> None:
    matrix = read("axes: {request: browser, body: close}\ninclude: [{chain: direct}, {chain: direct, body: length}]")
    assert ids(matrix) == ["direct/sse/close/browser/none", "direct/sse/length/browser/none"]


def test_workloads_are_all_used_unless_some_are_named() -> None:
    head = "title: t\nworkloads: {a: {tokens: 1, token_bytes: 99}, b: {tokens: 2, token_bytes: 99}}\n"
    assert [c.workload.name for c in read("axes: {chain: direct}", head).cells] == ["a", "b"]
    assert [c.workload.name for c in read("axes: {chain: direct, workload: b}", head).cells] == ["b"]


@pytest.mark.parametrize("entry", ["pad-2k+no-cache", " no-cache + pad-2k", ["pad-2k", "no-cache"]])
def test_a_combination_is_written_with_plus_or_as_a_list_in_any_order(entry: object) -> None:
    matrix = read(json.dumps({"axes": {"chain": "nginx:default", "mitigations": [entry]}})[1:-1].join("\n\n"))
    assert matrix.cells[-1].mitigations == ("no-cache", "pad-2k")


def test_equal_cells_collapse() -> None:
    matrix = read(
        "axes: {chain: [direct, direct], mitigations: none}\n"
        "include: [{chain: direct}, {chain: nginx:default, mitigations: [no-cache+pad-2k, pad-2k+no-cache]}]"
    )
    assert len(matrix.cells) == len(set(matrix.cells)) == 3


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ("'*/browser/*'", {"curl"}),
        ("{request: browser}", {"curl"}),
        ("{request: b*, body: [chunked, close]}", {"curl"}),
        ("{chain: 'nginx:*', request: browser}", {"curl", "browser"}),
        ("{mitigations: none, request: browser}", {"curl"}),
    ],
)
def test_exclude(exclude: str, left: set[str]) -> None:
    matrix = read(f"axes: {{chain: [direct, nginx:gzip], request: [curl, browser]}}\nexclude: [{exclude}]")
    assert {cell.request for cell in matrix.cells} == left


def test_a_reference_that_was_excluded_comes_back_because_it_is_needed() -> None:
    matrix = read("axes: {chain: [direct, nginx:gzip]}\nexclude: ['direct/*']")
    assert [chain_text(cell.chain) for cell in matrix.cells] == ["direct", "nginx:gzip"]


def test_a_chain_is_written_client_side_first_and_blanks_do_not_count() -> None:
    matrix = read("axes: {chain: nextjs:prod > nginx:default}")
    assert matrix.cells[-1].chain == (Hop("nextjs", "prod"), Hop("nginx", "default"))


def test_files_of_the_users_own() -> None:
    matrix = read(
        "axes: {chain: [nginx:mine, 'nginx:../conf/other.conf', nginx:default>cloudrun:slow]}\n"
        "variants: {nginx: {mine: ./my.conf}}\nprofiles: {cloudrun: {slow: /etc/slow.yaml}}"
    )
    assert matrix.own == {
        Hop("nginx", "mine"): PurePath("my.conf"),
        Hop("cloudrun", "slow"): PurePath("/etc/slow.yaml"),
        Hop("nginx", "other"): PurePath("../conf/other.conf"),
    }
    assert Hop("nginx", "other") in {hop for cell in matrix.cells for hop in cell.chain}


def test_what_stands_for_what_in_a_config_is_said_beside_its_path() -> None:
    matrix = read(
        "axes: {chain: nginx:mine}\nvariants: {nginx: {other: ./other.conf, mine:"
        " {file: /etc/nginx, map: app:8000, server: ':443', path: /v1}}}"
    )
    assert matrix.own[Hop("nginx", "mine")] == PurePath("/etc/nginx")
    assert matrix.deployed == {Hop("nginx", "mine"): Deployment(("app:8000",), ":443", "/v1")}


def test_files_of_the_same_name_get_names_of_their_own() -> None:
    matrix = read("axes: {chain: ['nginx:a/x.conf', 'nginx:b-x=b/x.conf', 'nginx:stock=default.conf>nginx:default']}")
    assert matrix.own == {
        Hop("nginx", "x"): PurePath("a/x.conf"),
        Hop("nginx", "b-x"): PurePath("b/x.conf"),
        Hop("nginx", "stock"): PurePath("default.conf"),
    }
    assert "nginx:stock>nginx:default" in {chain_text(cell.chain) for cell in matrix.cells}


def test_a_mitigation_may_replace_a_config_of_the_users_with_another() -> None:
    matrix = read(
        "axes: {chain: 'nginx:./gateway.conf', mitigations: fixed}\n"
        "variants: {nginx: {gateway-fixed: ./fixed.conf}}\n"
        "mitigations: {fixed: {claim: c., source: s, cost: config, chain: {nginx:gateway: nginx:gateway-fixed}}}"
    )
    assert plan(matrix.cells[-1], matrix.catalogue).chain == (Hop("nginx", "gateway-fixed"),)


def test_inline_mitigations_join_the_catalogue() -> None:
    matrix = read(
        "axes: {chain: nginx:default, mitigations: mine}\n"
        "mitigations: {mine: {claim: c., source: s, cost: header, response_headers: {X-Mine: no}}}"
    )
    assert plan(matrix.cells[-1], matrix.catalogue).emission.headers == (("X-Mine", "no"),)
    assert "mine" not in CATALOGUE


def test_a_mitigation_is_left_out_of_the_chains_that_it_does_not_concern_but_not_of_all() -> None:
    body = "axes: {chain: [nginx:default, nextjs:dev], mitigations: [nginx-buffering-off, no-cache]}\n"
    assert ids(read(body)) == [
        "direct/sse/chunked/curl/none",
        "nginx:default/sse/chunked/curl/none",
        "nginx:default/sse/chunked/curl/nginx-buffering-off",
        "nginx:default/sse/chunked/curl/no-cache",
        "nextjs:dev/sse/chunked/curl/none",
        "nextjs:dev/sse/chunked/curl/no-cache",
    ]
    assert "nextjs:dev/sse/chunked/curl/none" in ids(read(body.replace(", no-cache", ""))), "the chain itself stays"
    alone = "axes: {chain: [nextjs:prod, nextjs:dev], mitigations: nginx-buffering-off}\n"
    assert "which the chain does not have" in refusal(alone)
    block = "axes: {chain: nginx:default}\ninclude: [{chain: nextjs:dev, mitigations: nginx-buffering-off}]\n"
    assert "which the chain does not have" in refusal(block), "no other chain of the block"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "include: [{chain: nginx:default, mitigations: nginx-buffering-off}, MINE]\n",
        "include: [MINE]\nexclude: [{cells: 'nginx:default/*'}]\n",
    ],
    ids=["asked for by an earlier block", "excluded"],
)
def test_a_mitigation_concerns_a_block_whose_cells_with_it_are_of_an_earlier_one_or_excluded(elsewhere: str) -> None:
    mine = "{chain: [nginx:default, nextjs:dev], mitigations: nginx-buffering-off}"
    assert "nextjs:dev/sse/chunked/curl/none" in ids(read(elsewhere.replace("MINE", mine)))


def test_the_names_of_workloads_are_read_and_the_schema_says_which_one_it_is() -> None:
    assert list(workload_names("workloads: {a: {tokens: 2}, b: {}}", "m.yaml")) == ["a", "b"]
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


OURS = "mitigations: {ours: {claim: c, source: s, cost: header, response_headers: {X-Ours: '1'}}}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (OURS, ["mitigations"]),
        (f"title: t\n{OURS}", ["mitigations"]),
        ("title: t\nworkloads: {short: {tokens: 2, token_bytes: 64}}\naxes: {chain: direct}", []),
        (
            f"title: t\n{OURS}\nworkloads: {{s: {{tokens: 2, token_bytes: 64}}}}\naxes: {{chain: direct}}",
            ["mitigations"],
        ),
    ],
)
def test_what_a_file_has_of_its_own_is_brought_whatever_cells_it_has(text: str, told: list[str]) -> None:
    assert list(brought(text, "m.yaml", KNOWN)) == told


@pytest.mark.parametrize("text", ["title: t", "mitigation: {}"])
def test_a_file_without_cells_that_brings_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="nothing in it is your own"):
        brought(text, "m.yaml", KNOWN)


def test_all_mitigations_are_those_that_a_cell_can_have_one_by_one() -> None:
    tried = {cell.mitigations for cell in read("axes: {chain: nginx:default, mitigations: all}\n").cells}
    assert all(len(names) < 2 for names in tried)
    names = {name for (name,) in tried - {()}}
    assert {"x-accel-buffering", "nginx-buffering-off", "bypass-proxy", "websocket-instead", "pad-2k"} <= names
    assert names.isdisjoint({"caddy-flush-interval", "nextjs-compress-off", "no-permessage-deflate"})
    text = "axes: {chain: nginx:default, format: text, mitigations: [none, all, no-cache+x-accel-buffering]}\n"
    others = {cell.mitigations for cell in read(text).cells}
    assert ("heartbeat",) not in others, "plain text has none"
    assert ("no-cache", "x-accel-buffering") in others
    of_block = "axes: {mitigations: all}\ninclude: [{chain: nginx:default}, {chain: nextjs:dev, mitigations: none}]\n"
    chains = [chain_text(cell.chain) for cell in read(of_block).cells]
    counts = [chains.count("nginx:default"), chains.count("nextjs:dev")]
    assert counts[0] > 20
    assert counts[1] == 1


def test_a_mitigation_that_was_named_beside_all_has_to_be_possible() -> None:
    body = "axes: {chain: nginx:default, format: text, mitigations: [all, heartbeat+no-cache]}\n"
    assert "format text has no heartbeat" in refusal(body)


@pytest.mark.parametrize("name", ["none", "all"])
def test_a_word_that_stands_for_mitigations_names_none(name: str) -> None:
    own = f"mitigations: {{{name}: {{claim: c, source: s, cost: header, method: POST}}}}\n"
    assert "stands for" in refusal("axes: {chain: nginx:default}\n" + own)
    with pytest.raises(InputError, match="stands for"):
        mitigations.parse(f"{name}: {{claim: c, source: s, cost: header, method: POST}}", "mitigations.yaml")


def test_expectations() -> None:
    matrix = read(
        "axes: {chain: nginx:default, mitigations: no-cache}\n"
        "expect:\n  - {cells: direct/*, verdict: streamed, why: a}\n"
        "  - {cells: '*/no-cache/*', verdict: [buffered, coalesced], effect: no effect, shows: at the end,"
        " head_held: true, why: b}"
    )
    general, special = matrix.expectations
    assert (general.verdict, general.effect) == (("streamed",), ())
    assert (special.verdict, special.effect) == (("buffered", "coalesced"), ("no effect",))
    assert (general.shows, special.shows) == ((), ("at the end",))
    assert (general.head_held, special.head_held) == (None, True)


def test_expand_can_set_the_pace_of_all_cells() -> None:
    matrix = read("axes: {chain: nginx:default, pace: [lockstep, paced]}")
    assert expand(matrix) == matrix.cells
    assert expand(matrix, "paced") == referenced((c for c in matrix.cells if c.pace == "paced"), matrix.stand_ins)
    assert {cell.pace for cell in expand(matrix, "lockstep")} == {"lockstep"}


def test_what_plays_others_than_cloud_run_is_understood_by_its_former_name_unless_that_is_one_s_own() -> None:
    former = read("axes: {chain: cloudrun:gzip-flush}")
    assert former.cells[-1].chain == (Hop("emulator", "gzip-flush"),)
    own = read("axes: {chain: cloudrun:gzip-flush}\nprofiles: {cloudrun: {gzip-flush: ./mine.yaml}}")
    assert own.cells[-1].chain == (Hop("cloudrun", "gzip-flush"),)


def test_the_name_is_that_of_the_file() -> None:
    assert read("axes: {chain: direct}").name == "m"


# ---------------------------------------------------------------- choosing cells

CELLS = referenced([Cell((Hop("nginx", name),), Workload("short", 24, 112)) for name in ("default", "gzip")], STAND_INS)


def test_select_takes_what_only_matches_and_skip_does_not() -> None:
    assert select(CELLS) == CELLS
    assert [chain_text(c.chain) for c in select(CELLS, only=["nginx:*"], skip=["*gzip*"])] == ["nginx:default"]
    assert len(select(CELLS, only=["direct/*", "*:gzip/*"])) == 2


@pytest.mark.parametrize(
    ("word", "meant"),
    [("nginx:default", 1), ("nginx:*", 2), ("direct", 1), ("browser", 0), ("curl", 3), ("nginx", 0), ("gzip/*", 0)],
)
def test_a_word_that_is_typed_means_the_cells_that_have_it(word: str, meant: int) -> None:
    assert len([cell for cell in CELLS if means(cell.id, [word])]) == meant


def test_only_and_skip_mean_any_version_where_there_is_no_other() -> None:
    versions = [replace(cell, chain=(Hop("nginx", "default", "1.31"),)) if cell.chain else cell for cell in CELLS]
    cells = tuple(dict.fromkeys(versions))
    assert select(cells, only=["nginx:default"]) == tuple(cell for cell in cells if cell.chain)
    assert select(cells, skip=["nginx:default"]) == tuple(cell for cell in cells if not cell.chain)
    both = (*cells, *CELLS)
    assert {chain_text(cell.chain) for cell in select(both, only=["nginx:default"])} == {"nginx:default"}
    with pytest.raises(SelectionError, match=r"matches a whole id, or a part of it, such as nginx:default@1\.31/"):
        select(cells, only=["nginx:defualt"])


@pytest.mark.parametrize(("only", "skip"), [(["nginx:defualt/*"], []), ([], ["*"]), (["nginx:*"], ["nginx*"])])
def test_a_selection_of_nothing_names_the_globs_and_a_near_id(only: list[str], skip: list[str]) -> None:
    with pytest.raises(SelectionError) as caught:
        select(CELLS, only, skip)
    for glob in (*only, *skip):
        assert repr(glob) in str(caught.value)
    assert "such as " in str(caught.value)


@pytest.mark.parametrize("variant", ["default", "gzip"])
def test_the_near_id_is_near(variant: str) -> None:
    with pytest.raises(SelectionError, match=f"such as nginx:{variant}/sse/"):
        select(CELLS, [f"nginx:{variant}x*"])
    with pytest.raises(SelectionError, match=f"such as nginx:{variant}/sse/"):
        select(CELLS, skip=[f"nginx:{variant}/*", "*"])
    with pytest.raises(SelectionError, match="none of the 0 cells is left by the matrix"):
        select([])


# ---------------------------------------------------------------- what is shipped


def shipped(name: str) -> Matrix:
    path = configs() / "matrices" / f"{name}.yaml"
    return parse(path.read_text(), str(path), VERSIONED)


def test_every_mitigation_is_tried_by_a_shipped_matrix() -> None:
    cells = (cell for name in session.shipped_matrices() for cell in session.load(name).cells)
    of_users = {name for name, one in CATALOGUE.items() if one.edit and not one.chain}  # no config of ours has it
    assert {name for cell in cells for name in cell.mitigations} >= set(CATALOGUE) - of_users


def test_the_default_matrix_is_large_and_has_every_variant() -> None:
    cells = shipped("default").cells
    assert len(cells) >= 200
    assert {replace(hop, version="") for cell in cells for hop in cell.chain} == {
        Hop(proxy, variant)
        for proxy, variants in KNOWN.proxies.items()
        for variant in variants
        if f"{proxy}:{variant}" not in ("nextjs:dev-compress-off", "nextjs:route-handler")  # only as replacements
    }


def test_the_default_matrix_starts_few_of_the_dear_proxies() -> None:
    matrix = shipped("default")
    chains = {plan(cell, matrix.catalogue).chain for cell in matrix.cells}
    instances = {chain[start:] for chain in chains for start in range(len(chain))}
    assert sum(chain[0].proxy == "nextjs" for chain in instances) <= 6


def test_the_default_workloads_are_below_and_far_above_a_proxy_buffer() -> None:
    short, long = shipped("default").workloads.values()
    assert short.tokens * short.token_bytes < 3 * 1024
    assert long.tokens * long.token_bytes > 4 * 9 * 4096


def test_the_smoke_matrix_is_small() -> None:
    assert 24 <= len(shipped("smoke").cells) <= 40


@functools.cache
def published() -> jsonschema.Draft202012Validator:
    """Return what validates by the published schema, which is a valid one itself."""
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("path", sorted((configs() / "matrices").rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_matrices_fit_the_published_schema(path: Path) -> None:
    published().validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("workload", "fits"),
    [
        ({"tokens": 8, "token_bytes": 100}, True),
        ({"recording": "./chat.json"}, True),
        ({"tokens": 8}, False),
        ({"interval_ms": 5}, False),
    ],
)
def test_the_published_schema_wants_a_workload_s_tokens_or_whose_they_are(
    workload: dict[str, object], fits: bool
) -> None:
    told = {"title": "T", "workloads": {"chat": workload}, "axes": {"chain": "direct"}}
    assert published().is_valid(told) is fits
