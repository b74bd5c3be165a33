"""Configs of every language as they are deployed, through the real programs: unmodified, edited, told what answered.

What of a config stands for what is told by tests without the programs (languages/), nginx' by test_nginx_as_deployed.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness.errors import InputError, ProxyError
from harness.launchers.commands import asked
from harness.launchers.process import Launcher
from harness.model import Deployment, Endpoint, Result, chain_text
from harness.proxies.as_deployed import AsDeployed
from harness.proxies.catalog import PROXIES
from harness.proxies.languages.caddy_routes import Asked, answering
from harness.session import Fetching, fetched, load, session
from tests.commanding import Harness
from tests.proxies.languages import production
from tests.proxies.languages.reading import write
from tests.proxies.serving import upstream
from tests.sampling import some_of

pytestmark = pytest.mark.proxies

ENVOY_ODD = production.ENVOY.replace("cluster: chat,", "cluster: chat, retries: 3,")
APACHE = {"site.conf": production.APACHE}
ENVOY = {"envoy.yaml": production.ENVOY}
HAPROXY = {"haproxy.cfg": production.HAPROXY}
TRAEFIK = {"traefik.yml": production.TRAEFIK, "dynamic/app.yml": production.TRAEFIK_DYNAMIC}
CADDY = {"Caddyfile": production.CADDY, "sites/other.caddy": production.CADDY_SITE}


async def measured(place: Path, language: str, config: Path, said: str, chain: str = "{}:mine") -> Result:
    """Measure one cell through a config of the user's, as a matrix file says what stands for what in it."""
    (place / "m.yaml").write_text(
        f"title: t\nworkloads: {{w: {{tokens: 24, token_bytes: 100}}}}\naxes: {{chain: '{chain.format(language)}'}}\n"
        f"variants: {{{language}: {{mine: {{file: {config}{said}}}}}}}\n"
    )
    job = fetched(load(str(place / "m.yaml")), Fetching(print))
    async with session(job, place / "runs") as (runner, run):
        results = await runner.run(job.cells, lambda _: None)
        assert {chain_text(one.cell.chain): one.verdict for one in results}["direct"] == "streamed"
        assert results[-1].evidence, results[-1].reason
        (hop,) = (run.folder / "proxies").glob(f"{language}.mine*")
        assert (hop / f"{language}.diff").read_text()
    return results[-1]


@some_of(
    ("language", "files", "said", "verdict", "answers"),
    [
        ("haproxy", HAPROXY, "map: chat", "streamed", "use_backend chat if is_api is_chat"),
        ("haproxy", HAPROXY, "map: web", "delayed", "default_backend web"),
        ("traefik", TRAEFIK, "map: chat", "streamed", "router chat"),
        ("traefik", TRAEFIK, "map: web", "buffered", "router app"),
        ("apache", APACHE, "map: app", "streamed", 'Location "/api/chat"'),
        ("apache", APACHE, "map: web, path: /reports", "coalesced", "ProxyPass / balancer://web/"),
        ("caddy", CADDY, "map: app:8000", "streamed", "reverse_proxy app:8000 app2:8000 of /api/chat /api/chat/*"),
        ("caddy", CADDY, "map: 'admin:9000'", "streamed", "reverse_proxy admin:9000 of /admin/*"),
        ("envoy", ENVOY, "map: app:8000", "streamed", "route /api/chat"),
    ],
    2,
)
async def test_the_verdict_is_that_of_what_the_program_says_answered(
    tmp_path: Path, language: str, files: Mapping[str, str], said: str, verdict: str, answers: str
) -> None:
    config = write(tmp_path / "etc", files)
    result = await measured(tmp_path, language, config, f", {said}")
    assert result.verdict == verdict, result.reason
    (served,) = result.facts.served_by
    assert served.location
    assert served.location.text == answers
    assert {name: (tmp_path / "etc" / name).read_text() for name in files} == files


OUTSIDERS = {
    "haproxy": (
        "haproxy.cfg",
        "frontend www\n bind :80\n mode http\n acl in src 10.0.0.0/8\n use_backend llm if { path_beg /chat } in\n"
        " default_backend none\nbackend llm\n mode http\n server a app:8000\nbackend none\n mode http\n",
    ),
    "traefik": (
        "dynamic.yml",
        "http:\n  routers:\n    llm: {rule: 'PathPrefix(`/chat`)', service: llm, middlewares: [in]}\n"
        "  middlewares:\n    in: {ipAllowList: {sourceRange: [10.0.0.0/8], rejectStatusCode: 503}}\n"
        "  services:\n    llm: {loadBalancer: {servers: [{url: 'http://app:8000'}]}}\n",
    ),
    "apache": (
        "site.conf",
        "RewriteEngine On\nRewriteCond %{REMOTE_ADDR} !^10\\.\nRewriteRule ^/chat - [R=503,L]\n"
        "ProxyPass /chat http://app:8000/chat\n",
    ),
    "caddy": (
        "Caddyfile",
        ":80 {\n\t@out not remote_ip 10.0.0.0/8\n\trespond @out 503\n\treverse_proxy /chat/* app:8000\n}\n",
    ),
    "envoy": (
        "envoy.yaml",
        production.ENVOY.replace('prefix: "/api/chat" }', 'prefix: "/chat", headers: [{ name: x-in }] }').replace(
            "route: { cluster: web }", "direct_response: { status: 503 }"
        ),
    ),
}
"""Configs that answer with 503 themselves whoever asks from this machine."""


@pytest.mark.parametrize("language", OUTSIDERS)
async def test_a_program_that_answers_with_503_by_its_config_has_started(tmp_path: Path, language: str) -> None:
    config = write(tmp_path / "etc", dict([OUTSIDERS[language]]))
    program = PROXIES[language]
    assert isinstance(program, AsDeployed)
    program.fetch(Fetching(print))
    (tmp_path / "evidence").mkdir()
    meant = program.deployed(Deployment(path="/chat/x", map=("app:8000",)))
    async with Launcher() as launcher, aiohttp.ClientSession() as session, upstream() as behind:
        running = await meant.start(config, behind, tmp_path / "evidence", launcher)
        there = running.endpoint
        trusting = ssl.create_default_context(cafile=there.authority) if there.authority else True
        async with session.get(there.pulse_url, headers={"Host": there.name or "any"}, ssl=trusting) as response:
            assert response.status == 503


BY_THEMSELVES = {
    "traefik": (
        "own.yaml",
        "http: {routers: {a: {rule: 'Path(`/a`)', service: noop@internal}}} # ${UPSTREAM}\n",
        404,
    ),
    "caddy": ("own.caddyfile", "http://127.0.0.1:${PORT} {\n\trespond 418\n}\n# ${UPSTREAM}\n", 418),
    "haproxy": (
        "own.cfg",
        "defaults\n mode http\n timeout connect 9s\n timeout client 9s\n timeout server 9s\n"
        "frontend a\n bind ${LISTEN}\n http-request return status 404\n default_backend b\n"
        "backend b\n server c ${UPSTREAM_ADDRESS}\n",
        404,
    ),
}
"""Configs that have no request passed on."""


@pytest.mark.parametrize("language", BY_THEMSELVES)
async def test_a_program_that_answers_by_itself_is_not_waited_for_once_it_has_loaded(
    tmp_path: Path, language: str
) -> None:
    name, config, status = BY_THEMSELVES[language]
    own = write(tmp_path / "etc", {name: config})
    program = PROXIES[language]
    assert isinstance(program, AsDeployed)
    program.fetch(Fetching(print))
    (tmp_path / "evidence").mkdir()
    async with Launcher() as launcher, upstream() as behind:
        with pytest.raises(ProxyError, match=f"with status {status}, what is behind it with") as told:
            await program.start(own, behind, tmp_path / "evidence", launcher)
    unpassed = told.value.__cause__
    assert unpassed
    assert "goes on to answer by itself" in str(unpassed.__cause__)


async def test_a_config_behind_another_and_before_one_with_tls_is_asked_by_whatever_name(tmp_path: Path) -> None:
    config = write(tmp_path / "etc", APACHE)
    result = await measured(tmp_path, "apache", config, ", map: app", "nginx:http11>{}:mine>nginx:tls")
    assert result.verdict == "coalesced", result.reason
    assert [one.path for one in result.facts.served_by] == ["/api/chat"]


@pytest.mark.parametrize(
    ("language", "text", "told"),
    [
        ("haproxy", "listen l\n bind :80\n balance best\n server s a:1\n", ":3: balance only supports"),
        ("caddy", "a.example {\n\treverse_proxy a:1 {\n\t\tlb_polcy first\n\t}\n}\n", ":3: .*lb_polcy"),
        (
            "haproxy",
            "listen l\n bind :80\n server s a:1\n http-request set-header Authorization Bearer opensesame\n",
            r":4: .*found '\(redacted\)'",
        ),
        (
            "caddy",
            "a.example {\n\treverse_proxy a:1 {\n\t\theader_up Authorization a b opensesame\n\t}\n}\n",
            r":3: (?!.*opensesame)",
        ),
        ("apache", "ProxyPass / http://a:1/\nProxyPas / http://b:1/\n", ":2: Invalid command 'ProxyPas'"),
        ("envoy", ENVOY_ODD, ": Protobuf message .*retries"),
    ],
)
def test_what_a_program_has_against_a_config_is_told_at_the_users_line(
    tmp_path: Path, language: str, text: str, told: str
) -> None:
    config = write(tmp_path, {f"my{PROXIES[language].suffix}": text})
    proxy = PROXIES[language]
    assert isinstance(proxy, AsDeployed)
    with pytest.raises(InputError, match=rf"my\{config.suffix}{told}"):
        proxy.deployed(Deployment(("chat",) if text is ENVOY_ODD else ())).check(config)


@pytest.mark.parametrize("loaded", [["headers"], ["proxy_http", "proxy"], ["mpm_prefork"], ["mpm_worker", "headers"]])
def test_apache_has_nothing_against_a_config_that_loads_some_modules(tmp_path: Path, loaded: list[str]) -> None:
    lines = [f"LoadModule {name}_module modules/mod_{name}.so" for name in loaded]
    text = "\n".join([*lines, "Header set A b", "SetOutputFilter DEFLATE", "ProxyPass / http://app:1/\n"])
    PROXIES["apache"].check(write(tmp_path, {"my.conf": text}))


ORACLE = """\
{
\tadmin off
}
http://a.example:${PORT}, http://*.b.example:${PORT} {
\tbind 127.0.0.1
\t@php path *.php
\t@both {
\t\tpath /both/*
\t\tnot path /both/not*
\t}
\thandle /api/* {
\t\thandle_path /api/v1/* {
\t\t\trespond /deep "1"
\t\t\trespond "2"
\t\t}
\t\trespond /api/exact "3"
\t\trespond "4"
\t}
\thandle @php {
\t\trespond "5"
\t}
\thandle @both {
\t\trespond "6"
\t}
\trespond /Late "7"
\thandle {
\t\trespond "8"
\t}
}
http://c.example:${PORT} {
\tbind 127.0.0.1
\troute {
\t\trespond /first* "9"
\t\trespond /first/second "10"
\t}
}
# ${UPSTREAM_ADDRESS}
"""
HOSTS = ("a.example", "x.b.example", "b.example", "c.example")
REQUESTS = [
    *(
        (("a.example", "x.b.example", "b.example", "c.example"), path)
        for path in ("/", "/api/v1/deep", "/first/second")
    ),
    *((HOSTS[:1], path) for path in ("/api/", "/api", "/API/v1/x", "/api/v1/", "/api/exact", "/x.php", "/both/a")),
    *((HOSTS[:1], path) for path in ("/both/not/x", "/both", "/late", "/latex", "/api/x.php")),
    (HOSTS[-1:], "/first"),
]


async def test_routes_are_followed_as_the_real_caddy_follows_them(tmp_path: Path) -> None:
    config = write(tmp_path, {"oracle.caddyfile": ORACLE})
    caddy = PROXIES["caddy"]
    assert isinstance(caddy, AsDeployed)
    caddy = replace(caddy, given=caddy.said.model_copy(update={"ready": "accepts"}))
    async with Launcher() as launcher, aiohttp.ClientSession() as session:
        (tmp_path / "evidence").mkdir()
        running = await caddy.start(config, Endpoint(1), tmp_path / "evidence", launcher)
        program = caddy.installed()
        argv = [str(program.program), "adapt", "--config", str(tmp_path / "evidence/oracle.caddyfile")]
        adapted = json.loads(asked([*argv, "--adapter", "caddyfile"], "", program.env).stdout)
        (server,) = adapted["apps"]["http"]["servers"].values()
        for hosts, path in REQUESTS:
            for host in hosts:
                async with session.get(f"{running.endpoint.url}{path}", headers={"Host": host}) as response:
                    real = await response.text()
                ours: Any = answering(server["routes"], Asked(host, path, tls=False))
                assert (host, path, ours["body"] if ours else "") == (host, path, real)


APACHE_ORACLE = """\
RewriteEngine on
RewriteRule ^/re/(.*)$ http://${UPSTREAM_ADDRESS}/1 [P]
ProxyPass /hole !
ProxyPass /a http://${UPSTREAM_ADDRESS}/2
ProxyPass /a/b http://${UPSTREAM_ADDRESS}/3
ProxyPassMatch ^/m[0-9] http://${UPSTREAM_ADDRESS}/4
ProxyPass /slash/ http://${UPSTREAM_ADDRESS}/5
<Location /loc>
ProxyPass http://${UPSTREAM_ADDRESS}/6
</Location>
<Location /loc/in>
ProxyPass http://${UPSTREAM_ADDRESS}/7
</Location>
<LocationMatch ^/LOC>
ProxyPassMatch http://${UPSTREAM_ADDRESS}/8
</LocationMatch>
<Location ~ ^/pattern>
ProxyPass http://${UPSTREAM_ADDRESS}/0
</Location>
<Location /a/c>
ProxyPass http://${UPSTREAM_ADDRESS}/9
</Location>
ProxyPass /loc/in/deep http://${UPSTREAM_ADDRESS}/10
"""
APACHE_PATHS = (
    "/re/x /hole /hole/a /holes /a /a/b /ab /m1 /x/m1 /slash /slash/x /loc /loc/in/deep /location /LOC /a/c/d /"
)


async def test_ways_of_requests_are_those_of_the_real_apache(tmp_path: Path) -> None:
    config = write(tmp_path, {"site.conf": APACHE_ORACLE.replace("${UPSTREAM_ADDRESS}", "app:1")})
    apache = PROXIES["apache"]
    assert isinstance(apache, AsDeployed)
    apache.fetch(Fetching(print))
    (tmp_path / "evidence").mkdir()
    async with Launcher() as launcher, aiohttp.ClientSession() as session, upstream(echoes=True) as behind:
        running = await apache.deployed(Deployment(path="/a")).start(config, behind, tmp_path / "evidence", launcher)
        for path in APACHE_PATHS.split():
            async with session.get(f"{running.endpoint.url}{path}") as response:
                found = re.match(r"echo /([0-9]+)", await response.text())
            try:
                fitted = apache.deployed(Deployment(path=path)).fitted(config, apache.installed)
            except InputError:
                assert found is None, path
            else:
                assert bool(fitted.served_by) == (path != "/pattern"), path
                if fitted.served_by and (place := fitted.served_by.location):
                    ours = re.search(r"ADDRESS\}/([0-9]+)", "\n".join(APACHE_ORACLE.splitlines()[place.line - 1 :]))
                    assert (path, ours and ours[1]) == (path, found and found[1])


@pytest.mark.parametrize("front", ["nginx", "caddy"])
def test_a_config_in_front_is_asked_for_what_it_leads_on_where_that_is_not_what_the_one_behind_is(
    harness: Harness, tmp_path: Path, front: str
) -> None:
    """Each strips what the one behind does not know; of Caddy's files only Caddy knows whether they are there."""
    (tmp_path / "nginx.conf").write_text(
        "server { listen 80; location /api/ { proxy_pass http://behind/; } location / { root /var/www; } }"
    )
    (tmp_path / "caddy.conf").write_text(
        "shop.example {\n handle_path /api/* {\n reverse_proxy behind:80\n }\n"
        " handle {\n root * /var/www\n try_files {path} /index.html\n file_server\n }\n}\n"
    )
    (tmp_path / "behind.cfg").write_text(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
        "frontend www\n bind :80\n default_backend api\nbackend api\n server app 10.0.0.1:8000 check\n"
    )
    chain = f"{front}:front=./{front}.conf>haproxy:./behind.cfg"
    said = harness("run", "--chain", chain, "--json", "out.json")
    assert said.status == 0, said.out
    *_, last = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [one["path"] for one in last["facts"]["served_by"]] == ["/api/", "/"]
    assert last["verdict"], said.out
