"""What a mitigation changes in a Traefik config: on the way of the router that answers, to its service. No Traefik."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import Deployment, Edit
from tests.proxies.languages import reading

UNBUFFERED = Edit(drop=("middlewares buffering",))
FLUSH = Edit(set=("loadBalancer.responseForwarding.flushInterval -1ms",))
NO_EVENTS = Edit(add=("compress.excludedContentTypes text/event-stream", "compress.excludedContentTypes text/x"))
after = partial(reading.after, "traefik")


def config(middlewares: str, kinds: str = "", load_balancer: str = "servers: [{url: http://app:1}]") -> str:
    return (
        "http:\n  routers:\n    chat:\n      rule: PathPrefix(`/chat`)\n      service: chat\n"
        f"{middlewares}    web: {{rule: PathPrefix(`/`), service: web, middlewares: [limits]}}\n"
        f"  services:\n    chat:\n      loadBalancer:\n        {load_balancer}\n"
        "    web: {loadBalancer: {servers: [{url: http://web:1}]}}\n"
        f"  middlewares:\n    limits: {{buffering: {{}}}}\n    zip: {{compress: {{}}}}\n{kinds}"
    )


def chat(folder: Path, text: str, *edits: Edit) -> str:
    return after(folder, text, *edits, path="/chat")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("      middlewares: [limits@file, zip]\n", "      middlewares: [zip]\n"),
        (
            "      middlewares:\n        - zip\n        - limits  # 2 MB\n",
            "      middlewares:\n        - zip\n        # 2 MB\n",
        ),
        ("      middlewares: [limits]\n", ""),
        ("      middlewares: [zip, other]\n", "      middlewares: [zip, other]\n"),
    ],
    ids=["of two", "its line", "the last one", "none"],
)
def test_a_middleware_is_taken_out_of_the_routers_list_and_of_no_others(tmp_path: Path, said: str, left: str) -> None:
    assert chat(tmp_path, config(said), UNBUFFERED) == config(left)


@pytest.mark.parametrize(
    ("kinds", "left", "said"),
    [
        ("    all: {chain: {middlewares: [zip, limits]}}\n", "    all: {chain: {middlewares: [zip]}}\n", "[all]"),
        ("    all: {chain: {middlewares: [limits]}}\n", "    all: {chain: {middlewares: [limits]}}\n", "[zip]"),
        (
            "    all: {chain: {middlewares: [all, zip]}}\n",
            "    all: {chain: {middlewares: [all, zip]}}\n",
            "[all, zip]",
        ),
    ],
    ids=["one of a chain", "a chain of nothing else", "a chain of itself"],
)
def test_a_chain_is_followed_and_taken_out_where_it_is_of_nothing_else(
    tmp_path: Path, kinds: str, left: str, said: str
) -> None:
    before = "[zip, all]" if said == "[zip]" else said
    text = config(f"      middlewares: {before}\n", kinds)
    assert chat(tmp_path, text, UNBUFFERED) == config(f"      middlewares: {said}\n", left)


def test_a_middleware_of_the_entry_point_is_taken_out_there_in_the_static_file(tmp_path: Path) -> None:
    static = (
        "entryPoints:\n  web:\n    address: :80\n    http:\n      middlewares:\n        - limits@file\n"
        "        - zip@file\nproviders: {file: {filename: app.yml}}\n"
    )
    found = reading.mitigate(
        "traefik", tmp_path, {"t.yml": static, "app.yml": config("")}, UNBUFFERED, said=Deployment(path="/chat")
    )
    assert found.after == {tmp_path / "t.yml": static.replace("        - limits@file\n", "")}


def test_a_key_of_the_service_is_set_where_it_stands_or_beside_the_others(tmp_path: Path) -> None:
    text = config("")
    assert chat(tmp_path, text, FLUSH) == text.replace(
        "        servers: [{url: http://app:1}]\n",
        "        servers: [{url: http://app:1}]\n        responseForwarding: {flushInterval: -1ms}\n",
    )
    said = "responseForwarding:\n          flushInterval: 1s # slow\n        servers: [{url: http://app:1}]"
    assert chat(tmp_path, config("", "", said), FLUSH) == config("", "", said.replace("1s", "-1ms"))


def test_what_is_not_to_be_compressed_is_added_to_each_compressor_that_is_met(tmp_path: Path) -> None:
    text = config("      middlewares: [zip, more]\n", "    more: {compress: {excludedContentTypes: [a/b, text/x]}}\n")
    types = "excludedContentTypes: [text/event-stream, text/x]"
    added = text.replace("zip: {compress: {}}", f"zip: {{compress: {{{types}}}}}")
    assert chat(tmp_path, text, NO_EVENTS) == added.replace("[a/b, text/x]", "[a/b, text/x, text/event-stream]")
    only = text.replace("compress: {}", "compress: {includedContentTypes: [text/html]}")
    assert "zip: {compress: {includedContentTypes: [text/html]}}" in chat(tmp_path, only, NO_EVENTS)
    assert chat(tmp_path, config(""), NO_EVENTS) == config("")


def test_a_key_is_taken_out(tmp_path: Path) -> None:
    said = "servers: [{url: http://app:1}]\n        responseForwarding:\n          flushInterval: 1s"
    dropped = Edit(drop=("loadBalancer.responseForwarding",))
    assert chat(tmp_path, config("", "", said), dropped) == config("")


def test_what_an_anchor_shares_is_refused_with_its_line(tmp_path: Path) -> None:
    text = config("      middlewares: &m [limits, zip]\n").replace("[limits]}", "*m}")
    with pytest.raises(InputError, match=r"my\.conf:6: this is shared by an anchor"):
        chat(tmp_path, text, UNBUFFERED)
