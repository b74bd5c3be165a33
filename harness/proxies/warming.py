"""Waits until a started program has answered a request: what it compiles for the first one is no buffering."""

from __future__ import annotations

import aiohttp

from harness.errors import ProxyError
from harness.launchers.base import Program
from harness.launchers.process import until
from harness.launchers.waiting import outlives
from harness.model import Endpoint

DEATH_S = 2.0  # what is dying may take a moment to be dead


async def warm_up(program: Program, endpoint: Endpoint, within_s: float) -> None:
    """Return once one request, whatever the answer, has come back. Raises ProxyError with the program's last words."""
    url = f"{endpoint.url}/pulse"
    try:
        await outlives(program, _asked(url), within_s, f"answer {url}")
    except aiohttp.ClientError as error:
        await until(program.death, DEATH_S)
        fault = program.death() or f"{program.name} did not answer {url}: {error or type(error).__name__}"
        raise ProxyError(f"{fault}\n{program.log_tail()}") from error


async def _asked(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
        await response.read()
