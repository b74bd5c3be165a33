"""A config of Caddy's, as JSON: who answers by its routes, what is changed of it, what has to be said. No Caddy.

That the routes of a Caddyfile are followed as Caddy follows them is held against the real one by test_as_deployed.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.model import Deployment, Endpoint
from harness.proxies.languages.base import Fitted
from harness.proxies.languages.caddy_routes import UNKNOWN, Asked, answering, asks_leave
from tests.proxies.languages import reading
from tests.proxies.languages.reading import served
from tests.sampling import some_of

NOTHING = Deployment()
refused = partial(reading.refused, "caddy")


def proxy(*dials: str, **others: Any) -> dict[str, Any]:
    return {"handler": "reverse_proxy", "upstreams": [{"dial": dial} for dial in dials], **others}


def at(path: str, *handle: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"match": [{"path": [path]}], "handle": [*handle], **others}


def site(host: str, *routes: dict[str, Any]) -> dict[str, Any]:
    return {"match": [{"host": [host]}], "handle": [{"handler": "subroute", "routes": [*routes]}], "terminal": True}


SECURE = {"protocol": "http", "tls": {"ca": "x"}}
CHAT = proxy("app:8000", "app2:8000", flush_interval=-1, health_checks={"active": {"uri": "/up"}, "passive": {}})
SHOP = site("shop.example", at("/api/chat/*", CHAT, group="g"), {"handle": [proxy("web:3443", transport=SECURE)]})
POLICY = {"match": {"sni": ["shop.example"]}, "certificate_selection": {"any_tag": ["c"]}, "alpn": ["h2"]}
OTHERS = {"match": {"sni": ["other.example"]}, "client_authentication": {}}
CONFIG: dict[str, Any] = {
    "admin": {"listen": ":2019"},
    "logging": {"logs": {}},
    "storage": {"module": "redis"},
    "apps": {
        "pki": {},
        "tls": {"automation": {"policies": [{}]}},
        "http": {
            "grace_period": 1,
            "servers": {
                "srv0": {"listen": [":443"], "routes": [SHOP], "tls_connection_policies": [OTHERS, POLICY], "logs": {}},
                "srv1": {"listen": [":8080"], "routes": [site("in.example", {"handle": [proxy("unix//a.sock")]})]},
            },
        },
    },
}


def with_servers(**servers: Any) -> dict[str, Any]:
    return {"apps": {"http": {"servers": servers}}}


def plain(*handle: dict[str, Any]) -> dict[str, Any]:
    return with_servers(a={"listen": [":8080"], "routes": [{"handle": [*handle]}]})


def deep(levels: int) -> dict[str, Any]:
    routes: list[Any] = [{"handle": [proxy("a:1")]}]
    for _ in range(levels // 4):
        routes = [{"handle": [{"handler": "subroute", "routes": routes}]}]
    return with_servers(a={"listen": [":80"], "routes": routes})


def fit(folder: Path, config: object = CONFIG, said: Deployment = NOTHING, behind: Endpoint = reading.NOBODY) -> Fitted:
    return reading.fit("caddy", folder, {"c.json": json.dumps(config)}, said, behind)


def edited(fitted: Fitted) -> Any:
    (text,) = fitted.texts.values()
    return json.loads(text)


def test_what_must_change_is_changed_and_all_else_stays(tmp_path: Path) -> None:
    made = edited(fit(tmp_path, said=Deployment(("app:8000",))))
    assert set(made) == {"admin", "apps"}
    assert made["admin"]["disabled"]
    assert set(made["apps"]) == {"http", "tls"}
    assert made["apps"]["tls"] == {
        "certificates": {"load_files": [{"certificate": "${CERTIFICATE}", "key": "${CERTIFICATE_KEY}"}]}
    }
    assert made["apps"]["http"]["grace_period"] == 1
    (server,) = made["apps"]["http"]["servers"].values()
    assert (server["listen"], server["tls_connection_policies"]) == (["${LISTEN}"], [{"alpn": ["h2"]}])
    (site,) = server["routes"]
    assert site.keys() == {"handle", "terminal"}, "who asks from another hop may call it by another name"
    chat, web = (route["handle"][0] for route in site["handle"][0]["routes"])
    assert chat == proxy(*["${UPSTREAM_ADDRESS}"] * 2, flush_interval=-1, health_checks={"passive": {}})
    assert web == proxy("127.0.0.1:1", transport={"protocol": "http"})


def test_a_next_hop_with_tls_is_spoken_to_with_it(tmp_path: Path) -> None:
    made = edited(fit(tmp_path, plain(proxy("a:1")), behind=Endpoint(1, authority="ca.pem")))
    (handler,) = made["apps"]["http"]["servers"]["a"]["routes"][0]["handle"]
    assert handler["transport"] == {"protocol": "http", "tls": {"insecure_skip_verify": True}}


def test_who_else_would_be_asked_for_leave_is_taken_out_and_is_no_backend(tmp_path: Path) -> None:
    goes_on = [{"match": {"status_code": [2]}, "routes": [{"handle": [{"handler": "vars"}]}]}]
    auth = proxy("auth:9091", rewrite={"method": "GET", "uri": "/verify"}, handle_response=goes_on)
    fitted = fit(tmp_path, plain(auth, proxy("app:1")))
    assert served(fitted) == "site:8080 > reverse_proxy app:1"
    assert edited(fitted)["apps"]["http"]["servers"]["a"]["routes"] == [{"handle": [proxy("${UPSTREAM_ADDRESS}")]}]
    assert refused(tmp_path, {"c.json": json.dumps(plain(auth))}) == ["c.json: passes no requests on to anybody"]
    inside = [{"match": {"status_code": [2]}, "routes": [{"handle": [proxy("app:1")]}]}]
    asks = proxy("auth:9091", rewrite={"method": "GET"}, handle_response=inside)
    assert not asks_leave(asks), "what it lets pass goes nowhere else"


@pytest.mark.parametrize(
    ("server", "tls"),
    [
        ({"listen": [":443"]}, True),
        ({"listen": [":8443"], "routes": [site("a.example", {"handle": [proxy("a:1")]})]}, True),
        ({"listen": [":80"], "routes": [site("a.example", {"handle": [proxy("a:1")]})]}, False),
        ({"listen": [":8080"]}, False),
        ({"listen": [":8080"], "tls_connection_policies": [{}]}, True),
        ({"listen": [":443"], "automatic_https": {"disable": True}}, False),
        (
            {
                "listen": [":8080"],
                "automatic_https": {"skip": ["a.example"]},
                "routes": [site("a.example", {"handle": [proxy("a:1")]})],
            },
            False,
        ),
    ],
)
def test_a_site_has_tls_as_automatic_https_has_it(tmp_path: Path, server: dict[str, Any], tls: bool) -> None:
    routes = {"routes": [{"handle": [proxy("a:1")]}]}
    assert fit(tmp_path, with_servers(a={**routes, **server})).tls is tls


@pytest.mark.parametrize(
    ("said", "answers", "asked", "host"),
    [
        (
            Deployment(("app2:8000",)),
            "site shop.example:443 > reverse_proxy app:8000 app2:8000 of /api/chat/*",
            "/api/chat/",
            "shop.example",
        ),
        (Deployment(("web",), path="/x"), "site shop.example:443 > reverse_proxy web:3443", "/x", "shop.example"),
        (Deployment((), ":8080"), "site in.example:8080 > reverse_proxy unix//a.sock", "/", "in.example"),
    ],
)
def test_what_answers_is_told(tmp_path: Path, said: Deployment, answers: str, asked: str, host: str) -> None:
    targets = said if said.map else Deployment(("unix//a.sock",), said.server)
    fitted = fit(tmp_path, said=targets)
    assert (served(fitted), fitted.asked, fitted.host) == (answers, asked, host)


ROUTES = [
    at("/a", proxy("group-1"), group="g"),
    at("/a*", {"handler": "headers"}, group="g"),
    at("/a*", proxy("group-2"), group="g"),
    at("/strip/*", {"handler": "rewrite", "strip_path_prefix": "/strip"}),
    at("/inner", proxy("inner")),
    at("*.php", {"handler": "file_server", "pass_thru": True}, proxy("php")),
    at("/new", {"handler": "rewrite", "uri": "/other"}),
    {"match": [{"not": [{"protocol": "http"}]}], "handle": [proxy("tls")]},
    {"match": [{"path_regexp": {"pattern": "^/r[0-9]"}}], "handle": [proxy("regexp")]},
    {"match": [{"header": {"X": ["1"]}, "host": ["b.example"]}], "handle": [proxy("header")]},
    {"handle": [{"handler": "static_response"}], "match": [{"path": ["/static"]}]},
    at("/end", terminal=True),
    {"handle": [proxy("last")], "match": [{"host": ["*.example"]}]},
]


@pytest.mark.parametrize(
    ("path", "host", "tls", "answers"),
    [
        ("/a", "a.example", False, "group-1"),
        ("/A", "a.example", False, "group-1"),
        ("/ab", "a.example", False, "last"),
        ("/strip/inner", "a.example", False, "inner"),
        ("/x/y.php", "a.example", False, "php"),
        ("/new", "a.example", False, "unknown"),
        ("/z", "a.example", True, "tls"),
        ("/r2", "a.example", False, "regexp"),
        ("/z", "b.example", False, "unknown"),
        ("/static", "a.example", False, "static_response"),
        ("/end", "a.example", False, "nothing"),
        ("/z", "127.0.0.1", False, "nothing"),
    ],
)
def test_routes_are_followed_as_caddy_follows_them(path: str, host: str, tls: bool, answers: str) -> None:
    found: Any = answering(ROUTES, Asked(host, path, tls))
    told = "unknown" if found is UNKNOWN else "nothing" if found is None else found.get("upstreams")
    assert (told[0]["dial"] if isinstance(told, list) else told or found["handler"]) == answers


@pytest.mark.parametrize(
    ("config", "said", "told"),
    [
        (CONFIG, Deployment(("ap",)), ": passes no requests on to 'ap', which is to be mapped; allowed: "),
        (CONFIG, NOTHING, ": passes requests on to several: which is the backend?"),
        (CONFIG, Deployment(("app:8000",), "shop"), ": has no server 'shop'; allowed: shop.example:443, shop.example"),
        (CONFIG, Deployment(("app:8000",), path="/x"), "passes nothing on to app:8000; of this server these do: "),
        (plain(proxy("a:1", transport={"protocol": "fastcgi"})), NOTHING, ": a:1 is spoken to by fastcgi"),
        (plain(proxy("a:1", transport={"versions": ["h2c"]})), NOTHING, ": a:1 is spoken to by HTTP/2 only"),
        (plain({"handler": "static_response"}), NOTHING, ": passes no requests on to anybody"),
        ({"apps": {}}, NOTHING, ": listens nowhere that a client could ask"),
        ({"apps": {"http": {"servers": []}}}, NOTHING, ": `http.servers` holds no servers by name"),
        (with_servers(a={"listen": [80]}), NOTHING, ": `listen` is no list of texts"),
        (with_servers(a={"listen": 5}), NOTHING, ": `listen` is no list of texts"),
        (plain({"handler": "reverse_proxy", "upstreams": [{"dial": 5}]}), NOTHING, ": `dial` is no text"),
        (with_servers(a={"routes": [{"handle": [], "group": ["a"]}]}), NOTHING, ": `group` of a route is no text"),
        (deep(160), NOTHING, ": nested deeper than 150 levels"),
        (with_servers(a={"listen": [":80"], "routes": [{"handle": ["x"]}]}), NOTHING, ": `handle` is no list of mapp"),
        (with_servers(a={"routes": [{"handle": [], "match": {}}]}), NOTHING, ": `match` of a route is no list of mapp"),
        (None, NOTHING, ": has no `apps`, as a config of Caddy's has"),
        ([], NOTHING, ": has no `apps`, as a config of Caddy's has"),
        ({}, NOTHING, ": has no `apps`, as a config of Caddy's has"),
    ],
)
def test_what_is_not_there_or_fits_twice_is_told(tmp_path: Path, config: object, said: Deployment, told: str) -> None:
    assert any(told in line for line in refused(tmp_path, {"c.json": json.dumps(config)}, said))


def test_what_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    text = '{"apps": ' + "[" * 50_000 + "]" * 50_000 + "}"
    assert "nested deeper than 150 levels" in refused(tmp_path, {"c.json": text})[0]
    assert served(fit(tmp_path, deep(120))) == "site:80 > reverse_proxy a:1"


def test_of_all_apps_only_the_one_that_answers_stays(tmp_path: Path) -> None:
    others = {"layer4": {"servers": {"a": {"listen": ["lan:25"]}}}, "dynamic_dns": {}}
    config = {"apps": {**others, **plain(proxy("a:1"))["apps"]}}
    assert list(edited(fit(tmp_path, config))["apps"]) == ["http"]


def places(value: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value in some data."""
    yield above
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, *above, key)


LOGIN = proxy("auth:1", rewrite={"method": "GET"}, handle_response=[{"match": {"status_code": [2]}}])
SUBJECT: dict[str, Any] = copy.deepcopy(CONFIG)
SUBJECT["apps"]["http"]["servers"]["srv0"]["routes"][0]["handle"][0]["routes"] += [{"handle": [LOGIN]}, *ROUTES]


@some_of("odd", [5, None, [], ["a"], {}, {"a": 1}, "a", [[1]], [{}]], each=3, ids=str)
def test_whatever_stands_in_a_place_is_taken_or_refused(tmp_path: Path, odd: Any) -> None:
    for *way, last in filter(None, places(SUBJECT)):
        config = copy.deepcopy(SUBJECT)
        inner: Any = config
        for key in way:
            inner = inner[key]
        inner[last] = odd
        with contextlib.suppress(InputError):
            fit(tmp_path, config, Deployment(("app:8000",), path="/api/chat/x"))


def test_what_is_no_json_is_told_with_its_line(tmp_path: Path) -> None:
    assert refused(tmp_path, {"c.json": "{\n,}"})[0].startswith("c.json:2: not JSON: ")
