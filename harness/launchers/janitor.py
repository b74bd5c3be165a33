"""Starts what the harness tells it to start, and ends all of it when the harness is gone. Standard library only.

    harness ---> janitor ---> keeper ---> program ---> whatever that starts
        `------- lifeline ------'

Rules:

1. The janitor hears of a program or a folder before that can exist: it starts programs itself, and a folder is made
   after it was told. What was said before the harness died is still heard.
2. A program has a keeper, which ends it with all that descends from it when its lifeline closes, when the harness is
   gone, however that ended, or when the janitor says so.
3. On Linux a keeper adopts who loses their parent, other groups and sessions too. It kills its children, reaps them,
   and goes on until it has none.
4. A signal goes to a group only while its leader is not reaped: until then nobody else gets that number.
5. Who has things elsewhere, as in an engine of containers, tells the command that removes them before there are any: it
   is run last, when all programs are gone.
6. A keeper that is killed takes its program with it; what that had started falls to the janitor, which ends it. A
   janitor that is killed leaves the keepers to their lifelines. A spare, which is told of folders and of that command
   only, is there to remove them then, should the harness be killed in the same moment; else it takes over.

Elsewhere than on Linux a keeper ends the group of its program: who leaves that, or whose keeper is killed, is missed.
Where the system cannot tell how a program ended without reaping it (macOS), its group is signalled afterwards, too:
then rule 4 does not hold for a group that nobody else was in.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

LENGTH = struct.Struct("!I")
MOST_FDS = 64
AGAIN_S = 0.005
FOLDERS_S = 5.0
LAST_S = 20.0
ENDS_S = 10.0
"""How long who is killed may take to be gone: one in the middle of a call of the system, or of another user, stays."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CHILDREN = "/proc/self/task/{}/children"
DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OVER = signal.SIGUSR1
"""What the janitor tells a keeper when all is to end."""

Message = Mapping[str, Any]


def send(line: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Say something, and hand files over with it. Raises OSError if nobody is there, and never once all is said."""
    text = json.dumps(message).encode()
    whole = LENGTH.pack(len(text)) + text
    sent = socket.send_fds(line, [whole], fds) if fds else 0
    if sent < len(whole):  # to send nothing would fail, too
        line.sendall(whole[sent:])


def receive(line: socket.socket) -> tuple[Message, list[int]] | None:
    """Return what was said and the files that came with it; None once the other end is closed."""
    head, fds, _, _ = socket.recv_fds(line, LENGTH.size, MOST_FDS)
    try:
        while len(head) < LENGTH.size:
            head += _more(line, LENGTH.size - len(head))
        (size_bytes,) = LENGTH.unpack(head)
        text = b""
        while len(text) < size_bytes:
            text += _more(line, size_bytes - len(text))
    except EOFError:
        for fd in fds:
            os.close(fd)
        return None
    return json.loads(text), fds


def _more(line: socket.socket, size_bytes: int) -> bytes:
    if not (data := line.recv(size_bytes)):
        raise EOFError
    return data


# ---------------------------------------------------------------- the janitor


class Janitor:
    """Forks keepers, ends what those leave, and removes folders."""

    def __init__(self, line: socket.socket, harness: int) -> None:
        self._line = line
        self._harness = _handle(harness)
        self._orphaned = os.getppid() != harness  # then that number is somebody else's by now
        self._gone = False
        self._signals = _heard((signal.SIGCHLD,))
        self._keepers: set[int] = set()
        self._folders: set[str] = set()
        self._last: list[str] = []

    def serve(self) -> None:
        """Do as one is told until the harness is gone and all that it had said was heard, and then clean up."""
        watched = [self._line.fileno(), self._signals, *([] if self._harness is None else [self._harness])]
        while not self._gone:
            ready = _ready(watched, wait=not self._orphaned)
            if self._signals in ready:
                _drained(self._signals)
                self._reap()
            if self._line.fileno() in ready:
                self._hear()
            elif self._orphaned or self._harness in ready:
                self._gone = True
        self._clean_up()

    def _hear(self) -> None:
        try:
            heard = receive(self._line)
        except OSError:
            heard = None
        if heard is None:
            self._gone = True
            return
        message, fds = heard
        if "argv" in message:
            self._start(message, fds)
        elif "last" in message:
            self._last = message["last"]
        elif message["ours"]:
            self._folders.add(message["folder"])
        else:
            self._folders.discard(message["folder"])

    def _start(self, order: Message, fds: list[int]) -> None:
        try:
            keeper = os.fork()
        except OSError as error:
            with socket.socket(fileno=fds.pop(0)) as lifeline:
                _said(lifeline, {"error": error.strerror})
            keeper = -1
        if keeper:
            self._keepers.update({keeper} - {-1})
            for fd in fds:
                os.close(fd)
            return
        try:
            os.setpgid(0, 0)
            self._line.close()
            os.close(self._signals)
            keep(order, fds, None if self._orphaned else self._harness)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(0)

    def _reap(self) -> bool:
        """Reap who has ended, kill what a killed keeper left, and tell whether anybody is there."""
        self._keepers.difference_update(reaped := _reaped())
        _kill(set(_children()) - self._keepers)
        return None not in reaped

    def _clean_up(self) -> None:
        for number in (OVER, signal.SIGKILL):  # the latter for who cannot go on
            for keeper in self._keepers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(keeper, number)
                    os.kill(keeper, signal.SIGCONT)
            deadline = time.monotonic() + ENDS_S
            while (left := self._reap()) and time.monotonic() < deadline:
                time.sleep(AGAIN_S)
            if not left:
                break
        if self._last:  # before the folders go, which containers may have mounted
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self._last, stdout=subprocess.DEVNULL, check=False, timeout=LAST_S)
        deadline = time.monotonic() + FOLDERS_S
        while self._folders and time.monotonic() < deadline:  # somebody of another may still write there
            for folder in [*self._folders]:
                remove(folder)
                if not os.path.lexists(folder):
                    self._folders.remove(folder)
            time.sleep(AGAIN_S if self._folders else 0)


def remove(path: str) -> None:
    """Remove a folder with all that is in it, or a file; nothing happens if that cannot be, or is gone."""
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.unlink(path)


# ---------------------------------------------------------------- a keeper


def keep(order: Message, fds: list[int], harness: int | None) -> None:
    """Start a program as ordered, tell of it, pass signals on, and end all of it when it is time.

    The files are the lifeline, the program's input, output and errors, those that it gets under their own numbers, and
    those that are held until it is gone with all that it has started.
    """
    line = socket.socket(fileno=fds[0])
    try:
        os.close(signal.set_wakeup_fd(-1))  # the janitor's
        _adopt()
        passed: list[int] = order["pass_fds"]
        if len(fds) < 4 + len(passed):  # some that came did not fit
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        above = max([2, *passed]) + 1
        moved = _moved(fds[0], above)
        line.detach()
        line = socket.socket(fileno=moved)
        files = [_moved(fd, above) for fd in fds[1:]]
        harness = None if harness is None else _moved(harness, above)
        theirs = files[: 3 + len(passed)]
        for fd, number in zip(theirs[3:], passed, strict=True):
            os.dup2(fd, number)
        signals = _heard((signal.SIGCHLD, OVER))
        program = subprocess.Popen(
            order["argv"],
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            cwd=order["cwd"],
            env=order["env"],
            pass_fds=passed,
            start_new_session=True,
            preexec_fn=partial(_dies_with, os.getpid()),
        )
    except Exception as error:  # also an argument that no program can be given
        _said(line, {"error": getattr(error, "strerror", None) or str(error)})
        return
    for fd in (*theirs, *passed):
        os.close(fd)
    told = _said(line, {"pid": program.pid}) and _watch(program, line, signals, harness)
    _signal_group(program, signal.SIGKILL)
    if not told:
        _said(line, {"status": _status(program, wait=True)})
    deadline = time.monotonic() + ENDS_S
    while None not in _reaped() and (children := [*_children()]) and time.monotonic() < deadline:
        _kill(children)
        time.sleep(AGAIN_S)


def _watch(program: subprocess.Popen[bytes], line: socket.socket, signals: int, harness: int | None) -> bool:
    """Pass on what comes through the lifeline until all is to end, and tell how the program ended, if it does before.

    Return whether it was told.
    """
    told = False
    watched = [line.fileno(), signals, *([] if harness is None else [harness])]
    while True:
        ready = _ready(watched)
        if harness in ready or (signals in ready and OVER in _drained(signals)):
            return told
        for child in set(_children()) - {program.pid}:
            os.waitpid(child, os.WNOHANG)  # as init would: somebody may wait until it is gone
        if not told and (status := _status(program)) is not None:
            told = _said(line, {"status": status})
        if line.fileno() in ready:
            try:
                numbers = line.recv(1)
            except OSError:
                return told
            if not numbers:
                return told
            _signal_group(program, numbers[0])


def _status(program: subprocess.Popen[bytes], wait: bool = False) -> int | None:
    """Return how a program ended, negative for a signal, and leave it unreaped where that is possible."""
    if not hasattr(os, "waitid"):
        return program.wait() if wait else program.poll()
    found = os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT | (0 if wait else os.WNOHANG))
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _signal_group(program: subprocess.Popen[bytes], number: int) -> None:
    if program.returncode is None or not hasattr(os, "waitid"):  # if it is not reaped, its number is its own
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, number)


def _said(line: socket.socket, message: Message) -> bool:
    try:
        send(line, message)
    except OSError:
        return False
    return True


# ---------------------------------------------------------------- the system


def _moved(fd: int, above: int) -> int:
    """Move a file out of the way of those that are to have numbers of their own."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above)
    os.close(fd)
    return moved


def _handle(pid: int) -> int | None:
    """Return a file that is readable once a process is gone, where there are such."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _heard(numbers: Collection[int]) -> int:
    """Have signals noted, a byte each, in the pipe that is returned."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)  # first: what is handled before that is not noted
    for number in numbers:
        signal.signal(number, _nothing)
    return ours


def _nothing(*_: object) -> None:
    """Do nothing. Unlike a signal that is ignored, one that is handled is itself again for who is executed."""


def _drained(pipe: int) -> bytes:
    try:
        return os.read(pipe, 4096)
    except BlockingIOError:
        return b""


def _ready(fds: Sequence[int], wait: bool = True) -> set[int]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if wait else 0)}


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc().prctl(option, value, 0, 0, 0)


@cache
def _libc() -> Any:
    """Return the C library, which is loaded before anybody forks."""
    import ctypes  # only here: every process of the harness imports this module

    return ctypes.CDLL(None)


def _adopt() -> None:
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _dies_with(keeper: int) -> None:
    """Have the system kill this process when its keeper dies, also if that has happened already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)


def _children() -> Iterator[int]:
    """Yield our children, zombies too, where the system tells: in a file of its own, or else by who is whose child."""
    us = os.getpid()
    with contextlib.suppress(OSError), open(CHILDREN.format(us)) as listed:
        yield from map(int, listed.read().split())
        return
    with contextlib.suppress(OSError):
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as told:
                if int(told.read().rpartition(b")")[2].split()[1]) == us:
                    yield int(pid)


def _reaped() -> list[int | None]:
    """Reap the children that have ended, and return them; None is the last if there are no others."""
    reaped: list[int | None] = []
    try:
        while (child := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            reaped.append(child)
    except ChildProcessError:
        reaped.append(None)
    return reaped


def _kill(pids: Collection[int] | Iterator[int]) -> None:
    """Kill children of ours: until they are reaped, their numbers are their own."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Serve the harness, whose pid is told, through standard input."""
    for number in DEAF_TO:
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, whose programs ignore it too
            signal.signal(number, _nothing)
    _adopt()
    Janitor(socket.socket(fileno=0), int(sys.argv[1])).serve()


if __name__ == "__main__":
    main()
