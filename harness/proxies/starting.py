"""Starts the program of a hop. What to run, and by what one knows that it serves, is data: a `Start`.

Rules:
- A program is told a free port, and another one if somebody was faster; or it takes a port itself and announces it.
- Its command, its environment and the files that it reads may have placeholders (placeholders.py); a certificate is
  made for it if they ask for one.
- Evidence is what it was given, what it says (`NAME.log`), and the command, so that a person can run it again; of its
  environment without what is a secret by its name.
- One that does not come to serve is ended, whatever the reason, with all that it has started. The error has its own
  words: InputError if they are about its config, PortTaken if somebody has its port, else NotStarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import shlex
import shutil
import ssl
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception, retry_if_exception_type, retry_if_not_result

from harness.documents.programs import LOADING, Ready
from harness.errors import HarnessError, InputError, ProxyError, Unavailable
from harness.launchers.base import Box, Program, ProgramLauncher
from harness.launchers.commands import asked, to_its_end, uncoloured
from harness.launchers.containers import PORT
from harness.launchers.ports import PortTaken, on_free_port
from harness.launchers.process import POLL, until
from harness.launchers.waiting import accepts, announces, outlives
from harness.model import Endpoint, HttpVersion, ServedBy, shown_value
from harness.proxies import certificates, placeholders
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.negotiation import spoken
from harness.resources import own_folder

COMMAND = "command.txt"
AUTHORITY = "authority.pem"
DEATH_S = 2.0  # what is dying may take a moment to be dead
LAST_LINES = 40
SHARED_MEMORY = Path("/dev/shm")  # where Linux has it as files; who else has any cannot list it
LOADS_TIMES = 10
"""So many times as long as it took to serve a program may take to load; about twice is what was measured."""
LOADS = (OSError, asyncio.IncompleteReadError)
"""What whoever asks meets with while a program loads."""

_TAKEN = re.compile(
    r"\b(address|connection) (already )?in use|EADDRINUSE|\b(errno|winerror) (98|48|10048)\b", re.IGNORECASE
)
"""In the words of glibc and the BSDs, of musl, gunicorn and Node.js, and by the number: Linux', the BSDs', Windows'."""
_ADDRESS = re.compile(r"[:,] ?\d|/")


class NotStarted(ProxyError):
    """A program did not come to serve. `words` is what it said; `ended` its exit status, None if we had to end it."""

    def __init__(self, message: str, words: str, ended: int | None) -> None:
        super().__init__(message)
        self.words = words
        self.ended = ended


class Unpassed(ProxyError):
    """A program runs, and answers by itself what it was to pass on."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a program is started, and by what one knows that it serves: each sign has to come within `within_s`.

    Texts may have placeholders. `files` are what it reads: where (in the folder for evidence, if that is relative), and
    the text, in which `quote` writes a path as that language has it. `evidence` is what is kept beside that, by name: a
    copy of a file, or a text. `path` is below what it serves, `tls` whether clients have to speak TLS; `asked`, `host`
    and `served_by` are what its config has requests ask for, and what of it answers. `trusts` is the variable that
    names it the file (PEM) of who signed its upstream's certificate, which is set if there is one. `shared_memory` are
    the names of what it shares with its own processes, which would outlive it if it were killed. With an `image` it is
    run in a container.

    A program that `announces` its port says it on its log: the first group of the pattern. Any other one is told its
    port, which then accepts connections. Who asks there is not met with silence, but perhaps turned away (`accepts`);
    or it also has to have answered, whatever the answer (`answers`), or as its upstream does (`passes`): an open port
    may lead nowhere yet. `loading` is what it may answer by itself meanwhile; any other answer to what a user asks for
    is its config's. That takes `loads_s`, if that is known: who answers so for longer does for good. One that
    `negotiates` is asked which versions of HTTP it speaks. One that is not to be asked (`is_asked`), as each answer of
    it counts, serves when its port accepts connections.

    One that complains of its config need not end: it is not waited for any longer. One that does not come to serve and
    has complained of nothing is asked what is wrong by the command `explains`.

    It has a folder of its own, also for its temporary files. That leads to `packages`, the node_modules of what npm has
    fetched: a script there finds them as beside it.
    """

    name: str
    command: Sequence[str]
    within_s: float
    files: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Path | str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    trusts: str | None = None
    shared_memory: Sequence[str] = ()
    cwd: Path | None = None
    path: str = ""
    tls: bool = False
    asked: str = ""
    host: str = ""
    served_by: ServedBy | None = None
    announces: re.Pattern[str] | None = None
    ready: Ready = "accepts"
    loading: Collection[int] = LOADING
    loads_s: float | None = None
    negotiates: bool = False
    packages: Path | None = None
    complaints: ComplaintPatterns = field(default_factory=ComplaintPatterns)
    explains: Sequence[str] = ()
    quote: Callable[[str], str] = str
    is_asked: bool = True

    @property
    def asks(self) -> set[str]:
        """The placeholders that it has anywhere."""
        return placeholders.asked([*self.command, *self.env.values(), *self.files, *self.files.values()])

    def write(
        self, port: int, upstream: Endpoint, folder: Path, evidence: Path, host: str = "127.0.0.1"
    ) -> tuple[list[str], dict[str, str]]:
        """Write what the program is to read, what is kept of it, and how it is run. Blocks.

        Return its arguments and its environment. Raises Unavailable if it asks for a certificate, and none can be made.
        """
        values = placeholders.values(port, upstream, folder, host)
        if self.packages:
            (folder / self.packages.name).symlink_to(self.packages)
        if not self.asks.isdisjoint(placeholders.CERTIFICATES):
            certificates.issue(folder, evidence / AUTHORITY)
            files = folder / certificates.CERTIFICATE, folder / certificates.KEY
            values.update(zip(placeholders.CERTIFICATES, map(str, files), strict=True))
        quoted = values | {name: self.quote(values[name]) for name in placeholders.FILES if name in values}
        for where, text in self.files.items():
            file = evidence / placeholders.filled(where, values)
            own_folder(file.parent)
            filled = placeholders.filled(text, quoted)
            for place in {file, file if file.is_relative_to(evidence) else evidence / file.name}:
                place.write_text(filled, encoding="utf-8", errors="surrogateescape", newline="")
        for name, kept in self.evidence.items():
            if isinstance(kept, Path):
                shutil.copyfile(kept, evidence / name)
            else:
                (evidence / name).write_text(kept, encoding="utf-8", errors="surrogateescape", newline="")
        argv = [placeholders.filled(word, values) for word in self.command]
        env = {name: placeholders.filled(value, values) for name, value in self.env.items()}
        if self.trusts and upstream.authority:
            env[self.trusts] = upstream.authority
        told = ((name, shown_value(name, value)) for name, value in env.items())
        settings = ["env", *(f"{name}={value}" for name, value in told)] if env else []
        cwd = (self.cwd or Path.cwd()).absolute()
        command = f"cd {shlex.quote(str(cwd))} && {shlex.join([*settings, *argv])}\n"
        (evidence / COMMAND).write_bytes(os.fsencode(command))
        return argv, env

    async def served(self, program: Program, port: int, upstream: Endpoint, authority: Path) -> Endpoint:
        """Return where a program serves, once it does. Raises ProxyError if it ends, or one of the signs is late."""
        begun_s = time.monotonic()
        if self.announces:
            port = int(await announces(program, self.announces, self.within_s))
        else:
            await accepts(program, port, self.within_s)
        trusted = str(authority.absolute()) if self.tls else None
        endpoint = Endpoint(port, self.path, authority=trusted, asked=self.asked or upstream.asked, name=self.host)
        if self.negotiates:
            endpoint = await _negotiates(program, endpoint, self.within_s)
        elif self.ready == "accepts" and self.is_asked:
            await _reacts(program, endpoint, self.within_s)
        if self.ready == "answers":
            await _answers(program, endpoint, self.within_s)
        if self.ready == "passes" and "1.1" in endpoint.http:
            await _passes(self, program, endpoint, upstream, self.answers_so_s(time.monotonic() - begun_s))
        return endpoint

    def answers_so_s(self, took_s: float) -> float:
        """Return for how long one that took so long to serve may answer by itself while it loads.

        Both take longer on a busy machine, so the one tells of the other.
        """
        return min(self.within_s, max(self.loads_s, LOADS_TIMES * took_s)) if self.loads_s else self.within_s

    def fault(
        self,
        error: ProxyError,
        program: Program,
        port: int,
        upstream: Endpoint,
        ended: int | None,
        env: Mapping[str, str],
        folder: Path,
    ) -> HarnessError:
        """Return what a program that is gone now is to be blamed for; `folder` was what it had as its own. Blocks."""
        words = program.log_tail(LAST_LINES)
        complaints = self.complaints.filled_in(placeholders.values(port, upstream, folder.resolve()))
        said = complaints.found(words)
        if self.explains and not said:
            with contextlib.suppress(Unavailable):  # then what it said itself has to do
                explained = asked(self.explains, "", env, self.cwd)
                said = complaints.found(uncoloured(f"{explained.stdout}\n{explained.stderr}"))
        is_taken = _is_taken(port, words)
        if said and said[0].file and (said[0].line or not is_taken):
            return InputError(*said)
        message = complaints.told(str(error))
        if isinstance(error, Unpassed):
            message = "\n".join(filter(None, [message, *(map(str, said) if said else [complaints.told(words)])]))
        elif self.complaints.patterns:
            message = "\n".join([f"{self.name} did not start:", *(map(str, said) if said else [message])])
        return PortTaken(message) if is_taken else NotStarted(message, program.words(), ended)


async def started(
    start: Start, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher
) -> tuple[Program, Endpoint]:
    """Start one instance in front of `upstream`; return it once it serves, and where.

    It is no context manager: a hop serves all cells that need it, whoever asked first, so its end is no caller's. The
    launcher owns it, and ends it with the run.

    Raises InputError, PortTaken or NotStarted as said above, Unavailable if it asks for a certificate that cannot be
    made, ProxyError if it cannot be executed.
    """
    if start.image:
        return await _contained(start, upstream, evidence, launcher)
    if start.announces:
        return await _instance(0, start, upstream, evidence, launcher)
    return await on_free_port(lambda port: _instance(port, start, upstream, evidence, launcher))


async def _instance(
    port: int, start: Start, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher
) -> tuple[Program, Endpoint]:
    folder = launcher.folder(start.name)
    values = placeholders.values(port, upstream, folder)
    start = replace(start, explains=[placeholders.filled(word, values) for word in start.explains])
    for name in start.shared_memory:
        launcher.leaves(SHARED_MEMORY / placeholders.filled(name, values))
    argv, env = await to_its_end(start.write, port, upstream, folder, evidence)
    temporary = {"TMPDIR": str(folder)}  # what it leaves there when it is killed goes with the folder
    program = await launcher.launch(
        start.name, argv, log=evidence / f"{start.name}.log", cwd=start.cwd, env=temporary | env
    )
    return await _serving(program, start, port, upstream, evidence, env, folder)


async def _contained(
    start: Start, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher
) -> tuple[Program, Endpoint]:
    """Start one instance in a container: there it has a port for itself, and finds all files where they lie here."""
    host, behind_port = launcher.containers.inside(upstream.port)
    behind, evidence = replace(upstream, host=host, port=behind_port), evidence.resolve()
    folder = launcher.folder(start.name).resolve()
    argv, env = await to_its_end(start.write, PORT, behind, folder, evidence, "0.0.0.0")
    reads = [evidence, *([Path(upstream.authority).resolve()] if upstream.authority else [])]
    box = Box(start.image, argv, [PORT], dict.fromkeys(reads, ""), folder, {"TMPDIR": str(folder)} | env)
    program, (port,) = await launcher.containers.run(start.name, box, evidence / f"{start.name}.log")
    start = replace(start, explains=())  # which would take a container for it
    return await _serving(program, start, port, upstream, evidence, env, folder)


async def _serving(
    program: Program,
    start: Start,
    port: int,
    upstream: Endpoint,
    evidence: Path,
    env: Mapping[str, str],
    folder: Path,
) -> tuple[Program, Endpoint]:
    """Return a program that was started, and where it serves, once it does; else end it, and say what is to blame."""
    try:
        return program, await start.served(program, port, upstream, evidence / AUTHORITY)
    except BaseException as error:
        ended = program.returncode
        await program.stop()
        if isinstance(error, ProxyError):
            raise await asyncio.to_thread(start.fault, error, program, port, upstream, ended, env, folder) from error
        raise


async def _reacts(program: Program, endpoint: Endpoint, within_s: float) -> None:
    """Return once a program does anything with a request: else every cell would have to find out that it does not."""
    with contextlib.suppress(aiohttp.ClientError):
        await outlives(program, _asked(endpoint), within_s, f"answer {endpoint.shown_url}")


async def _answers(program: Program, endpoint: Endpoint, within_s: float) -> None:
    """Return once an answer has begun to come: what a program compiles for the first one is no buffering."""
    try:
        await outlives(program, _asked(endpoint), within_s, f"answer {endpoint.shown_url}")
    except aiohttp.ClientError as error:
        await until(program.death, DEATH_S)
        fault = (
            program.death() or f"{program.name} did not answer {endpoint.shown_url}: {error or type(error).__name__}"
        )
        raise ProxyError(":\n".join(filter(None, [fault, program.log_tail()]))) from error


async def _passes(start: Start, program: Program, endpoint: Endpoint, upstream: Endpoint, loads_s: float) -> None:
    """Return once a program answers as its upstream does: while it loads its config, it may answer by itself, for
    `loads_s` after its first answer.

    One that is asked for a path of a user's may have a login there, or a redirect: what it does then is measured.
    """
    try:
        behind = await _asked(upstream)
    except aiohttp.ClientError as error:
        raise ProxyError(f"what is behind {program.name} does not answer {upstream.shown_url}: {error}") from error
    given: list[int] = []
    until_s = math.inf

    async def same() -> bool:
        nonlocal until_s
        if start.complaints.refuses(program.log_tail(LAST_LINES)):
            raise ProxyError(f"{program.name} complains of its config")
        given.append(await _asked(endpoint))
        until_s = min(until_s, (now_s := time.monotonic()) + loads_s)
        serves = given[-1] == behind or bool(endpoint.asked and given[-1] not in start.loading)
        if not serves and now_s > until_s:
            raise ProxyError(f"{program.name} goes on to answer by itself")
        return serves

    retry = retry_if_exception_type(aiohttp.ClientError) | retry_if_not_result(bool)
    asking = AsyncRetrying(retry=retry, wait=POLL)
    try:
        await outlives(program, asking(same), start.within_s, "pass a request on")
    except ProxyError as error:
        if not given or program.death():
            raise
        raise Unpassed(
            f"{program.name} runs and answers {endpoint.shown_url} with status {given[-1]}, what is behind it with"
            f" {behind}: it does not pass requests on. Its config has it answer so, or leads to nobody there, or it"
            f" takes longer than {loads_s:.3g} s to load"
        ) from error


async def _asked(endpoint: Endpoint) -> int:
    """Return the status of the answer to a request that asks for no stream."""
    trusting = ssl.create_default_context(cafile=endpoint.authority) if endpoint.authority else True
    headers = {"Host": endpoint.name} if endpoint.name else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(endpoint.pulse_url, headers=headers, allow_redirects=False, ssl=trusting) as response,
    ):
        await response.content.readany()  # and no more: an app may answer everything with a stream that never ends
        return response.status


async def _negotiates(program: Program, endpoint: Endpoint, within_s: float) -> Endpoint:
    """Return the endpoint with what it speaks.

    A program that cannot have all its ports accepts before it dies; one that still loads hangs up, or presents a
    certificate of its own.
    """
    met: list[Exception] = []

    async def speaking() -> tuple[HttpVersion, ...]:
        try:
            return await spoken(endpoint)
        except LOADS as fault:
            met.append(fault)
            raise

    asking = AsyncRetrying(retry=retry_if_exception(_may_be_loading), wait=POLL)
    try:
        return replace(endpoint, http=await outlives(program, asking(speaking), within_s))
    except (ssl.SSLError, ProxyError) as error:
        if program.death():
            raise
        last = met[-1] if met else None
        tls = f" TLS: {last}" if isinstance(last, ssl.SSLError) else ""
        raise ProxyError(f"{program.name} accepts on port {endpoint.port}, but does not serve{tls}") from error


def _may_be_loading(fault: BaseException) -> bool:
    refuses_tls = isinstance(fault, ssl.SSLError) and not isinstance(fault, ssl.SSLCertVerificationError)
    return isinstance(fault, LOADS) and not refuses_tls


def _is_taken(port: int, words: str) -> bool:
    """Tell whether a program complains that somebody has its port, in the words that systems and runtimes share.

    A line that names no address at all is about the one port that the program was told.
    """
    lines = [line for line in words.splitlines() if _TAKEN.search(line)]
    return any(re.search(rf"\b{port}\b", line) or not _ADDRESS.search(line) for line in lines)
