"""What breaks below HTTP: HTTP/2 streams and connections that are broken off, and certificates of strangers.

Each such cell is broken and says how; the cells beside it are judged as ever, and nothing is left.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, RstStreamFrame

from harness import session
from harness.clients.h2_exchange import FRAME_HEAD_BYTES, STREAM
from harness.launchers.base import ProgramLauncher
from harness.launchers.sources import Installed
from harness.model import Endpoint
from harness.proxies.base import Running
from harness.proxies.catalog import PROXIES
from harness.proxies.nginx import Nginx
from harness.resources import configs
from tests.sandbox import Sandbox

pytestmark = [pytest.mark.proxies, pytest.mark.needs("nginx")]

TOKENS_BEFORE = 3
UNKNOWN_SIGNER = "unable to get local issuer certificate"
LAST_WORDS: dict[str, Frame] = {
    "reset": RstStreamFrame(STREAM, error_code=ErrorCodes.INTERNAL_ERROR),
    "goodbye": GoAwayFrame(last_stream_id=STREAM, error_code=ErrorCodes.ENHANCE_YOUR_CALM, additional_data=b"too much"),
}
MATRIX = """\
title: Faults of HTTP/2 and TLS
workloads: {short: {tokens: 12, token_bytes: 112}}
variants: {faulty: {reset: ./reset.conf, goodbye: ./goodbye.conf, stranger: ./stranger.conf}}
axes:
  chain: [faulty:reset, faulty:goodbye, faulty:stranger, nginx:h2]
  client: h2
expect:
  - {cells: 'nginx:h2/*', shows: at the end, why: it has response buffers of 4 KB and more}
"""


@dataclass(frozen=True)
class Faulty(Nginx):
    """An nginx with a fault that its variant names: last words in mid-stream, or a certificate of a stranger's."""

    relays: AsyncExitStack = field(default_factory=AsyncExitStack)

    def installed(self) -> Installed:
        return Nginx("nginx", self.folder).installed()  # by its own name it would be another program

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        running = await super().start(config, upstream, evidence, launcher)
        if config.stem in LAST_WORDS:
            relay = broken_off(running.endpoint.port, LAST_WORDS[config.stem].serialize())
            port = await self.relays.enter_async_context(relay)
            return replace(running, endpoint=replace(running.endpoint, port=port))
        trustme.CA().cert_pem.write_to_path(str(running.endpoint.authority))
        return running


@asynccontextmanager
async def broken_off(port: int, last_words: bytes) -> AsyncIterator[int]:
    """Relay connections to `port` until so many DATA frames have come back; then say last words and hang up."""
    relays: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.add(asyncio.create_task(relay(reader, writer)))

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, asking = await asyncio.open_connection("127.0.0.1", port)
        forwarding = asyncio.create_task(forward(reader, asking))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for _ in range(TOKENS_BEFORE):
                while type(await pass_frame(upstream, writer)) is not DataFrame:
                    pass
            writer.write(last_words)
        forwarding.cancel()
        for end in (writer, asking):
            end.close()
        await asyncio.gather(forwarding, return_exceptions=True)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*relays, return_exceptions=True)


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
    writer.close()


async def pass_frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Frame:
    head = await reader.readexactly(FRAME_HEAD_BYTES)
    frame, payload_bytes = Frame.parse_frame_header(memoryview(head))
    writer.write(head + await reader.readexactly(payload_bytes))
    return frame


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A folder for the matrix, and for what its session in this process may leave behind."""
    with Sandbox(tmp_path) as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place.tmp))
        yield place


async def test_each_fault_is_told_in_its_own_cell_the_others_go_on_and_nothing_is_left(
    place: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    http2, tls = ((configs() / f"nginx/{name}.conf").read_text() for name in ("h2", "h2-tls"))
    passing = http2.replace("location / {", "location / {\n            proxy_buffering off;")
    for variant, text in {"reset": passing, "goodbye": passing, "stranger": tls}.items():
        place.write(f"{variant}.conf", text)
    matrix, before = place.write("m.yaml", MATRIX), asyncio.all_tasks()
    async with AsyncExitStack() as relays:
        monkeypatch.setitem(PROXIES, "faulty", Faulty("faulty", configs() / "nginx", relays=relays))
        job = session.load(str(matrix))
        async with session.session(job, place.folder / "runs") as (runner, run):
            results = await runner.run(job.cells, lambda result: None)
            listening = place.listening()
    told = {str(*result.cell.chain): result for result in results}
    assert {chain: result.reason for chain, result in told.items() if result.verdict == "broken"} == {
        "faulty:reset": "the server reset the stream: INTERNAL_ERROR",
        "faulty:goodbye": "the server ended the connection: GOAWAY, ENHANCE_YOUR_CALM, too much",
        "faulty:stranger": f"TLS handshake failed: the certificate does not verify: {UNKNOWN_SIGNER}"
        ": a hop's own answer, also when it was asked again, alone and slowly",
    }
    received = [one.metrics and one.metrics.tokens_received for one in (told["faulty:reset"], told["faulty:goodbye"])]
    assert received == [TOKENS_BEFORE, TOKENS_BEFORE]
    assert told["nginx:h2"].outcome == "pass", told["nginx:h2"].reason
    assert len(run.results) == len(job.cells)
    assert listening
    assert place.left_behind(listening) == []
    assert asyncio.all_tasks() <= before
