"""The janitor of one run as the harness sees it: started, told, replaced when somebody ends it, and ended.

Rules: only one is in charge, and it knows every folder that is to go; who ends it has another one started at once, so
that the end of us a moment later leaves nothing either. Whatever is asked of it has a bound: it may have been stopped.
It says nothing but its last words, which are logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from harness.launchers import janitor

HEARS_S = 20.0
ENDS_S = 2 * janitor.ENDS_S + janitor.FOLDERS_S + 5.0
"""How long it may take to end all that is left: more than it gives itself."""

APART_S = 1.0
"""How soon after a janitor the next is started of our own accord: where none can live, no core is to burn for that."""

WORDS_BYTES = 2**16

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Janitor:
    """One that was started: its process, the line it is told things through, and the pipe that its words come from."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    words: int
    started_s: float

    @classmethod
    def start(cls) -> Janitor:
        """Start one. Raises OSError if that cannot be."""
        argv = [sys.executable, "-I", "-S", f"-Xutf8={sys.flags.utf8_mode}"]
        with contextlib.ExitStack() as unless_started:
            line, theirs = socket.socketpair()
            unless_started.callback(line.close)
            with theirs:
                readable, writable = os.pipe()
                unless_started.callback(os.close, readable)
                with open(writable, "wb", buffering=0) as words:
                    for end in (readable, writable):
                        os.set_blocking(end, False)  # who says too much is not to wait for a listener
                    process = subprocess.Popen(
                        [*argv, janitor.__file__, str(os.getpid())],
                        stdin=theirs.fileno(),
                        stdout=subprocess.DEVNULL,
                        stderr=words,
                        start_new_session=True,
                    )
            unless_started.pop_all()
        line.settimeout(HEARS_S)
        return cls(process, line, readable, asyncio.get_running_loop().time())

    def said(self) -> str:
        """Return what it and its keepers have written since this was last asked."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.words, WORDS_BYTES).decode(errors="replace").strip()
        return ""

    def hang_up(self) -> None:
        """Have it hear that we are gone."""
        asyncio.get_running_loop().remove_reader(self.line)
        self.line.close()

    def bury(self) -> None:
        """Reap it, now that it ends, and log its last words."""
        self.process.wait()
        if said := self.said():
            log.warning("the janitor says: %s", said)
        os.close(self.words)


class Janitors:
    """Whoever is the janitor `now`, and the `folders` that are to go. All of it happens in one event loop."""

    now: Janitor

    def __init__(self) -> None:
        self.folders: list[str] = []
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start one, which is told of the folders so far. Raises OSError if that cannot be."""
        self.now = Janitor.start()
        asyncio.get_running_loop().add_reader(self.now.line, self._lost)
        with contextlib.suppress(OSError):  # it is lost already, and we shall hear of it
            for folder in self.folders:
                janitor.send(self.now.line, {"folder": folder, "ours": True})

    def order(self, order: janitor.Message, files: Sequence[int]) -> None:
        """Have a program started. Raises OSError if the order or the files cannot be handed over."""
        self._tell(order, files)

    def owe(self, folder: str) -> None:
        """Tell of a folder that it is to remove."""
        self.folders.append(folder)
        self._tell({"folder": folder, "ours": True})

    def forgive(self, folder: str) -> None:
        """Tell that a folder is removed already."""
        self.folders.remove(folder)
        self._tell({"folder": folder, "ours": False})

    async def end(self) -> None:
        """Have it end and remove all that is left. If we are cut short, it does so by itself."""
        if self._next:
            self._follow()
        ended, last = asyncio.Event(), self.now
        asyncio.get_running_loop().add_reader(last.line, ended.set)
        try:
            last.process.send_signal(signal.SIGCONT)
            with contextlib.suppress(OSError):
                last.line.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(ENDS_S):
                await ended.wait()
        except TimeoutError:
            log.warning("the janitor has not ended for %g s", ENDS_S)
            last.process.kill()
        finally:
            self._cancel()
            last.hang_up()
        last.bury()
        for folder in filter(os.path.lexists, self.folders):
            log.warning("%s could not be removed", folder)

    def _tell(self, message: janitor.Message, files: Sequence[int] = ()) -> None:
        try:
            janitor.send(self.now.line, message, files)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):  # somebody ended or stopped it
            self._replace()
            janitor.send(self.now.line, message, files)

    def _lost(self) -> None:
        """Have another one: it says nothing through its line, so that was its end."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.now.line)
        self._next = loop.call_at(max(loop.time(), self.now.started_s + APART_S), self._follow)

    def _follow(self) -> None:
        try:
            self._replace()
        except OSError as error:
            log.warning("no other janitor can be started: %s", error)
            self._cancel()
            self._next = asyncio.get_running_loop().call_later(APART_S, self._follow)

    def _replace(self) -> None:
        before = self.now
        self.start()
        self._cancel()
        before.hang_up()
        before.process.kill()
        before.bury()

    def _cancel(self) -> None:
        if self._next:
            self._next.cancel()
            self._next = None
