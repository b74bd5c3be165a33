"""A Traefik config of anybody's: what of it stands for what, what is edited in it, what has to be said. No Traefik."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import yaml

from harness.model import Deployment, Endpoint
from harness.proxies.languages.base import Fitted
from harness.proxies.languages.traefik_rules import Rule
from tests.proxies.languages import production, reading
from tests.proxies.languages.reading import changes, served

NOTHING = Deployment()
FILES = {"traefik.yml": production.TRAEFIK, "dynamic/app.yml": production.TRAEFIK_DYNAMIC}
ALONE = """\
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://app:1"}]}}
"""
fit = partial(reading.fit, "traefik")
refused = partial(reading.refused, "traefik")


def texts(fitted: Fitted) -> dict[str, str]:
    return {str(fitted.places[source]): text for source, text in fitted.texts.items()}


def test_what_must_change_is_edited_at_the_token_and_all_else_stays(tmp_path: Path) -> None:
    fitted = fit(tmp_path, FILES, Deployment(("chat",)))
    static, dynamic = (text for source, text in fitted.texts.items() if source not in fitted.ours)
    ours = "global: {checkNewVersion: false, sendAnonymousUsage: false}\n"
    assert static.endswith(ours)
    assert static.count("\n") == production.TRAEFIK.count("\n") + 1
    assert [line for line in static.removesuffix(ours).splitlines() if line.strip()] == [
        "entryPoints:",
        "  web:",
        '    address: "127.0.0.1:0"',
        *production.TRAEFIK.splitlines()[5:9],
        '    address: "${LISTEN}"',
        "    http:",
        "      tls:",
        "        {}",
        "providers:",
        "  file:",
        "    {directory: dynamic, watch: false}",
        "api:",
        "  insecure: false  # behind the firewall",
    ]
    lines = zip(production.TRAEFIK_DYNAMIC.splitlines(), dynamic.splitlines(), strict=True)
    assert [f"{old.strip()} => {new.strip()}" for old, new in lines if old != new] == [
        '- url: http://app:8000 => - url: "${UPSTREAM}"',
        '- url: "http://app2:8000/" => - url: "${UPSTREAM}"',
        "healthCheck: => ",
        "path: /healthz => ",
        'servers: [{url: "http://web:3000"}] => servers: [{url: "http://127.0.0.1:1"}]',
        '- certFile: /certs/a.pem => - certFile: "${CERTIFICATE}"',
        'keyFile: /certs/a.key => keyFile: "${CERTIFICATE_KEY}"',
        "default: {minVersion: VersionTLS12, sniStrict: true} => default: {minVersion: VersionTLS12, sniStrict: false}",
    ]


def test_where_no_default_certificate_is_one_is_laid_beside(tmp_path: Path) -> None:
    assert "dynamic/2-harness-store.yml" in texts(fit(tmp_path, FILES, Deployment(("chat",))))
    store = "  stores: {default: {defaultCertificate: {certFile: a, keyFile: b}}}\n"
    files = {**FILES, "dynamic/app.yml": production.TRAEFIK_DYNAMIC + store}
    made = texts(fit(tmp_path, files, Deployment(("chat",))))
    assert list(made) == ["traefik.yml", "dynamic/1-app.yml"]
    assert '{certFile: "${CERTIFICATE}", keyFile: "${CERTIFICATE_KEY}"}' in made["dynamic/1-app.yml"]


def test_a_dynamic_file_alone_gets_the_entry_points_that_it_names(tmp_path: Path) -> None:
    fitted = fit(tmp_path, {"app.yml": ALONE})
    main, dynamic = texts(fitted).values()
    assert yaml.safe_load(main)["entryPoints"] == {"web": {"address": "${LISTEN}"}}
    assert '"${UPSTREAM}"' in dynamic
    assert served(fitted) == "entry point web:80 > router all"
    assert fitted.served_by
    assert fitted.served_by.server.file == str(tmp_path / "app.yml"), "and not one that nobody has"
    (change,) = changes(fitted)
    assert change.endswith('=> app: {loadBalancer: {servers: [{url: "${UPSTREAM}"}]}}')


def test_a_next_hop_with_tls_is_spoken_to_with_it_and_json_is_yaml_too(tmp_path: Path) -> None:
    static = '{"entryPoints": {"web": {"address": ":80"}}, "providers": {"file": {"filename": "app.yml"}}}'
    secure = Endpoint(1, authority="ca.pem")
    fitted = reading.fit("traefik", tmp_path, {"traefik.yml": static, "app.yml": ALONE}, behind=secure)
    main = yaml.safe_load(next(iter(fitted.texts.values())))
    assert main["serversTransport"] == {"insecureSkipVerify": True}
    assert main["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert main["providers"] == {"file": {"directory": "dynamic", "watch": False}}


@pytest.mark.parametrize(
    ("said", "answers", "asked"),
    [
        (Deployment(("chat",)), "router chat", "/api/chat"),
        (Deployment(("app2:8000",), "websecure:443"), "router chat", "/api/chat"),
        (Deployment(("web",)), "router app", "/"),
        (Deployment((), "shop.example", "/api/chat/1"), "router chat", "/api/chat/1"),
        (Deployment((), ":443", "/other"), "router app", "/other"),
    ],
)
def test_what_answers_is_told(tmp_path: Path, said: Deployment, answers: str, asked: str) -> None:
    fitted = fit(tmp_path, FILES, said)
    assert served(fitted) == f"entry point websecure:443 > {answers}"
    assert (fitted.asked, fitted.host, fitted.tls) == (asked, "shop.example", True)


def test_services_that_share_requests_out_lead_to_those_behind(tmp_path: Path) -> None:
    shared = "    all: {weighted: {services: [{name: app}, {name: other@file}]}}\n"
    other = "    other: {loadBalancer: {servers: [{url: 'http://b:2'}]}}\n"
    fitted = fit(
        tmp_path, {"a.yml": ALONE.replace("service: app", "service: all") + shared + other}, Deployment(("app",))
    )
    assert served(fitted).endswith("router all")


def test_services_that_share_an_anchor_stand_for_the_next_hop_together(tmp_path: Path) -> None:
    (change,) = changes(fit(tmp_path, {"a.yml": SHARED}, Deployment(("blue", "green"))))
    assert change.endswith('=> blue: &lb {loadBalancer: {servers: [{url: "${UPSTREAM}"}]}}')


def test_who_else_would_be_asked_for_leave_is_taken_out_wherever_that_is_named(tmp_path: Path) -> None:
    two = "[ask, login@file]", "[ask, size, login]"
    routers = [f"    r{at}: {{rule: Path(`/{at}`), service: app, middlewares: {one}}}\n" for at, one in enumerate(two)]
    middlewares = (
        "  middlewares:\n    ask: {forwardAuth: {address: 'http://auth:1'}}\n"
        "    login: {chain: {middlewares: [ask]}}\n    size: {buffering: {maxRequestBodyBytes: 9}}\n"
    )
    fitted = fit(tmp_path, {"a.yml": ALONE.replace("  services:", "".join(routers) + "  services:") + middlewares})
    http = yaml.safe_load(list(texts(fitted).values())[-1])["http"]
    assert list(http["middlewares"]) == ["size"]
    assert [one.get("middlewares") for one in http["routers"].values()] == [None, None, ["size"]]
    assert "-    ask: {forwardAuth" in fitted.diff()


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("Host(`a.example`)", True),
        ("Host(`b.example`, `A.example`)", True),
        ('Host("a.example") && !PathPrefix(`/api`)', False),
        ("Host(`b`) || Path(`/api/x`) && Host(`a.example`)", True),
        ("(Host(`b`) || Path(`/api/x`)) && Host(`b`)", False),
        ("!(Host(`b`) || Path(`/`))", True),
        ("HostRegexp(`^[a-c]\\.example$`) && PathRegexp(`x$`)", True),
        ("PathPrefix(`/{name:[a-z]+}`)", None),
        ("ClientIP(`10.0.0.0/8`) && Path(`/no`)", False),
        ("ClientIP(`10.0.0.0/8`) || Path(`/api/x`)", True),
        ("Method(`POST`)", None),
        ("Header(`X`, `1`)", None),
        ("PathRegexp(`(`)", None),
        ("Host(`a.example`", None),
        ("&&", None),
        ("", None),
    ],
)
def test_rules_hold_as_traefik_has_them(rule: str, holds: bool | None) -> None:
    assert Rule.of(rule).holds("a.example", "/api/x") is holds


SHARED = ALONE.replace("app: {load", "blue: &lb {load").replace("service: app", "service: blue") + "    green: *lb\n"
STATIC = "entryPoints: {web: {address: ':80'}}\n"
PLUGIN = f"{STATIC}experimental: {{plugins: {{a: {{}}}}}}\nproviders: {{file: {{filename: a.yml}}}}\n"


@pytest.mark.parametrize(
    ("files", "said", "told"),
    [
        (FILES, Deployment(("cha",)), "traefik.yml: passes no requests on to 'cha', which is to be mapped; allowed: "),
        (FILES, NOTHING, "dynamic/app.yml:12: `--map chat` says that this stands for the next hop"),
        (FILES, Deployment(("chat",), "web"), "traefik.yml: has no server 'web'; allowed: websecure:443, shop.example"),
        (
            FILES,
            Deployment(("chat",), path="/x"),
            "traefik.yml:9: router app (dynamic/app.yml:7) answers /x, and",
        ),
        ({"t.yml": STATIC + "providers: {docker: {}}\n"}, NOTHING, "t.yml:2: `docker` tells of services, and is not"),
        ({"t.yml": STATIC}, NOTHING, "t.yml:1: has no `providers.file`"),
        ({"t.yml": STATIC + "providers: {file: {filename: x.yml}}\n"}, NOTHING, "t.yml:2: finds nothing at x.yml"),
        ({"t.yml": PLUGIN, "a.yml": ALONE}, NOTHING, "t.yml:2: plugins are fetched"),
        ({"a.yml": ALONE + "  middlewares: {a: {plugin: {b: {}}}}\n"}, NOTHING, "a.yml:6: a plugin is fetched"),
        ({"a.yml": ALONE.replace("http:/", "h2c:/")}, NOTHING, "a.yml:5: app is spoken to by HTTP/2 only"),
        ({"a.yml": ALONE.replace(": app}", ": ap@docker}")}, NOTHING, "a.yml:3: ap@docker is no service of the files"),
        ({"a.yml": ALONE + '# {{ env "X" }}\n'}, NOTHING, "a.yml:6: holds a Go template"),
        ({"a.yml": SHARED}, Deployment(("blue",)), "a.yml:5: this is shared by an anchor, and is to be one thing for"),
        ({"a.yml": ALONE + "  x: &x [*x]\n"}, NOTHING, "a.yml:6: has an anchor that holds itself"),
        ({"a.toml": "[http]\n"}, NOTHING, "a.toml:1: is TOML"),
        ({"a.yml": "http: [\n"}, NOTHING, "a.yml:2: not YAML: "),
        (
            {"a.yml": ALONE.replace("PathPrefix(`/`)", "Query(`a`)")},
            NOTHING,
            "a.yml:3: `router all` takes requests",
        ),
    ],
)
def test_what_is_not_there_or_fits_twice_is_told_with_lines(
    tmp_path: Path, files: dict[str, str], said: Deployment, told: str
) -> None:
    lines = refused(tmp_path, files, said)
    assert any(line.startswith(told) for line in lines), lines
