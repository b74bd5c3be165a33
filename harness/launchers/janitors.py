"""The janitor of one run as the harness sees it, and a spare: started, told, replaced when somebody ends it, and ended.

Rules: one is in charge. Once there are things that are to go, a spare knows them, too: who ends the one in charge and
us in the same moment leaves nothing either. One that is lost is followed by the spare, or by another that is started.
Whatever is asked of it has a bound: it may have been stopped. It says nothing but its last words, which are logged.
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
from functools import partial

from harness.launchers import janitor

HEARS_S = 20.0
ENDS_S = 2 * janitor.ENDS_S + janitor.FOLDERS_S + janitor.LAST_S + 5.0
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

    def dismiss(self) -> None:
        """End it, which another one follows: nothing that it knows is to be cleaned up now."""
        self.process.kill()
        self.hang_up()
        self.bury()

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
        self._last: list[str] = []
        self._spare: Janitor | None = None
        self._headless = False
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start one. Raises OSError if that cannot be."""
        self.now = self._started()

    def order(self, order: janitor.Message, files: Sequence[int]) -> None:
        """Have a program started. Raises OSError if the order or the files cannot be handed over."""
        self._tell(order, files)

    def owe(self, folder: str) -> None:
        """Tell of a folder that is to be removed."""
        self.folders.append(folder)
        self._tell_spare({"folder": folder, "ours": True})
        self._tell({"folder": folder, "ours": True})

    def forgive(self, folder: str) -> None:
        """Tell that a folder is removed already."""
        self.folders.remove(folder)
        self._tell_spare({"folder": folder, "ours": False})
        self._tell({"folder": folder, "ours": False})

    def at_last(self, argv: Sequence[str]) -> None:
        """Tell what is to be run when all else has ended; nothing takes it back."""
        self._last = list(argv)
        self._tell_spare({"last": self._last})
        self._tell({"last": self._last})

    async def end(self) -> None:
        """Have all that is left ended and removed. If we are cut short, that happens by itself."""
        if self._headless:
            self._follow()
        last = [one for one in (self.now, self._spare) if one]
        ended = [asyncio.Event() for _ in last]
        for one, event in zip(last, ended, strict=True):
            asyncio.get_running_loop().add_reader(one.line, event.set)
        try:
            for one in last:
                one.process.send_signal(signal.SIGCONT)
                with contextlib.suppress(OSError):
                    one.line.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(ENDS_S):
                for event in ended:
                    await event.wait()
        except TimeoutError:
            log.warning("the janitor has not ended for %g s", ENDS_S)
            for one in last:
                one.process.kill()
        finally:
            self._cancel()
            for one in last:
                one.hang_up()
        for one in last:
            one.bury()
        for folder in filter(os.path.lexists, self.folders):
            log.warning("%s could not be removed", folder)

    def _started(self) -> Janitor:
        """Start one, which is told of the folders so far."""
        started = Janitor.start()
        asyncio.get_running_loop().add_reader(started.line, partial(self._lost, started))
        with contextlib.suppress(OSError):  # it is lost already, and we shall hear of it
            for folder in self.folders:
                janitor.send(started.line, {"folder": folder, "ours": True})
            if self._last:
                janitor.send(started.line, {"last": self._last})
        return started

    def _tell(self, message: janitor.Message, files: Sequence[int] = ()) -> None:
        for others in (2, 1, 0):  # somebody may have ended or stopped it, and the spare, too
            try:
                janitor.send(self.now.line, message, files)
                break
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                if not others:
                    raise
                self._replace()
                self._next = self._next or asyncio.get_running_loop().call_later(APART_S, self._follow)

    def _tell_spare(self, message: janitor.Message) -> None:
        if self._spare:
            with contextlib.suppress(OSError):  # then it is lost
                janitor.send(self._spare.line, message)
        elif not self._next:
            self._follow()

    def _lost(self, lost: Janitor) -> None:
        """Have another one: it says nothing through its line, so that was its end."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(lost.line)
        if lost is self._spare:
            self._spare = None
            lost.dismiss()
        elif self._spare:
            self._replace()
        else:
            self._headless = True
        self._cancel()
        self._next = loop.call_at(max(loop.time(), lost.started_s + APART_S), self._follow)

    def _follow(self) -> None:
        """Start who is missing: one in charge, and a spare if there is anything to know."""
        self._cancel()
        try:
            if self._headless:
                self._replace()
            if (self.folders or self._last) and not self._spare:
                self._spare = self._started()
        except OSError as error:
            log.warning("no other janitor can be started: %s", error)
            self._next = asyncio.get_running_loop().call_later(APART_S, self._follow)

    def _replace(self) -> None:
        before, spare = self.now, self._spare
        self.now, self._spare, self._headless = spare or self._started(), None, False
        before.dismiss()

    def _cancel(self) -> None:
        if self._next:
            self._next.cancel()
            self._next = None
