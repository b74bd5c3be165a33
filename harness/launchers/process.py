"""Starts local programs and makes sure that none outlives the harness.

Rules: programs are started by the janitor, which therefore knows of each before it exists, and of a folder before it
is made; how they end with us is told there. Every program leads its own process group, so that Ctrl-C reaches only us;
its output goes to a log file, or to us. Leaving the launcher ends all.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tenacity import AsyncRetrying, RetryError, retry_if_not_result, stop_after_delay
from tenacity.wait import wait_exponential

from harness.errors import ProxyError
from harness.launchers import janitor
from harness.launchers.base import Program

POLL = wait_exponential(multiplier=0.005, max=0.1)
TERM_S = 2.0
KILL_S = 2 * janitor.ENDS_S
WORDS_BYTES = 2**20


class Process(Program):
    """One started program, the lifeline it hangs on, and the pipes to it. `ended` is told when all of it is gone."""

    def __init__(
        self,
        name: str,
        pid: int,
        lifeline: socket.socket,
        log: Path,
        others_bytes: int,
        pipes: Sequence[IO[bytes]],
        ended: Callable[[Process], object],
    ) -> None:
        self.name = name
        self.pid = pid
        self._lifeline = lifeline
        self._status: int | None = None
        self._log = log
        self._others_bytes = others_bytes  # of who wrote to the same log before it
        self._pipes = pipes
        self._ended = ended

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """What it writes to its standard output and to its standard error, if it was launched without a log."""
        output, errors = self._pipes
        return output, errors

    @property
    def returncode(self) -> int | None:
        if self._status is None and self._lifeline.fileno() >= 0:
            poll = select.poll()
            poll.register(self._lifeline, select.POLLIN)
            if poll.poll(0):
                self._hear()
        return self._status

    def words(self) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(max(self._others_bytes, log.seek(0, os.SEEK_END) - WORDS_BYTES))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def signal_group(self, number: int) -> None:
        """Send a signal to the program and its group; nothing happens if they are gone."""
        with contextlib.suppress(OSError):
            self._lifeline.send(bytes([number]))

    async def stop(self) -> None:
        self.signal_group(signal.SIGTERM)
        try:
            await until(lambda: self.returncode is not None, TERM_S)
        finally:  # whoever is in a hurry does not leave it behind
            self.kill()

    def kill(self) -> None:
        """End whatever is left of the program and of all that it has started, at once.

        What is in the way of that, as when its keeper was stopped, is left to the janitor.
        """
        if self._lifeline.fileno() < 0:
            self._ended(self)
            return
        self._lifeline.settimeout(KILL_S)
        with contextlib.suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)
        while self._hear():
            pass
        self._lifeline.close()
        self._ended(self)

    def _hear(self) -> bool:
        """Hear how the program ended, or that all of it is gone: then return False."""
        try:
            heard = janitor.receive(self._lifeline)
        except OSError:
            heard = None
        if heard:
            self._status = heard[0]["status"]
        elif self._status is None:  # somebody killed the keeper, and the program with it
            self._status = -signal.SIGKILL
        return heard is not None


class Launcher:
    """Owns every process and temporary folder of one run. `keep` is told of each folder, which then stays."""

    def __init__(self, keep: Callable[[Path], object] | None = None) -> None:
        self._keep = keep
        self._processes: list[Process] = []
        self._folders: list[Path] = []
        self._janitor: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    async def __aenter__(self) -> Self:
        self._start_janitor()
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
                self._processes[-1].kill()
            for folder in self._folders:
                shutil.rmtree(folder, ignore_errors=True)
                if not folder.exists():  # else somebody who is dying still writes to it: the janitor stays for that
                    self._tell({"folder": str(folder), "ours": False})
            self._end_janitor()

    def folder(self, name: str, parent: Path | None = None) -> Path:
        """Make a temporary folder, this user's alone, that goes with the run unless it is to be kept."""
        path = Path(parent or tempfile.gettempdir(), f"harness-{name}-{secrets.token_hex(8)}").absolute()
        if self._keep:
            self._keep(path)
        else:
            self._folders.append(path)
            self._tell({"folder": str(path), "ours": True})
        path.mkdir(mode=0o700)
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
        stdin: IO[bytes] | None = None,
    ) -> Process:
        """Start a program; `env` is added to ours. Raises ProxyError if it cannot be executed.

        Its limits and priority are ours of when the launcher was entered. Without a log, whoever starts it reads its
        `pipes`. It reads `stdin`, which may be what another one writes to, or nothing.
        """
        order = {
            "argv": list(argv),
            "cwd": str(cwd or _here()),
            "env": {**os.environ, **(env or {})},
            "pass_fds": list(pass_fds),
        }
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            source = stdin or theirs.enter_context(open(os.devnull, "rb"))
            pipes: list[IO[bytes]] = []
            sinks: list[IO[bytes]] = [theirs.enter_context(log.open("ab"))] * 2 if log else []
            others_bytes = sinks[0].tell() if log else 0
            while len(sinks) < 2:
                readable, writable = os.pipe()
                pipes.append(ours.enter_context(open(readable, "rb")))
                sinks.append(theirs.enter_context(open(writable, "wb")))
            files = [file.fileno() for file in (source, *sinks)]
            try:
                lifeline, answer = self._order(order, [*files, *pass_fds])
            except OSError as error:
                raise ProxyError(f"{name}: cannot have {argv[0]} started: {error.strerror}") from error
            if "error" in answer:
                lifeline.close()
                raise ProxyError(f"{name}: cannot run {argv[0]}: {answer['error']}")
            ours.pop_all()
        process = Process(name, answer["pid"], lifeline, log or Path(os.devnull), others_bytes, pipes, self._forget)
        self._processes.append(process)
        return process

    def _order(self, order: janitor.Message, files: Sequence[int]) -> tuple[socket.socket, janitor.Message]:
        """Have a program started; return the lifeline it hangs on, and what its keeper said first."""
        for _ in range(2):  # somebody may have killed the janitor
            lifeline, theirs = socket.socketpair()
            with theirs:
                self._tell(order, [theirs.fileno(), *files])
            if heard := janitor.receive(lifeline):
                return lifeline, heard[0]
            lifeline.close()
        raise ProxyError(f"cannot start programs: what starts them ({Path(janitor.__file__).name}) was killed twice")

    def _forget(self, process: Process) -> None:
        if process in self._processes:
            self._processes.remove(process)

    def _tell(self, message: janitor.Message, files: Sequence[int] = ()) -> None:
        assert self._line, "the launcher was entered"
        try:
            janitor.send(self._line, message, files)
        except (BrokenPipeError, ConnectionResetError):  # somebody ended the janitor; keepers stay with their lifelines
            self._end_janitor()
            self._start_janitor()
            for folder in self._folders:
                janitor.send(self._line, {"folder": str(folder), "ours": True})
            janitor.send(self._line, message, files)

    def _start_janitor(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._janitor = subprocess.Popen(
                [sys.executable, "-I", "-S", f"-Xutf8={sys.flags.utf8_mode}", janitor.__file__, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _end_janitor(self) -> None:
        if self._line and self._janitor:
            self._line.close()
            self._janitor.wait()


def _here() -> str:
    """Return the folder that we are in, though it may have been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return f"/proc/{os.getpid()}/cwd"


async def until(condition: Callable[[], object], within_s: float) -> bool:
    """Wait until `condition()` is true; return whether it came true in time."""

    async def look() -> bool:
        return bool(condition())

    polling = AsyncRetrying(retry=retry_if_not_result(bool), stop=stop_after_delay(within_s), wait=POLL)
    try:
        return await polling(look)
    except RetryError:
        return False
