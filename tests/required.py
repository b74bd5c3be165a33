"""What has to be able to run in CI: `python -m tests.required` prints it as `HARNESS_REQUIRE` takes it.

It is all clients, and all proxies but those that only the packages of a system have: wheels and packages of npm's can
be fetched wherever there is a network.
"""

from __future__ import annotations

from harness.clients import CLIENTS
from harness.proxies.base import Proxy
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described


def required() -> list[str]:
    """Return the names of all these."""
    return [*(name for name, proxy in PROXIES.items() if _is_had_anywhere(proxy)), *CLIENTS]


def _is_had_anywhere(proxy: Proxy) -> bool:
    return not isinstance(proxy, Described) or bool(proxy.said.sources.wheel or proxy.said.sources.npm)


if __name__ == "__main__":
    print(",".join(required()))
