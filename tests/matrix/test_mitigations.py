"""The catalogue, and what a cell becomes when mitigations are applied."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, key_text
from harness.formats import FORMATS
from harness.matrix.mitigations import may_be_proposed, parse
from harness.model import Cell, Filler, Format, Hop, Mitigation, Workload
from harness.resources import configs
from tests.planning import REQUESTS, objections, plan

CATALOGUE = parse((configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
NAMES = (
    *("x-accel-buffering", "no-cache", "no-transform", "content-encoding-identity", "content-encoding-none"),
    *("accept-encoding-identity", "prelude-2k", "prelude-4k", "prelude-8k", "prelude-16k", "prelude-64k-random"),
    *("pad-2k", "pad-4k", "pad-8k", "pad-2k-random", "pad-16k-random", "heartbeat", "ndjson-instead"),
    *("content-type-text-plain", "nosniff", "post-instead-of-get", "incremental", "nginx-buffering-off"),
    *("nginx-http11", "nextjs-compress-off", "nextjs-route-handler", "bypass-proxy", "delay-10ms"),
    *("smaller-and-more-often", "http2", "websocket-instead", "nginx-websocket", "no-permessage-deflate"),
    *("sleep-0", "sleep-10ms", "stream-from-model", "direct-generator", "correct-media-type"),
    *("caddy-flush-interval", "haproxy-no-delay", "traefik-flush-interval", "envoy-route-timeout-off"),
    *("no-compression-of-events", "first-comment"),
    *("apache-flushpackets", "apache-no-gzip", "express-flush", "express-flush-later", "express-sync-flush"),
    *("express-compression-filter", "webpack-compress-off"),
)
SHORT = Workload("short", tokens=24, token_bytes=112)
NGINX, GZIP = Hop("nginx", "default"), Hop("nginx", "gzip")
CELL = Cell((NGINX,), SHORT)


def mitigated(*names: str, cell: Cell = CELL) -> Cell:
    return replace(cell, mitigations=names)


def entry(**changes: object) -> str:
    """Return a catalogue of one entry, `mine`."""
    lines = {"claim": "It helps.", "source": "me", "cost": "header", **changes}
    return "mine:\n" + "".join(f"  {key}: {value}\n" for key, value in lines.items())


# ---------------------------------------------------------------- the catalogue


def test_the_catalogue_has_every_entry_that_was_promised() -> None:
    assert set(CATALOGUE) >= set(NAMES)


def test_what_not_every_reader_takes_costs_no_less_than_another_format() -> None:
    cheap = {one.name for one in CATALOGUE.values() if one.cost in ("header", "request", "config")}
    assert not {one.name for one in CATALOGUE.values() if one.name in cheap and (one.format or one.content_type)}


def test_claims_are_one_sentence_and_name_a_source() -> None:
    for one in CATALOGUE.values():
        assert one.claim.endswith("."), one.name
        assert ". " not in one.claim, one.name
        assert one.source, one.name


def test_the_names_tell_the_sizes() -> None:
    for one in CATALOGUE.values():
        kind, _, rest = one.name.partition("-")
        filler = {"prelude": one.prelude, "pad": one.padding}.get(kind)
        if filler:
            size, _, fill = rest.partition("-")
            assert filler == Filler(int(size.removesuffix("k")) * 1024, "random" if fill else "spaces")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry(cost="cheap", method="POST"), "f:4: mine.cost: 'cheap' is not allowed; allowed: header, request,"),
        (entry(metod="POST"), "f:5: mine.metod: unknown key; allowed: apply, chain, "),
        (entry(metod="POST"), "(did you mean 'method'?)"),
        (entry(), "f:1: mine: changes nothing; give at least one of response_headers,"),
        (entry(response_headers="{Content-Length: '3'}"), "mine.response_headers: Content-Length is not set here"),
        (entry(response_headers="{a: b, A: c}"), "mine.response_headers: the same header is there twice"),
        (entry(response_headers="{X-N: 3}"), "f:5: mine.response_headers.X-N: must be text"),
        (entry(response_headers='{X-N: "a\\r\\nSet-Cookie: b"}'), "mine.response_headers.X-N: must match pattern"),
        (entry(chain="directly"), "f:5: mine.chain: must be `direct`, or hops and what replaces them"),
        (entry(chain="{nginx:default: 1}"), "f:5: mine.chain: must be `direct`, or hops and what replaces them"),
        (
            entry(chain="{nginx: nginx:http11}"),
            "f:5: mine.chain: 'nginx' is no hop: that is a proxy and its variant, as",
        ),
        (
            entry(chain="{nginx:gzip: 'nginx:gzip@?'}"),
            "f:5: mine.chain: nginx:gzip@?: '?' is no option; a version begins",
        ),
        (entry(prelude="{bytes: 3}"), "f:5: mine.prelude.bytes: must be greater than or equal to 16, not 3"),
        (entry(prelude="2k"), "f:5: mine.prelude: must be keys and values, not '2k'"),
        (entry(scale="1"), "f:5: mine.scale: must be greater than or equal to 2, not 1"),
        (entry(delay_ms="'10'"), "f:5: mine.delay_ms: must be a number, not '10'"),
        (entry(delay_ms="1e999"), "f:5: mine.delay_ms: must be"),
        ("mine: {claim: x.}", "f:1: mine.source: this key is required"),
        ("mine: {claim: ' '}", "f:1: mine.claim: must say something, not ' '"),
        (entry(method="POST").replace("mine", "a/b"), "f:1: a/b: must match pattern"),
        (entry(method="POST").replace("mine", "none"), "f:1: none: this name stands for no mitigation"),
    ],
)
def test_a_bad_entry_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "f")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["Content-Type", "content-length", "TRANSFER-ENCODING"])
def test_headers_that_frame_an_answer_are_set_by_what_decides_them(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is not set here: (content_type says|the body axis decides) it"):
        parse(entry(response_headers=f"{{{name}: '5'}}"), "f")


def test_yaml_1_1_booleans_are_text() -> None:
    one = parse(entry(response_headers="{X-Accel-Buffering: no}"), "f")["mine"]
    assert one.response_headers == {"X-Accel-Buffering": "no"}


# ---------------------------------------------------------------- what is done


def test_without_mitigations_a_cell_is_planned_as_it_is() -> None:
    planned = plan(CELL, CATALOGUE)
    assert planned.chain == CELL.chain
    assert planned.method == "GET"
    assert planned.emission.workload == SHORT
    assert planned.emission.headers == ()
    assert planned.emission.content_type == "text/event-stream"


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_decides_transport_codec_and_content_type(name: Format) -> None:
    transport, codec = FORMATS[name]
    cell = replace(CELL, format=name, workload=replace(SHORT, token_bytes=codec.min_token_bytes))
    told = plan(cell, CATALOGUE).emission
    assert (told.transport, told.format, told.content_type) == (transport.name, codec.name, codec.content_type)


def test_a_browser_shakes_hands_as_browsers_do_and_always_offers_compression() -> None:
    asked = plan(replace(CELL, format="websocket", request="browser"), CATALOGUE)
    assert (asked.method, asked.request_body, asked.emission.transport) == ("GET", None, "websocket")
    names = {name for name, _ in asked.request_headers}
    assert names >= {"User-Agent", "Accept-Encoding", "Cache-Control", "Sec-WebSocket-Extensions"}
    assert not names & {"Accept", "Sec-Fetch-Mode", "Content-Type"}
    curl = plan(replace(CELL, format="websocket"), CATALOGUE)
    assert [name for name, _ in curl.request_headers] == ["User-Agent", "Accept"]


@pytest.mark.parametrize(
    ("cell", "objection"),
    [
        (replace(CELL, body="length"), "a WebSocket has no body that could be framed by length; give body chunked"),
        (replace(CELL, body="close"), "a WebSocket has no body that could be framed by close; give body chunked"),
        (mitigated("post-instead-of-get"), "a WebSocket is always asked for with GET"),
        (mitigated("content-type-text-plain"), "a WebSocket has no content type"),
        (
            mitigated("no-permessage-deflate"),
            "leaves the request header Sec-WebSocket-Extensions of profile curl as it",
        ),
        (mitigated("websocket-instead"), "changes the format to websocket, which it is already"),
    ],
)
def test_what_a_websocket_does_not_have_cannot_be_asked_for(cell: Cell, objection: str) -> None:
    (told,) = objections(replace(cell, format="websocket"), CATALOGUE)
    assert objection in told.message
    if "websocket-instead" not in cell.mitigations:
        instead = replace(cell, mitigations=(*cell.mitigations, "websocket-instead"))
        assert objections(instead, CATALOGUE) == [told], "which holds for a mitigation that makes it one, too"


def test_curl_asks_for_no_compression_and_a_browser_for_all_of_it() -> None:
    curl = dict(plan(CELL, CATALOGUE).request_headers)
    browser = dict(plan(replace(CELL, request="browser"), CATALOGUE).request_headers)
    assert curl["User-Agent"].startswith("curl/8.")
    assert "Accept-Encoding" not in curl
    assert browser["Accept-Encoding"] == "gzip, deflate, br, zstd"
    assert browser["Sec-Fetch-Mode"] == "cors"


def test_response_headers() -> None:
    emission = plan(mitigated("x-accel-buffering", "nosniff"), CATALOGUE).emission
    assert emission.headers == (("X-Accel-Buffering", "no"), ("X-Content-Type-Options", "nosniff"))


def test_a_method_that_a_stream_has_already_is_no_change() -> None:
    told = objections(replace(mitigated("post-instead-of-get"), format="openai"), CATALOGUE)
    assert "changes the method to POST, which it is already" in told[0].message


def test_directives_of_cache_control_that_nobody_adds_to_stay_in_their_order() -> None:
    own = replace(CATALOGUE["no-cache"], response_headers={"Cache-Control": "no-transform,no-cache"})
    emission = plan(mitigated("no-cache"), {**CATALOGUE, "no-cache": own}).emission
    assert emission.headers == (("Cache-Control", "no-transform,no-cache"),)


def test_directives_of_cache_control_add_up() -> None:
    emission = plan(mitigated("no-transform", "no-cache"), CATALOGUE).emission
    assert emission.headers == (("Cache-Control", "no-cache, no-transform"),)


def test_a_request_header_is_replaced_in_its_place() -> None:
    browser = replace(CELL, request="browser")
    before = plan(browser, CATALOGUE).request_headers
    after = plan(mitigated("accept-encoding-identity", cell=browser), CATALOGUE).request_headers
    assert [name for name, _ in after] == [name for name, _ in before]
    assert dict(after)["Accept-Encoding"] == "identity"


def test_a_request_header_can_be_removed() -> None:
    catalogue = parse(entry(request_headers="{accept-encoding: null}"), "f")
    browser = replace(CELL, request="browser")
    assert "Accept-Encoding" not in dict(plan(mitigated("mine", cell=browser), catalogue).request_headers)


def test_bytes_times_and_method() -> None:
    planned = plan(
        mitigated("prelude-64k-random", "pad-2k", "heartbeat", "delay-10ms", "post-instead-of-get"), CATALOGUE
    )
    assert planned.method == "POST"
    assert planned.request_body == '{"stream": true}'
    assert ("Content-Type", "application/json") in planned.request_headers
    assert planned.emission.prelude == Filler(65536, "random")
    assert planned.emission.padding == Filler(2048, "spaces")
    assert planned.emission.heartbeat_ms == 250
    assert planned.emission.delay_ms == 10


def test_a_new_format_brings_its_content_type() -> None:
    emission = plan(mitigated("ndjson-instead"), CATALOGUE).emission
    assert (emission.format, emission.content_type) == ("ndjson", "application/x-ndjson")


def test_a_content_type_outlives_a_new_format() -> None:
    emission = plan(mitigated("ndjson-instead", "content-type-text-plain"), CATALOGUE).emission
    assert (emission.format, emission.content_type) == ("ndjson", "text/plain; charset=utf-8")


@pytest.mark.parametrize(("client", "reads"), [("aiohttp", "h2"), ("curl", "curl"), ("chromium", "chromium")])
def test_a_mitigation_s_client_reads_instead_of_the_default_one_only(client: str, reads: str) -> None:
    planned = plan(replace(mitigated("http2"), client=client), CATALOGUE)
    assert (planned.client, str(planned.chain[0])) == (reads, "nginx:h2-tls")


def test_a_client_that_stays_does_not_make_up_for_a_hop_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = replace(mitigated("http2"), chain=(Hop("nginx", "gzip"),))
    assert plan(elsewhere, CATALOGUE).client == "h2"
    with pytest.raises(InputError, match="replaces nginx:default"):
        plan(replace(elsewhere, client="curl"), CATALOGUE)


def test_what_changes_no_reader_may_be_proposed_anywhere() -> None:
    assert may_be_proposed(mitigated("no-cache"), CATALOGUE, REQUESTS)
    assert may_be_proposed(mitigated("no-cache", "pad-2k"), CATALOGUE, REQUESTS)


@pytest.mark.parametrize(
    ("chain", "may_be"),
    [
        ((NGINX,), True),
        ((NGINX, GZIP), True),
        ((GZIP, NGINX), False),
        ((GZIP, GZIP), False),
    ],
)
def test_who_else_reads_is_proposed_only_where_the_hop_in_front_answers_otherwise(
    chain: tuple[Hop, ...], may_be: bool
) -> None:
    assert may_be_proposed(mitigated("http2", cell=replace(CELL, chain=chain)), CATALOGUE, REQUESTS) is may_be


def test_scale_keeps_the_bytes_and_the_duration() -> None:
    workload = plan(mitigated("smaller-and-more-often"), CATALOGUE).emission.workload
    assert workload == replace(SHORT, tokens=48, token_bytes=56, interval_ms=25.0)


def test_every_matching_hop_is_replaced_and_no_other() -> None:
    cell = Cell((Hop("nextjs", "prod"), NGINX, NGINX), SHORT)
    planned = plan(mitigated("nginx-buffering-off", cell=cell), CATALOGUE)
    assert planned.chain == (Hop("nextjs", "prod"), *2 * (Hop("nginx", "buffering-off"),))


def test_replacements_do_not_follow_each_other() -> None:
    rounds = parse(entry(chain="{nginx:default: nginx:gzip, nginx:gzip: nginx:default}"), "f")
    cell = Cell((NGINX, Hop("nginx", "gzip")), SHORT, mitigations=("mine",))
    assert plan(cell, rounds).chain == (Hop("nginx", "gzip"), NGINX)


def test_bypass_leaves_no_chain() -> None:
    assert plan(mitigated("bypass-proxy"), CATALOGUE).chain == ()


# ---------------------------------------------------------------- what cannot be done


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (mitigated("heartbeet"), "unknown mitigation 'heartbeet'; allowed: accept-encoding-identity, "),
        (mitigated("heartbeet"), "(did you mean 'heartbeat'?)"),
        (
            mitigated("content-encoding-none", "content-encoding-identity"),
            "content-encoding-none and content-encoding-identity set the response header Content-Encoding "
            "differently: 'identity' and 'none'",
        ),
        (
            mitigated("pad-2k", "pad-2k-random"),
            "pad-2k and pad-2k-random set the padding differently: 2048 bytes of random and 2048 bytes of spaces",
        ),
        (
            mitigated("nginx-http11", "nginx-buffering-off"),
            "nginx-http11 and nginx-buffering-off set the replacement of nginx:default differently",
        ),
        (
            mitigated("bypass-proxy", "nginx-http11"),
            "bypass-proxy bypasses the chain, which does not go with nginx-http11",
        ),
        (mitigated("bypass-proxy", cell=Cell((), SHORT)), "bypass-proxy bypasses a chain that is direct already"),
        (
            mitigated("nextjs-compress-off"),
            "nextjs-compress-off replaces nextjs:dev, which the chain does not have",
        ),
        (mitigated("ndjson-instead", cell=replace(CELL, format="ndjson")), "format to ndjson, which it is already"),
        (
            mitigated("content-type-text-plain", cell=replace(CELL, format="text")),
            "changes the content type to text/plain; charset=utf-8, which it is already",
        ),
        (mitigated("heartbeat", cell=replace(CELL, format="text")), "format text has no heartbeat"),
        (mitigated("heartbeat", cell=replace(CELL, body="length")), "nobody knows how many heartbeats to count"),
        (
            mitigated("smaller-and-more-often", cell=replace(CELL, workload=replace(SHORT, token_bytes=100))),
            "100 divided by 2 is too small: format sse needs 53",
        ),
        (
            replace(CELL, workload=replace(SHORT, token_bytes=20)),
            "20 is too small: format sse needs 53",
        ),
    ],
)
def test_a_contradiction_names_the_cell_the_mitigations_and_the_reason(cell: Cell, why: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(cell, CATALOGUE)
    assert all(one.message.startswith(f"cell {cell.id}: ") for one in caught.value.complaints)
    assert why in str(caught.value)
    assert objections(cell, CATALOGUE)


SOCKET = replace(CELL, format="websocket")


@pytest.mark.parametrize(
    ("cell", "keys"),
    [
        (mitigated("heartbeet"), ["axes.mitigations"]),
        (mitigated("pad-2k", "pad-2k-random"), ["axes.mitigations"]),
        (mitigated("bypass-proxy", "nginx-http11"), ["axes.mitigations"]),
        (mitigated("nextjs-compress-off"), ["axes.mitigations"]),
        (mitigated("heartbeat", cell=replace(CELL, format="text")), ["axes.mitigations"]),
        (replace(SOCKET, body="length"), ["axes.body"]),
        (mitigated("content-type-text-plain", cell=SOCKET), ["axes.mitigations"]),
        (mitigated("post-instead-of-get", cell=replace(SOCKET, body="close")), ["axes.body", "axes.mitigations"]),
        (replace(CELL, workload=replace(SHORT, token_bytes=20)), ["workloads.short.token_bytes"]),
    ],
)
def test_every_objection_has_the_key_that_is_to_blame(cell: Cell, keys: list[str]) -> None:
    assert [key_text(one.path) for one in objections(cell, CATALOGUE)] == keys


def test_that_a_header_is_taken_out_is_told_as_nothing() -> None:
    catalogue = {**CATALOGUE, **parse(entry(request_headers="{accept-encoding: null}"), "f")}
    told = " ".join(one.message for one in objections(mitigated("mine", "accept-encoding-identity"), catalogue))
    assert "set the request header Accept-Encoding differently: nothing and 'identity'" in told


def test_all_contradictions_are_told_at_once() -> None:
    cell = mitigated("heartbeat", "nextjs-compress-off", "content-type-text-plain", cell=replace(CELL, format="text"))
    assert len(objections(cell, CATALOGUE)) == 3


@pytest.mark.parametrize("headers", ["{accept-encoding: null}", "{Accept: '*/*'}"])
def test_a_request_header_that_stays_as_it_is_is_no_mitigation(headers: str) -> None:
    catalogue = parse(entry(request_headers=headers), "f")
    assert "of profile curl as it is" in objections(mitigated("mine"), catalogue)[0].message


def test_two_mitigations_may_agree() -> None:
    again = {**CATALOGUE, "twin": Mitigation("twin", "", "", "bytes", padding=Filler(2048))}
    assert plan(mitigated("pad-2k", "twin"), again) == plan(mitigated("pad-2k"), again)


CHAINS = ((), (NGINX,), (Hop("nginx", "gzip"), NGINX), (Hop("nextjs", "dev"), NGINX), (Hop("nextjs", "prod"),))


@given(
    names=st.lists(st.sampled_from(NAMES), unique=True, max_size=4),
    chain=st.sampled_from(CHAINS),
    name=st.sampled_from(sorted(FORMATS)),
    body=st.sampled_from(["chunked", "length", "close"]),
    request=st.sampled_from(["curl", "browser"]),
)
def test_order_never_matters(names: list[str], chain: tuple[Hop, ...], name: str, body: str, request: str) -> None:
    cell = Cell(chain, SHORT, name, body, request)  # type: ignore[arg-type]
    outcomes = {_outcome(mitigated(*order, cell=cell)) for order in itertools.permutations(names)}
    assert len(outcomes) == 1


def _outcome(cell: Cell) -> str:
    try:
        return repr(plan(cell, CATALOGUE))
    except InputError:
        return "contradiction"
