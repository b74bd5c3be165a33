"""The clients there are, by the name that cells use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Client

CLIENTS: Mapping[str, Callable[[], Client]] = {"aiohttp": AiohttpReader}
