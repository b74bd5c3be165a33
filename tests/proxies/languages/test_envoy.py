"""An Envoy bootstrap of anybody's: what of it stands for what, what is edited in it, what has to be said. No Envoy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.model import Deployment, Endpoint
from harness.proxies.languages.base import Fitted
from harness.proxies.languages.envoy_routes import Hosts, domains, matches
from harness.proxies.languages.yaml_nodes import Value
from harness.proxies.placeholders import filled
from harness.proxies.source_text import Source
from tests.proxies.languages import production, reading
from tests.proxies.languages.reading import changes, served

NOTHING = Deployment()
VALUES = {
    "LISTEN_HOST": "127.0.0.1",
    "PORT": "1234",
    "UPSTREAM_HOST": "127.0.0.1",
    "UPSTREAM_PORT": "99",
    "CERTIFICATE": "c",
    "CERTIFICATE_KEY": "k",
}
NEXT = {"socket_address": {"address": "127.0.0.1", "port_value": 99}}
SHORT = """\
static_resources:
  listeners:
  - address: {socket_address: {address: 0.0.0.0, port_value: 80}}
    filter_chains:
    - filters:
      - typed_config: {route_config: {virtual_hosts: [{domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a}}]}]}}
  clusters:
  - name: a
    load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /a.sock}}}}]}]}
"""  # noqa: E501
refused = partial(reading.refused, "envoy")


def fit(
    folder: Path, text: str = production.ENVOY, said: Deployment = NOTHING, behind: Endpoint = reading.NOBODY
) -> Fitted:
    return reading.fit("envoy", folder, {"e.yaml": text}, said, behind)


def loaded(fitted: Fitted) -> Any:
    """Return what Envoy reads."""
    (text,) = fitted.texts.values()
    return yaml.safe_load(filled(text, VALUES))


def test_what_must_change_is_edited_where_it_stands_and_all_else_stays(tmp_path: Path) -> None:
    fitted = fit(tmp_path, said=Deployment(("chat",)))
    was, made = yaml.safe_load(production.ENVOY), loaded(fitted)
    assert len(changes(fitted)) < 45
    (listener,) = made["static_resources"]["listeners"]
    expected = was["static_resources"]["listeners"][0]
    expected["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": 1234}}
    del expected["listener_filters"][0]
    (chain,) = expected["filter_chains"]
    del chain["filter_chain_match"]
    pair = {"certificate_chain": {"filename": "c"}, "private_key": {"filename": "k"}}
    chain["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"] = [pair]
    manager = chain["filters"][0]["typed_config"]
    del manager["access_log"]
    manager["route_config"]["virtual_hosts"][0]["domains"] = ["*"]
    assert listener == expected
    chat, web = was["static_resources"]["clusters"]
    del chat["health_checks"]
    chat["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = NEXT
    del web["transport_socket"]
    nobody = {"address": "127.0.0.1", "port_value": 1}
    web["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"] = nobody
    assert made == {"static_resources": {"listeners": [listener], "clusters": [chat, web]}}


@pytest.mark.parametrize("target", ["chat", "web"])
def test_a_next_hop_with_tls_is_spoken_to_with_it(tmp_path: Path, target: str) -> None:
    made = loaded(fit(tmp_path, said=Deployment((target,)), behind=Endpoint(1, authority="ca.pem")))
    (cluster,) = (one for one in made["static_resources"]["clusters"] if one["name"] == target)
    (typed,) = (value for key, value in cluster["transport_socket"].items() if key == "typed_config")
    assert list(typed) == ["@type"]
    assert typed["@type"].endswith("UpstreamTlsContext")


def test_sockets_become_addresses_and_secrets_certificates(tmp_path: Path) -> None:
    secret = (
        "  secrets: [{name: s, tls_certificate: {certificate_chain: {filename: /x}, private_key: {filename: /y}}}]\n"
    )
    tls = "      transport_socket: {typed_config: {'@type': a.DownstreamTlsContext, common_tls_context: {CONTEXT}}}\n"
    text = SHORT.replace("  clusters:", f"{tls}{secret}  clusters:")
    made = loaded(fit(tmp_path, text.replace("CONTEXT", "tls_certificate_sds_secret_configs: [{name: s}]")))
    (certificate,) = made["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"]["typed_config"][
        "common_tls_context"
    ]["tls_certificates"]
    assert certificate == made["static_resources"]["secrets"][0]["tls_certificate"]
    assert certificate["private_key"] == {"filename": "k"}
    (cluster,) = made["static_resources"]["clusters"]
    assert cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] == NEXT


@pytest.mark.parametrize(
    ("said", "answers", "asked"),
    [
        (Deployment(("app",)), "listener https:443 > route /api/chat", "/api/chat"),
        (Deployment(("web.internal:3000",), "https"), "listener https:443 > route /", "/"),
        (Deployment((), "shop.example:443", "/api/chat/1"), "listener https:443 > route /api/chat", "/api/chat/1"),
    ],
)
def test_what_answers_is_told(tmp_path: Path, said: Deployment, answers: str, asked: str) -> None:
    fitted = fit(tmp_path, said=said)
    assert (served(fitted), fitted.asked, fitted.host, fitted.tls) == (answers, asked, "shop.example", True)


def value(text: str) -> Value:
    return Value.of(Source(Path("e.yaml"), text))


@pytest.mark.parametrize(
    ("match", "takes"),
    [
        ("{prefix: /api}", True),
        ("{path: /api/x}", True),
        ("{path: /API/X}", False),
        ("{path: /API/X, case_sensitive: false}", True),
        ("{path_separated_prefix: /api}", True),
        ("{pathSeparatedPrefix: /ap}", False),
        ("{safe_regex: {regex: '/api/.'}}", True),
        ("{safe_regex: {regex: '/api'}}", False),
        ("{safe_regex: {regex: '('}}", None),
        ("{prefix: /api, headers: [{name: x}]}", None),
        ("{prefix: /no, headers: [{name: x}]}", False),
        ("{connect_matcher: {}}", None),
    ],
)
def test_matches_take_paths_as_envoy_has_them(match: str, takes: bool | None) -> None:
    assert matches(value(match), "/api/x") is takes


@pytest.mark.parametrize(
    ("host", "meant"),
    [("a.example", 1), ("b.a.example", 2), ("b.example", 3), ("shop.test", 4), ("other", 0), ("127.0.0.1", 0)],
)
def test_virtual_hosts_are_found_by_their_best_domain(host: str, meant: int) -> None:
    said = "[{domains: ['*']}, {domains: ['a.example:*']}, {domains: ['*.a.example']}, {domains: ['*.example', b]},"
    hosts = value(f"hosts: {said} {{domains: ['shop.*']}}]").get("hosts").items
    found = Hosts(hosts).of(host)
    assert found
    assert domains(found) == domains(hosts[meant])


SHARED = SHORT.replace("load_assignment: {", "load_assignment: &l {") + "  - {name: b, load_assignment: *l}\n"


@pytest.mark.parametrize("kind", ["ExtAuthz", "OAuth2", "JwtAuthentication"])
def test_who_else_would_be_asked_for_leave_is_taken_out(tmp_path: Path, kind: str) -> None:
    asks = f"{{typed_config: {{'@type': x.{kind}, providers: {{a: {{remote_jwks: {{}}}}}}}}}}"
    filters = f"http_filters: [{asks}, {{name: router}}], route_config"
    made = loaded(fit(tmp_path, SHORT.replace("route_config", filters)))
    (filter_,) = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    assert filter_["typed_config"]["http_filters"] == [{"name": "router"}]


HTTP2 = SHORT.replace("name: a\n", "name: a\n    http2_protocol_options: {}\n")


@pytest.mark.parametrize(
    ("text", "said", "told"),
    [
        (
            production.ENVOY,
            Deployment(("ap",)),
            ": passes no requests on to 'ap', which is to be mapped",
        ),
        (production.ENVOY, NOTHING, ": `--map chat` says that this stands for the next hop"),
        (production.ENVOY, Deployment(("chat",), ":81"), ": has no server ':81'; allowed: https:443, shop.example"),
        (production.ENVOY, Deployment(("chat",), path="/x"), ": route / (e.yaml:45) answers /x, and passes nothing on"),
        (production.ENVOY, Deployment(("chat",), ":80"), "e.yaml:48: listener http passes no requests on to chat"),
        (HTTP2, NOTHING, "e.yaml:8: a is spoken to by HTTP/2 only"),
        (SHORT.replace("load_assignment", "metadata"), NOTHING, "e.yaml:8: a has no address of its own"),
        (SHORT.replace("cluster: a", "cluster: b"), NOTHING, "e.yaml:6: b is no static cluster here"),
        (SHORT.replace("cluster: a", "cluster_header: b"), NOTHING, "e.yaml:6: `route /` takes requests that only you"),
        (SHORT + "dynamic_resources: {}\n", NOTHING, "e.yaml:10: `dynamic_resources` is told by a management server"),
        (SHORT.replace("route_config", "rds"), NOTHING, "e.yaml:6: `rds` is told by a management server"),
        (SHORT.replace("name: a", "type: EDS"), NOTHING, "e.yaml:8: `type: EDS` is told by a management server"),
        (SHORT.replace("port_value: 80", "port_value: ''"), NOTHING, "e.yaml: listens nowhere that a client could ask"),
        (SHARED, Deployment(("a",)), "e.yaml:9: this is shared by an anchor"),
        ("a: b\n", NOTHING, "e.yaml: listens nowhere that a client could ask"),
        ("- a\n", NOTHING, "e.yaml:1: must be keys and values"),
    ],
)
def test_what_is_not_there_or_fits_twice_is_told_with_lines(
    tmp_path: Path, text: str, said: Deployment, told: str
) -> None:
    lines = refused(tmp_path, {"e.yaml": text}, said)
    assert any(told in line for line in lines), lines
