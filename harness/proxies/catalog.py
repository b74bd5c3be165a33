"""The proxies there are, by the name that chains use: those with Python of their own, and all that files describe."""

from __future__ import annotations

from collections.abc import Mapping

from harness.proxies.as_deployed import AsDeployed
from harness.proxies.asgi import Asgi
from harness.proxies.base import Proxy
from harness.proxies.described import Described, shipped
from harness.proxies.emulator import CLOUD_RUN, OTHERS
from harness.proxies.languages import LANGUAGES
from harness.proxies.nextjs import NextJs
from harness.proxies.nginx import Nginx
from harness.proxies.project_hops import Vite
from harness.proxies.wsgi import Wsgi

_OWN: Mapping[str, type[Described]] = {"nginx": Nginx, "nextjs": NextJs, "vite": Vite}
"""Those that their file describes as far as that goes, by name."""
_DESCRIBED = {proxy.name: proxy for proxy in shipped({**dict.fromkeys(LANGUAGES, AsDeployed), **_OWN})}

PROXIES: Mapping[str, Proxy] = {
    **{name: _DESCRIBED[name] for name in _OWN},
    **{proxy.name: proxy for proxy in (CLOUD_RUN, OTHERS, Asgi(), Wsgi())},
    **_DESCRIBED,
}
