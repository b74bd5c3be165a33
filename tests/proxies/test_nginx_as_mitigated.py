"""What the real nginx makes of a config that a mitigation has changed: what it was to change, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from harness.launchers.process import Launcher
from harness.model import Edit, Endpoint
from harness.session import catalogue
from tests.proxies.nginxes import NGINX

pytestmark = pytest.mark.proxies

CONFIG = """\
http {
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header Connection upgrade;
    proxy_pass_header Server;
    proxy_ignore_headers X-Accel-Buffering X-Accel-Redirect;
    server {
        listen 80;
        location / {
            proxy_pass http://app:8000;
            proxy_http_version 1.0;
        }
    }
}
events {}
"""
EDITS = {name: one.edit["nginx"] for name, one in catalogue().items() if "nginx" in one.edit}


@pytest.fixture
async def app() -> AsyncIterator[Endpoint]:
    """An application that tells what it was asked with, under headers that nginx uses up or heeds."""

    async def answer(request: web.Request) -> web.Response:
        told = {name: value for name, value in request.headers.items() if name != "Host"}
        headers = {"X-Accel-Buffering": "no", "Server": "app"}
        return web.json_response({**told, "version": f"1.{request.version.minor}"}, headers=headers)

    served = web.Application()
    served.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(served, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Endpoint(int(runner.addresses[0][1]))
    finally:
        await runner.cleanup()


async def seen(app: Endpoint, folder: Path, *edits: Edit) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers that the application gets through nginx, and those of its own that the client gets."""
    (folder / "my.conf").write_text(CONFIG)
    evidence = folder / f"evidence-{len(list(folder.iterdir()))}"
    evidence.mkdir()
    async with Launcher() as launcher, aiohttp.ClientSession() as client:
        running = await NGINX.edited(edits).start(folder / "my.conf", app, evidence, launcher)
        async with client.get(running.endpoint.url, headers={"User-Agent": "me"}) as response:
            sent = {name: value for name, value in response.headers.items() if name in ("Server", "X-Accel-Buffering")}
            return dict(await response.json()), sent


async def test_it_speaks_http_1_1_and_no_header_that_it_sent_before_is_lost(tmp_path: Path, app: Endpoint) -> None:
    before, sent = await seen(app, tmp_path)
    assert before["X-Forwarded-Proto"] == "https"
    assert (before.pop("version"), before.pop("Connection")) == ("1.0", "upgrade")
    after, still = await seen(app, tmp_path, EDITS["nginx-http11"])
    assert after.pop("version") == "1.1"
    assert (after, still) == (before, sent)


async def test_it_hands_on_what_it_is_told_to_and_what_it_did_before(tmp_path: Path, app: Endpoint) -> None:
    asked, sent = await seen(app, tmp_path)
    assert sent == {"Server": "app"}
    assert await seen(app, tmp_path, EDITS["nginx-pass-x-accel"]) == (asked, {**sent, "X-Accel-Buffering": "no"})


async def test_every_edit_of_the_catalogue_at_once_is_a_config_that_it_runs(tmp_path: Path, app: Endpoint) -> None:
    await seen(app, tmp_path, *EDITS.values())
