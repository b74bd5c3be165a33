"""A stage on which a program is started that is only played, and what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.launchers.fake import FakeLauncher, FakeProgram, Launched
from harness.model import Endpoint
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.starting import Start, started

DEADLINE_S = 20.0
SOON_S = 0.1
UPSTREAM = Endpoint(9090, "/api")
TOLD = Start("server", ["server", "${PORT}"], DEADLINE_S)
ANNOUNCES = replace(TOLD, command=["server"], announces=re.compile(r"listening on (\d+)"))
COMPLAINS = ComplaintPatterns(
    [re.compile(r"error: (?P<file>\S+):(?P<line>\d+): (?P<words>.*)"), re.compile("error: (?P<words>.*)")]
)
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

Plays = Callable[[Launched], object]


class Stage:
    """Where programs are played: sockets that listen on their behalf, and stay until the test is over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upstream = UPSTREAM
        self.evidence = folder / "evidence"
        self.evidence.mkdir()
        self.sockets = contextlib.ExitStack()
        self.launcher = FakeLauncher(folder)

    async def starts(self, start: Start, plays: Plays) -> Endpoint:
        self.launcher = FakeLauncher(self.folder, plays)
        program, endpoint = await started(start, self.upstream, self.evidence, self.launcher)
        assert program is self.launcher.launched[-1].program
        return endpoint

    async def fails(self, start: Start, plays: Plays) -> HarnessError:
        """Return why it does not start; nothing is left of it then."""
        with pytest.raises(HarnessError) as told:
            await self.starts(start, plays)
        assert self.launcher.alive == []
        return told.value

    def listens(self, launched: Launched) -> int:
        """Listen where a program was told to, or anywhere, and never say a word."""
        listening = socket.create_server(("127.0.0.1", int(launched.argv[1]) if launched.argv[1:] else 0))
        self.sockets.enter_context(listening)
        return int(listening.getsockname()[1])

    def answers(self, launched: Launched, answer: bytes = NOT_FOUND, secure: ssl.SSLContext | None = None) -> int:
        """Listen likewise, and give everybody the same answer."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", int(launched.argv[1]) if launched.argv[1:] else 0))
        serving = asyncio.get_running_loop().create_task(asyncio.start_server(serve, sock=listening, ssl=secure))
        self.sockets.callback(lambda: serving.result().close())
        return int(listening.getsockname()[1])

    def says(self, launched: Launched, statuses: Sequence[int], asked: list[str]) -> int:
        """Listen likewise, and answer with one status after the other, with the last for ever. Put down what is asked.

        Who is behind is played so, too.
        """

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
            status = statuses[min(len(asked), len(statuses)) - 1]
            writer.write(NOT_FOUND.replace(b"404", str(status).encode()))
            writer.close()

        listening = socket.create_server(("127.0.0.1", int(launched.argv[1]) if launched.argv[1:] else 0))
        serving = asyncio.get_running_loop().create_task(asyncio.start_server(serve, sock=listening))
        self.sockets.callback(lambda: serving.result().close())
        return int(listening.getsockname()[1])

    def is_behind(self, *statuses: int) -> None:
        """Play who is behind the programs, on a port of its own."""
        behind = Launched(FakeProgram("behind"), ["behind"], self.folder, None, {})
        self.upstream = Endpoint(self.says(behind, statuses, []))

    def answers_with_tls(self, launched: Launched) -> int:
        """Answer likewise, with the certificate that its file names."""
        certificate, key = (self.evidence / "server.conf").read_text().split()
        secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secure.load_cert_chain(certificate, key)
        return self.answers(launched, secure=secure)
