"""Starts local programs and makes sure that none outlives the harness.

Rules: every program leads its own process group, so that its children end with it and Ctrl-C reaches only us;
its output goes to a log file, or to us; the janitor knows it before anything else happens. Leaving the launcher ends
all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
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
WORDS_BYTES = 2**20


class Process(Program):
    """One started program, its group, and the pipes to it. `ended` is told when all of it is gone."""

    def __init__(
        self,
        name: str,
        popen: subprocess.Popen[bytes],
        log: Path,
        others_bytes: int,
        ended: Callable[[Process], object],
    ) -> None:
        self.name = name
        self.pid = popen.pid
        self._popen = popen
        self._log = log
        self._others_bytes = others_bytes  # of who wrote to the same log before it
        self._ended = ended

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """What it writes to its standard output and to its standard error, if it was launched without a log."""
        assert self._popen.stdout
        assert self._popen.stderr
        return self._popen.stdout, self._popen.stderr

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    def words(self) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(max(self._others_bytes, log.seek(0, os.SEEK_END) - WORDS_BYTES))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def signal_group(self, number: int) -> None:
        """Send a signal to the program and all its children; nothing happens if they are gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def stop(self) -> None:
        self.signal_group(signal.SIGTERM)
        try:
            await until(lambda: self.returncode is not None, TERM_S)
        finally:  # whoever is in a hurry does not leave it behind
            self.kill()

    def kill(self) -> None:
        """End whatever is left of the group at once, and reap the program."""
        self.signal_group(signal.SIGKILL)
        self._popen.wait()
        self._ended(self)


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
                self._processes[-1].kill()
            for folder in self._folders:
                shutil.rmtree(folder, ignore_errors=True)
                if not folder.exists():  # else somebody who is dying still writes to it: the janitor stays for that
                    self._tell("-", "folder", folder)
            if self._janitor and self._janitor.stdin:
                with contextlib.suppress(BrokenPipeError):  # somebody ended the janitor: all it had to do is done
                    self._janitor.stdin.close()
                self._janitor.wait()

    def folder(self, name: str, parent: Path | None = None) -> Path:
        """Make a temporary folder, this user's alone, that goes with the run unless it is to be kept."""
        path = Path(tempfile.mkdtemp(prefix=f"harness-{name}-", dir=parent))
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
            others_bytes = 0 if isinstance(output, int) else output.tell()
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
        process = Process(name, popen, log or Path(os.devnull), others_bytes, self._forget)
        self._processes.append(process)
        return process

    def _forget(self, process: Process) -> None:
        if process in self._processes:
            self._processes.remove(process)
            self._tell("-", "group", process.pid)

    def _tell(self, sign: str, kind: str, value: object) -> None:
        if self._janitor and self._janitor.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._janitor.stdin.write(f"{sign} {kind} {value}\n")
                self._janitor.stdin.flush()


async def until(condition: Callable[[], object], within_s: float) -> bool:
    """Wait until `condition()` is true; return whether it came true in time."""

    async def look() -> bool:
        return bool(condition())

    polling = AsyncRetrying(retry=retry_if_not_result(bool), stop=stop_after_delay(within_s), wait=POLL)
    try:
        return await polling(look)
    except RetryError:
        return False
