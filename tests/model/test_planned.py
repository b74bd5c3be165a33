"""Where something listens, as a URL says it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from harness.model import Endpoint


@pytest.mark.parametrize("host", ["127.0.0.1", "chat.example", "::1", "fe80::2:1"])
def test_whatever_its_host_is_a_url_leads_there(host: str) -> None:
    endpoint = Endpoint(8080, path="/api", host=host)
    for url in (endpoint.url, endpoint.pulse_url, endpoint.stream_url("0f")):
        assert (urlsplit(url).hostname, urlsplit(url).port) == (host, 8080)
