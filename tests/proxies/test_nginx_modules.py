"""Modules that builds of nginx may be without: who is named for a directive, and which say nothing of an answer."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import Deployment
from harness.proxies.nginx_modules import is_built_in, may_be, module_of
from tests.proxies.nginxes import NGINX
from tests.proxies.test_nginx_config import PASS, deployed, laid_out

FILES = [
    ("gzip_static on", "gzip_static"),
    ("dav_methods PUT DELETE", "dav"),
    ("dav_access user:rw", "dav"),
    ("create_full_put_path on", "dav"),
    ("min_delete_depth 1", "dav"),
    ("random_index on", "random_index"),
    ("http3 on", "v3"),
    ("http3_stream_buffer_size 64k", "v3"),
    ("quic_retry on", "v3"),
]
ANSWERS = [
    ("stub_status", "stub_status"),
    ("stub_status on", "stub_status"),
    ("mp4", "mp4"),
    ("mp4_max_buffer_size 10m", "mp4"),
    ("flv", "flv"),
]
FILTERS = [
    ("sub_filter a b", "sub"),
    ("sub_filter_once off", "sub"),
    ("gunzip on", "gunzip"),
    ("gunzip_buffers 32 4k", "gunzip"),
    ("add_before_body /top", "addition"),
    ("add_after_body /end", "addition"),
    ("addition_types text/plain", "addition"),
    ("xslt_stylesheet /x.xslt", "xslt"),
    ("xml_entities /x.dtd", "xslt"),
    ("image_filter resize 1 1", "image_filter"),
]
EVERY = [*FILES, *ANSWERS, *FILTERS, ("slice 1m", "slice"), ("geoip_country /x.dat", "geoip"), ("perl X::y", "perl")]
ASKED = f"location /v1/ {{ {PASS} %s }}"
STATUS = "server { listen 127.0.0.1:8081; location /status { stub_status; allow 127.0.0.1; deny all; } }\n"


def taken_out(folder: Path, text: str, directive: str) -> bool:
    assert text.count(f"{directive};") == 1
    return f"{directive};" not in laid_out(deployed(folder, text))["my.conf"]


LOADED = {
    "xslt_stylesheet": "ngx_http_xslt_filter_module",
    "image_filter": "ngx_http_image_filter_module",
    "geoip_country": "ngx_http_geoip_module",
    "perl": "ngx_http_perl_module",
    "brotli": "ngx_http_brotli_filter_module",
    "brotli_static": "ngx_http_brotli_static_module",
    "zstd": "ngx_http_zstd_filter_module",
    "zstd_static": "ngx_http_zstd_static_module",
    "more_set_headers": "ngx_http_headers_more_filter_module",
    "content_by_lua_file": "ngx_http_lua_module",
    "js_import": "ngx_http_js_module",
    "geoip2": "ngx_http_geoip2_module",
    "proxy_cache_purge": "ngx_http_cache_purge_module",
    "modsecurity": "ngx_http_modsecurity_module",
    "pagespeed": "ngx_pagespeed",
    "vhost_traffic_status": "ngx_http_vhost_traffic_status_module",
    "auth_jwt": "ngx_http_auth_jwt_module",
}
"""The files of modules that nginx, distributions and users build to be loaded, each by a directive of it."""
OF_NO_HTTP = (
    "ngx_stream_module",
    "ngx_stream_geoip2_module",
    "ngx_stream_js_module",
    "ngx_mail_module",
    "ndk_http_module",
)
ADDED = [one for one in LOADED if one not in ("xslt_stylesheet", "image_filter", "geoip_country", "perl")]


@pytest.mark.parametrize("written", ["modules/%s.so", "/usr/lib/nginx/modules/%s.so", "modules/%s-debug.so"])
@pytest.mark.parametrize("directive", [*LOADED, "sub_filter", "proxy_pas"])
def test_a_file_that_is_loaded_may_be_the_module_of_a_directive_and_no_other_that_is_known(
    directive: str, written: str
) -> None:
    mine = module_of(directive)
    possible = {one for one, file in LOADED.items() if may_be(mine, written % file)}
    assert possible == {one for one in LOADED if module_of(one) == mine}
    assert not any(may_be(mine, written % file) for file in OF_NO_HTTP)


@pytest.mark.parametrize("file", ["my_module", "ngx_http_subs_filter_module", "x-1.2"])
def test_a_file_that_nobody_knows_may_be_what_people_add(file: str) -> None:
    possible = {one for one in [*LOADED, "sub_filter", "proxy_pas"] if may_be(module_of(one), f"modules/{file}.so")}
    assert possible == {*ADDED, "proxy_pas"}


@pytest.mark.parametrize("file", ["ngx_http_sub_module", "ngx_http_sub_filter_module"])
def test_a_module_of_nginx_itself_is_called_by_its_option_or_by_its_source(file: str) -> None:
    assert may_be(module_of("sub_filter"), f"modules/{file}.so")


@pytest.mark.parametrize(("directive", "module"), EVERY)
def test_the_module_is_named_that_a_directive_is_of(directive: str, module: str) -> None:
    assert module_of(directive.split()[0]) == f"ngx_http_{module}_module"


@pytest.mark.parametrize(
    ("configured", "has"),
    [
        ("--with-http_sub_module --with-mail", True),
        ("configure arguments: --with-threads --with-http_sub_module", True),
        ("--with-http_sub_module=dynamic", False),
        ("--with-http_sub_module_of_mine", False),
        ("--with-http_ssl_module", False),
    ],
)
def test_what_a_build_says_of_itself_tells_which_modules_are_in_it(configured: str, has: bool) -> None:
    assert is_built_in("ngx_http_sub_module", configured) == has


@pytest.mark.parametrize("directive", [one for one, _ in [*FILES, *ANSWERS, *FILTERS]])
@pytest.mark.parametrize("where", ["another server", "another location", "within another location"])
def test_what_says_nothing_of_the_answer_that_is_asked_for_is_taken_out(
    tmp_path: Path, directive: str, where: str
) -> None:
    if where == "another server":
        text = f"server {{ listen 81; {directive}; }}\nserver {{ listen 80; {ASKED % ''} }}"
    elif where == "another location":
        text = f"server {{ listen 80; {ASKED % ''}\nlocation /x {{ {directive}; }} }}"
    else:
        text = f"server {{ listen 80; {ASKED % ''}\nlocation /x {{ location /x/y {{ {directive}; }} }} }}"
    assert taken_out(tmp_path, text, directive)


@pytest.mark.parametrize("directive", [one for one, _ in FILTERS])
@pytest.mark.parametrize(
    "text",
    [
        f"events {{}} http {{ %s; server {{ listen 80; {ASKED % ''} }} }}",
        f"server {{ listen 80; %s;\n{ASKED % ''} }}",
        f"server {{ listen 80; location /v1/ {{ %s;\n{PASS} }} }}",
        f"server {{ listen 80; location / {{ try_files $uri @app; }}\nlocation @app {{ %s; {PASS} }} }}",
        f"server {{ listen 80; location /v1/ {{ %s;\nlocation /v1/chat {{ {PASS} }} }} }}",
        f"server {{ listen 80; error_page 404 /x; {ASKED % ''}\nlocation /x {{ %s; }} }}",
    ],
    ids=["all servers", "the server", "the location", "what it falls back on", "around it", "where it may be moved to"],
)
def test_what_changes_answers_stays_where_that_may_be_the_one_that_is_asked_for(
    tmp_path: Path, text: str, directive: str
) -> None:
    assert not taken_out(tmp_path, text % directive, directive)


@pytest.mark.parametrize("directive", [one for one, _ in FILES])
def test_what_serves_files_is_taken_out_where_requests_are_passed_on_too(tmp_path: Path, directive: str) -> None:
    assert taken_out(tmp_path, f"server {{ listen 80; {ASKED % f'{directive};'} }}", directive)


@pytest.mark.parametrize("directive", [one for one, _ in ANSWERS])
def test_what_answers_by_itself_stays_where_it_does(tmp_path: Path, directive: str) -> None:
    text = f"server {{ listen 80; error_page 502 /x; {ASKED % ''} location /x {{ %s }} }}"
    assert taken_out(tmp_path, text % f"{directive};", directive)
    assert not taken_out(tmp_path, f"server {{ listen 80; {ASKED % f'{directive};'} }}", directive)


def test_what_a_file_says_that_two_locations_include_stays_if_one_of_them_is_asked(tmp_path: Path) -> None:
    text = f"server {{ listen 80; {ASKED % 'include x.conf;'}\nlocation /x {{ include x.conf; }} }}"
    assert laid_out(deployed(tmp_path, text, None, x="sub_filter a b;"))["x.conf"] == "sub_filter a b;"


# ---------------------------------------------------------------- the real one


@pytest.mark.proxies
def test_nginx_takes_what_only_monitoring_and_other_locations_need(tmp_path: Path) -> None:
    files = "".join(f"location /{at} {{ {one}; }}\n" for at, (one, _) in enumerate([*FILES, *ANSWERS, *FILTERS]))
    own = f"gzip_static on; {PASS}"
    (tmp_path / "my.conf").write_text(f"{STATUS}server {{ listen 80; location /v1/ {{ {own} }}\n{files} }}")
    NGINX.deployed(Deployment()).check(tmp_path / "my.conf")


@pytest.mark.proxies
def test_another_nginx_that_is_here_and_has_the_module_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "load_module modules/ngx_http_image_filter_module.so;\nevents {}\nhttp { server {\n sub_filter a b;\n"
    (tmp_path / "my.conf").write_text(f"{text} {ASKED % ''} }} }}")
    lacks = tmp_path / "lacks/nginx"
    has = tmp_path / "has/nginx"
    real = NGINX.installed().program
    for shim, told in ((lacks, ""), (has, "--with-http_sub_module")):
        shim.parent.mkdir()
        version = f"echo 'nginx version: nginx/9.9.9\nconfigure arguments: --prefix=/x {told}' >&2"
        shim.write_text(f'#!/bin/sh\ncase $1 in -[vV]) {version}; exit;; esac\nexec {real} "$@"\n')
        shim.chmod(0o755)
    refused = (
        r'my\.conf:4: unknown directive "sub_filter"; this nginx lacks ngx_http_sub_module, which has it: leave it'
    )
    mine = replace(NGINX, only="wheel")
    monkeypatch.setenv("PATH", f"{has.parent}:{os.environ['PATH']}")
    with pytest.raises(InputError, match=rf"{refused}.*`nginx:CONFIG@9\.9\.9` is system 9\.9\.9, which has it"):
        mine.check(tmp_path / "my.conf")
    monkeypatch.setenv("PATH", f"{lacks.parent}:{os.environ['PATH'].partition(':')[2]}")
    with pytest.raises(InputError, match=refused) as told_else:
        mine.check(tmp_path / "my.conf")
    assert "9.9.9" not in str(told_else.value)
