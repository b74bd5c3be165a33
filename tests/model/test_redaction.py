"""Headers are told without secrets, and what a hop changes of one is still seen."""

from __future__ import annotations

import pytest

from harness.model import HIDDEN, Mitigation, masked_mitigation, shown_value
from harness.model.redaction import masked


def test_of_urls_in_values_only_who_they_log_in_is_hidden_and_a_change_of_it_is_seen() -> None:
    sent = [("X-Debug", "https://user:urlpassword@db.example/"), ("Link", "<http://a/>, <http://u:p@b/>; rel=next")]
    received = [("x-debug", "https://user:other@db.example/"), ("link", "<http://a/>, <http://u:p@b/>; rel=next")]
    told_sent, told_received = masked(sent, received)
    assert dict(told_sent) == {
        "X-Debug": f"https://{HIDDEN}@db.example/",
        "Link": f"<http://a/>, <http://{HIDDEN}@b/>; rel=next",
    }
    assert dict(told_received) == {"x-debug": "https://(redacted 2)@db.example/", "link": dict(told_sent)["Link"]}
    assert masked(told_sent, told_received) == [told_sent, told_received]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("Authorization", "Bearer abc", HIDDEN),
        ("Location", "/@user?mail=me@b.example", "/@user?mail=me@b.example"),
        ("DATABASE_URL", "postgres://u:it's@p@db/x", f"postgres://{HIDDEN}@db/x"),
        ("X-Debug", "http://a/b@c", "http://a/b@c"),
    ],
)
def test_a_value_is_told_without_secrets(name: str, value: str, told: str) -> None:
    assert shown_value(name, value) == told
    found = masked_mitigation(
        Mitigation("m", "c", "s", "header", request_headers={name: value}, response_headers={name: value})
    )
    assert (found.request_headers, found.response_headers) == ({name: told}, {name: told})
