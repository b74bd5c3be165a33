"""A config of anybody's: what of it stands for what, what is edited in it, and what has to be said. No nginx."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.model import HIDDEN, Deployment
from harness.proxies.nginx_config import Config
from harness.proxies.nginx_deployed import Deployed
from harness.proxies.nginx_edit import Edited
from harness.proxies.placeholders import filled

VALUES = {
    "LISTEN": "1.2.3.4:5",
    "UPSTREAM": "http://up\\1:6/x",
    "UPSTREAM_ADDRESS": "up:6",
    "UPSTREAM_PATH": "/x",
    "FOLDER": "/tmp/f",
}
SERVER = "server { listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}/; } }"
WHOLE = f"events {{}}\nhttp {{ {SERVER} }}\n"
PRODUCTION = """\
user www-data;
pid /run/nginx.pid;
events {}
http {
    error_log /var/log/nginx/error.log;
    upstream backend {
        server app:8000 max_fails=3 resolve;
        keepalive 16;
    }
    server {
        listen 80 default_server;
        server_name shop.example;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl reuseport;
        listen [::]:443 ssl ipv6only=on;
        server_name shop.example;
        ssl_certificate /etc/ssl/shop.pem;
        ssl_certificate_key /etc/ssl/shop.key;
        resolver 127.0.0.11;
        location /api/ {
            proxy_pass https://backend/v1/;
            proxy_buffering off;
        }
        location / {
            proxy_pass http://web:3000;
        }
    }
}
"""


def write(folder: Path, text: str, **others: str) -> Path:
    """Write a config and the files beside it (`a__b` is b.conf in folder a)."""
    folder.mkdir(exist_ok=True)
    for name, content in others.items():
        file = folder / f"{name.replace('__', '/')}.conf"
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(content)
    (folder / "my.conf").write_text(text)
    return folder / "my.conf"


def deployed(folder: Path, text: str = WHOLE, said: Deployment | None = None, **others: str) -> Deployed:
    return Deployed(Config(write(folder, text, **others)), said or Deployment())


def edited(folder: Path, text: str = WHOLE, **others: str) -> dict[str, str]:
    return laid_out(deployed(folder, text, None, **others), "/usr/share/nginx")


def laid_out(read: Deployed, modules: str = "") -> dict[str, str]:
    """Return the text of each file, by where it is laid."""
    fitted = Edited(read, modules).fitted()
    return {str(fitted.places[source]): text for source, text in fitted.texts.items()}


def rendered(folder: Path, text: str = WHOLE, **others: str) -> dict[str, str]:
    return {name: filled(content, VALUES) for name, content in edited(folder, text, **others).items()}


def changes(folder: Path, text: str, said: Deployment | None = None, **others: str) -> list[str]:
    """Return the lines of a config as they are afterwards, of those that change."""
    diff = Edited(deployed(folder, text, said, **others), "/usr/share/nginx").fitted().diff().splitlines()
    return [
        line[1:].strip() for line in diff if line.startswith("+") and not line.startswith("+++") and line[1:].strip()
    ]


def refusal(folder: Path, text: str, said: Deployment | None = None, **others: str) -> list[str]:
    with pytest.raises(InputError) as told:
        deployed(folder, text, said, **others)
    return str(told.value).replace(f"{folder}/", "").splitlines()


def said(*targets: str, server: str = "", path: str = "") -> Deployment:
    return Deployment(targets, server, path)


def test_who_is_not_here_is_not_asked_who_may_come_in(tmp_path: Path) -> None:
    text = WHOLE.replace("location", "auth_request /auth; auth_request_set $user $upstream_http_x_user; location")
    assert "auth_request" not in next(iter(Edited(deployed(tmp_path, text), "").texts.values()))


def test_the_diff_that_is_shown_hides_secrets(tmp_path: Path) -> None:
    text = WHOLE.replace("location", 'proxy_set_header Authorization "Bearer s3cr3t"; error_log /a; location')
    diff = Edited(deployed(tmp_path, text), "").fitted().diff()
    assert "error_log /a" in diff
    assert "s3cr3t" not in diff


# ---------------------------------------------------------------- placeholders


def test_placeholders_are_filled_in_and_nginxs_own_variables_left_alone(tmp_path: Path) -> None:
    words = "${UPSTREAM_ADDRESS} ${UPSTREAM_PATH}${request_uri} $host ${FOLDER}/x ${LISTENER} $LISTEN;"
    main = rendered(tmp_path, WHOLE + f"a {words}")["my.conf"]
    assert "listen 1.2.3.4:5;" in main
    assert "proxy_pass http://up\\1:6/x/;" in main
    assert main.endswith("a up:6 /x${request_uri} $host /tmp/f/x ${LISTENER} $LISTEN;")


def test_what_is_the_harnesss_is_taken_out_wherever_it_stands_and_every_line_stays(tmp_path: Path) -> None:
    text = (
        "user\n  www-data;\nworker_processes 2; pid /run/x.pid; daemon on; error_log /v/e.log; # daemon on;\nhttp {\n"
        "access_log /v/a.log; client_body_temp_path /v/b; map $a $user { user 1; pid '2'; }\n"
    )
    after = rendered(tmp_path, f"{text} {SERVER} }} stream {{ \nserver {{ listen 53; }}\n error_log /v/s; }}")[
        "my.conf"
    ]
    assert [" ".join(line.split()) for line in after.split("\n")[:5]] == [
        "",
        "",
        "worker_processes 2; # daemon on;",
        'http { include "/tmp/f/paths.conf";',
        "map $a $user { user 1; pid '2'; }",
    ]
    assert after.count("\n") == text.count("\n") + 2


def test_a_config_that_says_where_it_passes_requests_on_means_all_that_it_does(tmp_path: Path) -> None:
    other = "location /stream/ { proxy_pass http://127.0.0.1:9/; }"
    text = WHOLE.replace("location /", f"{other} location /")
    assert other in edited(tmp_path, text)["my.conf"]
    read = deployed(tmp_path, text)
    assert read.path == ""
    assert read.location
    assert read.location.path == "/stream/", "which answers, and passes nothing on to the next hop"


def test_who_includes_the_paths_does_not_get_them_twice(tmp_path: Path) -> None:
    main = rendered(tmp_path, WHOLE.replace("http {", 'http { include "${FOLDER}/paths.conf";'))["my.conf"]
    assert main.count("paths.conf") == 1


def test_quotes_comments_braces_and_ends_of_lines_stay_as_they_are(tmp_path: Path) -> None:
    text = WHOLE.replace(
        "http {",
        "http { log_format a 'x; pid {'; # pid /run/x;\r\n map $x $y { \"}\" 1; a\\;b 2; } "
        'if ($a = "b;{") { set $c "${d};"; }',
    )
    config = write(tmp_path, "")
    config.write_bytes(text.encode())
    (main,) = Edited(Deployed(Config(config), Deployment()), "").texts.values()
    assert main == text.replace("http {", 'http { include "${FOLDER}/paths.conf";')


def test_files_are_laid_out_as_they_were_and_includes_mean_the_copies(tmp_path: Path) -> None:
    outside = write(tmp_path / "else", "gzip on;")
    files = rendered(
        tmp_path / "it",
        f"events {{}}\nhttp {{\n include sites/*.conf;\n include none/*.conf; include /etc/nginx/inner.conf;"
        f" include {outside}; }}",
        sites__b=f"{SERVER}\n",
        sites__a="include inner.conf;\n",
        inner="access_log /v/a.log;\ngzip_vary on;",
    )
    assert sorted(files) == ["inner.conf", "my.conf", "outside/4-my.conf", "sites/a.conf", "sites/b.conf"]
    assert " include sites/*.conf;\n include none/*.conf; " in files["my.conf"]
    assert 'include "inner.conf"; include "outside/4-my.conf"; }' in files["my.conf"]
    assert files["sites/a.conf"] == "include inner.conf;\n"
    assert files["inner.conf"] == "\ngzip_vary on;"
    assert "listen 1.2.3.4:5;" in files["sites/b.conf"]


def test_other_relative_files_are_looked_for_where_nginx_would(tmp_path: Path) -> None:
    head = "load_module /b.so;\nload_module modules/here.so;\n"
    inner = "auth_basic_user_file users; ssl_client_certificate 'certs/a.pem'; js_import /d.js; auth_basic off;"
    write(tmp_path, "", modules__here="")
    (tmp_path / "modules/here.conf").rename(tmp_path / "modules/here.so")
    read = deployed(tmp_path, head + WHOLE.replace("http {", f"http {{ {inner}"))
    (main,) = Edited(read, str(tmp_path)).texts.values()
    assert main.startswith(f'\nload_module "{tmp_path}/modules/here.so";\n'), "what is not here is taken out"
    assert f'auth_basic_user_file "{tmp_path}/users"; ssl_client_certificate "{tmp_path}/certs/a.pem";' in main
    assert "js_import /d.js; auth_basic off;" in main


# ---------------------------------------------------------------- as it is deployed


@pytest.mark.parametrize("address", ["[2001:db8:85a3::8a2e:370:7334]:8443", "[::]:443unix:", "203.0.113.77:8443"])
def test_no_name_that_is_put_in_looks_like_a_secret(tmp_path: Path, address: str) -> None:
    text = PRODUCTION.replace("listen 80 default_server;", f"listen {address};", 1)
    diff = Edited(deployed(tmp_path, text, said("app:8000")), "").fitted().diff()
    assert ".sock" in diff
    assert HIDDEN not in diff


def test_a_production_config_is_edited_at_its_tokens_and_nowhere_else(tmp_path: Path) -> None:
    assert changes(tmp_path, PRODUCTION, said("app:8000")) == [
        'http { include "${FOLDER}/paths.conf";',
        "server ${UPSTREAM_ADDRESS} max_fails=3;",
        'listen "unix:${FOLDER}/80.sock" default_server;',
        "listen ${LISTEN} ssl;",
        'listen "unix:${FOLDER}/v6.443.sock" ssl;',
        'ssl_certificate "${CERTIFICATE}";',
        'ssl_certificate_key "${CERTIFICATE_KEY}";',
        "proxy_pass http://backend/v1/;",
        "proxy_pass http://127.0.0.1:1;",
    ]
    read = deployed(tmp_path, PRODUCTION, said("app:8000"))
    assert (read.with_tls, read.path, read.host) == (True, "/api/", "shop.example")
    served = read.served_by()
    assert (served.server.text, served.server.line) == ("server shop.example:443", 15)
    assert served.location
    assert (served.location.text, served.location.line, served.others) == ("location /api/", 22, ())


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("listen 81; server_name _;", "server :81"),
        ("", "server :80"),
        ("listen ${LISTEN};", "server"),
        ("listen ${LISTEN}; server_name _ a.example;", "server a.example"),
    ],
)
def test_a_server_is_told_as_the_option_has_it_that_asks_it(tmp_path: Path, inside: str, told: str) -> None:
    read = deployed(tmp_path, f"server {{ {inside} location / {{ proxy_pass http://app:8000; }} }}")
    assert read.served_by().server.text == told
    if ":" in told:
        asked = told.removeprefix("server ")
        assert (
            deployed(tmp_path, (tmp_path / "my.conf").read_text(), said(server=asked)).served_by().server.text == told
        )


@pytest.mark.parametrize("name", ["backend", "app:8000", "app"])
def test_a_target_goes_by_its_name_its_addresses_and_their_hosts(tmp_path: Path, name: str) -> None:
    (backend,) = deployed(tmp_path, PRODUCTION, said(name)).backends
    assert backend.name == "backend"


def test_the_path_that_is_asked_tells_the_backend_by_itself(tmp_path: Path) -> None:
    assert [one.name for one in deployed(tmp_path, PRODUCTION, said(path="/api/chat?x=1")).backends] == ["backend"]
    assert [one.name for one in deployed(tmp_path, PRODUCTION, said(path="/chat")).backends] == ["web:3000"]


LOCATIONS = "events {}\nhttp { server { listen 80;\n%s\n} }"


def located(*locations: str) -> str:
    return LOCATIONS % "\n".join(locations)


PASS = "proxy_pass http://app:8000;"


@pytest.mark.parametrize(
    ("passes", "after"),
    [
        ("proxy_pass http://app:8000/v1/;", "proxy_pass http://${UPSTREAM_ADDRESS}/v1/;"),
        ('proxy_pass "https://app:8000$request_uri";', 'proxy_pass "http://${UPSTREAM_ADDRESS}$request_uri";'),
        ("proxy_pass http://unix:/run/app.sock:/v1/;", "proxy_pass http://${UPSTREAM_ADDRESS}/v1/;"),
        ("proxy_pass http://[::1]:8000;", "proxy_pass http://${UPSTREAM_ADDRESS};"),
        ("set $up http://app:8000; proxy_pass $up;", "set $up http://${UPSTREAM_ADDRESS}; proxy_pass $up;"),
        ("set $up app; proxy_pass http://$up$uri;", "set $up ${UPSTREAM_ADDRESS}; proxy_pass http://$up$uri;"),
        (
            "set $p http; set $a app; set $n 8000; proxy_pass $p://$a:$n;",
            "set $p http; set $a app; set $n 8000; proxy_pass http://${UPSTREAM_ADDRESS};",
        ),
    ],
)
def test_wherever_the_address_of_the_backend_stands_it_alone_is_edited(tmp_path: Path, passes: str, after: str) -> None:
    assert f"location / {{ {after} }}" in changes(tmp_path, located(f"location / {{ {passes} }}"))


def test_a_target_that_stands_for_nothing_leads_to_nobody_or_to_the_configs_own_server(tmp_path: Path) -> None:
    text = located(
        f"location / {{ {PASS} }}",
        "location /a { proxy_pass http://127.0.0.1:81/x; }",
        "location /b { fastcgi_pass php:9000; }",
        "location /c { grpc_pass grpcs://rpc:443; }",
        "location /d { proxy_pass https://127.0.0.1:81; }",
        "} server { listen 81; location / {\nproxy_pass http://web$uri; }",
    )
    assert changes(tmp_path, text, said("app:8000"))[1:] == [
        "location / { proxy_pass http://${UPSTREAM_ADDRESS}; }",
        'location /a { proxy_pass "http://unix:${FOLDER}/81.sock:/x"; }',
        "location /b { fastcgi_pass 127.0.0.1:1; }",
        "location /c { grpc_pass grpcs://127.0.0.1:1; }",
        'location /d { proxy_pass "https://unix:${FOLDER}/81.sock"; }',
        '} server { listen "unix:${FOLDER}/81.sock"; location / {',
        "proxy_pass http://127.0.0.1:1$uri; }",
    ]


def test_the_server_that_is_asked_becomes_the_default_of_its_address(tmp_path: Path) -> None:
    servers = (
        "server { listen 80 default_server; server_name a.test; return 404; }\n",
        f"server {{ server_name b.test;\nlocation / {{ {PASS} }} }}\n",
    )
    assert changes(tmp_path, f"events {{}}\nhttp {{\n{''.join(servers)} }}")[-3:] == [
        "server { listen ${LISTEN}; server_name a.test; return 404; }",
        "server { listen ${LISTEN} default_server; server_name b.test;",
        "location / { proxy_pass http://${UPSTREAM_ADDRESS}; } }",
    ]


def test_what_is_not_here_and_changes_nothing_is_taken_out_and_a_cache_goes_with_the_run(tmp_path: Path) -> None:
    gone = "include /nowhere/mime.types; include /nowhere/options-ssl-nginx.conf; ssl_dhparam /nowhere/dh.pem;"
    gone += "include fastcgi.conf; include fastcgi_params; include uwsgi_params; include nowhere/scgi_params;"
    text = located(gone, f"proxy_cache_path /var/cache/a keys_zone=a:1m;\nlocation / {{ {PASS} }}")
    after = edited(tmp_path, text)["my.conf"]
    assert "nowhere" not in after
    assert re.findall(r'include "?([^";]*)', after) == ["${FOLDER}/paths.conf"]
    assert 'proxy_cache_path "${FOLDER}/var-cache-a" keys_zone=a:1m;' in after
    assert after.count("\n") == text.count("\n")


def applied(diff: str, text: str) -> str:
    """Return a text as a unified diff makes it, as `patch` would."""
    lines, made, at = text.splitlines(keepends=True), list[str](), 0
    for line, unended in re.findall(r"(.*\n)(\\ .*\n)?", diff)[2:]:
        said = line[1:-1] if unended else line[1:]
        if found := re.match(r"@@ -(\d+)", line):
            made += lines[at : int(found[1]) - 1]
            at = int(found[1]) - 1
        elif line[0] == "+":
            made.append(said)
        else:
            assert lines[at] == said
            made += [said] if line[0] == " " else []
            at += 1
    return "".join([*made, *lines[at:]])


@pytest.mark.parametrize("text", [PRODUCTION, PRODUCTION.rstrip(), " ".join(PRODUCTION.split())], ids=len)
def test_a_diff_makes_of_the_users_config_what_nginx_is_to_read(tmp_path: Path, text: str) -> None:
    read = Edited(deployed(tmp_path, text, said("app:8000")), "").fitted()
    assert read.diff().startswith(f"--- {tmp_path}/my.conf\n+++ {tmp_path}/my.conf\n@@ -1")
    assert [applied(read.diff(), text)] == list(read.texts.values())


# ---------------------------------------------------------------- parts and folders


@pytest.mark.parametrize(
    ("place", "whole"),
    [("app", False), ("conf.d__app", False), ("sites-enabled__app", False), ("conf.d__app", True)],
)
def test_a_bare_server_and_a_folder_of_parts_are_wrapped(tmp_path: Path, place: str, whole: bool) -> None:
    part = "upstream a { server app:1; }\nserver { include snip.conf; location / { proxy_pass http://a; } }\n"
    file = tmp_path / f"{place.replace('__', '/')}.conf"
    write(tmp_path, "", **{place: part, "snip": "gzip on;\n"})
    (tmp_path / "my.conf").unlink()
    read = Deployed(Config(file.parent if whole else file), Deployment())
    texts = laid_out(read)
    assert "listen ${LISTEN};" in texts[f"{place.replace('__', '/')}.conf"]
    assert texts["snip.conf"] == "gzip on;\n"
    assert texts["harness.conf"].startswith("events {}\nhttp {")
    assert "harness.conf" not in Edited(read, "").fitted().diff()


def test_locations_alone_get_a_server_around_them(tmp_path: Path) -> None:
    read = deployed(tmp_path, f"location /api/ {{ {PASS} }}")
    assert read.served_by().location
    assert read.path == "/api/"


def test_of_a_folder_the_main_config_is_read(tmp_path: Path) -> None:
    write(tmp_path, PRODUCTION)
    (tmp_path / "my.conf").rename(tmp_path / "nginx.conf")
    assert Deployed(Config(tmp_path), said("app")).path == "/api/"


# ---------------------------------------------------------------- which location


@pytest.mark.parametrize(
    ("locations", "path", "line"),
    [
        (["location / { %s }"], "/", 3),
        (["location / { %s }", "location /api/ { %s }"], "/api/", 4),
        (["location = /chat { %s }"], "/chat", 3),
        (["location /a { %s }", "location = /a { return 204; }"], "/astream", 3),
        (["location / { try_files $uri @app; }", "location @app { %s }"], "/", 3),
        (["location / { if ($a) { %s } }"], "/", 3),
        (["location /x/ { location /x/y/ { %s } }"], "/x/y/", 3),
    ],
)
def test_without_a_path_the_first_location_that_passes_requests_on_is_asked_the_root_last(
    tmp_path: Path, locations: Sequence[str], path: str, line: int
) -> None:
    read = deployed(tmp_path, located(*locations).replace("%s", PASS))
    assert read.path == path
    assert read.location
    assert read.location.directive.line == line


def test_before_an_application_streams_are_asked_for_by_their_own_path_if_that_leads_there(tmp_path: Path) -> None:
    text = located(f"location /api/ {{ {PASS} }}", f"location / {{ {PASS} }}")
    assert Deployed(Config(write(tmp_path, text)), said(), streams_only=True).path == ""
    only = located(f"location /api/ {{ {PASS} }}")
    assert Deployed(Config(write(tmp_path, only)), said(), streams_only=True).path == "/api/"


def test_a_path_that_a_rewrite_may_move_is_asked_and_any_other_has_to_lead_to_the_backend(tmp_path: Path) -> None:
    moved = "location /old/ { rewrite ^/old(.*) $1 last; }"
    text = located("if ($host = x) { return 421; }", f"location /api/ {{ {PASS} }}", moved, "location / { root /srv; }")
    assert deployed(tmp_path, text, said(path="/old/api/x")).path == "/old/api/x"
    (told,) = refusal(tmp_path, text, said(path="/x"))
    assert told.startswith(
        "my.conf:6: `location /` answers /x, and passes nothing on to app:8000; of this server these"
    )


def test_those_that_are_not_measured_are_told_unless_the_user_has_chosen(tmp_path: Path) -> None:
    text = located(f"location /a {{ {PASS} }}", f"location /b {{ {PASS} }}", "location /c { return 204; }")
    assert [(one.text, one.line) for one in deployed(tmp_path, text).served_by().others] == [("location /b", 4)]
    chosen = deployed(tmp_path, text, said(path="/b/x")).served_by()
    assert (str(chosen.location).split(" (")[0], chosen.path, chosen.said, chosen.others) == (
        "location /b",
        "/b/x",
        True,
        (),
    )


# ---------------------------------------------------------------- what has to be said, or written otherwise


TWO_SERVERS = """\
events {}
http {
    upstream one { server app:1; }
    upstream two { server app:2; }
    server {
        listen 80; listen 443 ssl;
        server_name a.test;
        location / { proxy_pass http://one; }
    }
    server {
        listen 81;
        server_name b.test;
        location / { proxy_pass http://one; }
        location /two { proxy_pass http://two; }
    }
}
"""


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            said(),
            [
                "my.conf: passes requests on to several: which is the backend?",
                "my.conf:3: `--map one` says that this stands for the next hop",
                "my.conf:4: `--map two` says that this stands for the next hop",
            ],
        ),
        (
            said("app"),
            [
                "my.conf:3: 'app' fits one, and others: map one by its name or address",
                "my.conf:4: 'app' fits two, and others: map one by its name or address",
            ],
        ),
        (
            said("onne"),
            [
                "my.conf: passes no requests on to 'onne', which is to be mapped; allowed: one, app, app:1, two, app:2"
                " (did you mean 'one'?)"
            ],
        ),
        (
            said("one"),
            [
                "my.conf: several servers pass requests on: which is asked?",
                "my.conf:6: `--server a.test:80` asks this one",
                "my.conf:6: `--server a.test:443` asks this one",
                "my.conf:11: `--server b.test:81` asks this one",
            ],
        ),
        (
            said("one", server="b.tset"),
            ["my.conf: has no server 'b.tset'; allowed: a.test:80, a.test:443, b.test:81 (did you mean 'b.test:81'?)"],
        ),
        (said("two", server="a.test"), ["my.conf:5: `server` passes no requests on to two"]),
        (
            said("one", server=":81", path="/two/x"),
            [
                "my.conf:14: `location /two` answers /two/x, and passes nothing on to one; of this server these do:"
                " `location /`"
            ],
        ),
    ],
)
def test_what_is_not_there_or_fits_twice_is_told_with_lines(tmp_path: Path, asked: Deployment, told: list[str]) -> None:
    assert refusal(tmp_path, TWO_SERVERS, asked) == told


@pytest.mark.parametrize(
    ("asked", "line", "tls"),
    [("a.test", 6, True), ("a.test:80", 6, False), (":81", 11, False), ("b.test:81", 11, False)],
)
def test_a_server_is_asked_by_name_port_or_both_and_by_tls_if_it_has_that(
    tmp_path: Path, asked: str, line: int, tls: bool
) -> None:
    read = deployed(tmp_path, TWO_SERVERS, said("one", server=asked))
    assert read.asked.directive
    assert (read.asked.directive.line, "ssl" in read.asked.options) == (line, tls)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LOCATIONS % "", "my.conf: passes no requests on: it has no proxy_pass in a location of a server"),
        ("events {} http {}", "my.conf: has no server: name the file that has one, or the one that includes it"),
        (
            located("location / { uwsgi_pass app:8000; }"),
            "my.conf:3: `uwsgi_pass app:8000` is spoken to by uwsgi_pass, which is no HTTP/1.1 as the emitter",
        ),
        (
            located("location / { proxy_pass http://$http_x_to; }"),
            "my.conf:3: `proxy_pass http://$http_x_to` is only known as requests come: write the address itself",
        ),
        *(
            (
                located(f"location / {{ proxy_pass http://{address}/; }}"),
                f"my.conf:3: `proxy_pass http://{shown}/` names no address that nginx takes: HOST or HOST:PORT",
            )
            for address, shown in (
                ("bob:s3cr3t@app:1", "(redacted)@app:1"),
                ("app:http", "app:http"),
                ("app:80a", "app:80a"),
                ("app:1:2", "app:1:2"),
            )
        ),
        (
            located("location / { set $a http://app; proxy_pass $a:80/x/; }"),
            "my.conf:3: `proxy_pass $a:80/x/` has variables before a path, which mean another path without them",
        ),
        (
            located(f"location ~ ^/a {{ {PASS} }}"),
            "my.conf:3: `location ~ ^/a` matches paths that only you know: say one, with `--path /...`",
        ),
        (
            WHOLE.replace("http {", "http { include a.conf;"),
            "my.conf:2: `include a.conf` finds no file a.conf; relative ones lie beside my.conf: put it there",
        ),
        (
            WHOLE.replace("http {", "http { include sub;"),
            "my.conf:2: `include sub` names a folder, sub: nginx includes files, as sub/*",
        ),
        (
            WHOLE.replace("http {", "http { include my.conf;"),
            "my.conf:2: `include my.conf` includes a file that is being included",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_refused_with_file_line_and_the_way_out(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "sub").mkdir()
    assert [line for line in refusal(tmp_path, text) if line.startswith(told)]


WORDS = ['""', '"', "include", "listen", "server", "location", "$a", "${PORT}", "unix:", "stream", "if", "{", "}", ";"]
SAID = [said(), said("app"), said("app", server=":443"), said("one", path="/two"), said(server="a.test")]


@given(st.data())
def test_a_config_with_words_lost_or_put_in_is_measured_or_refused_with_a_place(data: st.DataObject) -> None:
    tokens = re.findall(r"\s+|\w+|.", data.draw(st.sampled_from([PRODUCTION, TWO_SERVERS])))
    for at in data.draw(st.lists(st.integers(0, len(tokens) - 1), max_size=4)):
        tokens[at] = data.draw(st.sampled_from(["", *WORDS]) | st.sampled_from(tokens))
    with tempfile.TemporaryDirectory() as folder:
        config = write(Path(folder), "".join(tokens))
        refused: InputError | None = None
        try:
            read = Edited(Deployed(Config(config), data.draw(st.sampled_from(SAID))), "").fitted()
        except InputError as error:
            refused = error
        if refused:
            assert all(one.file for one in refused.complaints)
        else:
            (text,) = read.texts.values()
            assert text.count("\n") == "".join(tokens).count("\n")
            assert "${LISTEN}" in text or "${PORT}" in text
            assert applied(read.diff(), "".join(tokens)) == text
            assert read.served_by
            assert read.served_by.server.line


@pytest.mark.parametrize("closing", ["my.conf", "a.conf"])
def test_files_that_include_each_other_in_a_circle_are_refused_where_it_closes(tmp_path: Path, closing: str) -> None:
    files = {"a": "include b.conf;", "b": "include c.conf;", "c": f"\ninclude {closing};"}
    (told,) = refusal(tmp_path, WHOLE.replace("http {", "http { include a.conf;"), None, **files)
    assert told == f"c.conf:2: `include {closing}` includes a file that is being included"


def test_a_copy_that_still_includes_the_original_is_told_which_include_does(tmp_path: Path) -> None:
    write(tmp_path, "", original__site="a {")
    told = refusal(tmp_path / "copy", f"events {{}}\nhttp {{\n include {tmp_path}/original/*; }}", a="")
    assert told[0].endswith("; included from my.conf:3: make that include relative, or this copy reads the original")


def test_a_folder_with_no_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder with neither an nginx\.conf nor any \*\.conf: name the file"):
        Config(tmp_path)


def test_a_config_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"my\.conf: cannot be read"):
        Config(tmp_path / "my.conf")
