"""Runs the emitter as people deploy it, and speaks to it as plainly as can be: one POST after another."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from harness.backends.control import dump_emission
from harness.backends.posting import TOKEN_HEADER, TOKEN_VARIABLE
from harness.launchers.process import Launcher, Process
from harness.model import Emission
from tests.waiting import eventually

TOKEN = "open-sesame-open-sesame"
LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Public:
    """A deployed emitter, and a session in which it is asked."""

    process: Process
    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def post(self, path: str, token: str | None = TOKEN, **said: Any) -> tuple[int, Any]:
        """Tell it something; return the status and what it answers."""
        headers = {} if token is None else {TOKEN_HEADER: token}
        async with self.session.post(self.url + path, headers=headers, json=said) as answer:
            if answer.status != 200:
                return answer.status, await answer.text()
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json()

    async def open(self, emission: Emission, **said: Any) -> str:
        """Announce a stream; return its id."""
        status, answer = await self.post("/control/open", emission=json.loads(dump_emission(emission)), **said)
        assert status == 200, answer
        return str(answer["stream"])


@contextlib.asynccontextmanager
async def deployed(launcher: Launcher, folder: Path, *options: str, name: str = "public") -> AsyncIterator[Public]:
    """Run one on a free port of this machine; whoever started it ends it with the launcher."""
    log = folder / f"{name}.log"
    argv = [sys.executable, "-P", "-m", "harness.backends.public", "--port=0", *options]
    process = await launcher.launch(name, argv, log=log, env={TOKEN_VARIABLE: TOKEN})
    ports = await eventually(lambda: LISTENING.findall(log.read_text()) if log.exists() else [])
    async with aiohttp.ClientSession() as session:
        yield Public(process, int(ports[0]), session)
