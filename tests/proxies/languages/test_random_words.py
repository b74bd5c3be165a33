"""What looks drawn at random is hidden whatever name it has, and what people write is shown."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import pytest

from harness.model import HIDDEN
from harness.proxies.languages.random_words import is_random, without_random
from harness.proxies.languages.secrets import masked, masked_blocks, masked_tree

DRAWN = [
    "9f3bQ0xZr7Lk2m",
    "3f0cd0e8a1b2c3d4",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "wJalrXUt/nF3MIK7+MD9NGbP/xRfiCY0w2",
    "550e8400-e29b-41d4-a716-446655440000",
    "dGhpcyBpcyBhIHNlY3JldCBrZXk5OTk=",
    "Xk9-mP2_vQ7rTz4",
]
WRITTEN = [
    *(
        "backend2",
        "app-blue-1",
        "x86_64",
        "us-east-1a",
        "http2",
        "TLSv1.3",
        "10m",
        "proxy_set_header",
        "X-Accel-Buffering",
    ),
    *("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384", "TLS_AES_128_GCM_SHA256", "192.168.100.200:8080"),
    *(
        "H2OutputBuffering",
        "HttpConnectionManager",
        "proxyReadTimeoutMsec",
        "/etc/letsencrypt/live/shop.example/key.pem",
    ),
    *("type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", "2001:0db8:85a3::8a2e:0370:7334"),
    *("$upstream_http_x_v2_a1", "2026-11-28T01:48:00Z", "text/event-stream", "unix:/run/php/php8.2-fpm.sock", "@2.8.4"),
    *(
        "${upstream_http_x_v2_a1}",
        "%{HTTP_X_V2_A1_B2}",
        "$arg_v2_a1_b2_c3.$arg_v2_a1_b2_c4",
        "%2Fstream%2Fv2",
        "@backend2",
    ),
    *("i-0abc12de34f56a789.ec2.internal:8000", "http://i-0abc12de34f56a789.us-west-2.compute.internal/chat"),
    *("ip-172-31-100-200.us-west-2.compute.internal", "ec2-198-51-100-1.us-west-2.compute.amazonaws.com"),
]
KEY = "9f3bQ0xZr7Lk2m"
BESIDE = [
    ("SG.{}.{}", "SG.{}.{}"),
    ("a.{}", "a.{}"),
    ("user@{}", "user@{}"),
    ("{}@host.example", "{}@host.example"),
    ("%2F{}", "%{}"),
    ("a%{}", "a%{}"),
    ("shop.example/live/{}", "shop.example/live/{}"),
    ("v1.{}/x", "v1.{}/x"),
    ("{}.internal", "{}.internal"),
    ("i-{}.example", "{}.example"),
    ("my-i-0abc12de34f56a789.ec2.internal", "{}.ec2.internal"),
    ("i-0abc12de34f56a789.example", "{}.example"),
]
"""Where a key stands among other things, and what is left of them."""


@pytest.mark.parametrize("word", DRAWN)
@pytest.mark.parametrize(
    ("masker", "text"),
    [
        (masked_blocks, "set $x {};"),
        (masked_blocks, 'map $uri $x {{ default "{}"; }}'),
        (masked_blocks, "map $arg_x $tenant {{ {} one; }}"),
        (masked_blocks, "proxy_set_header X-Other {};"),
        (masked_blocks, "# {}"),
        (masked, "http-request set-header X-Other {}"),
        (masked_tree, "other: {}"),
        (masked_tree, "{{a: [b, '{}']}}"),
    ],
)
def test_what_was_drawn_is_hidden_wherever_it_stands(masker: Callable[[str], str], text: str, word: str) -> None:
    assert masker(text.format(word)) == text.format(HIDDEN)


@pytest.mark.parametrize(("text", "told"), BESIDE)
@pytest.mark.parametrize(
    ("masker", "whole"),
    [
        (masked, "http-request set-header X-Other {}"),
        (masked_blocks, "proxy_set_header X-Other {};"),
        (masked_tree, "other: '{}'"),
    ],
)
def test_what_was_drawn_is_hidden_behind_whatever_it_stands(
    masker: Callable[[str], str], whole: str, text: str, told: str
) -> None:
    assert masker(whole.format(text.replace("{}", KEY))) == whole.format(told.replace("{}", HIDDEN))


@pytest.mark.parametrize("hashed", ["$2y$10$N9qo8uLOickgx2ZMRZoMye", "$apr1$salt$abcdefgh", "$6$salt$abc.def/gh"])
def test_a_hashed_password_is_hidden_in_quotes_too(hashed: str) -> None:
    for masker, text in ((masked, 'x "{}"'), (masked_blocks, "x '{}';"), (masked_tree, 'x: "{}"')):
        assert masker(text.format(hashed)) == text.format(HIDDEN)


def test_a_key_of_a_flow_mapping_is_hidden_as_well() -> None:
    assert masked_tree(f"other: {{{KEY}: 1}}") == f"other: {{{HIDDEN}: 1}}"


@pytest.mark.parametrize("word", WRITTEN)
def test_what_people_write_is_shown(word: str) -> None:
    for masker, text in ((masked, f"x {word}"), (masked_blocks, f"x {word};"), (masked_tree, f'x: "{word}"')):
        assert masker(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("set $x Tr0ub4dor3;", f"set $x {HIDDEN};"),
        ("map $uri $x { default hunter2hunter2; /a b; }", f"map $uri $x {{ default {HIDDEN}; /a b; }}"),
        ("split_clients $uri $x { 50% aB3dE6gH9; }", f"split_clients $uri $x {{ 50% {HIDDEN}; }}"),
        ("proxy_set_header X-A hunter2hunter2;", "proxy_set_header X-A hunter2hunter2;"),
        ("map $http_upgrade $c { default upgrade; '' close; }",) * 2,
        ("map $uri $app { /v1 app1:8000; ~^/v2 http://backend2; }",) * 2,
        ("set $upstream app.internal.example:8000;",) * 2,
        ("map $a $b { c d; } server { location / { set $c hello; } }",) * 2,
    ],
)
def test_what_is_given_to_a_variable_is_hidden_sooner(text: str, told: str) -> None:
    assert masked_blocks(text) == told


@pytest.mark.parametrize(
    "letters", [string.hexdigits[:16], string.ascii_lowercase + string.digits, string.ascii_letters + string.digits]
)
def test_hardly_a_key_of_usual_length_is_missed(letters: str) -> None:
    chance = random.Random(letters)
    keys = ["".join(chance.choices(letters, k=32)) for _ in range(2000)]
    assert sum(is_random(key) for key in keys) > 0.99 * len(keys)
    assert all(key not in without_random(f'"{key}"') for key in keys if is_random(key))
