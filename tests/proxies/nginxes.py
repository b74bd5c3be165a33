"""The real nginx, started with a config of ours or of a user's, and asked whether it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.clients import CLIENTS
from harness.clients.base import Request
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.base import Running
from harness.proxies.nginx import Nginx
from harness.resources import configs
from harness.session import variants
from tests.clients.http2_peer import Seen

NGINX = Nginx("nginx", configs() / "nginx")
SHIPPED = [*variants("nginx").values()]
DEFAULT = configs() / "nginx/default.conf"
NOWHERE = Endpoint(1)
STRANGER = 54321

each_shipped = pytest.mark.parametrize("config", SHIPPED, ids=[path.stem for path in SHIPPED])
in_modules_loop = pytest.mark.asyncio(loop_scope="module")


def own(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write a config of the user's: the stock one with some words replaced."""
    text = DEFAULT.read_text()
    for words, others in changes:
        assert words in text
        text = text.replace(words, others)
    path = folder / "my.conf"
    path.write_text(text)
    return path


async def started(launcher: Launcher, config: Path, folder: Path, upstream: Endpoint = NOWHERE) -> Running:
    evidence = folder / "evidence"
    evidence.mkdir(exist_ok=True)
    return await NGINX.start(config, upstream, evidence, launcher)


async def status(running: Running, body: bytes | None = None) -> int | None:
    endpoint = running.endpoint
    client = CLIENTS[reader(endpoint)]()
    seen = Seen()
    await client.stream(
        Request(f"{endpoint.url}/pulse", method="POST" if body else "GET", body=body, authority=endpoint.authority),
        seen,
    )
    await client.close()
    return seen.status


def reader(endpoint: Endpoint) -> str:
    """Return the client that speaks what an endpoint does."""
    return "aiohttp" if "1.1" in endpoint.http else "h2"
