"""A program that does not come to serve: whose fault that is, in whose words, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import operator
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Complaint, InputError, ProxyError
from harness.launchers.fake import FakeProgram, Launched
from harness.launchers.ports import PortTaken
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies import starting
from harness.proxies.starting import NotStarted, Start, started
from tests.processes import alive
from tests.proxies.staging import ANNOUNCES, COMPLAINS, DEADLINE_S, NOT_FOUND, SOON_S, TOLD, UPSTREAM, Stage
from tests.waiting import eventually

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
        (replace(TOLD, ready="answers"), "hangs up and ends", "server exited with status 3:\nit cannot"),
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


LONG_S = 600.0
ANSWERED_S = 2.0
"""How long a start is waited for that ends with an answer: time for one, on a busy machine, too."""


@pytest.mark.parametrize(
    ("path", "words"),
    [("", ""), ("/chat", "warning: nobody is there\n"), ("", "error: backend chat has no server\n")],
)
async def test_one_that_runs_and_answers_by_itself_for_all_that_time_is_not_told_as_one_that_did_not_start(
    stage: Stage, path: str, words: str
) -> None:
    stage.is_behind(200)

    def plays(launched: Launched) -> None:
        stage.says(launched, [503], [])
        launched.program.says(words)

    start = replace(TOLD, ready="passes", asked=path, within_s=ANSWERED_S, complaints=COMPLAINS)
    fault = await stage.fails(start, plays)
    port = stage.launcher.launched[0].argv[1]
    assert str(fault) == (
        f"server runs and answers http://127.0.0.1:{port}{path or '/pulse'} with status 503, what is behind it with"
        " 200: it does not pass requests on. Its config has it answer so, or leads to nobody there, or it takes longer"
        f" than {ANSWERED_S:g} s to load" + (f"\n{words.strip().removeprefix('error: ')}" if words else "")
    )


@pytest.mark.parametrize("path", ["", "/chat"])
async def test_one_that_answers_by_itself_for_longer_than_it_loads_is_not_waited_for(stage: Stage, path: str) -> None:
    stage.is_behind(200)
    start = replace(TOLD, ready="passes", asked=path, within_s=LONG_S, loads_s=0.01)
    fault = await stage.fails(start, lambda launched: stage.says(launched, [503, 404], []))
    assert str(fault.__cause__.__cause__) == "server goes on to answer by itself"  # type: ignore[union-attr]
    told = re.search(r"with status 404, .*or it takes longer than ([\d.]+) s to load$", str(fault))
    assert told
    assert float(told[1]) < LONG_S


@pytest.mark.parametrize(
    ("loads_s", "took_s", "may_s"), [(None, 0.1, 20.0), (5.0, 0.1, 5.0), (5.0, 0.6, 6.0), (5.0, 3.0, 20.0)]
)
def test_what_took_long_to_serve_may_take_long_to_load(loads_s: float | None, took_s: float, may_s: float) -> None:
    assert replace(TOLD, within_s=20.0, loads_s=loads_s).answers_so_s(took_s) == pytest.approx(may_s)


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
