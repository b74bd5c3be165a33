"""Which of several servers and targets of a deployed nginx config are meant, and which none can be. No nginx."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxies.test_nginx_config import PASS, deployed, laid_out, refusal, said

STREAMS = (
    "server {\nlisten 443 ssl; ssl_certificate a; ssl_certificate_key b;\n"
    f"location / {{ try_files $uri /index.html; }}\nlocation ^~ /v1/ {{ {PASS} }}\n}}\n"
)
UP = "{ proxy_pass http://app:8000; }"
PASS_B = "{ proxy_pass http://b; }"


MOVES = [
    "location / { try_files $uri $uri/ =404; }",  # Debian's sites-enabled/default
    "rewrite ^ https://$host$request_uri permanent;",
    "error_page 404 /404.html;",
    "if ($host = x) { rewrite ^ /y; }",
]


@pytest.mark.parametrize("inside", [*MOVES, f"{MOVES[1]} location /.well-known/ {{ {PASS} }}"])
@pytest.mark.parametrize("first", [True, False])
def test_a_path_is_asked_of_the_server_that_leads_it_to_the_backend_and_of_none_that_could_move_it(
    tmp_path: Path, inside: str, first: bool
) -> None:
    beside = f"server {{ listen 80 default_server; {inside} }}\n"
    read = deployed(tmp_path, beside + STREAMS if first else STREAMS + beside, said(path="/v1/x"))
    assert (read.asked.address, read.path) == ("*:443", "/v1/x")


@pytest.mark.parametrize(
    "inside",
    [
        f"error_page 404 = @app; location @app {{ {PASS} }}",
        f"location / {{ try_files $uri $to; }} location /app {{ {PASS} }}",
        f"location / {{ rewrite ^ /app/x last; }} location /app/ {{ {PASS} }}",
    ],
)
def test_if_none_passes_a_path_on_the_one_that_may_move_it_to_the_backend_is_asked(tmp_path: Path, inside: str) -> None:
    text = f"server {{ listen 80; {MOVES[0]} }} server {{ listen 81; {inside} }}"
    assert deployed(tmp_path, text, said(path="/old")).asked.address == "*:81"


@pytest.mark.parametrize(
    "moving",
    [
        "error_page 502 503 504 @other;",
        "error_page 502 /other/x;",
        "error_page 502 $to;",
        "if ($host = x) { rewrite ^ /other/ last; }",
        "if ($host = x) { error_page 418 = @other; return 418; }",
    ],
)
@pytest.mark.parametrize(("inside", "path"), [(True, ""), (True, "/v1/chat"), (False, "/v1/chat")])
def test_a_request_leads_to_what_its_location_passes_it_on_to_itself_wherever_that_may_move_it(
    tmp_path: Path, moving: str, inside: bool, path: str
) -> None:
    other = "{ internal; proxy_pass http://maintenance; }"
    first = f"location /v1/ {{ {moving} {PASS} }}" if inside else f"{moving} location /v1/ {{ {PASS} }}"
    text = f"server {{ {first} location @other {other} location /other/ {other} location / {{ root /srv; }} }}"
    read = deployed(tmp_path, text, said(path=path))
    assert [one.name for one in read.backends] == ["app:8000"]


@pytest.mark.parametrize(
    "moving", ["error_page 502 503 504 @other;", "error_page 502 /other/x;", "error_page 502 $to;"]
)
def test_a_server_whose_locations_take_all_has_no_error_pages_of_its_own(tmp_path: Path, moving: str) -> None:
    other = f"location @other {PASS_B} location /other/ {{ internal; proxy_pass http://b; }}"
    text = f"server {{ {moving} try_files $uri @other; {other} location / {UP} }}"
    assert [one.name for one in deployed(tmp_path, text).backends] == ["app:8000"]
    text = text.replace("location / {", "location /v1/ {")
    assert [line.split("`")[1] for line in refusal(tmp_path, text)[1:]] == ["--map b", "--map app:8000"]


@pytest.mark.parametrize("server", ["b.test", "b.test:80"])
def test_of_a_server_that_is_named_only_its_own_targets_are_meant(tmp_path: Path, server: str) -> None:
    text = f"server {{ server_name a.test; location / {UP} }} server {{ server_name b.test; location / {PASS_B} }}"
    assert [one.name for one in deployed(tmp_path, text, said(server=server)).backends] == ["b"]


def test_a_path_that_is_moved_to_what_passes_nothing_on_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, STREAMS, said(path="/old")) == [
        "my.conf:3: `location /` answers /old, and passes nothing on to app:8000;"
        " of this server these do: `location ^~ /v1/`"
    ]


@pytest.mark.parametrize(
    ("passing", "why"),
    [
        ("fastcgi_pass php:9000;", "is spoken to by fastcgi_pass"),
        ("grpc_pass grpc://g:1;", "is spoken to by grpc_pass"),
        ("proxy_pass http://$pool;", "is only known as requests come"),
    ],
)
@pytest.mark.parametrize("moving", ["location / { %s }", "location / { try_files $uri @up; } location @up { %s }"])
def test_a_path_that_leads_to_what_nothing_can_stand_for_is_told_so_though_another_can(
    tmp_path: Path, passing: str, why: str, moving: str
) -> None:
    inside = f"{moving % passing} location /v1/ {UP}"
    (told,) = refusal(tmp_path, f"server {{ {inside} }}", said(path="/x"))
    assert told.startswith(f"my.conf:1: `{passing.rstrip(';')}` {why}")
    both = f"server {{ {inside} }} server {{ listen 81; location / {UP} }}"
    assert deployed(tmp_path, both, said(path="/x")).asked.address == "*:81"


def test_a_server_that_has_no_way_to_the_backend_is_refused_though_it_may_move_a_path(tmp_path: Path) -> None:
    beside = f"server {{ listen 80; {MOVES[0]} }}\n"
    assert refusal(tmp_path, beside + STREAMS, said(server=":80", path="/v1/x")) == [
        "my.conf:1: `location /` answers /v1/x, and passes nothing on to app:8000; of this server these do: none"
    ]


# ---------------------------------------------------------------- who is asked beside, and no backend


AUTH = "auth_request /auth; location = /auth { internal; proxy_pass http://auth:9000/verify; }"
NOWHERE = [
    "location / { rewrite ^ https://$host$request_uri last; }",
    "if ($host != a.test) { rewrite ^ $scheme://a.test$request_uri; }",
    "location / { try_files $uri $uri/ /index.php$is_args$args; }",
    "location / { rewrite ^/(.*)$ /a/$1 break; }",
    "location /files/ { internal; error_page 404 = /a; }",
    "location /old/ { return 410; rewrite ^ /a last; }",
    "location /old/ { error_page 405 =200 $uri; }",
]
"""Moves no request to what only nginx asks."""


@pytest.mark.parametrize(
    "beside",
    [
        AUTH,
        AUTH.replace("internal;", ""),
        AUTH.replace("/auth;", "/auth?method=$request_method;").replace("= /auth", "/auth/"),
        "mirror /copy; location = /copy { proxy_pass http://shadow$request_uri; }",
        "location /files/ { internal; proxy_pass http://store; }",  # where an X-Accel-Redirect leads
        "location /a/ { internal; location /a/b/ { proxy_pass http://store; } }",
        *(f"{moving} location /a {{ internal; proxy_pass http://b; }}" for moving in NOWHERE),
        "auth_request /auth; location /auth { location ~ /v { proxy_pass http://a; } } location /x { rewrite ^ $to; }",
    ],
)
@pytest.mark.parametrize("path", ["", "/v1/x"])
def test_who_is_only_asked_beside_a_request_or_by_nginx_itself_is_no_backend(
    tmp_path: Path, beside: str, path: str
) -> None:
    read = deployed(tmp_path, f"server {{ {beside} location /v1/ {{ {PASS} }} }}", said(path=path))
    assert [one.name for one in read.backends] == ["app:8000"]
    assert (read.path, read.served_by().others) == (path or "/v1/", ())


@pytest.mark.parametrize(
    "moving",
    [
        f"location /v1/ {{ rewrite ^/v1/(.*)$ /$1 last; }} location / {{ {PASS} }}",
        f"location /v1 {{ rewrite ^/v1(.*)$ $1 last; }} location / {{ {PASS} }}",
        f"rewrite ^/v1/(.*)$ /$1 last; location / {{ {PASS} }}",
        f"location / {{ rewrite ^/(en|de)/(.*)$ /$2?lang=$1 last; }} location /v1/ {{ {PASS} }}",
        f"location / {{ try_files $uri /$arg_page.html; }} location /v1/ {{ {PASS} }}",
    ],
)
@pytest.mark.parametrize("within", ["", "location ~ /x { proxy_pass http://b; }"])
@pytest.mark.parametrize("asked", ["/auth", "/auth/check"])
@pytest.mark.parametrize("path", ["", "/v1/x"])
def test_a_move_to_where_only_its_beginning_is_known_leads_to_none_that_is_asked_beside(
    tmp_path: Path, moving: str, within: str, asked: str, path: str
) -> None:
    auth = f"auth_request {asked}; location /auth {{ internal; {within} proxy_pass http://auth:9000; }}"
    read = deployed(tmp_path, f"server {{ {moving} {auth} }}", said(path=path))
    assert [one.name for one in read.backends] == ["app:8000"]


def test_it_is_said_of_all_servers_too(tmp_path: Path) -> None:
    servers = f"server {{ {AUTH.partition(';')[2].replace('internal;', '')} location /v1/ {{ {PASS} }} }}"
    head = "events {} http { auth_request /auth;"
    assert [one.name for one in deployed(tmp_path, f"{head} {servers} }}").backends] == ["app:8000"]


@pytest.mark.parametrize(
    "text",
    [
        AUTH,
        AUTH.replace("proxy_pass http://auth:9000/verify", "proxy_pass http://app:8000/verify"),
        "location = /first { internal; proxy_pass http://app:8000; }",
    ],
)
def test_a_location_that_clients_do_not_get_to_is_not_asked_though_it_passes_to_the_backend(
    tmp_path: Path, text: str
) -> None:
    assert deployed(tmp_path, f"server {{ {text} location / {{ {PASS} }} }}").path == "/"


@pytest.mark.parametrize(
    "moving",
    [
        "location / { try_files $uri /app; } location = /app { internal; %s }",
        "location / { rewrite ^/(.*) /app/$1 last; } location /app/ { internal; %s }",
        "location / { error_page 418 = /app; return 418; } location = /app { internal; %s }",
        "auth_request /app; location /old { rewrite ^ /app last; } location /app { %s }",
        "auth_request /app; location /old { rewrite ^/old(.*) /app$1 last; } location /app { %s }",
        "auth_request /app; location /old { rewrite ^/old(.*) /app$1 last; } location /app { location ~ x { %s } }",
        "auth_request /app/verify; location /app/ { %s }",
        "location / { try_files $uri @app; } location @app { internal; %s }",
        "location /api/ { rewrite ^/api/(.*)$ /_up/$1 last; } location ~ ^/_up/(.+)$ { internal; %s }",
        "location /api/ { error_page 418 = /up$uri; return 418; } location ~ ^/up/ { internal; %s }",
        "set $to /up; location / { rewrite ^ $to last; } location /up { internal; %s }",
    ],
)
def test_where_requests_are_moved_to_may_be_the_backend(tmp_path: Path, moving: str) -> None:
    text = f"server {{ {moving % PASS} location /docs {{ proxy_pass http://docs; }} }}"
    assert [line.split("`")[1] for line in refusal(tmp_path, text)[1:]] == ["--map app:8000", "--map docs"]


@pytest.mark.parametrize(
    ("of_all", "inside"),
    [
        ("error_page 418 = /up;", "location / { return 418; }"),
        ("", "error_page 418 = /up; location / { return 418; }"),
        ("", "location / { error_page 418 = /up; location /chat { return 418; } }"),
        ("error_page 418 = @up;", "location / { return 418; }"),
    ],
)
def test_what_is_said_of_errors_further_out_may_lead_to_the_backend(tmp_path: Path, of_all: str, inside: str) -> None:
    at = "@up" if "@" in of_all else "= /up"
    inside = f"{inside} location {at} {{ internal; sub_filter a b; {PASS} }}"
    alone = f"events {{}} http {{ {of_all} server {{ {inside} }} }}"
    both = f"events {{}} http {{ {of_all} server {{ {inside} location /docs {{ proxy_pass http://docs; }} }} }}"
    assert [line.split("`")[1] for line in refusal(tmp_path, both)[1:]] == ["--map app:8000", "--map docs"]
    for text in (alone, both):
        read = deployed(tmp_path, text, said(path="/chat"))
        assert ([one.name for one in read.backends], read.path) == (["app:8000"], "/chat")
        assert "sub_filter a b;" in laid_out(read)["my.conf"]


@pytest.mark.parametrize("by", ["rewrite ^ /up last;", "error_page 418 = /up; return 418;", "try_files $uri /up;"])
def test_a_config_that_is_written_for_us_moves_requests_as_it_likes(tmp_path: Path, by: str) -> None:
    inner = f"location / {{ {by} }} location /up {{ internal; proxy_pass http://${{UPSTREAM_ADDRESS}}; }}"
    assert deployed(tmp_path, f"server {{ listen 80; {inner} }}").path == ""


@pytest.mark.parametrize(
    "moving",
    [
        "rewrite ^/(.*) /v1/$1 last;",
        "rewrite ^(.*)$ /v1$1 last;",
        "rewrite ^ /v0/ last;",
        "try_files $uri /v1$uri;",
        "set $to /v1/; rewrite ^ $to last;",
        "error_page 418 = $to; return 418;",
    ],
)
def test_a_server_that_may_move_the_path_to_the_backend_leads_it_as_well_as_one_that_passes_it_on(
    tmp_path: Path, moving: str
) -> None:
    www = f"server {{ server_name www.test; location / {{ {PASS} }} }}"
    steps = f"location /v0/ {{ rewrite ^ /v1/x last; }} location /v1/ {{ {PASS} }}"
    api = f"server {{ server_name api.test; location / {{ {moving} }} {steps} }}"
    asked = ["--server www.test:80", "--server api.test:80"]
    for text in (f"{www} {api}", f"{api} {www}"):
        told = refusal(tmp_path, text, said(path="/chat"))
        assert sorted(line.split("`")[1] for line in told[1:]) == sorted(asked)


def test_what_the_server_rewrites_has_the_backend_of_where_that_leads_and_of_no_other_path(tmp_path: Path) -> None:
    rewriting = "rewrite ^/old/(.*)$ /new/$1 last; if ($host = x) { rewrite ^/gone/(.*)$ /new/$1 last; }"
    inside = f"location /old/ {{ proxy_pass http://b; }} location /new/ {UP} location / {{ root /srv; }}"
    text = f"server {{ {rewriting} {inside} }}"
    for path in ("/old/x", "/gone/x"):
        assert [one.name for one in deployed(tmp_path, text, said(path=path)).backends] == ["app:8000"]
    told = refusal(tmp_path, text, said("app:8000", path="/other"))
    assert [line.split("`")[1] for line in told] == ["location /"]


ANSWERING = [
    "return 301 https://$host$request_uri;",
    "rewrite ^ https://$host$request_uri? permanent;",
    "rewrite ^/(.*)$ https://a.test/$1;",
    "if ($host = a.test) { return 301 https://$host$request_uri; } return 404;",
    "if ($host = a.test) { rewrite ^ https://a.test/; } return 404; break;",
]


@pytest.mark.parametrize("answering", ANSWERING)
@pytest.mark.parametrize("path", ["", "/chat"])
def test_a_server_that_answers_all_itself_is_neither_asked_nor_has_a_backend(
    tmp_path: Path, answering: str, path: str
) -> None:
    beside = f"server {{ listen 80; {answering} location / {UP} location /b/ {{ proxy_pass http://b; }} }}"
    read = deployed(tmp_path, f"{beside} server {{ listen 81; location / {UP} }}", said(path=path))
    assert ([one.name for one in read.backends], read.asked.address) == (["app:8000"], "*:81")
    told = refusal(tmp_path, beside, said("app:8000", path=path))
    assert [line.partition(" and ")[0].split(" of ")[0] for line in told] == [
        "my.conf:1: `server` answers /chat," if path else "my.conf:1: `server` passes no requests on to app:8000"
    ]


@pytest.mark.parametrize("rewrites", [3, 40])
def test_a_server_that_may_rewrite_a_path_to_anything_is_read_at_once(tmp_path: Path, rewrites: int) -> None:
    moving = " ".join(f"if ($http_x{at}) {{ rewrite ^/(.*)$ /p{at}/$1; }}" for at in range(rewrites))
    text = (
        f"server {{ {moving} location /v1/ {UP} location /p{rewrites - 1}/p1/ {PASS_B} location / {{ root /srv; }} }}"
    )
    for path, name in (("/v1/x", "app:8000"), ("/x", "b")):
        assert [one.name for one in deployed(tmp_path, text, said(path=path)).backends] == [name]


def test_a_path_is_chosen_that_the_server_leaves_as_it_is(tmp_path: Path) -> None:
    text = f"server {{ rewrite ^/(.*)/$ /$1 permanent; rewrite ^/a/ /c/; location /a/ {UP} location /c/ {UP} }}"
    assert deployed(tmp_path, text).path == "/c/stream"


@pytest.mark.parametrize("inside", ["rewrite ^/(.*) /v1/$1 break; root /srv;", "rewrite ^ $scheme://x.test/v1/;"])
def test_a_server_that_moves_the_path_nowhere_does_not_lead_it(tmp_path: Path, inside: str) -> None:
    www = f"server {{ server_name www.test; location / {{ {PASS} }} }}"
    api = f"server {{ server_name api.test; location / {{ {inside} }} location /v1/ {{ {PASS} }} }}"
    assert deployed(tmp_path, f"{api} {www}", said(path="/chat")).server.shown == "www.test"


@pytest.mark.parametrize("moving", ["rewrite ^ /v1/ last;", "rewrite ^ $to last;"])
def test_a_path_that_one_server_passes_on_and_another_moves_has_two_backends(tmp_path: Path, moving: str) -> None:
    www = f"server {{ location / {{ {PASS} }} }}"
    api = f"server {{ listen 81; location / {{ {moving} }} location /v1/ {{ proxy_pass http://b; }} }}"
    told = refusal(tmp_path, f"{www} {api}", said(path="/chat"))
    assert [line.split("`")[1] for line in told[1:]] == ["--map app:8000", "--map b"]


def test_what_two_servers_include_is_asked_beside_only_in_the_one_that_says_so(tmp_path: Path) -> None:
    text = "server { auth_request /auth; include x.conf; } server { listen 81; include x.conf; }"
    read = deployed(tmp_path, text, x=f"location /auth {{ {PASS} }}")
    assert (read.asked.address, read.path) == ("*:81", "/auth")


def test_the_only_one_that_there_is_may_be_asked_by_nginx_itself(tmp_path: Path) -> None:
    text = f"server {{ location / {{ rewrite ^ /app last; }} location /app {{ internal; {PASS} }} }}"
    assert deployed(tmp_path, text, said(path="/x")).path == "/x"
    assert refusal(tmp_path, text) == [
        "my.conf:1: `server` passes no requests on to app:8000 but what is led there from elsewhere:"
        " say what is asked, with `--path /...`"
    ]


def test_where_only_nginx_asks_anybody_that_is_the_backend(tmp_path: Path) -> None:
    read = deployed(tmp_path, f"server {{ location /files/ {{ internal; {PASS} }} }}", said(path="/files/x"))
    assert [one.name for one in read.backends] == ["app:8000"]


def test_who_is_asked_beside_can_be_mapped(tmp_path: Path) -> None:
    text = f"server {{ {AUTH.replace('internal;', '')} location /v1/ {{ {PASS} }} }}"
    assert deployed(tmp_path, text, said("auth", path="/auth")).path == "/auth"


# ---------------------------------------------------------------- which location passes them on


# What a server says, which of its locations passes /api/chat on, if that is known, and in which it begins.
PASSED_ON = [
    (f"location /api/ {UP}", "/api/", "/api/"),
    (f"location /api/ {{ try_files $uri @app; }} location @app {UP}", "@app", "/api/"),
    (f"location /api/ {{ error_page 418 = @app; return 418; }} location @app {UP}", "@app", "/api/"),
    (f"error_page 418 = @app; location /api/ {{ return 418; }} location @app {UP}", "@app", "/api/"),
    (f"error_page 404 = @app; location / {{ root /srv; }} location @app {UP}", "@app", "/"),
    (f"location /api/ {{ try_files $uri @a; }} location @a {{ error_page 404 @b; }} location @b {UP}", "@b", "/api/"),
    (f"try_files $uri @app; location /x {{ }} location @app {UP}", "@app", ""),
    (
        f"location /api/ {{ rewrite ^ /gateway$uri last; }} location /gateway/ {{ internal; {PASS} }}",
        "/gateway/",
        "/api/",
    ),
    (f"location /api/ {{ rewrite ^/api/(.*)$ /$1 last; }} location / {UP}", "/", "/api/"),
    (f"location /api {{ rewrite ^/api(.*)$ $1 last; }} location / {UP}", "/", "/api"),
    (f"rewrite ^/api/(.*)$ /v1/$1 last; location /v1/ {UP}", "/v1/", "/v1/"),
    (f"rewrite ^/api/(.*)$ /v1/$1 last; location /api/ {UP} location /v1/ {UP}", "/v1/", "/v1/"),
    (f"rewrite ^/x/(.*)$ /v1/$1 last; location /api/ {UP} location /v1/ {UP}", "/api/", "/api/"),
    (f"if ($host = x) {{ rewrite ^/(.*)$ /v1/$1 last; }} location /api/ {UP} location /v1/ {UP}", "/api/", "/api/"),
    (f"if ($uri ~ ^/api/) {{ break; }} rewrite ^ /v1/ last; location /api/ {UP} location /v1/ {UP}", "/api/", "/api/"),
    (f"if ($host = x) {{ break; }} return 404; location /api/ {UP}", "/api/", "/api/"),
    (f"rewrite ^/api/ $to; location /api/ {UP} location /v1/ {UP}", None, ""),
    (f"location /api/ {{ if ($host = x) {{ rewrite ^ /x last; }} {PASS} }} location /x {UP}", "/api/", "/api/"),
    (f"location /api/ {{ error_page 404 /x; {PASS} }} location /x {UP}", "/api/", "/api/"),
    (
        f"error_page 502 /x; location /api/ {{ try_files $uri @app; }} location @app {UP} location /x {UP}",
        "@app",
        "/api/",
    ),
    (
        f"location /api/ {{ rewrite ^ /x last; error_page 502 @a; }} location @a {UP} location /x {UP}",
        "/x",
        "/api/",
    ),
    (f"location /api/ {{ rewrite ^ $to last; }} location /x {UP} location /y {UP}", None, "/api/"),
    (f"rewrite ^/api/(.*)$ $1 last; location /x {UP} location /y {UP}", None, ""),
    (f"location /api/ {{ try_files $uri @a; error_page 418 @a; }} location @a {UP} location @b {UP}", "@a", "/api/"),
    (
        f"location /api/ {{ if ($host = x) {{ return 418; }} try_files $uri @a; error_page 418 @b; }}"
        f"location @a {UP} location @b {UP}",
        None,
        "/api/",
    ),
    (
        "auth_request /auth; location = /auth { internal; proxy_pass http://app:8000/me; }"
        f"location /api/ {{ rewrite ^/api/(.*)$ /$1 last; }} location / {UP}",
        "/",
        "/api/",
    ),
]


@pytest.mark.parametrize(("text", "passing", "begins"), PASSED_ON)
def test_what_passes_a_path_on_is_told_and_edited_with_what_it_begins_in_where_it_is_known(
    tmp_path: Path, text: str, passing: str | None, begins: str
) -> None:
    read = deployed(tmp_path, f"server {{ {text} }}", said(path="/api/chat"))
    told = read.served_by()
    assert [place and place.text.split(" ")[-1] for place in (told.location, told.begins)] == [
        passing,
        begins if begins and begins != passing else None,
    ]
    assert (read.answering.path if read.answering else "") == (passing or begins)


@pytest.mark.parametrize(("text", "passing", "begins"), [one for one in PASSED_ON if one[2] and "@" in (one[1] or "")])
def test_what_falls_back_on_a_named_location_is_found_without_a_path(
    tmp_path: Path, text: str, passing: str, begins: str
) -> None:
    read = deployed(tmp_path, f"server {{ {text} }}")
    assert read.answering
    assert (read.path, read.answering.path) == (begins, passing)


@pytest.mark.parametrize(
    "falling", ["try_files $uri @app;", "error_page 404 = @app;", "error_page 418 = @app; return 418;"]
)
@pytest.mark.parametrize("beside", ["", "location ^~ /assets/ { error_page 404 /x; }"])
def test_what_no_location_takes_is_asked_for_without_a_path_too(tmp_path: Path, falling: str, beside: str) -> None:
    told = deployed(tmp_path, f"server {{ {falling} {beside} location @app {UP} }}").served_by()
    assert (told.path, told.location and told.location.text, told.others) == ("/", "location @app", ())


def test_what_no_location_takes_is_told_where_another_location_is_asked(tmp_path: Path) -> None:
    text = f"server {{ try_files $uri @app; location @app {UP} location /cable {UP} location ^~ /assets/ {{ }} }}"
    read = deployed(tmp_path, text)
    assert (read.path, [one.text for one in read.served_by().others]) == ("/cable", ["location @app"])
    told = refusal(tmp_path, text, said(path="/assets/x"))
    assert told[0].endswith("of this server these do: `location /cable`, `location @app`")


def test_what_has_the_backend_for_its_error_page_alone_is_asked_last(tmp_path: Path) -> None:
    text = f"server {{ error_page 404 = @app; location /a/ {{ }} location / {UP} location @app {UP} }}"
    read = deployed(tmp_path, text)
    assert (read.path, [one.text for one in read.served_by().others]) == ("/", ["location /a/"])
