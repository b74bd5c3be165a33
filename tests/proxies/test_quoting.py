"""What programs say of a config tells none of its secrets, and nothing that only we wrote into it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import HIDDEN
from harness.proxies.catalog import PROXIES
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.described import Described
from harness.proxies.languages.secrets import masked, masked_blocks, masked_program, masker
from harness.proxies.quoting import restored, without_secrets
from tests.proxies.languages.test_secrets import EVERY, SECRET, Masker
from tests.sampling import some_of

COMPLAINING = [
    (one, pattern) for one in PROXIES.values() if isinstance(one, Described) for pattern in one.said.complaints
]

OPENINGS = ("", "ValueError: ", "adapting ", "service a: Uncaught ")
"""What a program says before it quotes anything."""


def found(text: str) -> str:
    """Return words about a config that quote the word with its secret."""
    return re.sub(r".*?([\w-]*s3cr3t[\w-]*).*", r"found '\1' there", text, flags=re.DOTALL)


def of_words(pattern: str, words: str) -> re.Pattern[str]:
    """Return a pattern of complaints that has some words."""
    begin, depth, end = pattern.index("(?P<words>"), 0, 0
    for part in re.finditer(r"\\.|\[(?:\\.|[^\]\\])*\]|.", pattern[begin:]):
        depth += (part[0] == "(") - (part[0] == ")")
        end = end if end or depth else begin + part.end()
    taken = next((f"{one}{words}" for one in OPENINGS if re.fullmatch(pattern[begin:end], f"{one}{words}")), "")
    return re.compile(f"{pattern[:begin]}(?P<words>{re.escape(taken)}){pattern[end:]}", re.MULTILINE)


def test_many_programs_complain() -> None:
    assert len({proxy.name for proxy, _ in COMPLAINING}) > 15


@some_of(("proxy", "pattern"), COMPLAINING, each=3, ids=lambda one: getattr(one, "name", None))
@given(st.data())
def test_no_complaint_of_any_program_tells_a_secret_of_its_config(
    proxy: Described, pattern: str, data: st.DataObject
) -> None:
    hides = masker(proxy.name, proxy.suffix)
    config = data.draw(st.sampled_from([text for one, text in EVERY if one is hides]))
    log = data.draw(st.from_regex(of_words(pattern, found(config))))
    given = ComplaintPatterns([re.compile(pattern, re.MULTILINE)], {}, {"/c": (config, config)}, hides)
    told = [one.message for one in given.found(log)]
    assert any(HIDDEN in one for one in told) or "Bad configuration format" in pattern  # which is all that it says
    assert not [one for one in told if SECRET in one]


@pytest.mark.parametrize(("masker", "text"), EVERY)
def test_a_secret_is_hidden_as_a_whole_and_in_part(masker: Masker, text: str) -> None:
    quoted = [word for word in text.split() if SECRET in word] + [line for line in text.splitlines() if SECRET in line]
    for words in (found(text), *(f"cannot take `{one}`" for one in quoted)):
        told = without_secrets(words, [text], masker)
        assert SECRET not in told
        assert HIDDEN in told


@pytest.mark.parametrize(
    ("masker", "text", "words"),
    [
        (masked, "http-request set-header Authorization Bearer bearerplainword\nbind :80", "unknown keyword 'bind'"),
        (masked, "http-request set-header Authorization pa if TRUE", "expects 'if' or 'pa'"),
        (masked, "stats auth admin:pass\nuse_backend admin", "no backend 'admin'"),
        (masked_blocks, 'proxy_set_header Authorization "Bearer x";', 'unknown directive "proxy_st_header"'),
        (masked_program, "", "unknown"),
    ],
)
def test_nothing_else_is(masker: Masker, text: str, words: str) -> None:
    assert without_secrets(words, [text], masker) == words


@pytest.mark.parametrize(
    ("was", "now", "said", "told"),
    [
        ("listen 80;", "listen 127.0.0.1:41230;", "a duplicate listen 127.0.0.1:41230", "a duplicate listen 80"),
        ("bind *:80 ssl", "bind 127.0.0.1:4123 ssl", "'127.0.0.1:4123' is taken", "'*:80' is taken"),
        ("server a app:80 x", "server a 127.0.0.1:1 x", "'server a': 127.0.0.1:1x", "'server a': 127.0.0.1:1x"),
        ("pass http://a:b/;", "pass http://127.0.0.1:1:b/;", 'port in "127.0.0.1:1:b/"', 'port in "a:b/"'),
        ("pass https://a/;", "pass http://127.0.0.1:1/;", 'host "http://127.0.0.1:1/"', 'host "https://a/"'),
        ("a b", "a b", "b is unknown", "b is unknown"),
        ("a \\1;", "a /f;", "no /f", "no \\1"),
        ("user www;", "", 'unknown "user"', 'unknown "user"'),
    ],
)
def test_where_our_edit_is_quoted_the_users_text_is_told(was: str, now: str, said: str, told: str) -> None:
    assert restored(said, was, now) == told
