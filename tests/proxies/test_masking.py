"""Of configs in any language, no secret is shown."""

from __future__ import annotations

import pytest

from harness.proxies.masking import masked

SECRET = "sk-5ecret"


@pytest.mark.parametrize(
    "text",
    [
        f'    http-request set-header Authorization "Bearer {SECRET}"\n',
        f"    http-request add-header X-Api-Key {SECRET}\n",
        f"    http-request set-header Authorization Bearer\\ {SECRET}\n",
        f'RequestHeader set Authorization "Basic {SECRET}"\n',
        f"ProxyPass / ajp://a:8009/ secret={SECRET}\n",
        f'+  customRequestHeaders: {{Authorization: "Bearer {SECRET}"}}\n',
        f"          X-Auth-Token: {SECRET}\n",
        f"{{header: {{key: Authorization, value: 'Bearer {SECRET}'}}}}\n",
        f'- header:\n    key: x-api-key\n    value: "{SECRET}"\n',
        f'+\t"Authorization": [\n+\t\t"Bearer {SECRET}"\n+\t]\n',
        f"header_up Cookie {SECRET}\n",
        f"password: {SECRET}\n",
    ],
)
def test_a_secret_is_shown_in_no_language(text: str) -> None:
    assert SECRET not in masked(text)
    assert "(redacted)" in masked(text)
    assert masked(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "backend api\n    server app1 10.0.0.1:8000 check\n",
        "encode gzip\n",
        "timeout client 30s\n",
        'rule: "Host(`a.b`)"\n',
    ],
)
def test_what_is_none_is_shown(text: str) -> None:
    assert masked(text) == text
