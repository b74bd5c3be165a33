"""The proxies there are, by the name that chains use."""

from __future__ import annotations

from collections.abc import Mapping

from harness.proxies.asgi import Asgi
from harness.proxies.base import Proxy
from harness.proxies.cloudrun import CloudRun
from harness.proxies.nextjs import NextJs
from harness.proxies.nginx import Nginx

PROXIES: Mapping[str, Proxy] = {proxy.name: proxy for proxy in (Nginx(), NextJs(), CloudRun(), Asgi())}
