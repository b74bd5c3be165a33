"""Configs as they are deployed, through the real nginx: unmodified, edited at the token, and told what answered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.launchers.commands import asked
from harness.model import Deployment, Result, chain_text
from harness.proxies.nginx import Nginx
from harness.proxies.nginx_config import Config
from harness.proxies.nginx_targets import PASSES
from harness.resources import configs
from harness.session import load, session

pytestmark = pytest.mark.proxies

NGINX = Nginx("nginx", configs() / "nginx")

PRODUCTION = """\
user  nginx;
worker_processes  auto;
error_log  /var/log/nginx/error.log notice;
pid        /var/run/nginx.pid;
events { worker_connections  1024; }
http {
    include       /etc/nginx/mime.types;
    access_log  /var/log/nginx/access.log  combined;
    proxy_cache_path /var/cache/nginx keys_zone=pages:1m;
    upstream app {
        server app:8000 max_fails=3;
        server app-2:8000 backup;
        keepalive 16;
    }
    server {
        listen 80 default_server;
        listen [::]:80 default_server;
        server_name shop.example www.shop.example;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl;
        listen [::]:443 ssl ipv6only=on;
        listen 443 quic reuseport;
        server_name shop.example;
        ssl_certificate     /etc/letsencrypt/live/shop.example/fullchain.pem;
        ssl_certificate_key /etc/letsencrypt/live/shop.example/privkey.pem;
        include /etc/letsencrypt/options-ssl-nginx.conf;
        ssl_dhparam /etc/letsencrypt/ssl-dhparams.pem;
        resolver 127.0.0.11 valid=10s;
        if ($host != shop.example) { return 421; }
        location /api/ {
            add_header X-Location api;
            proxy_pass http://app/v1/;
            proxy_http_version 1.1;
            proxy_buffering off;
        }
        location / {
            add_header X-Location root;
            proxy_pass http://app;
            proxy_http_version 1.0;
        }
        location /admin/ { proxy_pass http://admin:9000; }
    }
}
"""


def folder_of(place: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


async def measured(place: Path, variant: str, chain: str = "nginx:mine") -> Result:
    """Measure one cell through a config of the user's, as a matrix file says what stands for what in it."""
    (place / "m.yaml").write_text(
        f"title: t\nworkloads: {{w: {{tokens: 24, token_bytes: 100}}}}\naxes: {{chain: '{chain}'}}\n"
        f"variants: {{nginx: {{mine: {variant}}}}}\n"
    )
    job = load(str(place / "m.yaml"))
    async with session(job, place / "runs") as (runner, run):
        results = await runner.run(job.cells, lambda _: None)
        assert {chain_text(one.cell.chain): one.verdict for one in results}["direct"] == "streamed"
        assert results[-1].evidence, results[-1].reason
        evidence = run.folder / results[-1].evidence
        assert not [line for line in (evidence / "hop-1/nginx.log").read_text().splitlines() if "[emerg]" in line]
    return results[-1]


def received(result: Result, name: str) -> str | None:
    return next((one.received for one in result.header_changes if one.name.lower() == name.lower()), None)


# ---------------------------------------------------------------- what is deployed, unmodified


@pytest.mark.parametrize(
    ("path", "location", "line", "verdict"),
    [
        ("", "api", 32, "streamed"),
        (", path: /api/chat", "api", 32, "streamed"),
        (", path: /chat", "root", 38, "coalesced"),
    ],
)
async def test_the_verdict_is_that_of_the_very_location_that_nginx_says_answered(
    tmp_path: Path, path: str, location: str, line: int, verdict: str
) -> None:
    folder_of(tmp_path, {"nginx.conf": PRODUCTION})
    result = await measured(tmp_path, f"{{file: ./nginx.conf, map: 'app:8000'{path}}}")
    assert (result.verdict, received(result, "X-Location")) == (verdict, location)
    (served,) = result.facts.served_by
    assert served.location
    assert (served.hop, served.location.line, served.server.text) == ("nginx:mine", line, "server shop.example:443")
    assert [one.text for one in served.others] == ([] if path else ["location /"])
    assert (tmp_path / "nginx.conf").read_text() == PRODUCTION


async def test_what_was_changed_is_kept_as_evidence_beside_what_nginx_read(tmp_path: Path) -> None:
    folder_of(tmp_path, {"nginx.conf": PRODUCTION})
    await measured(tmp_path, "{file: ./nginx.conf, map: app}")
    (hop,) = (tmp_path / "runs").glob("*/proxies/nginx.mine")
    diff = (hop / NGINX.diff_name).read_text()
    assert diff == NGINX.deployed(Deployment(("app",))).diff(tmp_path / "nginx.conf")
    kept = [line[1:] for line in diff.splitlines() if line.startswith(" ")]
    read = (hop / "conf/nginx.conf").read_text().splitlines()
    assert [line for line in kept if line not in read] == []


DEBIAN = {
    "nginx.conf": (
        "user www-data;\nworker_processes auto;\npid /run/nginx.pid;\ninclude /etc/nginx/modules-enabled/*.conf;\n"
        "events { worker_connections 768; }\nhttp {\n sendfile on;\n include /etc/nginx/mime.types;\n"
        " access_log /var/log/nginx/access.log;\n gzip on;\n include /etc/nginx/conf.d/*.conf;\n"
        " include /etc/nginx/sites-enabled/*;\n}\n"
    ),
    "mime.types": "types { text/html html; text/css css; }\n",
    "conf.d/upgrade.conf": "map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n",
    "snippets/proxy.conf": "proxy_http_version 1.1;\nproxy_set_header Connection $connection_upgrade;\n",
    "proxy_params": "proxy_set_header Host $http_host;\nproxy_set_header X-Real-IP $remote_addr;\n",
    "sites-available/default": "server { listen 80 default_server; listen [::]:80 default_server; root /var/www; }\n",
    "sites-available/shop": (
        "server {\n listen 80;\n listen [::]:80;\n server_name shop.example;\n location / {\n"
        "  include proxy_params;\n  include snippets/proxy.conf;\n  add_header X-Location shop;\n"
        "  proxy_pass http://unix:/run/gunicorn.sock;\n }\n}\n"
    ),
}


async def test_debians_layout_is_measured_as_the_folder_that_it_is(tmp_path: Path) -> None:
    etc = folder_of(tmp_path / "etc-nginx", DEBIAN)
    (etc / "sites-enabled").mkdir()
    for site in ("default", "shop"):
        (etc / "sites-enabled" / site).symlink_to(f"../sites-available/{site}")
    result = await measured(tmp_path, "./etc-nginx")
    assert (result.verdict, received(result, "X-Location")) == ("streamed", "shop")
    (served,) = result.facts.served_by
    assert str(served.location) == f"location / ({etc}/sites-enabled/shop:5)"


@pytest.mark.parametrize(
    "files",
    [
        {"site.conf": "server { location /api { proxy_pass http://app:8000; proxy_http_version 1.1; } }"},
        {
            "conf.d/site.conf": "upstream app { server app:8000; }\nserver { listen 8080; include more/app.conf; }",
            "more/app.conf": "location / { proxy_pass http://app; proxy_http_version 1.1; }",
        },
        {"site.conf": "location / { set $up app; proxy_pass http://$up:8000; proxy_http_version 1.1; }"},
    ],
    ids=["a bare server", "a snippet of conf.d", "locations"],
)
async def test_a_part_of_a_config_is_measured_as_it_is(tmp_path: Path, files: Mapping[str, str]) -> None:
    folder_of(tmp_path, files)
    result = await measured(tmp_path, f"./{next(iter(files))}")
    assert result.verdict == "streamed"
    assert len(result.facts.served_by) == 1


async def test_a_config_in_the_middle_of_a_chain_is_asked_by_its_path_from_the_front(tmp_path: Path) -> None:
    verified = "proxy_ssl_verify on; proxy_ssl_trusted_certificate /nowhere/ca.pem; proxy_ssl_name app.example;"
    passed = "proxy_pass https://app; proxy_http_version 1.1;"
    folder_of(tmp_path, {"site.conf": f"server {{ location = /chat {{ {passed} {verified} }} }}"})
    result = await measured(tmp_path, "./site.conf", "nginx:http11>nginx:mine>nginx:tls")
    assert result.verdict == "coalesced", result.reason
    assert [one.path for one in result.facts.served_by] == ["/chat"]


# ---------------------------------------------------------------- what cannot be taken over


@pytest.mark.parametrize(
    ("head", "inside", "told"),
    [
        (
            "load_module modules/ngx_http_geoip_module.so;\n",
            "geoip_country /usr/share/GeoIP/GeoIP.dat;",
            r'my\.conf:2: unknown directive "geoip_country"; this nginx has no such module: '
            r"`load_module modules/ngx_http_geoip_module\.so` \(.*my\.conf:1\); install it",
        ),
        (
            "load_module modules/ngx_http_xslt_filter_module.so;\n",
            "xslt_stylesheet /a.xslt;",
            r"this nginx has no such module: `load_module modules/ngx_http_xslt_filter_module\.so`",
        ),
        (
            "load_module modules/ngx_http_geoip2_module.so;\n",
            "prxy_pass a;",
            r'my\.conf:2: unknown directive "prxy_pass"$',
        ),
        *(
            (
                "",
                f"{one} a;",
                rf'my\.conf:1: unknown directive "{one}"; this nginx lacks {module}, which has it',
            )
            for one, module in (
                ("brotli", "ngx_brotli"),
                ("brotli_comp_level", "ngx_brotli"),
                ("vhost_traffic_status_zone", "nginx-module-vts"),
                ("rewrite_by_lua_file", "lua-nginx-module"),
                ("modsecurity", "ModSecurity-nginx"),
            )
        ),
        ("", "brotly on;", r'my\.conf:1: unknown directive "brotly"$'),
        (
            "",
            "include proxy_params;",
            r"my\.conf:1: `include proxy_params` finds no file .*/proxy_params; relative ones",
        ),
        (
            "",
            "ssl_verify_client on; ssl_client_certificate /nowhere/ca.pem;",
            r"my\.conf:1: cannot load certificate \"/nowhere/ca\.pem\"",
        ),
        ("", "content_by_lua_block { if x then { } }", r"my\.conf:1: `content_by_lua_block` holds another language"),
    ],
)
def test_what_is_not_here_is_refused_at_the_users_line(tmp_path: Path, head: str, inside: str, told: str) -> None:
    server = (
        "server { listen 443 ssl; ssl_certificate /a; ssl_certificate_key /b; location / { proxy_pass http://a:1; } }"
    )
    (tmp_path / "my.conf").write_text(f"{head}events {{}} http {{ {inside} {server} }}")
    with pytest.raises(InputError, match=told):
        NGINX.check(tmp_path / "my.conf")


def test_names_that_only_deployments_resolve_users_that_are_not_here_and_roots_ports_are_no_hindrance(
    tmp_path: Path,
) -> None:
    text = (
        "user nobody-here;\nworker_rlimit_nofile 65535;\nevents {}\nhttp {\n resolver ns.nowhere.test;\n"
        " upstream other { server db.nowhere.test:1; }\n server { listen 80; server_name a.test;\n"
        "  location / { proxy_pass http://app.nowhere.test; auth_request /auth; }\n"
        "  location /auth { internal; proxy_pass http://auth.nowhere.test:1; }\n"
        "  location /php { fastcgi_pass php.nowhere.test:9000; }\n }\n}\n"
    )
    (tmp_path / "my.conf").write_text(text)
    mine = NGINX.deployed(Deployment(("app.nowhere.test",)))
    mine.check(tmp_path / "my.conf")
    assert "nowhere.test" not in "".join(
        line for line in mine.diff(tmp_path / "my.conf").splitlines() if line.startswith("+") and "+++" not in line
    )


SCHEMES = {
    "proxy_pass": ("http://", "https://"),
    "grpc_pass": ("", "grpc://", "grpcs://"),
    "uwsgi_pass": ("", "uwsgi://", "suwsgi://"),
    "fastcgi_pass": ("",),
    "scgi_pass": ("",),
    "memcached_pass": ("",),
}
"""How each may say whom it speaks to (nginx.org/en/docs, at each directive)."""


def beside(*passes: str) -> str:
    others = "".join(f"location /{number} {{ {one}; }}\n" for number, one in enumerate(passes))
    mapped = "location / { proxy_pass http://app:8000; proxy_http_version 1.0; }"
    return f"events {{}}\nhttp {{\nserver {{ listen 80; set $memcached_key $uri; {mapped}\n{others}}} }}\n"


def every_pass(address: str) -> list[str]:
    return [f"{name} {scheme}{address}" for name, schemes in SCHEMES.items() for scheme in schemes]


def test_every_way_to_pass_requests_on_is_tried() -> None:
    assert SCHEMES.keys() == {*PASSES}


@pytest.mark.parametrize("address", ["x:50051", "127.0.0.1:80", "unix:/run/x.sock", "x"])
def test_nginx_takes_whatever_else_is_passed_on_beside_what_is_mapped(tmp_path: Path, address: str) -> None:
    mapped = NGINX.deployed(Deployment(("app:8000",)))
    for one in every_pass(address):
        (tmp_path / "my.conf").write_text(beside(one))
        mapped.check(tmp_path / "my.conf")


async def test_and_it_is_measured(tmp_path: Path) -> None:
    (tmp_path / "my.conf").write_text(beside(*every_pass("x:50051")))
    result = await measured(tmp_path, "{file: my.conf, map: app:8000, path: /z}")
    assert result.verdict == "coalesced"


def test_two_addresses_of_ours_are_told_as_the_user_wrote_them(tmp_path: Path) -> None:
    (tmp_path / "my.conf").write_text(beside("return 204").replace("listen 80;", "listen 80;\nlisten 80;"))
    with pytest.raises(InputError, match=r"my\.conf:4: a duplicate listen 80$"):
        NGINX.check(tmp_path / "my.conf")


def test_a_secret_that_nginx_quotes_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "my.conf").write_text(beside("proxy_set_header Authorization bearerplainword x"))
    with pytest.raises(InputError, match=r"my\.conf:4: ") as refused:
        NGINX.check(tmp_path / "my.conf")
    assert "bearerplainword" not in str(refused.value)


def test_nginx_reads_the_same_files_as_we_do(tmp_path: Path) -> None:
    etc = folder_of(tmp_path, DEBIAN | {"sites-enabled/shop": DEBIAN["sites-available/shop"]})
    (etc / "nginx.conf").write_text(DEBIAN["nginx.conf"].replace("/etc/nginx/", "").replace("/var/log/nginx/", ""))
    installed = NGINX.installed()
    argv = [str(installed.program), "-T", "-p", str(etc), "-c", str(etc / "nginx.conf"), "-g", "error_log stderr;"]
    told = asked([*argv, "-e", "stderr"], "", installed.env)
    named = [
        line.split("file ")[1].rstrip(":") for line in told.stdout.splitlines() if line.startswith("# configuration")
    ]
    assert named == [str(path) for path in Config(etc).sources], told.stderr
