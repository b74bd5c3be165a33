"""A matrix file in which something cannot be meant: what is told, and where."""

from __future__ import annotations

import pytest

from tests.matrix.knowing import read, refusal

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
        "axes.chain: unknown proxy 'ngnix'; allowed: direct, nginx, nextjs, cloudrun, emulator (did",
    ),
    ("axes: {chain: nginx:deflaut}", "axes.chain: unknown variant 'nginx:deflaut'; allowed: default, http10, http11, "),
    (
        "axes: {chain: nginx}",
        "axes.chain: nginx is a proxy, and a hop one of its variants, as nginx:default; allowed: default, ",
    ),
    ("axes: {chain: direct>nginx:gzip}", "axes.chain: direct stands alone: it is the chain without hops"),
    (
        "axes: {chain: 'nginx:gzip>'}",
        "axes.chain: unknown proxy ''; allowed: direct, nginx, nextjs, cloudrun, em",
    ),
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
    (
        "expect: [{cells: x, why: y}]",
        "expect[0]: expects nothing; give verdict, effect, shows, head_held or several of them",
    ),
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
    (
        "variants: {ngnix: {a: ./a.conf}}",
        "variants.ngnix: unknown proxy 'ngnix'; allowed: nginx, nextjs, cloudrun, em",
    ),
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
        "axes: {chain: nginx:websocket, format: websocket, body: length, mitigations: [pad-2k, pad-4k]}",
        "/none/lockstep and 2 more: a WebSocket has no body that could be framed by length",
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


def test_as_many_cells_as_may_be_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.matrix.reading.MAX_CELLS", 2)
    assert len(read("axes: {chain: [direct, nginx:gzip]}").cells) == 2
    assert "4 cells are too many; at most 2" in refusal("axes: {chain: [direct, nginx:gzip], body: [close, chunked]}")


def test_a_wrong_shape_and_unknown_names_are_told_in_one_round() -> None:
    told = refusal("axes: {chain: nginx:deflaut, pace: 3}").splitlines()
    assert [line.partition(": ")[2].partition(" ")[0] for line in told] == ["axes.chain:", "axes.pace:"]
