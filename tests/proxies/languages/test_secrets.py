"""No secret of a config is told, whatever the language that it stands in; and nothing else is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.proxies.languages.secrets import masked
from tests.proxies.languages import reading

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f'proxy_set_header Authorization "Bearer {SECRET}";',
        f"http-request set-header X-Api-Key {SECRET}",
        f"http-request set-header Authorization Bearer\\ {SECRET} if TRUE",
        f"stats auth admin:{SECRET}",
        f"user bob insecure-password {SECRET}",
        f"RequestHeader set Authorization 'Bearer {SECRET}'",
        f"SetEnv API_TOKEN {SECRET}",
        f"Authorization: Bearer-{SECRET}",
        f"customRequestHeaders: {{X-Api-Key: {SECRET}, X-Other: 1}}",
        f"header: {{key: x-api-key, value: {SECRET}}}",
        f"header:\n  key: authorization\n  value: 'Basic {SECRET}'\n",
        f'"X-Api-Key": [\n\t"{SECRET}"\n]',
        f'"password": "{SECRET}"',
        f"basicAuth: {{users: ['a:$apr1${SECRET}']}}",
        f"  - 'bob:{{SHA}}{SECRET}='",
    ],
)
def test_values_of_secret_names_are_hidden(text: str) -> None:
    assert SECRET not in masked(text)
    assert "(redacted)" in masked(text)
    assert masked(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "ssl_certificate_key /etc/ssl/a.key;",
        'keyFile: "${CERTIFICATE_KEY}"',
        "private_key: {filename: /etc/tls.key}",
        "proxy_set_header Authorization $http_authorization;",
        "RequestHeader set X-Forwarded-Proto https",
        "cookie SRV insert indirect",
        "http-request set-header Host app",
    ],
)
def test_nothing_else_is(text: str) -> None:
    assert masked(text) == text


def test_a_diff_is_told_without_them(tmp_path: Path) -> None:
    text = f"listen l\n bind :80\n http-request set-header X-Api-Key {SECRET}\n server s app:1\n"
    diff = reading.fit("haproxy", tmp_path, {"h.cfg": text}).diff()
    assert SECRET not in diff
    assert " http-request set-header X-Api-Key (redacted)\n" in diff
