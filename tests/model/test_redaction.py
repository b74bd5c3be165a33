"""Headers are told without secrets, and what a hop changes of one is still seen."""

from __future__ import annotations

import re
import time

import pytest

from harness.model import HIDDEN, Mitigation, masked_mitigation, shown_value, without_userinfo
from harness.model.redaction import masked
from tests.sampling import some_of

BLINK_S = 30.0  # of CPU: some seconds on a slow machine, and minutes for what goes back and forth


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
        ("Location", "/@user?mail=me@b.example", f"/@user?{HIDDEN}"),
        ("Location", "/a#access_token=x", f"/a#{HIDDEN}"),
        ("Location", "chat?token=x", f"chat?{HIDDEN}"),
        ("Referer", "https://a.example:8443/b/c?access_token=x&y=me@b", f"https://a.example:8443/b/c?{HIDDEN}"),
        ("X-Forwarded-Uri", "/chat?key=x", f"/chat?{HIDDEN}"),
        ("Refresh", "5;url=/chat?key=x", f"5;url=/chat?{HIDDEN}"),
        ("Link", "</a?k=x>; rel=next, </b?k=y>", f"</a?{HIDDEN}>; rel=next, </b?{HIDDEN}>"),
        ("Link", "<redis://:a/b@db>", f"<redis://{HIDDEN}@db>"),
        ("Location", "https://x/y?token='abcsecret'", f"https://x/y?{HIDDEN}"),
        ("Location", "https://x/y?token=<abcsecret>", f"https://x/y?{HIDDEN}"),
        ("Location", '?q="hunter2"&z=k2', f"?{HIDDEN}"),
        ("Location", "?code=hunter2", f"?{HIDDEN}"),
        ("Location", "#access_token=x", f"#{HIDDEN}"),
        ("Refresh", "0; url=?code=hunter2", f"0; url=?{HIDDEN}"),
        ("Refresh", "0;URL='?code=\"hunter2\"'", f"0;URL='?{HIDDEN}'"),
        ("Link", "<?k='x'>; rel=next, <#k=x>", f"<?{HIDDEN}>; rel=next, <#{HIDDEN}>"),
        (
            "X-Other",
            "it's /a?k='x' or \"see /b?k='y'\" and '/c?k=\"z\"'",
            f"it's /a?{HIDDEN} or \"see /b?{HIDDEN}\" and '/c?{HIDDEN}'",
        ),
        ("X-Other", "'chat?token=x'", f"'chat?{HIDDEN}'"),
        ("X-Other", "'hello /x?token='abc'", f"'hello /x?{HIDDEN}'"),
        ("X-Other", "'hello /x?token='abc' more", f"'hello /x?{HIDDEN}' more"),
        ("X-Other", "'/x?token='abc, '/y?token=''abc'", f"'/x?{HIDDEN} '/y?{HIDDEN}"),
        ("X-Other", '"/x?token="a"b" (\'/y?k=1\')', f"\"/x?{HIDDEN}\" ('/y?{HIDDEN}')"),
        ("X-Other", "'say \"/x?k=v\"', '/y?k=v';a", f"'say \"/x?{HIDDEN}\"', '/y?{HIDDEN}';a"),
        ("Link", "</a?k=x>y>; rel=next", f"</a?{HIDDEN}>; rel=next"),
        ("X-Other", "what? no", "what? no"),
        ("X-Color", "#fff", "#fff"),
        ("Sec-CH-UA-Mobile", "?0", "?0"),
        ("X-Flag", "?1;a=b", "?1;a=b"),
        ("Content-Type", "text/event-stream; charset=utf-8", "text/event-stream; charset=utf-8"),
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


@pytest.mark.parametrize(
    "around",
    [
        *("redis://:{}@db", "http://admin:{}@db/", '"postgres://app:{}@db:5432/x"', "see http://admin:{}@db/a, or b"),
        *("http:\\/\\/admin:{}@db", "jdbc:mysql://app:{}@db/x", "https://[::1]/@a http://admin:{}@db"),
    ],
)
@pytest.mark.parametrize(
    "password",
    ["s3cr3t", "a/s3cr3t", "s3cr3t/a", "a/s3cr3t/", "a s3cr3t", 'a\\"s3cr3t', "a@s3cr3t", "12-3/s3cr3t", "it's/s3cr3t"],
)
def test_of_whatever_url_name_and_password_are_hidden(around: str, password: str) -> None:
    assert without_userinfo(around.format(password)).replace(HIDDEN, "") == re.sub("(admin|app)?:{}", "", around)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("//bob:s3cr3t@db/x", f"//{HIDDEN}@db/x"),
        ("app:s3cr3t@tcp(db:3306)/x", f"{HIDDEN}@tcp(db:3306)/x"),
        ('dsn="app:a/s@3cr3t@unix(/a.sock)/x"', f'dsn="{HIDDEN}@unix(/a.sock)/x"'),
        ("app:s3cr3t@/x", f"{HIDDEN}@/x"),
        *(
            (text, text)
            for text in (
                "http://a:8080/@scope/b http://[::1]:80/@c http://[fe80::1]/d@e",
                "http://a:80, or write to me@b.example",
                "// note: me@b.example",
                "nginx:1.29@sha256:0123",
                "a:b@c",
            )
        ),
    ],
)
def test_and_nothing_else(text: str, told: str) -> None:
    assert without_userinfo(text) == told


def test_of_queries_a_change_is_seen_and_what_is_masked_stays() -> None:
    sent, received = [("Referer", "/a?k=x")], [("Referer", "/a?k=y")]
    told = masked(sent, received)
    assert told == [(("Referer", f"/a?{HIDDEN}"),), (("Referer", "/a?(redacted 2)"),)]
    assert masked(*told) == told


@some_of(
    "piece",
    [
        "/",
        "//a:",
        "a:b,",
        "?",
        "://a:b",
        "@",
        "a:b@",
        '\\"',
        "://",
        ":",
        "http://a:b/",
        *"<'\"# ",
        "'/",
        "url=?",
        "/?a ",
    ],
    each=4,
)
def test_whatever_somebody_sends_is_looked_through_in_a_blink(piece: str) -> None:
    """A regular expression that goes back and forth over a header of 200 kB takes minutes."""
    value = piece * (200_000 // len(piece))
    spent = time.process_time()
    shown_value("X-Other", value)
    assert time.process_time() - spent < BLINK_S
