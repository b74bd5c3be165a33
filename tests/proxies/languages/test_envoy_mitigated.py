"""What a mitigation changes in an Envoy bootstrap: in the route that answers. No Envoy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import Edit
from tests.proxies.languages import reading

TYPE = "type.googleapis.com/envoy.extensions.filters"
OFF = '{"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}'
UNBUFFERED = Edit(drop=("http_filters file_system_buffer lua",))
NO_LIMIT = Edit(set=("route.timeout 0s",))
after = partial(reading.after, "envoy")

BUFFER = f'{{name: buf, typed_config: {{"@type": {TYPE}.http.file_system_buffer.v3.FileSystemBufferFilterConfig}}}}'
LUA = f'{{name: "my script", typed_config: {{"@type": {TYPE}.http.lua.v3.Lua}}}}'
ROUTER = f'{{name: router, typed_config: {{"@type": {TYPE}.http.router.v3.Router}}}}'


def config(chat: str, filters: str = f"{BUFFER}, {ROUTER}", host: str = "") -> str:
    return (
        "static_resources:\n  listeners:\n    - name: web\n"
        "      address: {socket_address: {address: 0.0.0.0, port_value: 80}}\n"
        f"      filter_chains:\n        - filters:\n            - name: hcm\n              typed_config:\n"
        f'                "@type": {TYPE}.network.http_connection_manager.v3.HttpConnectionManager\n'
        "                route_config:\n                  virtual_hosts:\n                    - name: app\n"
        f"                      domains: ['*']\n{host}                      routes:\n{chat}"
        "                        - match: {prefix: /}\n                          route: {cluster: app}\n"
        f"                http_filters: [{filters}]\n"
        "  clusters:\n    - name: app\n      load_assignment:\n        endpoints:\n          - lb_endpoints:\n"
        "              - endpoint: {address: {socket_address: {address: app, port_value: 8000}}}\n"
    )


INDENT = " " * 26
CHAT = f"                        - match: {{prefix: /chat}}\n{INDENT}route: {{cluster: app}}  # the chat\n"
PER_FILTER = f"{INDENT}typed_per_filter_config: "


def chat(folder: Path, text: str, *edits: Edit) -> str:
    return after(folder, text, *edits, path="/chat")


def test_a_filter_is_switched_off_for_the_route_that_answers_and_no_other(tmp_path: Path) -> None:
    assert chat(tmp_path, config(CHAT), UNBUFFERED) == config(f"{CHAT}{PER_FILTER}{{buf: {OFF}}}\n")
    other = after(tmp_path, config(CHAT), UNBUFFERED, path="/")
    assert CHAT + "                        - match: {prefix: /}" in other
    assert other.count(OFF) == 1


def test_each_filter_of_the_kinds_is_by_its_name_and_in_braces_if_the_route_is(tmp_path: Path) -> None:
    text = config("                        - {match: {prefix: /chat}, route: {cluster: app}}\n", f"{LUA}, {BUFFER}")
    assert f'route: {{cluster: app}}, typed_per_filter_config: {{"my script": {OFF}, buf: {OFF}}}}}\n' in chat(
        tmp_path, text, UNBUFFERED
    )


@pytest.mark.parametrize("level", ["route", "host", "filter"])
def test_what_is_off_already_is_left_alone_wherever_it_is_said(tmp_path: Path, level: str) -> None:
    said = f"typed_per_filter_config: {{buf: {OFF}}}\n"
    text = {
        "route": config(f"{CHAT}{INDENT}{said}"),
        "host": config(CHAT, host=f"                      {said}"),
        "filter": config(CHAT, f"{BUFFER.replace('{name', '{disabled: true, name', 1)}, {ROUTER}"),
    }[level]
    assert chat(tmp_path, text, UNBUFFERED) == text


def test_what_a_route_says_of_the_filter_itself_is_replaced(tmp_path: Path) -> None:
    own = f"{CHAT}{PER_FILTER}\n{INDENT}  buf:\n{INDENT}    '@type': x\n{INDENT}    request: {{}}\n"
    assert chat(tmp_path, config(own), UNBUFFERED) == config(f"{CHAT}{PER_FILTER}\n{INDENT}  buf: {OFF}\n")


def test_a_key_of_the_route_is_set_and_taken_out(tmp_path: Path) -> None:
    assert chat(tmp_path, config(CHAT), NO_LIMIT) == config(CHAT.replace("app}", "app, timeout: 0s}"))
    timed = config(CHAT.replace("app}", "app, timeout: 5s}"))
    assert chat(tmp_path, timed, NO_LIMIT) == timed.replace("5s", "0s")
    assert chat(tmp_path, timed, Edit(drop=("route.timeout",))) == config(CHAT)


def test_routes_that_an_anchor_shares_are_refused_with_their_line(tmp_path: Path) -> None:
    text = config(CHAT.replace("route: {cluster: app}", "route: &r {cluster: app}")).replace(
        "route: {cluster: app}\n", "route: *r\n"
    )
    with pytest.raises(InputError, match=r"my\.conf:16: this is shared by an anchor"):
        chat(tmp_path, text, NO_LIMIT)
