"""A sandbox: a folder in which the real `harness` program runs, and where it shows what that leaves behind."""

from __future__ import annotations

import contextlib
import operator
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from harness.clients import CLIENTS
from harness.errors import InputError, Unavailable
from harness.model import Result
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.resources import configs
from harness.store.runs import Run, latest
from tests.waiting import DEADLINE_S, wait_for

HARNESS = Path(sys.executable).with_name("harness")
OUR_OWN = ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "HARNESS_REQUIRE", "HARNESS_ALLOW_UNAVAILABLE")
UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
"""Take from root what lets it read and write everything; for anybody else it changes nothing."""

DIRECT = """\
title: Direct
workloads: {short: {tokens: 8, token_bytes: 112}}
axes: {chain: direct, format: [sse, ndjson]}
expect:
  - {cells: 'direct/*', verdict: streamed, why: nothing in it could hold a token}
"""

NGINX = """\
title: Nginx
workloads: {short: {tokens: 8, token_bytes: 112}}
axes: {chain: nginx:http10, mitigations: [none, x-accel-buffering]}
expect:
  - {cells: '*/none/*', shows: at the end, why: it has response buffers of 4 KB and more}
  - {cells: '*/x-accel-buffering/*', effect: defeats, why: nginx says so}
  - {cells: 'direct/*', verdict: streamed, why: nothing in it could hold a token}
"""

SLOW = """\
mitigations: {slow: {claim: It takes its time., source: these tests, cost: latency, delay_ms: 60000}}
"""
"""To be added to a matrix: what it is applied to is in mid-stream for as long as a test needs it to be."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a finished program said."""

    status: int
    out: str
    err: str


class Sandbox:
    """One folder with a TMPDIR of its own. What runs there is known by it, whoever its parent may be by then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ignored: object) -> None:
        """End what a test that failed has left."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_text(text)
        return path

    def nginx_conf(self, name: str, **inserted: str) -> Path:
        """Write a config that buffers, with something inserted in its `http`, `server` or `location` block."""
        text = (configs() / "nginx/http10.conf").read_text()
        openings = {"http": "http {", "server": "server {", "location": "location / {"}
        for block, directives in inserted.items():
            text = text.replace(openings[block], f"{openings[block]}\n{directives}\n", 1)
        return self.write(name, text)

    def environment(self, **others: str) -> Mapping[str, str]:
        """Return an environment without what the tests' own terminal or CI put there."""
        kept = {name: value for name, value in os.environ.items() if name not in OUR_OWN}
        return {**kept, "TMPDIR": str(self.tmp), "TERM": "xterm-256color", **others}

    def start(self, *argv: str, prefix: Sequence[str] = (), **env: str) -> subprocess.Popen[str]:
        """Start `harness` as the leader of a process group of its own, as a shell does, and return at once."""
        return subprocess.Popen(
            [*prefix, str(HARNESS), *argv],
            cwd=self.folder,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # pytest may run in the background
        )

    def run(self, *argv: str, prefix: Sequence[str] = (), **env: str) -> Said:
        """Run `harness` to its end."""
        return self.said(self.start(*argv, prefix=prefix, **env))

    def said(self, program: subprocess.Popen[str]) -> Said:
        """Wait for a program's end."""
        with program:
            try:
                out, err = program.communicate(timeout=DEADLINE_S)
            finally:
                program.kill()
        return Said(program.returncode, out, err)

    def last_run(self) -> Run:
        """Return the run that was started last, as it is on disk."""
        return Run.open(latest(self.folder / "runs"))

    def results(self) -> dict[str, Result]:
        """Return the results that are on disk by now, by id; none if there is no run yet."""
        try:
            return {result.id: result for result in self.last_run().results}
        except InputError:
            return {}

    def processes(self, named: str = "") -> list[psutil.Process]:
        """Return every process that works here and whose command line has `named` in it, but for the tests' own."""
        here = str(self.folder)
        return [
            process
            for process in psutil.process_iter()
            if process.pid != os.getpid() and (not named or named in " ".join(_command(process)))
            if any(here in text for text in _traces(process.pid))
        ]

    def nginx(self, variant: str) -> list[psutil.Process]:
        """Return the nginx processes of one variant, master first."""
        masters = [
            process
            for process in self.processes("nginx: master")
            if re.search(rf"/proxies/(gw\d+/)?nginx\.{re.escape(variant)}", " ".join(_command(process)))
        ]
        return [process for master in masters for process in (master, *master.children())]

    def streaming(self, variant: str) -> bool:
        """Tell whether an nginx has a connection to the emitter: the request of some cell has come through it."""
        with contextlib.suppress(psutil.Error):
            connections = (some for process in self.nginx(variant) for some in process.net_connections("tcp"))
            ends = [(some.status, some.raddr.port if some.raddr else 0) for some in connections]
            emitters = self.processes("harness.backends.emitter")
            ports = {some.laddr.port for each in emitters for some in each.net_connections("tcp")}
            return any(status == psutil.CONN_ESTABLISHED and port in ports for status, port in ends)
        return False

    def listening(self) -> set[str]:
        """Return the listening sockets of all that runs here."""
        return listening(self.processes())

    def left_behind(self, listening: Set[str] = frozenset()) -> list[str]:
        """Return what is still there: processes, those sockets of `listening` that still listen, temporary folders."""
        left = [f"process {process.pid}: {' '.join(_command(process))}" for process in self.processes()]
        left += [f"listening socket {inode}" for inode in _listening_inodes() & listening]
        return left + [f"temporary {path.name}" for path in self.tmp.iterdir()]

    def wait_until_clean(self, listening: Set[str] = frozenset()) -> None:
        """Wait until nothing is left behind. Fails if something is for too long, and says what."""
        wait_for(lambda: self.left_behind(listening), operator.not_)


def listening(of: Iterable[psutil.Process]) -> set[str]:
    """Return the listening sockets of some processes, by inode: a number that no other socket gets."""
    own: set[str] = set()
    for process in of:
        with contextlib.suppress(OSError):
            own |= {os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
    return {inode for inode in _listening_inodes() if f"socket:[{inode}]" in own}


def required() -> list[str]:
    """Return the proxies and clients without which tests must fail, not skip."""
    return os.environ.get("HARNESS_REQUIRE", "").split(",")


def missing(name: str) -> str | None:
    """Return why a proxy or client cannot run here; None if it can, or if HARNESS_REQUIRE names it: then tests fail."""
    if name in required():
        return None
    try:
        (PROXIES[name] if name in PROXIES else CLIENTS[name]()).version()
    except Unavailable as error:
        return str(error)
    return None


def program(name: str) -> Path:
    """Return the program of a proxy, wherever it comes from. Raises Unavailable."""
    proxy = PROXIES[name]
    assert isinstance(proxy, Described)
    return Path(proxy.installed().program)


def _traces(pid: int) -> Iterator[str]:
    """Yield whatever tells where a process works, the cheapest first; a dying one tells less and less.

    Tests that wait look at every process of the machine many times: hence no psutil and no Path, which take five times
    as long.
    """
    about = f"/proc/{pid}"
    with contextlib.suppress(OSError):
        yield os.readlink(f"{about}/cwd")
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError), open(f"{about}/{name}", errors="replace") as file:
            yield file.read()
    with contextlib.suppress(OSError):
        for link in os.listdir(f"{about}/fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(f"{about}/fd/{link}")


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def _listening_inodes() -> set[str]:
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A"}
