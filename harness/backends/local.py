"""The backend on this machine: the emitter in a process of its own, on loopback ports that it keeps for life.

Rules: its two sockets are ours, so that whoever connects while it is dead waits for the next one; it is started anew
when it is asked for a stream and found dead; what died says so in the words of its end and its log.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

from harness.backends.control import LOST, SECRET_VARIABLE, Control
from harness.errors import BackendError, ProxyError
from harness.launchers.base import Program
from harness.launchers.process import Launcher, Process, until
from harness.launchers.waiting import outlives
from harness.model import Clock, Emission, Endpoint, Workload

EMITTER = "harness.backends.emitter"
TRUSTS_NOBODY = {"SSL_CERT_FILE": os.devnull}
"""It speaks no TLS: aiohttp need not read whom the machine trusts, which takes a third of the time of its import."""

GREETING = Emission(Workload("greeting", tokens=1, token_bytes=1))
"""Announced to a new emitter, to hear that it answers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an emitter may take to start, between two looks at it, to be dead, to answer, and without a grant."""

    ready_s: float
    look_s: float
    death_s: float
    answer_s: float
    abandoned_s: float


class Local:
    """An emitter of our own, whose log goes to `folder`."""

    def __init__(self, launcher: Launcher, folder: Path, limits: Limits) -> None:
        self._launcher = launcher
        self._folder = folder
        self._limits = limits
        self._secret = secrets.token_hex(16)
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._process: Program | None = None
        self._starting = asyncio.Lock()
        self._announced: WeakSet[Control] = WeakSet()

    @property
    def clock(self) -> Clock:
        return "ours"

    @property
    def endpoint(self) -> Endpoint:
        host, port = self._address(0)
        return Endpoint(port, host=host)

    @property
    def process(self) -> Process:
        """The emitter's process, of which there may be another when it has died."""
        assert isinstance(self._process, Process), "it is ready, and on this machine"
        return self._process

    async def ready(self) -> None:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                for control in self._announced:  # whose end, not heard of yet, would be taken for that of the next
                    control.lose()
                await self._start()

    async def open(self, emission: Emission) -> Control:
        await self.ready()
        announcing = asyncio.create_task(self._announce(emission))
        try:
            while not (await asyncio.wait({announcing}, timeout=self._limits.look_s))[0]:
                await self.ready()
        finally:
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)
        self._announced.add(control := announcing.result())
        return control

    async def close(self) -> None:
        """Give the ports back; the process ends with its launcher."""
        for listening in self._sockets or ():
            listening.close()

    async def _start(self) -> None:
        self._sockets = self._sockets or (_listening(), _listening())
        http, control = (listening.fileno() for listening in self._sockets)
        told = [f"--http-fd={http}", f"--control-fd={control}", f"--abandoned-s={self._limits.abandoned_s:g}"]
        self._process = await self._launcher.launch(
            "emitter",
            [sys.executable, "-P", "-m", EMITTER, *told],
            log=self._folder / "emitter.log",
            env={SECRET_VARIABLE: self._secret, **TRUSTS_NOBODY},
            pass_fds=(http, control),
        )
        try:
            await outlives(self._process, self._greet(), self._limits.ready_s)
        except (ProxyError, BackendError) as error:
            raise BackendError(f"the emitter did not start: {error}") from error

    async def _greet(self) -> None:
        (await self._open(GREETING)).close()

    async def _announce(self, emission: Emission) -> Control:
        try:
            return await self._open(emission)
        except BackendError as error:
            why = await self._why_lost()
            raise BackendError(str(error) if why == LOST else why) from error

    async def _open(self, emission: Emission) -> Control:
        return await Control.open(self._address(1), self._secret, emission, self._limits.answer_s, self._why_lost)

    def _why_lost(self) -> Coroutine[Any, Any, str]:
        """Tell how the emitter of now ends, also when there is another by the time that it is known."""
        assert self._process, "it is ready"
        return self._last_words(self._process)

    async def _last_words(self, process: Program) -> str:
        await until(process.death, self._limits.death_s)
        if death := process.death():
            return f"in mid-stream, the {death}\n{process.log_tail()}".strip()
        return LOST

    def _address(self, number: int) -> tuple[str, int]:
        assert self._sockets, "it is ready"
        host, port = self._sockets[number].getsockname()
        return str(host), int(port)


def _listening() -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listening.setblocking(False)
    return listening
