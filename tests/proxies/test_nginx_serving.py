"""Which server and location answer, by nginx' rules: held against the real one, which says so in a header."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from harness.clients import CLIENTS
from harness.clients.base import Request
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.nginx import Nginx
from harness.proxies.nginx_language import Directive, parse
from harness.proxies.nginx_serving import Server, every_location, find, internal, may_answer, named, reached, uri_of
from harness.proxies.source_text import Source
from harness.resources import configs
from tests.clients.http2_peer import Seen

LOCATIONS = """
location = / {}
location / {}
location = /api {}
location /api/ { location /api/v1/ {} location ~ \\.sse$ {} location = /api/v1/exact {} location ^~ /api/v2/ {} }
location ^~ /static/ { location ~ \\.css$ {} location /static/inner/ {} }
location ~ ^/(chat|talk)/ { location ~ deep {} location ~ stop$ {} }
location ~* \\.PHP$ {}
location ~ /v2/.*x$ {}
location /chat {}
location @named {}
location "/a b" {}
location ~ "^/num/[0-9]{2}$" {}
location ~^/glued/ {}
location =/glued {}
"""
PATHS = [
    "/",
    "/x",
    "/api",
    "/api/",
    "/api/x",
    "/api/v1/",
    "/api/v1/exact",
    "/api/v1/exactly",
    "/api/x.sse",
    "/api/v1/x.sse",
    "/api/v2/x",
    "/api/v2/x.sse",
    "/api/v1/x.php",
    "/static/x",
    "/static/x.css",
    "/static/inner/y",
    "/static/inner/y.css",
    "/static/x.php",
    "/static/x.sse",
    "/chat",
    "/chat/",
    "/chat/deep/z",
    "/chat/deep/stop",
    "/talk/stop",
    "/talk/x.php",
    "/chatter",
    "/INDEX.php",
    "/index.PHP",
    "/v2/ax",
    "/api/v2/ax",
    "/a%20b",
    "/a%20bc",
    "/num/12",
    "/num/123",
    "/glued",
    "/glued/x",
    "//api//v1/exact",
    "/api/../static/x",
    "/static/./x.css",
    "/chat%2Fdeep/z",
    "/x?/api/",
]

NAMES = {
    "default": "unheard.example",
    "exact": "shop.example www.shop.example",
    "star": "*.shop.example",
    "longer": "*.eu.shop.example",
    "dotted": ".bare.example",
    "tail": "mail.*",
    "regex": r"~^(?<sub>.+)\.re\.example$",
    "later": r"~\.example$",
}
HOSTS = {
    "unknown.test": "default",
    "shop.example": "exact",
    "WWW.shop.example": "exact",
    "a.shop.example": "star",
    "a.b.shop.example": "star",
    "x.eu.shop.example": "longer",
    "bare.example": "dotted",
    "x.bare.example": "dotted",
    "mail.test": "tail",
    "mail.shop.example": "star",
    "q.re.example": "regex",
    "other.example": "later",
}


def marked(text: str) -> str:
    """Have each location say its number in a header, and answer by itself; a `[0-9]{2}` is no block."""
    out, number = "", 0
    for letter in text:
        out += letter
        if letter == "{" and not out.endswith("]{"):
            number += 1
            out += f" add_header X-At l{number}; return 204;"
    return out


def server_of(text: str) -> Directive:
    (server,) = parse(Source(Path("my.conf"), f"server {{ {text} }}"))
    return server


def told(server: Directive, path: str) -> str:
    location = find(server, uri_of(path))
    assert location is not None
    return next(location.directive.children("add_header")).arguments[1]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/a?b", "/a"),
        ("//a///b", "/a/b"),
        ("/a/../b/./c", "/b/c"),
        ("/a%20b%2Fc", "/a b/c"),
        ("/", "/"),
        ("/a/", "/a/"),
    ],
)
def test_a_path_is_decoded_and_merged_before_locations_see_it(path: str, uri: str) -> None:
    assert uri_of(path) == uri


@pytest.mark.parametrize("host", HOSTS)
def test_a_server_is_chosen_by_its_name(host: str) -> None:
    servers = [Server(server_of(f"server_name {name};")) for name in NAMES.values()]
    found = named(servers, host)
    assert (found or servers[0]) == servers[list(NAMES).index(HOSTS[host])]


def test_a_location_that_no_path_reaches_is_none() -> None:
    assert find(server_of("location /a/ {} location @b {} location ~ ( {}"), "/b") is None


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("location ^~ /api/ {} location ~ ^/api/v1/ {}", ["~ ^/api/v1/"]),
        (r"location ^~ /api/ {} location ~ ^/api/.*\.json$ {} location ~ \.json$ {}", [r"~ ^/api/.*\.json$"]),
        ("location ^~ /api/ {} location /api/v1/ {} location ~ ^/api/ {}", ["/api/v1/"]),
        ("location ^~ /api/ {} location /api/v1/ {} location ~ ^/api/.*x {}", []),
        ("location ^~ /api/ {} location /api/v1/ {} location ~ ^/api/v2 {}", ["~ ^/api/v2"]),
        ("location ^~ /api/ {} location ~* ^/api/ {} location ~ ^/api/?x {} location ~ ^/api/|/b {}", []),
        ("location ^~ /api {} location ~ ^/api/?x {} location ~ ^/api/(a|b) {}", ["~ ^/api/?x", "~ ^/api/(a|b)"]),
        ("location /api/ {} location ~ ^/api/ {} location ~ ^/api/v1 {}", ["/api/", "~ ^/api/v1"]),
        ("location / { location = /in {} } location ~ ^/ { location ~ x {} }", ["/"]),
        ("location ^~ /a/ {} location ~ ^/a/ { location ~ x {} }", ["~ ^/a/", "~ x"]),
        (r"location ^~ /a.b/ {} location ~ ^/a\.b/ {} location ~ ^/a.b/ {}", [r"~ ^/a\.b/"]),
    ],
)
def test_a_location_that_another_always_comes_before_is_never_reached(text: str, hidden: list[str]) -> None:
    server = server_of(text)
    there = [*reached(server)]
    assert [" ".join(one.directive.arguments) for one in every_location(server) if one not in there] == hidden


SOME = ("/", "/a", "^~ /a", "/a/b", "^~ /a/b", "= /a/b", "~ ^/", "~ ^/a", "~* ^/a", r"~ ^/a/?b", "~ b$", "~ ^/a/b.*")


@pytest.mark.parametrize("first", SOME)
def test_whatever_is_never_reached_answers_no_path(first: str) -> None:
    paths = ["/", "/a", "/A/b", "/ab", "/a/b", "/a/bc", "/a/b/a", "/b", "/x"]
    for others in itertools.permutations([one for one in SOME if one != first], 3):
        server = server_of(" ".join(f"location {one} {{}}" for one in (first, *others)))
        there = [*reached(server)]
        assert {location for path in paths if (location := find(server, path))} <= {*there}, others


@pytest.mark.parametrize("first", SOME)
def test_whatever_answers_a_path_may_answer_all_that_begins_as_that_does(first: str) -> None:
    paths = ["/", "/a", "/ab", "/a/b", "/a/bc", "/a/b/a", "/b", "/A/b"]
    for others in itertools.permutations([one for one in SOME if one != first], 2):
        server = server_of(" ".join(f"location {one} {{ location /a/b/a {{}} }}" for one in (first, *others)))
        for path in paths:
            for end in range(1, len(path) + 1):
                assert {find(server, path)} <= {None, *may_answer(server, path[:end])}, others


def test_what_begins_otherwise_answers_no_path_of_which_the_beginning_is_known() -> None:
    server = server_of(
        r"location / {} location /v {} location /v1/ {} location = /v1x {} location ~ ^/w {} location @v {}"
    )
    assert [one.path for one in may_answer(server, "/v1")] == ["/v", "/v1/", "/v1x"]


@pytest.mark.proxies
async def test_the_real_nginx_answers_from_the_very_location_and_server(tmp_path: Path) -> None:
    locations = marked(LOCATIONS)
    servers = "".join(
        f"server {{ listen ${{LISTEN}}; server_name {name}; add_header X-Server {at}; location / {{ return 204; }} }}\n"
        for at, name in NAMES.items()
    )
    inner = f"location /up {{ proxy_pass ${{UPSTREAM}}; }} {locations}"
    config = tmp_path / "my.conf"
    config.write_text(
        f"events {{}} http {{ server {{ listen ${{LISTEN}}; server_name paths.test; {inner} }} {servers} }}"
    )
    nginx, client = Nginx("nginx", configs() / "nginx"), CLIENTS["aiohttp"]()
    async with Launcher() as launcher:
        running = await nginx.start(config, Endpoint(1), tmp_path / "evidence", launcher)

        async def header(name: str, path: str, host: str) -> str:
            seen = Seen()
            await client.stream(Request(f"{running.endpoint.url}{path}", headers=[("Host", host)]), seen)
            return dict(seen.headers).get(name, "")

        by_path = await asyncio.gather(*(header("X-At", path, "paths.test") for path in PATHS))
        by_host = await asyncio.gather(*(header("X-Server", "/", host) for host in HOSTS))
        await client.close()
    assert dict(zip(PATHS, by_path, strict=True)) == {path: told(server_of(inner), path) for path in PATHS}
    known = {**HOSTS, "unknown.test": ""}  # the first server, which has the paths
    assert dict(zip(HOSTS, by_host, strict=True)) == known


@pytest.mark.proxies
async def test_the_real_nginx_lets_no_client_to_an_internal_location(tmp_path: Path) -> None:
    text = (
        "location / { return 204; } location /a/ { internal; return 204; location /a/b/ { return 204; } }"
        "location = /c { internal; return 204; } location /d/ { return 204; location /d/e/ { internal; return 204; } }"
    )
    inner = f"location /up {{ proxy_pass ${{UPSTREAM}}; }} {text}"
    (tmp_path / "my.conf").write_text(f"events {{}} http {{ server {{ listen ${{LISTEN}}; {inner} }} }}")
    nginx, client = Nginx("nginx", configs() / "nginx"), CLIENTS["aiohttp"]()
    paths = ["/", "/a/", "/a/b/", "/c", "/d/", "/d/e/"]
    told: dict[str, int | None] = {}
    async with Launcher() as launcher:
        running = await nginx.start(tmp_path / "my.conf", Endpoint(1), tmp_path / "evidence", launcher)
        for path in paths:
            await client.stream(Request(f"{running.endpoint.url}{path}"), seen := Seen())
            told[path] = seen.status
        await client.close()
    server = server_of(inner)
    unasked = [*internal(server)]
    assert told == {path: 404 if find(server, path) in unasked else 204 for path in paths}
    assert len(unasked) == 4
