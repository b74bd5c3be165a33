"""The backend in a container of the run's own network, where hops that run in containers reach it.

It runs in the image that compose.yaml builds, which has a Python with all that the emitter imports. The package itself
is the run's own, mounted read-only: an image that was built from other sources would speak to us in another way.

Its two ports are published: for the control connection, and for who asks for streams without a hop, or through programs
of this machine. Who publishes them accepts before the emitter does, and hangs up. One that died is run anew, and is at
another address then: hops that were in front of it have lost it.
"""

from __future__ import annotations

from pathlib import Path

from tenacity import AsyncRetrying, retry_if_exception_type

import harness
from harness.backends.control import SECRET_VARIABLE
from harness.backends.local import EMITTER, TRUSTS_NOBODY, Limits, Local
from harness.errors import BackendError, ProxyError, Unavailable
from harness.launchers.base import Box
from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.process import POLL, Launcher
from harness.launchers.waiting import outlives
from harness.model import Clock

PACKAGE = Path(harness.__file__).parent
PACKAGES = "/run/harness"
HTTP, CONTROL = 8080, 8081
LISTENS = f"""
import os, runpy, socket, sys
fds = []
for port in ({HTTP}, {CONTROL}):
    listening = socket.create_server(("0.0.0.0", port), backlog=1024)
    listening.setblocking(False)
    fds.append(listening.detach())
sys.argv[1:] = [f"--http-fd={{fds[0]}}", f"--control-fd={{fds[1]}}", *sys.argv[1:]]
runpy.run_module("{EMITTER}", run_name="__main__", alter_sys=True)
"""
"""What a container runs: the emitter takes sockets that listen already, of which nobody can hand it any there."""


class Contained(Local):
    """An emitter of our own in a container, whose log goes to `folder`."""

    def __init__(self, launcher: Launcher, folder: Path, limits: Limits) -> None:
        super().__init__(launcher, folder, limits)
        self._ports: list[int] = []

    @property
    def clock(self) -> Clock:
        return "ours" if self._launcher.containers.shares_our_clock else "its own"

    async def _start(self) -> None:
        argv = ["python3", "-c", LISTENS, f"--abandoned-s={self._limits.abandoned_s:g}"]
        env = {SECRET_VARIABLE: self._secret, **TRUSTS_NOBODY, "PYTHONPATH": PACKAGES}
        reads = {PACKAGE: f"{PACKAGES}/{PACKAGE.name}"}
        box = Box(EMITTER_IMAGE, argv, [HTTP, CONTROL], reads, env=env)
        try:
            self._process, self._ports = await self._launcher.containers.run(
                "emitter", box, self._folder / "emitter.log"
            )
            greeting = AsyncRetrying(retry=retry_if_exception_type(BackendError), wait=POLL)
            await outlives(self._process, greeting(self._greet), self._limits.ready_s)
        except (ProxyError, BackendError, Unavailable) as error:
            raise BackendError(f"the emitter did not start: {error}") from error

    async def close(self) -> None:
        """Nothing is ours to give back: the container ends with its launcher."""

    def _address(self, number: int) -> tuple[str, int]:
        assert self._ports, "it is ready"
        return "127.0.0.1", self._ports[number]
