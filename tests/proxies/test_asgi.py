"""Applications as hops: what each shipped one holds, what goes wrong in a user's own, and that none is left running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web

from harness import resources
from harness.documents.hops import read as hop
from harness.judge.verdict import assess
from harness.launchers.process import Launcher
from harness.matrix.mitigations import parse
from harness.measure import guard
from harness.measure.bench import Bench
from harness.model import Cell, Endpoint, Facts, Format, Refusal, Trace, Workload
from harness.proxies.application_options import ASGI, serving
from harness.proxies.asgi import Asgi
from harness.session import variants
from harness.store.runs import Run, latest
from tests.commanding import Harness
from tests.factories import comes, judged
from tests.measuring import READS
from tests.planning import plan
from tests.processes import process, signalled
from tests.recording import bound
from tests.sampling import some_of
from tests.sandbox import Sandbox
from tests.tapping import tapped
from tests.waiting import DEADLINE_S, eventually

real = pytest.mark.proxies
set_up = pytest.mark.needs("asgi")
with_nginx = pytest.mark.needs("nginx")
with_nextjs = pytest.mark.needs("nextjs")
in_module_loop = pytest.mark.asyncio(loop_scope="module")

APPS = resources.configs() / "asgi"
CATALOGUE = parse((resources.configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
LOAD = Workload("w", tokens=8, token_bytes=300)

HELD_BY = {
    "agent-run": "buffered",
    "django-gzip": "streamed",
    "plain": "streamed",
    "base-http-middleware": "streamed",
    "text-plain": "streamed",
    "sse-starlette": "streamed",
    "queue-poll": "streamed",
    "gzip-middleware": "streamed",
    "blocking-generator": "streamed",
    "collect-first": "buffered",
    "collect-to-log": "buffered",
    "log-while-passing": "streamed",
    "mangum-adapter": "buffered",
    "queue-starved": "buffered",
    "websocket": "streamed",
    "websocket-queue-starved": "buffered",
}


@pytest.fixture(autouse=True)
def soon_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait two seconds for an app that stands still."""
    monkeypatch.setattr(guard, "BUSY_S", 0.3)


async def recorded(bench: Bench, chain: str, client: str = "aiohttp", **axes: Any) -> Trace:
    if chain.startswith("asgi:websocket"):
        axes["format"] = "websocket"
    cell = Cell(tuple(map(hop, chain.split(">"))), LOAD, **axes)
    trace, _ = await bench.record("cell", replace(plan(cell, CATALOGUE), client=client))
    return trace


def group(pgid: int) -> list[int]:
    """Return the processes of a group that are alive."""
    alive = [one.pid for one in psutil.process_iter(["status"]) if one.info["status"] != psutil.STATUS_ZOMBIE]
    return [pid for pid in alive if psutil.pid_exists(pid) and _group(pid) == pgid]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


# ---------------------------------------------------------------- variants are files


def test_every_shipped_variant_has_a_verdict_here_and_says_in_a_line_what_it_is() -> None:
    shipped = variants("asgi")
    assert shipped.keys() == HELD_BY.keys()
    for path in shipped.values():
        Asgi().check(path)
        assert Asgi().describe(path).endswith((".", "001.", "004."))


# ---------------------------------------------------------------- what they hold


@real
@set_up
@in_module_loop
async def test_only_an_app_whose_loop_is_blocked_lets_others_wait_while_it_streams(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BESIDE_S", 0.02)
    shares = {}
    for variant in ("plain", "blocking-generator"):
        trace = await recorded(bench, f"asgi:{variant}", pace="paced")
        assert trace.ended_ns is not None
        shares[variant] = max(trace.beside_ns) / (trace.ended_ns - trace.sent[0].at_ns)
    assert shares["plain"] < 0.5 < shares["blocking-generator"]
    assert (await recorded(bench, "asgi:plain")).beside_ns == ()


@real
@some_of(("variant", "verdict"), HELD_BY.items(), each=4)
@in_module_loop
async def test_a_variant_holds_what_it_is_known_for(bench: Bench, variant: str, verdict: str) -> None:
    trace = await recorded(bench, f"asgi:{variant}", request="browser")
    told = judged(trace)
    assert told.verdict == verdict, told.reason
    assert (told.release is not None and told.release.by == "end") == (verdict == "buffered")


@real
@set_up
@pytest.mark.parametrize(
    ("chain", "axes", "what"),
    [
        ("asgi:gzip-middleware@starlette==0.45.3", {}, "at the end"),
        ("asgi:gzip-middleware@starlette==0.46.2", {}, "streamed"),
        ("asgi:gzip-middleware@starlette==0.46.2", {"format": "ndjson"}, "at the end"),
        ("asgi:blocking-generator@uvloop", {}, "streamed"),
        ("asgi:blocking-generator@uvloop,uvloop==0.22.1", {}, "at the end"),
        ("asgi:queue-starved@PAUSE_S=0", {}, "streamed"),
        ("asgi:websocket-queue-starved@uvloop,PAUSE_S=0.01", {}, "streamed"),
        ("asgi:plain@hypercorn", {"format": "ndjson"}, "streamed"),
        ("asgi:websocket@gunicorn,uvloop", {}, "streamed"),
    ],
)
@in_module_loop
async def test_options_decide_what_is_held(bench: Bench, chain: str, axes: dict[str, Any], what: str) -> None:
    trace = await recorded(bench, chain, request="browser", **axes)
    assert comes(trace) == what, judged(trace).reason


@real
@set_up
@with_nginx
@pytest.mark.parametrize(
    ("chain", "what"),
    [
        ("nginx:http10>asgi:plain", "streamed"),  # uvicorn on httptools chunks for HTTP/1.0 too, and nginx heeds it
        ("nginx:http10>asgi:plain@h11", "at the end"),
        ("nginx:http10>asgi:sse-starlette", "streamed"),  # it says X-Accel-Buffering: no of itself
        ("asgi:plain>nginx:http10", "at the end"),
        ("asgi:plain>nginx:h2-tls-buffering-off", "streamed"),
        pytest.param("asgi:plain>nextjs:prod", "streamed", marks=with_nextjs),
    ],
)
@in_module_loop
async def test_it_stands_anywhere_in_a_chain_even_before_tls_and_prefixes(bench: Bench, chain: str, what: str) -> None:
    trace = await recorded(bench, chain, request="browser")
    assert comes(trace) == what, judged(trace).reason


@real
@set_up
@in_module_loop
async def test_a_blocked_app_is_serial_for_every_chain_through_it_and_loses_its_pulse(bench: Bench) -> None:
    starved = hop("asgi:queue-starved")
    alone, behind = await bench.entry((starved,)), await bench.entry((hop("cloudrun:streaming"), starved))
    assert alone.serial == behind.serial == {(starved,)}
    assert (await bench.entry((hop("cloudrun:streaming"),))).serial == set()
    assert judged(await recorded(bench, "asgi:queue-starved")).verdict == "buffered"
    assert alone.guard.pulse.lost


# ---------------------------------------------------------------- what passes


@asynccontextmanager
async def model(endless: bool = False) -> AsyncIterator[Endpoint]:
    """A model that tells what it was asked, or begins and never ends."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if endless and request.path != "/pulse":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun\n")
            await asyncio.Event().wait()
        told = [request.method, request.path_qs, request.content_type, await request.text()]
        return web.json_response(told, status=418, headers={"X-Mine": "kept"})

    app = web.Application()
    app.router.add_route("*", "/base/{path:.*}", answer)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Endpoint(runner.addresses[0][1])
    await runner.cleanup()


@real
@set_up
@pytest.mark.parametrize("variant", ["plain", "blocking-generator", "gzip-middleware"])
@in_module_loop
async def test_method_path_query_body_status_and_headers_pass(variant: str, tmp_path: Path) -> None:
    async with model() as upstream, Launcher() as launcher:
        upstream = replace(upstream, path="/base")
        running = await Asgi().start(APPS / f"{variant}.py", upstream, tmp_path, launcher)
        async with aiohttp.ClientSession() as session:
            asked = session.post(f"{running.endpoint.url}/a%20b/c?d=1&d=2", json={"é": 1})
            async with asked as response:
                assert (response.status, response.headers["X-Mine"]) == (418, "kept")
                told = ["POST", "/base/a%20b/c?d=1&d=2", "application/json", json.dumps({"é": 1})]
                assert json.loads(await response.text()) == told
    assert (Asgi().kind, running.about) == ("application", Asgi().describe(APPS / f"{variant}.py"))
    assert {"asgi.log", "command.txt", "pip-freeze.txt", f"{variant}.py"} <= {path.name for path in tmp_path.iterdir()}
    assert "MODEL_URL=" in (tmp_path / "command.txt").read_text()
    assert "starlette==" in (tmp_path / "pip-freeze.txt").read_text()


# ---------------------------------------------------------------- how they end


@real
@set_up
@pytest.mark.parametrize("server", ASGI.choices["server"])
@in_module_loop
async def test_every_server_ends_when_it_is_told_to_whatever_still_streams(server: str, tmp_path: Path) -> None:
    async with model(endless=True) as upstream, Launcher() as launcher:
        running = await Asgi(serving(hop(f"asgi:plain@{server}"), ASGI)).start(
            APPS / "plain.py", upstream, tmp_path, launcher
        )
        async with aiohttp.ClientSession() as session, session.get(f"{running.endpoint.url}/stream") as response:
            assert await response.content.readline() == b"begun\n"
            assert group(process(running).pid)
            await running.program.stop()
        assert running.program.returncode != -signal.SIGKILL
        assert not group(process(running).pid)
    assert running.version.startswith(server)


LIVES_FOR_EVER = '''\
"""Says that it lives, for ever, once the model has ended."""

import asyncio

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from model import ask

app = FastAPI()


@app.api_route("/{path:path}")
async def complete(request: Request) -> StreamingResponse:
    answer = await ask(request)

    async def messages():
        async for message in answer.messages:
            yield message
        while True:
            yield b": ping\\n\\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(messages(), answer.status, answer.headers, answer.media_type)
'''


@real
@set_up
@in_module_loop
async def test_an_app_that_never_ends_an_answer_starts_and_is_told_and_can_be_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, silence_s=0.5)
    (tmp_path / "mine.py").write_text(LIVES_FOR_EVER)
    own = {hop("asgi:mine"): tmp_path / "mine.py"}
    async with asyncio.timeout(DEADLINE_S), Launcher() as launcher, Bench(launcher, tmp_path / "bench", own) as bench:
        for _ in range(2):
            told = judged(await recorded(bench, "asgi:mine"))
            assert told.verdict == "broken"
            assert told.reason.startswith("the response did not end: no token came for 0.5 s, but ")


@real
@set_up
@in_module_loop
async def test_an_app_that_dies_in_mid_stream_is_told_and_started_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await bench.entry((hop("asgi:plain"),))
    killer = tapped(monkeypatch, READS, lambda: signalled(process(entry.hops[0]), signal.SIGKILL))
    assert judged(await recorded(bench, "asgi:plain", killer)).verdict == "broken"
    assert (await eventually(entry.death) or "").startswith("asgi was killed by SIGKILL")
    assert judged(await recorded(bench, "asgi:plain")).verdict == "streamed"


@real
@set_up
@pytest.mark.parametrize(
    ("chain", "format", "reason", "refusal"),
    [
        (
            "asgi:websocket",
            "sse",
            'status 404 instead of 200: {"detail":"Not Found"}',
            Refusal(404, 200, "http"),
        ),
        ("asgi:plain", "websocket", "status 403 instead of 101: ", Refusal(403, 101, "websocket")),
        ("asgi:plain@hypercorn", "websocket", "status 403 instead of 101: ", Refusal(403, 101, "websocket")),
    ],
)
@in_module_loop
async def test_an_app_that_is_asked_in_the_wrong_way_is_known_not_to_serve_it(
    bench: Bench, chain: str, format: Format, reason: str, refusal: Refusal
) -> None:
    cell = Cell((hop(chain),), LOAD, format=format)
    trace, _ = await bench.record("cell", plan(cell, CATALOGUE))
    told = assess([trace])
    assert (told.judgement.verdict, told.judgement.reason) == ("broken", reason)
    assert told.facts == Facts(hops=("application",), answered_by="hop", refusal=refusal)


@real
@set_up
@in_module_loop
async def test_an_answer_of_the_model_s_that_an_app_hands_on_is_the_emitters(bench: Bench) -> None:
    assert (await recorded(bench, "asgi:plain")).answered_by == "emitter"


@real
@set_up
@in_module_loop
async def test_an_app_that_was_started_anew_is_the_same_to_who_waits_for_its_turn(bench: Bench) -> None:
    chain = (hop("asgi:plain@A=1"),)
    before = await bench.entry(chain)
    process(before.hops[0]).signal_group(signal.SIGKILL)
    await eventually(before.death)
    after = await bench.entry(chain)
    assert after is not before
    assert after.serial == before.serial == {chain}
    assert (await bench.entry((hop("asgi:plain@A=2"),))).serial != before.serial


# ---------------------------------------------------------------- a user's own, through the command line


@real
@set_up
def test_a_file_of_the_user_s_is_measured_and_nothing_is_left(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as place:
        text = (APPS / "queue-starved.py").read_text().replace("from model import PAUSE_S", "from mine import PAUSE_S")
        place.write("my_app.py", text)
        place.write("mine.py", "from model import PAUSE_S\nassert PAUSE_S == 0.01\n")
        said = place.run("run", "--chain", "asgi:./my_app.py@PAUSE_S=0.01,uvloop", "--tokens", "4")
        assert said.status == 0, said.err
        cell_id = "asgi:my_app@uvloop,PAUSE_S=0.01/sse/chunked/curl/aiohttp/4x96/none/lockstep"
        result = place.results()[cell_id]
        assert result.verdict == "streamed"
        assert "uvloop" in result.versions["asgi@uvloop"]
        assert result.facts.applications[0].startswith("A producer")
        assert place.left_behind() == []
        assert not (place.folder / "__pycache__").exists()


@real
@set_up
def test_cells_that_share_a_blocked_app_do_not_disturb_each_other(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "title: t\nworkloads: {w: {tokens: 6, token_bytes: 112}}\n"
        "axes: {chain: [asgi:queue-starved, 'cloudrun:streaming>asgi:queue-starved'], format: [sse, ndjson]}\n"
    )
    said = harness("matrix", "m.yaml")
    assert said.status == 0, said.err
    held = [result for result in Run.open(latest(Path("runs"))).results if result.cell.chain]
    assert [result.verdict for result in held] == ["buffered"] * 4
    assert all(result.release and result.release.by == "end" for result in held)


@real
def test_an_environment_that_is_missing_is_unavailable_with_the_command_that_mends_it(
    harness: Harness, no_apt: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "empty"))
    said = harness("run", "--chain", "asgi:gzip-middleware@starlette==0.45.3")
    assert "harness setup asgi:gzip-middleware@starlette==0.45.3" in said.err + said.out
    (result,) = [result for result in Run.open(latest(Path("runs"))).results if result.cell.chain]
    assert result.outcome == "unavailable"
    assert harness("doctor", "--require", "asgi").status != 0


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("asgi:nope", "harness: unknown variant 'asgi:nope'; allowed: agent-run, base-http-middleware,"),
        ("asgi:nope", "or a file like ./my.py"),
        ("asgi:plain@PATH=x", "harness: asgi:plain@PATH=x: PATH is what the app's environment runs on"),
        ("asgi:plain@A=/x", "harness: asgi:plain@A=/x: the value of A may only have letters, digits and ._:+-"),
        ("asgi:plain@nope", "'nope' is no option"),
        ("asgi:./nope.py", "there is no file nope.py"),
        ("nope", "there is no proxy or client 'nope' to set up"),
    ],
)
def test_setup_refuses_what_is_no_hop(harness: Harness, name: str, complaint: str) -> None:
    said = harness("setup", name)
    assert said.status == 2
    assert complaint in said.err
