"""The clients there are, by the name that cells use.

In: one request.
Out: every read of its response, at once and unaltered, into a sink.
Enter: `measure/` and who lists what there is; a client knows launchers, and no proxy or backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Client
from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.clients.curl import Curl
from harness.clients.curl_awk import CurlAwk
from harness.clients.h2_reader import H2Reader

CLIENTS: Mapping[str, Callable[[], Client]] = {
    "aiohttp": AiohttpReader,
    "h2": H2Reader,
    "curl": Curl,
    "curl-awk": CurlAwk,
    "chromium": Chromium,
    "chromium-eventsource": ChromiumEventSource,
}
