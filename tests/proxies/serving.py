"""Proxies that files describe, started for real in front of a backend that answers whatever it is asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.base import Running
from harness.proxies.catalog import PROXIES
from harness.proxies.program_file import OURS
from harness.resources import configs

WORDS = "from behind the proxy\n"


@contextlib.asynccontextmanager
async def upstream(echoes: bool = False) -> AsyncIterator[Endpoint]:
    """Answer every path with WORDS, or that path, and /gone with what a proxy would not answer by itself."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            status=418 if request.path == "/gone" else 200, text=f"echo {request.path}" if echoes else WORDS
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Endpoint(int(runner.addresses[0][1]))
    finally:
        await runner.cleanup()


def variants(*names: str) -> list[tuple[str, Path]]:
    """Return all shipped configs of some proxies, each with the proxy's name."""
    found = [(name, config) for name in names for config in sorted((configs() / name).glob(f"*{PROXIES[name].suffix}"))]
    return [(name, config) for name, config in found if config.name not in OURS]


def labels(found: list[tuple[str, Path]]) -> list[str]:
    return [f"{name}:{config.stem}" for name, config in found]


async def started(name: str, config: Path, behind: Endpoint, folder: Path, launcher: Launcher) -> Running:
    evidence = folder / "evidence"
    evidence.mkdir(exist_ok=True)
    return await PROXIES[name].start(config, behind, evidence, launcher)


async def asked(running: Running, path: str) -> tuple[int, str]:
    """Return the status and the text of an answer, or status 0 and the reason why there is none."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{running.endpoint.url}{path}") as response:
            return response.status, await response.text()
    except aiohttp.ClientError as error:
        return 0, str(error)


def whole(pid: int) -> list[psutil.Process]:
    """Return a program and all that it has started."""
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def listening(processes: list[psutil.Process]) -> set[str]:
    """Return the addresses at which some processes listen."""
    addresses = set()
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = each.net_connections("tcp")
            addresses |= {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}
    return addresses
