"""Matrix files: what they expand to, and how they are refused."""

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
from harness.formats import FORMATS
from harness.matrix import mitigations
from harness.matrix.reading import (
    Known,
    Matrix,
    baseline_of,
    control_of,
    expand,
    parse,
    referenced,
    schema,
    select,
    twin_of,
)
from harness.model import Cell, Deployment, Hop, StandIn, Workload, chain_text
from harness.resources import configs
from tests.planning import REQUESTS, plan

CATALOGUE = mitigations.parse((configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
NGINX = (
    *(
        "default",
        "http10",
        "http11",
        "buffering-off",
        "gzip",
        "gzip-buffering-off",
        "ignore-x-accel",
        "cached",
        "websocket",
    ),
    *("tls", "h2", "h2-tls", "h2-tls-http11", "h2-tls-buffering-off"),
)
NEXTJS = ("dev", "dev-compress-off", "prod", "route-handler")
CLOUDRUN = tuple(path.stem for path in sorted((configs() / "cloudrun").glob("*.yaml")))
NAMES = {"client": ("aiohttp", "h2"), "format": tuple(FORMATS)}
STAND_INS = {"h2": StandIn("aiohttp")}
KNOWN = Known({"nginx": NGINX, "nextjs": NEXTJS, "cloudrun": CLOUDRUN}, NAMES, CATALOGUE, REQUESTS, stand_ins=STAND_INS)
VERSIONED = replace(KNOWN, canonical={"nginx": lambda hop: hop})
HEAD = "title: A test\nworkloads: {short: {tokens: 24, token_bytes: 112}}\n"


def read(body: str, head: str = HEAD) -> Matrix:
    return parse(head + body, "some/m.yaml", KNOWN)


def ids(matrix: Matrix) -> list[str]:
    """Return the ids without the parts that are the same all over."""
    return [cell.id.replace("/aiohttp/short", "").removesuffix("/lockstep") for cell in matrix.cells]


def refusal(body: str, head: str = HEAD) -> str:
    with pytest.raises(InputError) as caught:
        read(body, head)
    return str(caught.value)


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


def test_expectations() -> None:
    matrix = read(
        "axes: {chain: nginx:default, mitigations: no-cache}\n"
        "expect:\n  - {cells: direct/*, verdict: streamed, why: a}\n"
        "  - {cells: '*/no-cache/*', verdict: [buffered, coalesced], effect: no effect, shows: at the end, why: b}"
    )
    general, special = matrix.expectations
    assert (general.verdict, general.effect) == (("streamed",), ())
    assert (special.verdict, special.effect) == (("buffered", "coalesced"), ("no effect",))
    assert (general.shows, special.shows) == ((), ("at the end",))


def test_expand_can_set_the_pace_of_all_cells() -> None:
    matrix = read("axes: {chain: nginx:default, pace: [lockstep, paced]}")
    assert expand(matrix) == matrix.cells
    assert expand(matrix, "paced") == referenced((c for c in matrix.cells if c.pace == "paced"), matrix.stand_ins)
    assert {cell.pace for cell in expand(matrix, "lockstep")} == {"lockstep"}


def test_the_name_is_that_of_the_file() -> None:
    assert read("axes: {chain: direct}").name == "m"


# ---------------------------------------------------------------- how a file is refused

BAD_VALUES = [
    ("axis: {chain: direct}", "m.yaml:3: axis: unknown key; allowed: axes, exclude, expect, include, mitigations,"),
    ("axis: {chain: direct}", "(did you mean 'axes'?)"),
    ("axes: {chain: direct,\n  fromat: sse}", "m.yaml:4: axes.fromat: unknown key; allowed: body, chain,"),
    ("axes: {chain: direct, format: ssse}", "axes.format: 'ssse' is not allowed; allowed: sse, ndjson, text, "),
    ("axes: {chain: direct, body: [close,\n  chonked]}", "m.yaml:4: axes.body[1]: 'chonked' is not allowed; allowed: "),
    ("axes: {chain: direct, pace: 3}", "axes.pace: 3 is not allowed; allowed: lockstep, paced"),
    ("axes: {chain: []}", "m.yaml:3: axes.chain: must have at least one value, not []"),
    ("axes: {chain: [[direct]]}", "axes.chain[0]: must be text, not ['direct']"),
    (
        "axes: {chain: ngnix:default}",
        "axes.chain: unknown proxy 'ngnix'; allowed: direct, nginx, nextjs, cloudrun (did",
    ),
    ("axes: {chain: nginx:deflaut}", "axes.chain: unknown variant 'nginx:deflaut'; allowed: default, http10, http11, "),
    ("axes: {chain: nginx}", "axes.chain: unknown variant 'nginx'; allowed: default, http10, http11, "),
    ("axes: {chain: direct>nginx:gzip}", "axes.chain: direct stands alone: it is the chain without hops"),
    ("axes: {chain: 'nginx:gzip>'}", "axes.chain: unknown proxy ''; allowed: direct, nginx, nextjs, cloudrun"),
    ("axes: {chain: 'nginx:./gzip.conf'}", "another nginx:gzip already; give it a name of its own: nginx:my-gzip=./gz"),
    (
        "axes: {chain: ['nginx:a/x.conf', 'nginx:b/x.conf']}",
        "axes.chain[1]: there is another nginx:x already; give it a ",
    ),
    ("axes: {chain: ['nginx:a/x.conf', 'nginx:b/x.conf']}", "name of its own: nginx:b-x=b/x.conf"),
    ("axes: {chain: 'nginx:./http11.conf', mitigations: none}\nvariants: {nginx: {my-http11: a}}", "my-my-http11=./h"),
    ("axes: {chain: 'nginx:a b=./x.conf'}", "axes.chain: 'a b' is no name; give the file one: nginx:NAME=./x.conf"),
    ("axes: {chain: 'nginx:x='}", "axes.chain: 'x' is no name"),
    ("axes: {chain: 'nginx:gzip=./x.conf'}", "another nginx:gzip already; give it a name of its own: nginx:my-x="),
    ("axes: {chain: 'nginx:./a b.conf'}", "axes.chain: 'a b' is no name; give the file one: nginx:NAME=./a b.c"),
    ("axes: {chain: direct, client: curl}", "axes.client: unknown client 'curl'; allowed: aiohttp"),
    ("axes: {chain: direct, workload: shrt}", "axes.workload: unknown workload 'shrt'; allowed: short (did you mean"),
    ("axes: {chain: direct, mitigations: [none, pad2k]}", "axes.mitigations[1]: unknown mitigation 'pad2k'; allowed: "),
    ("axes: {chain: direct, mitigations: pad-2k+pad-2k}", "axes.mitigations: the same mitigation is named twice"),
    ("include: [{format: sse}]", "m.yaml:3: include[0]: no chain, neither here nor in axes"),
    ("axes: {format: sse}", "m.yaml:1: no cells: give axes.chain, or include blocks with a chain"),
    ("axes: {chain: direct}\nexclude: [nginx*]", "m.yaml:4: exclude[0]: excludes nothing: no cell matches; a glob "),
    (
        "axes: {chain: [direct, nginx:gzip]}\nexclude: [{cells: [nginx:gzip, direct]}]",
        "m.yaml:4: exclude[0]: excludes nothing: no cell matches; a glob matches a whole id, such as nginx:gzip/",
    ),
    ("axes: {chain: direct}\nexclude: [{}]", "m.yaml:4: exclude[0]: excludes nothing; give at least one of cells, "),
    ("axes: {chain: direct}\nexclude: [{forma: x}]", "exclude[0].forma: unknown key; allowed: body, cells, chain,"),
    ("expect: [{cells: x, verdict: streamed}]", "m.yaml:3: expect[0].why: this key is required"),
    ("expect: [{cells: x, verdict: streamed, why: ' '}]", "expect[0].why: must say something, not ' '"),
    ("expect: [{cells: x, why: y}]", "expect[0]: expects nothing; give verdict, effect, shows or several of them"),
    (
        "expect: [{cells: x, verdict: stremed, why: y}]",
        "expect[0].verdict: 'stremed' is not allowed; allowed: streamed,",
    ),
    ("expect: [{cells: x, effect: [helps], why: y}]", "expect[0].effect[0]: 'helps' is not allowed; allowed: defeats,"),
    (
        "axes: {chain: direct}\nexpect:\n  - {cells: drect/*, verdict: streamed, why: y}",
        "m.yaml:5: expect[0].cells: 'drect/*' matches no cell; a glob matches a whole id, such as direct/sse/",
    ),
    (
        "axes: {chain: direct}\nexpect: [{cells: direct/*, effect: defeats, why: y}]",
        "expect[0].cells: 'direct/*' matches no cell with mitigations, so none has an effect",
    ),
    ("mitigations: {mine: {claim: x}}", "mitigations.mine.cost: this key is required"),
    (
        "mitigations: {pad-2k: {claim: x, source: y, cost: bytes, scale: 2}}",
        "m.yaml:3: mitigations.pad-2k: this name is in the catalogue already; choose another",
    ),
    (
        "mitigations: {none: {claim: x, source: y, cost: bytes, scale: 2}}",
        "mitigations.none: this name stands for no mitigation; choose another",
    ),
    ("variants: {ngnix: {a: ./a.conf}}", "variants.ngnix: unknown proxy 'ngnix'; allowed: nginx, nextjs, cloudrun"),
    ("variants: {nginx: {a: {map: x}}}", "variants.nginx.a.file: this key is required"),
    ("variants: {nginx: {a: {file: x, path: api}}}", "variants.nginx.a.path: must match pattern"),
    ("variants: {nginx: {a: {file: x, server: 'a:b'}}}", "variants.nginx.a.server: must match pattern"),
    (
        "variants: {nginx: {gzip: ./a.conf}}",
        "variants.nginx.gzip: there is another nginx:gzip already; give it a name of its own: nginx:my-a=./a.conf",
    ),
    ("profiles: {cloudrun: {a: 3}}", "profiles.cloudrun.a: must be text, not 3"),
    (
        "axes: {chain: nginx:default, format: text, mitigations: heartbeat}",
        "axes.mitigations: cell nginx:default/text/chunked/curl/",
    ),
    ("axes: {chain: nginx:default, format: text, mitigations: heartbeat}", "lockstep: format text has no heartbeat"),
    (
        "axes: {chain: direct, mitigations: [none, no-cache, nginx-http11]}",
        "replaces nginx:default, nginx:http10 or ",
    ),
    (
        "axes: {chain: nginx:default, format: text, body: [close, chunked], mitigations: heartbeat}",
        "/lockstep and 1 more: format text has no heartbeat",
    ),
    (
        "axes: {chain: nginx:gzip, mitigations: m}\n"
        "mitigations: {m: {claim: x, source: y, cost: config, chain: {nginx:gzip: nginx:nope}}}",
        "nginx:nope is to replace a hop, but there is no such variant",
    ),
]


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ("axes:\n  chain: direct\n  format: websocket\n  body: length", "6: axes.body"),
        ("axes:\n  format: websocket\ninclude:\n- chain: direct\n  body: length", "7: include[0].body"),
        (
            "axes:\n  body: length\ninclude:\n- chain: direct\n- chain: direct\n  format: websocket",
            "7: include[1].body",
        ),
    ],
)
def test_what_does_not_go_together_is_told_at_the_key_to_change_in_the_block_that_the_cell_is_of(
    block: str, place: str
) -> None:
    (told,) = refusal(block).splitlines()
    assert told.startswith(f"some/m.yaml:{place}: cell direct/websocket/length/curl/aiohttp/")


@pytest.mark.parametrize(("body", "message"), BAD_VALUES)
def test_a_bad_value_is_told_with_file_line_key_and_what_is_allowed(body: str, message: str) -> None:
    told = refusal(body)
    assert message in told
    assert all(line.startswith("some/m.yaml:") for line in told.splitlines())


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        ("{tokens: '4', token_bytes: 99}", "workloads.w.tokens: must be a whole number, not '4'"),
        ("{tokens: 4.5, token_bytes: 99}", "workloads.w.tokens: must be a whole number, not 4.5"),
        ("{tokens: true, token_bytes: 99}", "workloads.w.tokens: must be a whole number, not True"),
        ("{tokens: 0, token_bytes: 99}", "workloads.w.tokens: must be greater than or equal to 1, not 0"),
        ("{tokens: 4}", "workloads.w.token_bytes: this key is required"),
        (
            "{tokens: 4, token_bytes: 20}",
            "m.yaml:2: workloads.w.token_bytes: cell direct/sse/",
        ),
        (
            "{tokens: 4, token_bytes: 99, interval: 5}",
            "workloads.w.interval: unknown key; allowed: exact, ",
        ),
        ("{tokens: 4, token_bytes: 99, interval_ms: 0}", "workloads.w.interval_ms: must be greater than 0, not 0"),
        ("{tokens: 4, token_bytes: 99, payload: noise}", "workloads.w.payload: 'noise' is not allowed; allowed: "),
    ],
)
def test_a_bad_workload_is_told(workload: str, message: str) -> None:
    assert message in refusal("axes: {chain: direct}", head=f"title: t\nworkloads: {{w: {workload}}}\n")


def test_a_file_may_still_say_its_patience_which_changes_nothing() -> None:
    workloads = [
        read("axes: {chain: direct}\n", f"title: t\nworkloads: {{w: {{tokens: 4, token_bytes: 99{more}}}}}\n").workloads
        for more in ("", ", patience_ms: 60000")
    ]
    assert workloads[0] == workloads[1]


def test_all_errors_are_told_at_once_in_the_order_of_the_file() -> None:
    told = refusal("axes:\n  chain: ngnix:default\n  client: curl\n  workload: none\n  mitigations: pad2k\n")
    assert [line.split(":")[1] for line in told.splitlines()] == ["4", "5", "6", "7"]


def test_too_many_cells_are_refused_before_they_are_made() -> None:
    workloads = "".join(f"  w{n}: {{tokens: 4, token_bytes: 99}}\n" for n in range(2000))
    told = refusal(
        "axes: {chain: [direct, nginx:gzip], body: [close, length, chunked], request: [curl, browser]}",
        head=f"title: t\nworkloads:\n{workloads}",
    )
    assert "24000 cells are too many; at most 20000" in told


# ---------------------------------------------------------------- choosing cells

CELLS = referenced([Cell((Hop("nginx", name),), Workload("short", 24, 112)) for name in ("default", "gzip")], STAND_INS)


def test_select_takes_what_only_matches_and_skip_does_not() -> None:
    assert select(CELLS) == CELLS
    assert [chain_text(c.chain) for c in select(CELLS, only=["nginx:*"], skip=["*gzip*"])] == ["nginx:default"]
    assert len(select(CELLS, only=["direct/*", "*:gzip/*"])) == 2


@pytest.mark.parametrize(("only", "skip"), [(["nginx:defualt/*"], []), ([], ["*"]), (["nginx:*"], ["nginx*"])])
def test_a_selection_of_nothing_names_the_globs_and_a_near_id(only: list[str], skip: list[str]) -> None:
    with pytest.raises(SelectionError) as caught:
        select(CELLS, only, skip)
    for glob in (*only, *skip):
        assert repr(glob) in str(caught.value)
    assert "such as " in str(caught.value)


def test_the_near_id_is_near() -> None:
    with pytest.raises(SelectionError, match="such as nginx:default/sse/"):
        select(CELLS, ["nginx:defualt*"])


# ---------------------------------------------------------------- what is shipped


def shipped(name: str) -> Matrix:
    path = configs() / "matrices" / f"{name}.yaml"
    return parse(path.read_text(), str(path), VERSIONED)


def test_every_mitigation_is_tried_by_a_shipped_matrix() -> None:
    cells = (cell for name in session.shipped_matrices() for cell in session.load(name).cells)
    assert {name for cell in cells for name in cell.mitigations} >= set(CATALOGUE)


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
