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

from harness.launchers import janitor

HEARS_S = 20.0
ENDS_S = 2 * janitor.ENDS_S + janitor.FOLDERS_S + 5.0
"""How long it may take to end all that is left: more than it gives itself."""

APART_S = 1.0
"""How soon after a janitor the next is started of our own accord: where none can live, no core is to burn for that."""

WORDS_BYTES = 2**16

log = logging.getLogger(__name__)


class Janitors:
    """Whoever is the janitor `now`, and the `folders` that are to go. All of it happens in one event loop."""

    now: subprocess.Popen[bytes]
    _line: socket.socket
    _wrote: int
    _started_s: float

    def __init__(self) -> None:
        self.folders: list[str] = []
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start one, which knows the folders so far. Raises OSError if that cannot be."""
        loop = asyncio.get_running_loop()
        self._line, theirs = socket.socketpair()
        self._wrote, writable = os.pipe()
        for end in (self._wrote, writable):
            os.set_blocking(end, False)  # who says too much is not to wait for a listener
        with theirs, open(writable, "wb", buffering=0) as words:
            self.now = subprocess.Popen(
                [sys.executable, "-I", "-S", f"-Xutf8={sys.flags.utf8_mode}", janitor.__file__, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=words,
                start_new_session=True,
            )
        self._started_s = loop.time()
        self._line.settimeout(HEARS_S)
        loop.add_reader(self._line, self._lost)
        with contextlib.suppress(OSError):  # it is lost already, and we shall hear of it
            for folder in self.folders:
                janitor.send(self._line, {"folder": folder, "ours": True})

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
            self._replace()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._line, ended.set)
        try:
            self.now.send_signal(signal.SIGCONT)
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(ENDS_S):
                await ended.wait()
        except TimeoutError:
            log.warning("the janitor has not ended for %g s", ENDS_S)
            self.now.kill()
        finally:
            self._hang_up()
        self._bury()
        for folder in filter(os.path.lexists, self.folders):
            log.warning("%s could not be removed", folder)

    def said(self) -> str:
        """Return what it and the keepers have written since this was last asked."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._wrote, WORDS_BYTES).decode(errors="replace").strip()
        return ""

    def _tell(self, message: janitor.Message, files: Sequence[int] = ()) -> None:
        try:
            janitor.send(self._line, message, files)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):  # somebody ended or stopped it
            self._replace()
            janitor.send(self._line, message, files)

    def _lost(self) -> None:
        """Have another one: it says nothing through its line, so that was its end."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._line)
        wait_s = self._started_s + APART_S - loop.time()
        if wait_s > 0:
            self._next = loop.call_later(wait_s, self._replace)
        else:
            self._replace()

    def _replace(self) -> None:
        self._hang_up()
        self.now.kill()
        self._bury()
        self.start()

    def _hang_up(self) -> None:
        if self._next:
            self._next.cancel()
            self._next = None
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()

    def _bury(self) -> None:
        """Reap one that has ended, and log its last words."""
        self.now.wait()
        if said := self.said():
            log.warning("the janitor says: %s", said)
        os.close(self._wrote)
