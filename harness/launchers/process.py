"""Starts local programs and makes sure that none outlives the harness.

Rules: every program leads its own process group, so that its children end with it and Ctrl-C reaches only us;
its output goes to a log file, or to us; the janitor knows it before anything else happens. Leaving the launcher ends
all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    retry_if_not_result,
    stop_after_attempt,
    stop_after_delay,
)
from tenacity.wait import wait_exponential

from harness.errors import ProxyError
from harness.launchers import janitor

POLL = wait_exponential(multiplier=0.005, max=0.1)
TERM_S = 2.0
T = TypeVar("T")


class Process:
    """One started program."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.pid = popen.pid
        self.log = log
        self._popen = popen

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """What it writes to its standard output and to its standard error, if it was launched without a log."""
        assert self._popen.stdout
        assert self._popen.stderr
        return self._popen.stdout, self._popen.stderr

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines it wrote, for an error message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def death(self) -> str | None:
        """Return how it died in words, or None if it lives."""
        code = self.returncode
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        return f"{self.name} {how}"

    async def outlives(self, work: Coroutine[Any, Any, T], within_s: float, what: str = "answer") -> T:
        """Return what `work` returns. Raises ProxyError with the program's last words if it ends or is late."""
        working, dying = asyncio.create_task(work), asyncio.create_task(until(self.death, within_s))
        try:
            await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            why = self.death() or f"{self.name} did not {what} within {within_s:g} s"
            raise ProxyError(f"{why}:\n{self.log_tail()}")
        finally:
            working.cancel()
            dying.cancel()
            await asyncio.gather(working, dying, return_exceptions=True)

    async def answers(self, port: int, within_s: float, host: str = "127.0.0.1") -> None:
        """Wait until `port` accepts connections. Raises ProxyError if the program ends or takes too long."""
        await self.outlives(_connected(host, port), within_s, f"answer on port {port}")

    async def announces(self, pattern: re.Pattern[str], within_s: float, after_bytes: int = 0) -> str:
        """Return the first group of `pattern` once the program writes such words to its log, `after_bytes` of it.

        Raises ProxyError with the program's last words if it ends or takes too long.
        """

        async def look() -> str | None:
            announced = pattern.search(self.log.read_bytes()[after_bytes:].decode(errors="replace"))
            return announced[1] if announced else None

        looking = AsyncRetrying(retry=retry_if_not_result(bool), wait=POLL)
        return await self.outlives(looking(look), within_s, "listen") or ""

    def signal_group(self, number: int) -> None:
        """Send a signal to the program and all its children; nothing happens if they are gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def stop(self) -> None:
        """End the program and its children: politely, then not."""
        self.signal_group(signal.SIGTERM)
        await until(lambda: self.returncode is not None, TERM_S)
        self.kill()

    def kill(self) -> None:
        """End whatever is left of the group at once, and reap the program."""
        self.signal_group(signal.SIGKILL)
        self._popen.wait()


class Launcher:
    """Owns every process and temporary folder of one run. `keep` is told of each folder, which then stays."""

    def __init__(self, keep: Callable[[Path], object] | None = None) -> None:
        self._keep = keep
        self._processes: list[Process] = []
        self._folders: list[Path] = []
        self._janitor: subprocess.Popen[str] | None = None

    async def __aenter__(self) -> Self:
        self._janitor = subprocess.Popen(
            [sys.executable, "-I", "-S", janitor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.signal_group(signal.SIGTERM)
        try:  # one polite wait for all
            await until(lambda: all(process.returncode is not None for process in self._processes), TERM_S)
        finally:
            while self._processes:
                process = self._processes.pop()
                process.kill()
                self._forget(process)
            for folder in self._folders:
                shutil.rmtree(folder, ignore_errors=True)
                if not folder.exists():  # else somebody who is dying still writes to it: the janitor stays for that
                    self._tell("-", "folder", folder)
            if self._janitor and self._janitor.stdin:
                with contextlib.suppress(BrokenPipeError):  # somebody ended the janitor: all it had to do is done
                    self._janitor.stdin.close()
                self._janitor.wait()

    def folder(self, name: str, parent: Path | None = None) -> Path:
        """Make a temporary folder that goes with the run, unless it is to be kept."""
        path = Path(tempfile.mkdtemp(prefix=f"harness-{name}-", dir=parent))
        path.chmod(0o755)  # a proxy's workers may run as another user
        if self._keep:
            self._keep(path)
        else:
            self._folders.append(path)
            self._tell("+", "folder", path)
        return path

    def launch(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path | None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        stdin: IO[bytes] | int = subprocess.DEVNULL,
    ) -> Process:
        """Start a program; `env` is added to ours. Raises ProxyError if it cannot be executed.

        Without a log, whoever starts it reads its `pipes`. `stdin` may be what another one writes to.
        """
        with log.open("ab") if log else contextlib.nullcontext(subprocess.PIPE) as output:
            try:
                popen = subprocess.Popen(
                    list(argv),
                    stdin=stdin,
                    stdout=output,
                    stderr=subprocess.STDOUT if log else subprocess.PIPE,
                    cwd=cwd,
                    env={**os.environ, **(env or {})},
                    pass_fds=tuple(pass_fds),
                    start_new_session=True,
                )
            except OSError as error:
                raise ProxyError(f"{name}: cannot run {argv[0]}: {error.strerror}") from error
        self._tell("+", "group", popen.pid)
        process = Process(name, popen, log or Path(os.devnull))
        self._processes.append(process)
        return process

    async def stop(self, process: Process) -> None:
        """End one program before the run ends."""
        await process.stop()
        if process in self._processes:
            self._processes.remove(process)
            self._forget(process)

    def _forget(self, process: Process) -> None:
        self._tell("-", "group", process.pid)

    def _tell(self, sign: str, kind: str, value: object) -> None:
        if self._janitor and self._janitor.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._janitor.stdin.write(f"{sign} {kind} {value}\n")
                self._janitor.stdin.flush()


async def _connected(host: str, port: int) -> None:
    """Return once a connection is accepted."""
    async for attempt in AsyncRetrying(retry=retry_if_exception_type(OSError), wait=POLL):
        with attempt:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()


async def until(condition: Callable[[], object], within_s: float) -> bool:
    """Wait until `condition()` is true; return whether it came true in time."""

    async def look() -> bool:
        return bool(condition())

    polling = AsyncRetrying(retry=retry_if_not_result(bool), stop=stop_after_delay(within_s), wait=POLL)
    try:
        return await polling(look)
    except RetryError:
        return False


class PortTaken(ProxyError):
    """Somebody took the port between our asking for a free one and the program's binding it."""


async def on_free_port(start: Callable[[int], Awaitable[T]]) -> T:
    """Return `start(port)` with a free port; only if it raises PortTaken, try another, at most three in all."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(PortTaken), stop=stop_after_attempt(3), reraise=True
    ):
        with attempt, reserved_port() as port:
            return await start(port)
    raise AssertionError("tenacity returns or raises")


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port from all who ask for just any; who binds it by number, with SO_REUSEADDR as servers do, gets it.

    Else a port could be another run's by the time its program starts: that one would answer in its place. Only Linux
    lets two sockets share a port until one listens; elsewhere the port is merely free now.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        port = int(keeper.getsockname()[1])
        if sys.platform != "linux":
            keeper.close()
        yield port
