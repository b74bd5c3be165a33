"""What a run keeps of its matrix file: all of it but the secrets of headers, however those are spelled."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.documents.redaction import masked_run
from harness.documents.yaml_text import Source
from harness.errors import InputError
from harness.model import HIDDEN, is_secret, shown_urls
from tests.reports.samples import run_info

CANARY = "canary-5d1f0b77"


def kept(text: str) -> str:
    return masked_run(run_info(matrix_text=text)).matrix_text


def hidden(data: Any) -> Any:
    """Return a matrix file's data without secrets, and without what URLs in other headers say, made from the data
    alone.
    """
    for mitigation in data["mitigations"].values():
        for headers in (mitigation.get(key, {}) for key in ("request_headers", "response_headers")):
            told = ((name, HIDDEN if is_secret(name) else shown_urls(said)) for name, said in headers.items() if said)
            headers |= dict(told)
    return data


def data(text: str) -> Any:
    read = Source(text, "m.yaml")
    assert read.complaints == []
    return read.data


NAMES = st.sampled_from(["Authorization", "X-Token-Mode", "cookie", "Accept", "X-Accel-Buffering"])
VALUES = st.from_regex(r"[!-~]([ -~]*[!-~])?", fullmatch=True) | st.sampled_from(
    ["buffered", "m", "verdict: buffered", "it's", "# no", "null", "- a", "a: b, c", "x " * 80 + "x", HIDDEN]
)
HEADERS = st.dictionaries(NAMES, VALUES | st.none(), max_size=3)
MATRICES = st.fixed_dictionaries(
    {
        "title": VALUES,
        "workloads": st.just({"short": {"tokens": 8, "token_bytes": 112}}),
        "expect": st.lists(st.fixed_dictionaries({"cells": VALUES, "verdict": st.just("buffered"), "why": VALUES})),
        "mitigations": st.dictionaries(
            st.sampled_from(["m", "request_headers", "Authorization"]),
            st.fixed_dictionaries({"claim": VALUES, "request_headers": HEADERS, "response_headers": HEADERS}),
        ),
    }
)


def test_a_query_that_begins_a_block_is_hidden_and_another_block_stays_as_it_is() -> None:
    text = "title: t\nworkloads: {s: {tokens: 8, token_bytes: 112}}\nmitigations:\n  m:\n    response_headers:\n"
    asked, other = f"{text}      Accept: |-\n        ?to=me\n", f"{text}      Accept: |-\n        text\n"
    assert data(kept(asked))["mitigations"]["m"]["response_headers"] == {"Accept": f"?{HIDDEN}"}
    assert kept(other) == other


@given(MATRICES, st.sampled_from([None, "'", '"', "|", ">"]), st.booleans(), st.sampled_from([20, 80, 10_000]))
def test_of_whatever_file_the_secrets_are_hidden_and_nothing_else(
    matrix: dict[str, Any], style: str | None, flow: bool, width: int
) -> None:
    text = yaml.dump(matrix, default_style=style, default_flow_style=flow, width=width, sort_keys=False)
    before = data(text)
    masked = kept(text)
    assert data(masked) == hidden(before)
    assert kept(masked) == masked


IN_BLOCKS = "mitigations:\n  m:\n    request_headers:\n      Authorization: {0}\n      Accept: {1}\nexpect: [{1}]\n"
IN_BRACES = 'mitigations: {{m: {{request_headers: {{"AUTHORIZATION":{0}, Accept: {1}}}}}}}\nexpect: [{1}]\n'


@pytest.mark.parametrize("form", [IN_BLOCKS, IN_BRACES], ids=["blocks", "braces"])
@pytest.mark.parametrize(
    ("spelled", "left"),
    [
        (f"Bearer {CANARY}", HIDDEN),
        (f"'it''s-{CANARY}'", f"'{HIDDEN}'"),
        (f'"{CANARY}"', f'"{HIDDEN}"'),
        (f'"{CANARY[:3]}\\u0061{CANARY[4:]}"', f'"{HIDDEN}"'),
        (f'"{CANARY[:3]}\\\n        {CANARY[3:]}"', f'"{HIDDEN}"'),
        (f"Bearer\n        {CANARY}", HIDDEN),
        (f"&its {CANARY}", f"&its {HIDDEN}"),
        (f"!!str {CANARY}", f"!!str {HIDDEN}"),
        (f"&its !!str '{CANARY}'", f"&its !!str '{HIDDEN}'"),
        (f"{CANARY} # it expires", f"{HIDDEN} # it expires"),
        ("buffered", HIDDEN),
    ],
)
def test_however_a_secret_is_spelled_it_is_hidden_where_it_stands(form: str, spelled: str, left: str) -> None:
    if "#" in spelled and form is IN_BRACES:
        spelled, left = f"{spelled}\n", f"{left}\n"
    assert kept(form.format(spelled, "buffered")) == form.format(left, "buffered")


@pytest.mark.parametrize("mark", ["|", ">-", "|+", ">2  # folded"])
def test_a_block_is_hidden_and_what_follows_it_stays(mark: str) -> None:
    block = f"{mark}\n        {CANARY}\n        and more\n\n"
    assert kept(IN_BLOCKS.format(block, "x")) == IN_BLOCKS.format(f"{HIDDEN}\n\n", "x")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(end: str) -> None:
    text = "\ufeff" + IN_BLOCKS.format(CANARY, "größe").replace("\n", end)
    assert kept(text) == text.replace(CANARY, HIDDEN)


@pytest.mark.parametrize("spelled", ["{}", "'{}'", '"{}"', "{}  # for now", "|\n        {}\n        b"])
def test_of_a_header_that_tells_a_url_name_and_password_are_hidden(spelled: str) -> None:
    text = f"title: t\nmitigations:\n  m:\n    response_headers:\n      X-Debug: {spelled}\n      Cookie: {spelled}\n"
    text += f"proxies:\n  p:\n    env:\n      DATABASE_URL: {spelled}\n"
    told = kept(text.replace("{}", f"https://user:{CANARY}@db.example/x"))
    assert CANARY not in told
    assert told.count(f"https://{HIDDEN}@db.example/x") == 2
    assert kept(told) == told


def test_what_an_alias_stands_for_is_hidden_at_its_anchor() -> None:
    text = f"title: &t {CANARY}\nmitigations:\n  a: &m {{request_headers: &h {{Cookie: *t}}}}\n  b: *m\n"
    text += "  c: {response_headers: *h}\n  d: {request_headers: {? cookie : 'x', Cookies: ~, Tokens: }}\n"
    assert kept(text) == text.replace(CANARY, HIDDEN).replace("'x'", f"'{HIDDEN}'")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "title: t\n",
        "workloads: {token: {tokens: 30, secret: x}}\n",
        "mitigations: {authorization: {claim: cookie, chain: {token: secret}}}\n",
        "mitigations: {m: {request_headers: {Authorization: null, Cookie: '', X-Token: }}}\n",
        "mitigations: [request_headers]\n",
    ],
)
def test_a_file_without_secrets_is_kept_to_the_letter(text: str) -> None:
    assert kept(text) == text


def test_what_is_no_yaml_is_refused_and_not_kept() -> None:
    with pytest.raises(InputError, match="not YAML"):
        kept(f"mitigations: {{Authorization: {CANARY}")


@pytest.mark.parametrize("spelled", ["{}", "'{}'", '"{}"', "{}  # as deployed", "|\n        {}"])
def test_of_what_a_config_is_asked_for_the_query_is_hidden(spelled: str) -> None:
    text = f"title: a\nvariants:\n  nginx:\n    mine:\n      file: ./a.conf\n      path: {spelled}\n"
    text += "    other: ./b.conf\n"
    assert kept(text.replace("{}", f"/chat?api_key={CANARY}")) == text.replace("{}", f"/chat?{HIDDEN}")
    assert kept(text.replace("{}", "/chat")) == text.replace("{}", "/chat")
