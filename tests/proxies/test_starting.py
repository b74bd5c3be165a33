"""One way to start a hop: what it is given, when it serves, whose fault it is if it does not, and what is left."""

from __future__ import annotations

import asyncio
import contextlib
import operator
import re
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Complaint, HarnessError, InputError, ProxyError
from harness.launchers.fake import FakeLauncher, FakeProgram, Launched
from harness.launchers.ports import PortTaken
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies import starting
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.starting import NotStarted, Start, started
from tests.processes import alive
from tests.waiting import eventually

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

    def answers_with_tls(self, launched: Launched) -> int:
        """Answer likewise, with the certificate that its file names."""
        certificate, key = (self.evidence / "server.conf").read_text().split()
        secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secure.load_cert_chain(certificate, key)
        return self.answers(launched, secure=secure)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    with stage.sockets:
        yield stage


# ---------------------------------------------------------------- what it is given


async def test_placeholders_are_filled_in_wherever_they_stand_and_all_of_it_is_evidence(stage: Stage) -> None:
    start = Start(
        "server",
        ["server", "${PORT}", "--to", "${UPSTREAM_ADDRESS}", "a b"],
        DEADLINE_S,
        files={"server.conf": "listen ${LISTEN};\n", "${FOLDER}/deep/paths.conf": 'temporary "${FOLDER}";\n'},
        env={"UPSTREAM": "${UPSTREAM}"},
        cwd=stage.folder,
        quote=lambda path: path.replace("/", "//"),
    )
    endpoint = await stage.starts(start, stage.answers)
    (launched,) = stage.launcher.launched
    assert launched.argv == ["server", str(endpoint.port), "--to", "127.0.0.1:9090", "a b"]
    assert (launched.env, launched.cwd) == ({"UPSTREAM": "http://127.0.0.1:9090/api"}, stage.folder)
    assert launched.log == stage.evidence / "server.log"
    assert (stage.evidence / "server.conf").read_text() == f"listen 127.0.0.1:{endpoint.port};\n"
    (paths,) = stage.folder.glob("server-*/deep/paths.conf")
    folder = str(paths.parents[1])
    assert paths.read_text() == 'temporary "{}";\n'.format(folder.replace("/", "//"))
    command = f"env UPSTREAM=http://127.0.0.1:9090/api server {endpoint.port} --to 127.0.0.1:9090 'a b'"
    assert (stage.evidence / "command.txt").read_text() == f"cd {stage.folder} && {command}\n"


async def test_what_is_kept_beside_is_a_copy_of_a_file_or_a_text_and_nothing_is_filled_in(stage: Stage) -> None:
    config = stage.folder / "mine.yaml"
    config.write_text("to: ${UPSTREAM}\n")
    await stage.starts(replace(TOLD, evidence={"variant.yaml": config, "versions.txt": "a ${PORT}\n"}), stage.answers)
    assert (stage.evidence / "variant.yaml").read_text() == "to: ${UPSTREAM}\n"
    assert (stage.evidence / "versions.txt").read_text() == "a ${PORT}\n"


@pytest.mark.parametrize(
    ("trusts", "authority", "env"),
    [("CA_FILE", "/ca.pem", {"CA_FILE": "/ca.pem"}), ("CA_FILE", None, {}), (None, "/ca.pem", {})],
)
async def test_whom_to_trust_is_told_in_the_programs_own_variable_if_there_is_anybody(
    stage: Stage, trusts: str | None, authority: str | None, env: dict[str, str]
) -> None:
    stage.upstream = replace(UPSTREAM, authority=authority)
    await stage.starts(replace(TOLD, trusts=trusts), stage.answers)
    (launched,) = stage.launcher.launched
    assert launched.env == env
    assert all(f"{name}={value}" in (stage.evidence / "command.txt").read_text() for name, value in env.items())


async def test_who_asks_for_no_folder_gets_none_and_no_certificate(stage: Stage) -> None:
    await stage.starts(TOLD, stage.answers)
    assert [path.name for path in stage.folder.iterdir()] == ["evidence"]
    assert [path.name for path in stage.evidence.iterdir()] == ["command.txt"]


async def test_who_asks_for_a_certificate_gets_one_and_its_key_is_no_evidence(stage: Stage) -> None:
    start = replace(TOLD, files={"server.conf": "${CERTIFICATE} ${CERTIFICATE_KEY}"}, tls=True)
    endpoint = await stage.starts(start, stage.answers_with_tls)
    certificate, key = map(Path, (stage.evidence / "server.conf").read_text().split())
    assert b"BEGIN CERTIFICATE" in certificate.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert endpoint.url == f"https://127.0.0.1:{endpoint.port}"
    assert endpoint.authority == str(stage.evidence / "authority.pem")
    assert not [path for path in stage.evidence.iterdir() if b"PRIVATE KEY" in path.read_bytes()]


# ---------------------------------------------------------------- when it serves


async def test_a_program_that_was_told_its_port_serves_when_that_accepts_whatever_it_does_then(stage: Stage) -> None:
    endpoint = await stage.starts(replace(TOLD, path="/api"), lambda launched: stage.answers(launched, b""))
    assert endpoint == Endpoint(int(stage.launcher.launched[0].argv[1]), "/api")


async def test_a_program_that_announces_its_port_serves_there(stage: Stage) -> None:
    port = 0

    def plays(launched: Launched) -> None:
        nonlocal port
        port = stage.answers(launched)
        launched.program.says(f"starting\nlistening on {port}\n")

    assert await stage.starts(ANNOUNCES, plays) == Endpoint(port)


async def test_any_answer_will_do(stage: Stage) -> None:
    assert (await stage.starts(replace(TOLD, ready="answers"), stage.answers)).http == ("1.1",)


async def test_one_that_speaks_tls_is_asked_in_trust_of_who_signed_for_it(stage: Stage) -> None:
    start = replace(TOLD, files={"server.conf": "${CERTIFICATE} ${CERTIFICATE_KEY}"}, tls=True, ready="answers")
    assert (await stage.starts(start, stage.answers_with_tls)).url.startswith("https://")


async def test_what_it_speaks_is_asked_of_it(stage: Stage) -> None:
    settings = b"\0\0\0\4\0\0\0\0\0"
    start = replace(TOLD, negotiates=True)
    assert (await stage.starts(start, lambda launched: stage.answers(launched, settings))).http == ("2",)
    assert (await stage.starts(start, stage.answers)).http == ("1.1",)


# ---------------------------------------------------------------- whose fault it is


@pytest.mark.parametrize(
    ("start", "act", "told"),
    [
        (TOLD, "ends", "server exited with status 3:\nit cannot"),
        (ANNOUNCES, "ends", "server exited with status 3:\nit cannot"),
        (TOLD, "says nothing", "server exited with status 3"),
        (TOLD, "is killed", "server was killed by SIGKILL:\nthinking"),
        (TOLD, "never listens", "server did not answer on port PORT within 0.1 s:\nthinking"),
        (ANNOUNCES, "never listens", "server did not listen within 0.1 s:\nthinking"),
        (
            replace(TOLD, ready="answers"),
            "listens",
            "server did not answer http://127.0.0.1:PORT/pulse within 0.1 s",
        ),
        (TOLD, "listens", "server did not answer http://127.0.0.1:PORT/pulse within 0.1 s"),
        (replace(TOLD, negotiates=True), "listens", "server accepts on port PORT, but does not serve"),
        (replace(TOLD, ready="answers"), "hangs up", "server did not answer http://127.0.0.1:PORT/pulse: Server disco"),
        (replace(TOLD, ready="answers"), "hangs up and ends", "server exited with status 3\nit cannot"),
        (replace(TOLD, negotiates=True), "hangs up and ends", "server exited with status 3"),
    ],
)
async def test_one_that_does_not_come_to_serve_is_told_in_its_last_words_and_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, start: Start, act: str, told: str
) -> None:
    monkeypatch.setattr("harness.proxies.starting.DEATH_S", DEADLINE_S if act == "hangs up and ends" else SOON_S)

    def plays(launched: Launched) -> None:
        program = launched.program
        match act:
            case "ends":
                program.dies(3, "it cannot\n")
            case "says nothing":
                program.dies(3)
            case "is killed":
                program.dies(-9, "thinking\n")
            case "never listens":
                program.says("thinking\n")
            case "listens":
                stage.listens(launched)
            case "hangs up":
                stage.answers(launched, b"")
            case "hangs up and ends":
                stage.answers(launched, b"")
                asyncio.get_running_loop().call_later(SOON_S / 2, program.dies, 3, "it cannot\n")

    late = "never" in act or act == "listens"
    fault = await stage.fails(replace(start, within_s=SOON_S if late else DEADLINE_S), plays)
    port = next(iter(stage.launcher.launched[0].argv[1:]), "none")
    assert str(fault).startswith(told.replace("PORT", port))
    assert isinstance(fault, NotStarted)
    assert len(stage.launcher.launched) == 1, "that is final"


@pytest.mark.parametrize(("act", "ended"), [("ends", 3), ("is killed", -9), ("never listens", None)])
async def test_whether_it_ended_by_itself_is_known_with_all_that_it_said(
    stage: Stage, act: str, ended: int | None
) -> None:
    words = "a line\n" * 100

    def plays(launched: Launched) -> None:
        launched.program.says(words)
        if ended is not None:
            launched.program.dies(ended)

    fault = await stage.fails(replace(TOLD, within_s=SOON_S if ended is None else DEADLINE_S), plays)
    assert isinstance(fault, NotStarted)
    assert (fault.ended, fault.words) == (ended, words)


async def test_a_complaint_about_a_line_of_its_config_is_the_users(stage: Stage) -> None:
    start = replace(TOLD, complaints=replace(COMPLAINS, origins={"/e/server.conf": Path("my.conf")}))
    fault = await stage.fails(start, lambda launched: launched.program.dies(1, "error: /e/server.conf:7: what is x\n"))
    assert isinstance(fault, InputError)
    assert fault.complaints == (Complaint("what is x", file="my.conf", line=7),)


async def test_one_that_complains_of_its_config_and_runs_on_is_not_waited_for(stage: Stage) -> None:
    upstream = Launched(FakeProgram("upstream"), ["upstream"], stage.folder, None, {})
    stage.upstream = Endpoint(stage.answers(upstream, NOT_FOUND.replace(b"404 Not Found", b"200 OK")))

    def plays(launched: Launched) -> None:
        stage.answers(launched)
        launched.program.says("error: /e/server.conf:7: what is x\n")

    complaints = replace(COMPLAINS, origins={"/e/server.conf": Path("my.conf")})
    fault = await stage.fails(replace(TOLD, ready="passes", complaints=complaints), plays)
    assert str(fault) == "my.conf:7: what is x"
    assert str(fault.__cause__) == "server complains of its config"


async def test_one_that_ends_without_a_complaint_is_asked_for_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def explains(
        argv: Sequence[str], remedy: str, env: Mapping[str, str], cwd: Path | None
    ) -> subprocess.CompletedProcess[str]:
        assert (argv, env, cwd) == (["server", "--check"], {"A": "b"}, None)
        return subprocess.CompletedProcess(argv, 1, "", "error: no licence\n")

    monkeypatch.setattr(starting, "asked", explains)
    start = replace(TOLD, env={"A": "b"}, complaints=COMPLAINS, explains=["server", "--check"])
    fault = await stage.fails(start, lambda launched: launched.program.dies(1, "hello\n"))
    assert str(fault) == "server did not start:\nno licence"
    fault = await stage.fails(start, lambda launched: launched.program.dies(1, "error: hello\n"))
    assert str(fault) == "server did not start:\nhello"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("hello\nerror: no licence\nerror: goodbye\n", "no licence\ngoodbye"),
        ("hello\n", "server exited with status 1:\nhello"),
        ("", "server exited with status 1"),
    ],
)
async def test_of_one_whose_complaints_are_known_only_those_are_told(stage: Stage, words: str, told: str) -> None:
    start = replace(TOLD, complaints=COMPLAINS)
    fault = await stage.fails(start, lambda launched: launched.program.dies(1, words))
    assert isinstance(fault, NotStarted)
    assert str(fault) == f"server did not start:\n{told}"


@pytest.mark.proxies
async def test_one_that_cannot_be_executed_is_named(stage: Stage) -> None:
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match="server: cannot run /no/such/server: No such file or directory"):
            await started(replace(TOLD, command=["/no/such/server"]), UPSTREAM, stage.evidence, launcher)
    assert (stage.evidence / "command.txt").read_text().endswith(" && /no/such/server\n")


# ---------------------------------------------------------------- a port that somebody has


@pytest.mark.parametrize(
    "words",
    [
        "nginx: [emerg] bind() to 127.0.0.1:PORT failed (98: Address already in use)",
        "nginx: [emerg] bind() to 127.0.0.1:PORT failed (48: Address already in use)",
        "Error: listen EADDRINUSE: address already in use 127.0.0.1:PORT",
        "Error: listen tcp 127.0.0.1:PORT: bind: address already in use",
        "OSError: [Errno 48] error while attempting to bind on address ('127.0.0.1', PORT): address already in use",
        "[ALERT] (7) : Starting frontend in: cannot bind socket (Address already in use) [127.0.0.1:PORT]",
        "nginx: [emerg] bind() to 127.0.0.1:PORT failed (98: Address in use)",  # musl
        "[2026-01-01 10:00:00 +0000] [7] [ERROR] Connection in use: ('127.0.0.1', PORT)",  # gunicorn
        "OSError: [WinError 10048] Only one usage of each socket address is permitted: ('127.0.0.1', PORT)",
        "OSError: [Errno 48] error while attempting to bind on address ('127.0.0.1', PORT)",
        "OSError: [Errno 98] Address already in use",  # hypercorn names no port
    ],
)
async def test_who_finds_its_port_taken_gets_another_whatever_its_words_for_it(stage: Stage, words: str) -> None:
    def plays(launched: Launched) -> None:
        if len(stage.launcher.launched) < 2:
            launched.program.dies(1, words.replace("PORT", launched.argv[1]))
        else:
            stage.answers(launched)

    endpoint = await stage.starts(TOLD, plays)
    ports = [int(launched.argv[1]) for launched in stage.launcher.launched]
    assert len(set(ports)) == 3
    assert endpoint.port == ports[2]
    assert len(stage.launcher.alive) == 1


async def test_who_finds_it_taken_again_and_again_gives_up(stage: Stage) -> None:
    def plays(launched: Launched) -> None:
        launched.program.dies(1, f"127.0.0.1:{launched.argv[1]}: address already in use\n")

    assert isinstance(await stage.fails(TOLD, plays), PortTaken)
    assert len(stage.launcher.launched) == 3


@pytest.mark.parametrize(
    "words",
    [
        "0.0.0.0:1: address already in use",
        "bind() to unix:/run/x.sock failed (98: Address already in use)",
        "[::]:80: errno 98",
        "errno 13",
    ],
)
async def test_another_address_that_is_taken_is_final(stage: Stage, words: str) -> None:
    fault = await stage.fails(TOLD, lambda launched: launched.program.dies(1, f"{words}\n"))
    assert isinstance(fault, NotStarted)
    assert len(stage.launcher.launched) == 1


# ---------------------------------------------------------------- what is left


@pytest.mark.parametrize("start", [TOLD, ANNOUNCES, replace(TOLD, ready="answers"), replace(TOLD, negotiates=True)])
async def test_who_is_cancelled_in_the_middle_leaves_nothing_running(stage: Stage, start: Start) -> None:
    def plays(launched: Launched) -> None:
        if start.ready != "accepts":
            stage.listens(launched)

    starting = asyncio.create_task(stage.starts(start, plays))
    await eventually(lambda: stage.launcher.alive)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert len(stage.launcher.launched) == 1
    assert stage.launcher.alive == []


@pytest.mark.proxies
async def test_a_real_program_goes_with_its_children_while_the_run_goes_on(stage: Stage) -> None:
    script = "sleep 1000 & echo $$ > pid.part; mv pid.part pid; wait"
    start = Start("server", ["sh", "-c", script], DEADLINE_S, cwd=stage.folder)
    told = stage.folder / "pid"
    async with Launcher() as launcher:
        starting = asyncio.create_task(started(start, UPSTREAM, stage.evidence, launcher))
        await eventually(told.exists)
        group = int(told.read_text())
        assert alive(group)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await eventually(lambda: alive(group), operator.not_)


@pytest.mark.proxies
async def test_a_real_program_that_has_answered_runs_on(stage: Stage) -> None:
    server = "import http.server, sys; http.server.test(port=int(sys.argv[1]), bind='127.0.0.1')"
    start = Start("server", [sys.executable, "-u", "-c", server, "${PORT}"], DEADLINE_S, ready="answers")

    async with Launcher() as launcher:
        program, endpoint = await started(start, UPSTREAM, stage.evidence, launcher)
        assert program.death() is None
        assert f"port {endpoint.port}" in program.words()
        assert '"GET /pulse' in (stage.evidence / "server.log").read_text()
