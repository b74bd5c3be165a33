"""Watch one stream pass a chain: what the server writes, the system calls of each hop, and what curl gets.

    python -m benchmarks.by_hand haproxy:default
    python -m benchmarks.by_hand nginx:gzip --calls -- --compressed       with the system calls, asked as browsers do
    python -m benchmarks.by_hand caddy:plain --body length --format ndjson
    python -m benchmarks.by_hand haproxy:default --keep                   for tcpdump, a browser, a curl of your own

Rules: the hops start as in any run, and nothing else that decides verdicts has a part in it. The server is a plain
socket that writes the head, and a token each `--interval` ms later, by the clock, whoever has read what. The reader is
curl; it is given what stands behind `--`. The calls are strace's, which needs root (or ptrace_scope 0) and slows what
it looks at by some tenths of a millisecond. All stamps are of one clock, in ms since the first token was written.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from harness import session
from harness.errors import HarnessError
from harness.launchers.process import Launcher, Process
from harness.measure.bench import adapter, variant_file
from harness.model import Endpoint

FORMATS = {
    "sse": ("text/event-stream", "data: {}\n\n", ""),
    "ndjson": ("application/x-ndjson", '{{"d":"{}"}}\n', ""),
    "text": ("text/plain; charset=utf-8", "{}\n", ""),
    "openai": (
        "text/event-stream",
        'data: {{"object":"chat.completion.chunk","choices":[{{"index":0,"delta":{{"content":"{}"}}}}]}}\n\n',
        "data: [DONE]\n\n",
    ),
}
"""Content type, how a token is written, and what ends the stream."""

PULSE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,sendfile,setsockopt"
READS = ("read", "readv", "recvfrom", "recvmsg")
ATTACH_S = 20.0
RETURNS_S = 0.3
"""A call is written down when it returns: after curl has what it sent, and perhaps has ended."""

_CALL = re.compile(
    r"(?P<at>\d+\.\d+) (?P<name>\w+)\(\d+<TCP(?:v6)?:\[[^>]*?:(?P<here>\d+)->[^>]*?:(?P<there>\d+)\]>, (?P<rest>.*)\)"
    r" += (?P<bytes>\d+) <(?P<took>[\d.]+)>"
)
_STREAM = re.compile(r"/stream/(\d+)")
_TOKEN = re.compile(rb"token (\d+)")
_UNTOLD = ("MSG_DONTWAIT", "MSG_NOSIGNAL")
"""Flags that say nothing of when bytes leave."""


class Event(NamedTuple):
    """What somebody did, by the clock of the day."""

    at_s: float
    who: str
    what: str


@dataclass(frozen=True)
class Stream:
    """What the server sends, and how it is written down; `events` fills as it is."""

    format: str
    body: str
    tokens: int
    token_bytes: int
    interval_s: float
    pad_bytes: int = 0
    headers: Sequence[str] = ()
    events: list[Event] = field(default_factory=list)

    def token(self, number: int) -> bytes:
        """Return a token of `token_bytes` bytes, or as few as it takes, and the comment behind it."""
        _, form, _ = FORMATS[self.format]
        said = f"token {number:03} "
        token = form.format(said + "x" * (self.token_bytes - len(form.format(said))))
        comment = f": {'x' * (self.pad_bytes - 3)}\n" if self.pad_bytes else ""
        return f"{token}{comment}".encode()

    def head(self, framing: str) -> bytes:
        """Return the head of the answer."""
        kind, _, end = FORMATS[self.format]
        length = self.tokens * len(self.token(0)) + len(end)
        framed = {"chunked": "Transfer-Encoding: chunked", "length": f"Content-Length: {length}"}
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", framed.get(framing, "Connection: close"), *self.headers]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    async def send(self, writer: asyncio.StreamWriter, asked: Sequence[str]) -> bool:
        """Answer a request with the stream; return whether the connection goes on."""
        self._note(f"is asked {' | '.join(filter(None, asked))}")
        framing = "close" if self.body == "chunked" and "HTTP/1.0" in asked[0] else self.body
        parts = {f"token {number}": self.token(number) for number in range(self.tokens)}
        if end := FORMATS[self.format][2]:
            parts["the end"] = end.encode()
        head = self.head(framing)
        writer.write(head)
        self._note(f"writes the head, {len(head)} bytes")
        for name, data in parts.items():
            await asyncio.sleep(self.interval_s)
            if writer.is_closing():
                self._note("is hung up on")
                return False
            framed = b"%x\r\n%b\r\n" % (len(data), data) if framing == "chunked" else data
            writer.write(framed)
            self._note(f"writes {name}, {len(framed)} bytes")
            await writer.drain()
        await asyncio.sleep(self.interval_s)
        writer.write(b"0\r\n\r\n" if framing == "chunked" else b"")
        self._note("ends the body")
        return framing != "close"

    def _note(self, what: str) -> None:
        self.events.append(Event(time.time(), "server", what))


@dataclass(frozen=True)
class Server:
    """What stands behind a chain: a plain socket that sends each stream to whoever asks for its number."""

    streams: Mapping[str, Stream]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: streams to whoever asks for one, and at once to all else."""
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
                if length := [line.split(":")[1] for line in asked if line.lower().startswith("content-length:")]:
                    await reader.readexactly(int(length[0]))
                number = _STREAM.search(asked[0])
                if not number:
                    writer.write(PULSE)
                elif not await self.streams[number[1]].send(writer, asked):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # who asked has left, or all is over, which Python 3.11 would print as an error
        finally:
            writer.close()


def calls(lines: Iterable[str], ports: Mapping[int, str], asked: Mapping[int, str]) -> Iterator[Event]:
    """Yield the calls that moved bytes, of what strace wrote.

    `ports` are those at which hops listen, `asked` those which they ask, by number, with who does. A read is told when
    it returned, all else when it began.
    """
    for line in lines:
        if not (call := _CALL.match(line)):
            continue
        here, there, name = int(call["here"]), int(call["there"]), call["name"]
        who = ports.get(here) or asked.get(there)
        if not who or (name == "setsockopt" and "TCP_" not in call["rest"]):
            continue
        side = "client" if here in ports else "upstream"
        flags = [flag for flag in re.findall(r"\b(?:MSG|TCP)_\w+", call["rest"]) if flag not in _UNTOLD]
        told = f"{call['bytes']} bytes" if name != "setsockopt" else call["rest"].split(", ", 1)[1]
        told += f", {'|'.join(flags)}" if flags and name != "setsockopt" else ""
        at_s = float(call["at"]) + (float(call["took"]) if name in READS else 0.0)
        yield Event(at_s, who, f"{name} {'from' if name in READS else 'to'} its {side}: {told}")


def timeline(events: Iterable[Event]) -> Iterator[str]:
    """Yield the events as lines, in order, in ms since the first token was written."""
    ordered = sorted(events)
    zero_s = next((event.at_s for event in ordered if event.what.startswith("writes token 0,")), ordered[0].at_s)
    for event in ordered:
        yield f"{1e3 * (event.at_s - zero_s):9.1f}  {event.who:8}  {event.what}"


@contextmanager
def traced(pids: Sequence[int], folder: Path) -> Iterator[None]:
    """Have strace write the calls of these processes, and of those they start, to files in a folder."""
    chosen = [word for pid in pids for word in ("-p", str(pid))]
    argv = ["strace", "-ff", "-ttt", "-T", "-yy", "-q", "-s", "0", "-e", "signal=none", "-e", f"trace={CALLS}"]
    argv += ["-o", str(folder / "calls"), *chosen]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as strace:
        try:
            deadline = time.monotonic() + ATTACH_S
            while not all(map(_is_traced, pids)):
                if strace.poll() is not None or time.monotonic() > deadline:
                    strace.kill()
                    raise SystemExit(f"strace cannot look: {strace.stderr.read() if strace.stderr else ''}")
                time.sleep(0.01)
            yield
            time.sleep(RETURNS_S)
        finally:
            strace.send_signal(signal.SIGINT)


def _is_traced(pid: int) -> bool:
    statuses = Path("/proc", str(pid), "task").glob("*/status")
    return all(re.search(r"TracerPid:\s+[1-9]", status.read_text()) for status in statuses)


async def read_by_curl(url: str, options: Sequence[str]) -> list[Event]:
    """Ask for a stream; return what came, and how it ended."""
    argv = ["curl", "-q", "-vsSN", *options, url]
    curl = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    events: list[Event] = []

    def note(what: str) -> None:
        events.append(Event(time.time(), "curl", what))

    async def body(said: asyncio.StreamReader) -> None:
        while data := await said.read(1 << 20):
            note(f"gets {len(data)} bytes: {_tokens(data)}")

    async def words(said: asyncio.StreamReader) -> None:
        head: list[str] = []
        async for line in said:
            text = line.decode("latin-1").rstrip()
            if text.startswith("< "):
                head.append(text.removeprefix("< "))
            elif text == "<":
                note(" | ".join(head))
                head.clear()
            elif text.startswith("curl:"):
                note(text)

    assert curl.stdout
    assert curl.stderr
    try:
        await asyncio.gather(body(curl.stdout), words(curl.stderr))
        note(f"ends with status {await curl.wait()}")
    finally:
        if curl.returncode is None:
            curl.kill()
            await curl.wait()
    return events


def _tokens(data: bytes) -> str:
    """Return which tokens begin in what curl got, or the start of it if none does."""
    tokens = [int(number) for number in _TOKEN.findall(data)]
    return f"token {tokens[0]}{f' to {tokens[-1]}' if tokens[1:] else ''}" if tokens else repr(data[:60])


@dataclass
class Started:
    """A chain in front of the server: where it is asked, and who listens where and asks whom, by port."""

    endpoint: Endpoint
    folder: Path
    versions: list[str] = field(default_factory=list)
    ports: dict[int, str] = field(default_factory=dict)
    asked: dict[int, str] = field(default_factory=dict)
    pids: list[int] = field(default_factory=list)

    def curl(self, format: str, number: str = "1") -> tuple[str, list[str]]:
        """Return where curl asks for a stream, and how it has to."""
        options = ["--cacert", self.endpoint.authority] if self.endpoint.authority else []
        if format != "openai":
            return self.endpoint.stream_url(number), options
        options += ["-H", "Content-Type: application/json", "-d", '{"model":"m","messages":[],"stream":true}']
        return self.endpoint.stream_url(number, "/v1/chat/completions"), options


@asynccontextmanager
async def started(job: session.Job, server: Server) -> AsyncIterator[Started]:
    """Start the one chain of a job in front of a server. Raises what starting a hop raises."""
    (chain,) = {cell.chain for cell in job.cells if cell.chain}
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    async with Launcher() as launcher, listening:
        found = Started(Endpoint(listening.sockets[0].getsockname()[1]), launcher.folder("by-hand"))
        for hop in reversed(chain):
            evidence = found.folder / f"hop-{len(found.ports)}"
            evidence.mkdir()
            proxy, config = adapter(hop, job.proxies), variant_file(hop, job.own, job.proxies)
            found.asked[found.endpoint.port] = hop.proxy
            running = await proxy.start(config, found.endpoint, evidence, launcher)
            found.endpoint = running.endpoint
            found.ports[found.endpoint.port] = hop.proxy
            found.versions.append(f"{hop}: {running.version}")
            if isinstance(running.program, Process):
                program = psutil.Process(running.program.pid)
                found.pids += [program.pid, *(child.pid for child in program.children(recursive=True))]
        yield found


def job_of(chain: str) -> session.Job:
    """Return the job of a chain, all of whose programs are here. Raises HarnessError if they cannot be had."""
    job = session.one_cell({"chain": chain}, {"tokens": 1, "token_bytes": 256})
    job = session.fetched(job, session.Fetching(lambda said: print(said, file=sys.stderr)))
    for why in job.missing.values():
        raise why
    return job


async def watch(job: session.Job, stream: Stream, given: argparse.Namespace) -> None:
    """Start the chain in front of the server; watch one stream, or keep it until somebody interrupts."""
    async with started(job, Server({"1": stream})) as chain:
        print("\n".join(chain.versions), flush=True)
        url, options = chain.curl(stream.format)
        if given.keep:
            print(f"{url} of process {' '.join(map(str, chain.pids))}; Ctrl-C ends it", flush=True)
            await asyncio.Event().wait()
        if given.calls and not chain.pids:
            raise SystemExit(f"{given.chain} runs in a container: its calls cannot be seen from here")
        with traced(chain.pids, chain.folder) if given.calls else nullcontext():
            events = await read_by_curl(url, [*options, *given.curl])
        for file in chain.folder.glob("calls.*"):
            events += calls(file.read_text().splitlines(), chain.ports, chain.asked)
    print("\n".join(timeline(events + stream.events)))


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.by_hand", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chain", help="as in a cell's id: haproxy:default, nginx:http10>nginx:http11")
    parser.add_argument("--format", choices=FORMATS, default="sse")
    parser.add_argument("--body", choices=["chunked", "length", "close"], default="chunked")
    parser.add_argument("--tokens", type=int, default=5, metavar="N")
    parser.add_argument("--token-bytes", type=int, default=112, metavar="N")
    parser.add_argument("--pad", type=int, default=0, metavar="N", help="a comment of N bytes behind each token (sse)")
    parser.add_argument("--interval", type=float, default=1000.0, metavar="MS")
    parser.add_argument("--header", action="append", default=[], help="of the answer, such as 'Incremental: ?1'")
    parser.add_argument("--calls", action="store_true", help="show the system calls of the hops, by strace")
    parser.add_argument("--keep", action="store_true", help="ask nothing; keep the chain until Ctrl-C")
    parser.epilog = "Behind --: options for curl, such as -- --compressed."
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:end], argparse.Namespace(curl=words[end + 1 :]))
    if given.pad and given.format not in ("sse", "openai"):
        parser.error(f"argument --pad: {given.format} has no comments, event streams do: sse, openai")
    for tool in ["curl", *["strace"] * given.calls]:
        if not shutil.which(tool):
            parser.error(f"there is no {tool} here: apt-get install {tool}")
    stream = Stream(
        given.format, given.body, given.tokens, given.token_bytes, given.interval / 1e3, given.pad, given.header
    )
    try:
        asyncio.run(watch(job_of(given.chain), stream, given))
    except HarnessError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
