"""Where nginx moves a request to from the location that it begins in: held against the real one, which says so."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from harness.clients import CLIENTS
from harness.clients.base import Request
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.nginx import Nginx
from harness.proxies.nginx_language import parse
from harness.proxies.nginx_moves import Moves
from harness.proxies.nginx_serving import Location, every_location, uri_of
from harness.proxies.source_text import Source
from harness.resources import configs
from tests.clients.http2_peer import Seen
from tests.proxies.test_nginx_config import PASS, deployed, said
from tests.proxies.test_nginx_serving import server_of

ANY = "anywhere"
TO = "location /to/ { } location / { }"
UP = "location = /up { return 204; } location = /other { return 204; }"
ERRORS = "error_page 418 = /up;"
"""Said of all servers."""

BEGINS = [
    *(
        f"{TO} {rewriting} location /a/ {{ }}"
        for rewriting in (
            "rewrite ^/a/(.*)$ /to/$1 break;",
            "rewrite ^/a/(.*)$ /to/$1 last; rewrite ^ /x;",
            "rewrite ^/a/(.*)$ /to/$1; break; rewrite ^ /x;",
            "rewrite ^/A/ /x; rewrite ^/a/(?<rest>.*)$ /b/$rest; rewrite ^/b/ /to$uri?x=1;",
            "rewrite ^/a/(b)(c)?/ /to/$1$2/x last; rewrite ^ /x;",
            "rewrite ^/old/ https://a.test/; rewrite ^ /to/x;",
            "rewrite ^ /to/x break; return 410;",
            "rewrite ^ /to/x; if ($host) { break; } return 410;",
            "if ($host) { rewrite ^ /to/x; break; } return 410;",
            "if ($host) { rewrite ^ /to/x last; } return 410;",
            "if ($uri ~ ^/a/) { rewrite ^ /to/x last; } return 410;",
            "if ( $document_uri = /a/b/v ) { rewrite ^ /to/x; } rewrite ^/a /x;",
            "if ($request_uri ~* ^/A/) { rewrite ^ /to/x; } rewrite ^/a /x;",
            "if ($uri !~ ^/a/) { break; } rewrite ^ /to/x;",
            'if ($request_uri !~ "^/a/") { return 410; } rewrite ^ /to/x;',
            "if ($uri != /a/b/v) { return 410; } rewrite ^ /to/x;",
            "rewrite ^ /b; if ($request_uri ~ ^/a) { rewrite ^ /to/x; }",
            "rewrite ^ /b; if ($uri ~ ^/b) { rewrite ^ /to/x; }",
            "if ($http_x) { rewrite ^ /x last; } rewrite ^ /to/x last;",
        )
    ),
]
"""Servers that have a request begin in `location /to/`, before any location is looked for."""
BY_ITSELF = [
    f"{TO} rewrite ^ $scheme://a.test/to/; location /a/ {{ }}",
    f"{TO} return 410; rewrite ^ /to/x; location /a/ {{ }}",
    f"{TO} rewrite ^ /to/x; return 410; location /a/ {{ }}",
    f"{TO} rewrite ^ /to/x permanent; location /a/ {{ }}",
    f"{TO} if ($http_x) {{ rewrite ^ /to/x; }} return 410; location /a/ {{ }}",
    f"{TO} if ($request_uri ~ ^/a/) {{ return 410; }} location /a/ {{ }}",
    f"{TO} if ($http_x) {{ return 411; }} return 410; location /a/ {{ break; }}",
]
"""Servers that answer without a location."""
STAYS = [
    f"{TO} location /a/ {{ rewrite ^/a/(.*)$ /to/$1 break; }}",
    f"{TO} location /a/ {{ if ($host) {{ rewrite ^ /to/x break; }} }}",
    f"{TO} location /a/ {{ rewrite ^ /to/x; break; rewrite ^ /to/y last; }}",
    f"{TO} location /a/ {{ if ($host) {{ rewrite ^ /to/x; break; }} }}",
    f"{TO} location /a/ {{ rewrite ^ https://a.test/to/ last; }}",
    f"{TO} location /a/ {{ rewrite ^ /to/ permanent; }}",
    f"{TO} location /a/ {{ rewrite ^ $scheme://a.test$request_uri; }}",
    f"{TO} location /a/ {{ error_page 418 = $scheme://a.test/to/; return 418; }}",
    f"{TO} location /a/ {{ error_page 418 http://a.test/to/; return 418; }}",
    f"{TO} location /a/ {{ try_files $uri $uri/ =404; }}",
    f"{TO} try_files $uri /to/x; location /a/ {{ }}",
    f"{TO} location /a/ {{ rewrite ^ /to/x last; location /a/b/ {{ }} }}",
    f"{TO} location /a/ {{ try_files $uri /to/x; location /a/b/ {{ }} }}",
    f"{TO} rewrite ^/x /to/x last; location /a/ {{ }}",
    f"{TO} if ($http_x) {{ rewrite ^/x /to/x last; }} location /a/ {{ }}",
    f"{TO} rewrite ^/b/ /to/x; location /a/ {{ rewrite ^ /b/ break; }}",
    f"{TO} break; rewrite ^ /to/x; location /a/ {{ }}",
    f"{TO} location /a/ {{ return 410; rewrite ^ /to/x last; }}",
    f"{TO} location /a/ {{ rewrite ^ /to/x; return 410; }}",
    f"{TO} location /a/ {{ if ($host) {{ return 410; rewrite ^ /to/x last; }} }}",
    f"{TO} location /a/ {{ return 410; try_files $uri /to/x; }}",
    f"{TO} location /a/ {{ if ($host) {{ break; }} return 410; try_files $uri /to/x; }}",
    f"{TO} location /a/ {{ if ($host) {{ rewrite ^ /b/x break; }} return 410; try_files $uri /to/x; }}",
    f"{TO} location /a/ {{ error_page 418 = $uri; return 418; }}",
    f"{TO} location /a/ {{ error_page 418 =200 ${{document_uri}}?x=$uri; return 418; }}",
    f"{TO} location /a/ {{ error_page 404 = $document_uri$is_args$args; }}",
    f"{TO} location /a/ {{ rewrite ^ $uri?x=1 last; }}",
    f"{TO} location /a/ {{ try_files /none ${{uri}}?/to/; }}",
]
# What a server says, where the real nginx ends, and where else a request might by what it says.
MOVES = [
    (f"{TO} if ($host) {{ rewrite ^/a/(.*)$ /to/$1 break; }} location /a/ {{ }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /to/x last; break; }}", "/to/", ()),
    (f"{TO} location /a/ {{ if ($host) {{ rewrite ^ /to/x last; }} break; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^/a(.*) /to$1 last; }}", "/to/", ("/",)),
    (f"{TO} location /a/ {{ try_files $uri /to/$is_args$args; }}", "/to/", ()),
    (f"{TO} location /a/ {{ try_files $uri /to/${{is_args}}x=$args; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /to/?x=$uri last; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /to$args last; }}", "/to/", ("/",)),
    (f"{TO} location /a/ {{ rewrite ^ //to/ last; }}", "/", ()),
    (f"{TO} location /a/ {{ set $to /to/x; rewrite ^ $to last; }}", "/to/", (ANY,)),
    (f"{TO} location /a/ {{ set $scheme_of /to; rewrite ^ ${{scheme_of}}/ last; }}", "/to/", (ANY,)),
    (
        f"{TO} location /a/ {{ set $to @up; error_page 418 = $to; return 418; }} location @up {{ return 204; }}",
        "@up",
        (ANY,),
    ),
    (f"{TO} location /a/ {{ try_files $uri @up; }} location @up {{ rewrite ^ /to/x last; }}", "/to/", ("@up",)),
    (f"{TO} location /a/ {{ rewrite ^ /b/ last; }} location /b/ {{ try_files $uri /to/x; }}", "/to/", ("/b/",)),
    ("location /a/ { rewrite ^ /b/x last; } try_files $uri @up; location @up { return 204; }", "@up", ()),
    (
        "location /a/ { rewrite ^/a/(.*) /to/$1 last; } location ~ ^/to/b { } location ^~ /to/w { }",
        "~ ^/to/b",
        ("^~ /to/w",),
    ),
    (f"{TO} location /a/ {{ rewrite ^ /to/x last; return 410; }}", "/to/", ()),
    (f"{TO} location /a/ {{ if ($host) {{ rewrite ^ /to/x last; }} return 410; }}", "/to/", ()),
    (f"{TO} location /a/ {{ if ($http_x) {{ return 410; }} rewrite ^ /to/x; }}", "/to/", ()),
    (f"{TO} location /a/ {{ break; return 410; try_files $uri /to/x; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /b/x break; return 410; try_files /none /to/x; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /to/x break; error_page 404 = $uri; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /to/x; break; error_page 404 = $uri; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /to/x break; try_files /none $uri; }}", "/to/", ()),
    (f"{TO} location /a/ {{ rewrite ^ /to/x; return 418; error_page 418 = $uri; }}", "/to/", ()),
    (f"{TO} rewrite ^/x /to/x; location /a/ {{ try_files /none /x; }}", "/to/", ()),
    (f"{TO} rewrite ^/x /to/x; location /a/ {{ try_files /none /x$is_args; }}", "/to/", ()),
    (f"{TO} rewrite ^/x /to/x; location /a/ {{ error_page 418 = /x; return 418; }}", "/to/", ()),
    (
        f"{TO} rewrite ^/x /to/x; location /a/ {{ set $to y; try_files $uri /x$to; }} location /xy {{}}",
        "/to/",
        ("/", "/xy"),
    ),
    (f"{TO} if ($request_uri ~ x) {{ rewrite ^ /to/x; }} location /a/ {{ try_files /none /x; }}", "/", ("/to/",)),
    (f"{TO} if ($uri ~ x) {{ rewrite ^ /to/x; }} location /a/ {{ try_files /none /x; }}", "/to/", ()),
    (f"{TO} rewrite ^/x /a/; location /a/ {{ rewrite ^ /x last; }}", "/", ()),
    (f"{UP} location /a/ {{ return 418; rewrite ^ /other last; }}", "= /up", ()),
    (f"{UP} location /a/ {{ return 418; }}", "= /up", ()),
    (
        f"{UP} location /a/ {{ error_page 419 = /other; location /a/b/ {{ rewrite ^ /c last; }} }} location /c {{ }}",
        "/c",
        ("= /other", "= /up"),
    ),
    (f"{UP} location /a/ {{ error_page 418 = /other; location /a/b/ {{ return 418; }} }}", "= /other", ("= /up",)),
    (f"{UP} error_page 418 = /other; location /a/ {{ return 418; }}", "= /other", ()),
    (f"{UP} location /a/ {{ if ($host) {{ error_page 418 = /other; return 418; }} }}", "= /other", ("= /up",)),
]
PATH = "/a/b/v"


def moves_of(text: str) -> tuple[Location | None, list[Location], list[Location]]:
    """Return where a request begins, all that it may end in, and all that there is."""
    server = server_of(text)
    moves = Moves(server, parse(Source(Path("my.conf"), ERRORS)) if UP in text else [])
    begins = moves.begins(uri_of(PATH))
    return begins[0], moves.ends(begins), [*every_location(server)]


def name(location: Location | None) -> str:
    return " ".join(location.directive.arguments) if location else ""


@pytest.mark.parametrize("text", BEGINS)
def test_what_the_server_rewrites_begins_where_that_leads(text: str) -> None:
    begins, ends, _ = moves_of(text)
    assert (name(begins), {*map(name, ends)} - {"/"}) == ("/to/", {"/to/"})


@pytest.mark.parametrize("text", BY_ITSELF)
def test_what_the_server_answers_gets_to_no_location(text: str) -> None:
    begins, ends, _ = moves_of(text)
    assert (begins, ends) == (None, [])


@pytest.mark.parametrize("text", STAYS)
def test_what_stays_in_its_location_or_goes_to_another_server_is_no_move(text: str) -> None:
    begins, ends, _ = moves_of(text)
    assert name(begins).startswith("/a/")
    assert ends == [begins]


@pytest.mark.parametrize(("text", "end", "others"), MOVES)
def test_a_request_is_followed_to_all_that_it_may_end_in(text: str, end: str, others: tuple[str, ...]) -> None:
    begins, ends, every = moves_of(text)
    assert end != name(begins)
    assert {*map(name, ends)} == ({*map(name, every)} if ANY in others else {name(begins), end, *others})


@pytest.mark.parametrize(("text", "end", "others"), MOVES)
def test_the_one_of_them_that_passes_requests_on_is_told_to(
    tmp_path: Path, text: str, end: str, others: tuple[str, ...]
) -> None:
    passing = re.sub(rf"location {re.escape(end)} {{", rf"\g<0> {PASS}", text)
    read = deployed(tmp_path, f"events {{}} http {{ {ERRORS} server {{ {passing} }} }}", said(path=PATH))
    assert read.answering
    assert (name(read.answering), read.served_by().begins is None) == (end, read.location == read.answering)


@pytest.mark.proxies
async def test_the_real_nginx_ends_there(tmp_path: Path) -> None:
    texts = [*BEGINS, *BY_ITSELF, *STAYS, *(text for text, _, _ in MOVES)]
    servers = "".join(
        f"server {{ listen ${{LISTEN}}; server_name m{at}.test; {marked(text)} }}\n" for at, text in enumerate(texts)
    )
    ours = "server { listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}; } }"
    config = tmp_path / "my.conf"
    config.write_text(f"events {{}} http {{ root {tmp_path}/none; {ERRORS} {ours}\n{servers} }}")
    nginx, client = Nginx("nginx", configs() / "nginx"), CLIENTS["aiohttp"]()
    async with Launcher() as launcher:
        running = await nginx.start(config, Endpoint(1), tmp_path / "evidence", launcher)

        async def end(at: int) -> str:
            seen = Seen()
            url = f"{running.endpoint.url}{PATH}?/"
            await client.stream(Request(url, headers=[("Host", f"m{at}.test")]), seen)
            return dict(seen.headers).get("X-At", "")

        told = await asyncio.gather(*(end(at) for at in range(len(texts))))
        await client.close()
    begin = {text: name(moves_of(text)[0]) for text in (*BEGINS, *BY_ITSELF, *STAYS)}
    assert dict(zip(texts, told, strict=True)) == {**begin, **{text: one for text, one, _ in MOVES}}


def marked(text: str) -> str:
    """Have each location say in a header how it is matched."""
    return re.sub(r"location ([^{]+) \{", r'location \1 { add_header X-At "\1" always;', text)
