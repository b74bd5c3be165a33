"""What goes wrong outside the harness: broken configs, taken ports, no permission, deaths and silence in mid-stream.

Each fault ends as what it is, with the words of whoever knows, and costs only the cells that it hits.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import session
from harness.measure.runner import Runner
from harness.model import Cell, Result
from tests.recording import bound
from tests.sampling import some_of
from tests.sandbox import DIRECT, HARNESS, SLOW, UNPRIVILEGED, Sandbox, program
from tests.waiting import DEADLINE_S, wait_for

pytestmark = [pytest.mark.proxies, pytest.mark.needs("nginx")]

OWN = """\
title: With a config of my own
workloads: {short: {tokens: 8, token_bytes: 112}}
variants: {nginx: {mine: ./mine.conf}}
axes: {chain: [nginx:mine, nginx:http10]}
"""

LASTING = f"""\
title: A cell that takes its time, and others
workloads: {{short: {{tokens: 24, token_bytes: 112}}}}
include:
  - {{chain: nginx:http10, mitigations: [slow, x-accel-buffering]}}
  - {{chain: nginx:ignore-x-accel}}
  - {{chain: nginx:buffering-off}}
{SLOW}"""
BARE = "nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep"
LASTS = "nginx:http10/sse/chunked/curl/aiohttp/short/slow/lockstep"
PASSES = "nginx:http10/sse/chunked/curl/aiohttp/short/x-accel-buffering/lockstep"
OTHER = "nginx:ignore-x-accel/sse/chunked/curl/aiohttp/short/none/lockstep"
OFF = "nginx:buffering-off/sse/chunked/curl/aiohttp/short/none/lockstep"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A folder for the real program, and for sessions in this process."""
    with Sandbox(tmp_path) as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place.tmp))
        yield place


def outcomes(place: Sandbox) -> dict[str, str]:
    """Return what every chain with a result shows, or else the outcome."""
    results = place.results().items()
    return {cell_id.split("/")[0]: some.shows.manner if some.shows else some.outcome for cell_id, some in results}


# ---------------------------------------------------------------- before the first byte


def test_a_broken_config_is_told_in_nginx_own_words_before_anything_starts(place: Sandbox) -> None:
    place.nginx_conf("mine.conf", location="proxy_bufering off;")
    place.write("m.yaml", OWN)
    said = place.run("matrix", "m.yaml")
    assert said.status == 2
    assert re.search(r'mine\.conf:\d+: unknown directive "proxy_bufering"', said.err)
    assert not (place.folder / "runs").exists()
    assert place.left_behind() == []


def test_a_proxy_that_does_not_start_is_told_in_its_own_words_and_the_other_cells_go_on(place: Sandbox) -> None:
    place.nginx_conf("mine.conf")
    place.write("m.yaml", OWN)
    programs = place.folder / "bin"
    programs.mkdir()
    shim = programs / "nginx"
    complaint = "nginx: [emerg] no room today"
    fails = f'case "$*" in *" -t "*|-t*|-V) ;; *nginx.mine*) echo "{complaint}" >&2; exit 1;; esac'
    shim.write_text(f'#!/bin/sh\n{fails}\nexec {program("nginx")} "$@"\n')
    shim.chmod(0o755)
    said = place.run("matrix", "m.yaml", COLUMNS="400", PATH=f"{programs}:{os.environ['PATH']}")
    assert said.status == 3
    assert "  nginx did not start:\n  no room today\n" in said.out
    assert outcomes(place) == {"direct": "one by one", "nginx:http10": "at the end", "nginx:mine": "error"}
    assert place.left_behind() == []


@some_of(
    ("locked", "words", "complaint"),
    [
        ("m.yaml", "matrix m.yaml", "m.yaml: cannot be read: [Errno 13] Permission denied"),
        ("folder", "matrix folder/m.yaml", "folder/m.yaml: cannot be read: Permission denied"),
        ("mine.conf", "matrix own.yaml", "mine.conf: cannot be read: [Errno 13] Permission denied"),
        ("folder", "run --chain nginx:./folder/mine.conf", "folder/mine.conf: cannot be read: Permission denied"),
        ("folder", "report folder/run", "folder/run/run.json: cannot be read: Permission denied"),
        ("folder", "matrix m.yaml --json folder/out", "cannot write folder/out: Permission denied"),
        (".", "matrix m.yaml", "cannot make a run folder in runs: Permission denied"),
    ],
    each=2,
)
def test_what_may_not_be_read_or_written_is_named(place: Sandbox, locked: str, words: str, complaint: str) -> None:
    if os.geteuid() == 0 and not shutil.which(UNPRIVILEGED[0]):
        pytest.skip("root may read everything, and there is no setpriv to take that from it")
    place.write("m.yaml", DIRECT)
    place.write("own.yaml", OWN)
    place.nginx_conf("mine.conf")
    (place.folder / "folder").mkdir()
    path = place.folder / locked
    path.chmod(0o500 if locked == "." else 0)
    try:
        said = place.run(*words.split(), prefix=UNPRIVILEGED if os.geteuid() == 0 else ())
    finally:
        path.chmod(0o700)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"harness: {complaint}")
    assert "Traceback" not in said.err
    assert not (place.folder / "runs").exists()


ON_A_SMALL_DISK = f"""
mount -t tmpfs -o size=48k tmpfs runs || exit 99
{HARNESS} matrix m.yaml --jobs 1; status=$?
{HARNESS} report
exit $status
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare to mount a small disk with")
def test_a_full_disk_ends_the_run_as_what_it_is_and_the_results_so_far_are_kept(place: Sandbox) -> None:
    place.write("m.yaml", DIRECT.replace("[sse, ndjson]", "[sse, ndjson, text], body: [chunked, length, close]"))
    (place.folder / "runs").mkdir()
    argv = ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK]
    done = subprocess.run(
        argv, cwd=place.folder, env=place.environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    if done.returncode == 99:
        pytest.skip("we may not mount a small disk here")
    assert done.returncode == 3, done.stderr
    assert re.search(r"^harness: no room is left: cannot write runs/.*: No space left on device$", done.stderr, re.M)
    kept = re.search(r"^The (\d+) results before that are kept: `harness report runs/", done.stderr, re.M)
    assert kept
    assert 0 < int(kept[1]) < 9
    assert f"{kept[1]} of {kept[1]} direct streams streamed" in done.stdout
    assert "Traceback" not in done.stderr
    assert place.left_behind() == []


# ---------------------------------------------------------------- in mid-stream


async def test_a_proxy_that_dies_fails_its_own_cell_and_is_back_for_the_next(place: Sandbox) -> None:
    job = session.load(str(place.write("m.yaml", LASTING)))
    cells = {cell.id: cell for cell in job.cells}
    async with asyncio.timeout(DEADLINE_S), session.session(job, place.folder / "runs") as (runner, run):
        held, other = hit(runner, cells[LASTS]), hit(runner, cells[OTHER])
        await asyncio.to_thread(wait_for, lambda: place.streaming("http10"))
        for process in place.nginx("http10"):  # the master first: what it cannot restart is gone for good
            process.kill()
        result = await held
        assert (result.outcome, result.verdict) == ("error", None)
        assert result.reason.startswith("in mid-stream, nginx was killed by SIGKILL")
        assert (await other).verdict == "coalesced"
        after = await runner.result(cells[PASSES])
        assert (after.verdict, after.effect) == ("streamed", "defeats")
        assert (run.folder / "proxies/nginx.http10.2/conf/http10.conf").exists()
    assert place.left_behind() == []


async def test_an_emitter_that_dies_fails_what_is_in_flight_and_is_back_for_the_next(place: Sandbox) -> None:
    job = session.load(str(place.write("m.yaml", LASTING)))
    cells = {cell.id: cell for cell in job.cells}
    async with asyncio.timeout(DEADLINE_S), session.session(job, place.folder / "runs") as (runner, _):
        assert (await runner.result(cells[OFF])).verdict == "streamed"
        held = hit(runner, cells[LASTS])
        await asyncio.to_thread(wait_for, lambda: place.streaming("http10"))
        (emitter,) = place.processes("harness.backends.emitter")
        emitter.kill()
        result = await held
        assert (result.outcome, result.verdict) == ("error", None)
        assert result.reason == "in mid-stream, the emitter was killed by SIGKILL"
        assert [(await runner.result(cells[some])).verdict for some in (PASSES, OTHER)] == ["streamed", "coalesced"]
        assert [some.pid for some in place.processes("harness.backends.emitter")] != [emitter.pid]
    assert place.left_behind() == []


def test_a_run_whose_emitter_died_ends_with_3_and_all_other_cells(place: Sandbox) -> None:
    place.write("m.yaml", LASTING)
    program = place.start("matrix", "m.yaml")
    wait_for(lambda: set(place.results()), lambda told: told >= {OTHER, OFF, BARE, PASSES})
    wait_for(lambda: place.streaming("http10"))
    for emitter in place.processes("harness.backends.emitter"):
        emitter.kill()
    said = place.said(program)
    assert said.status == 3
    assert "in mid-stream, the emitter was killed by SIGKILL" in said.out
    assert "Traceback" not in said.err
    results = place.results()
    assert (results.pop(LASTS).outcome, results.pop(OTHER).verdict, results.pop(BARE).verdict) == (
        "error",
        "coalesced",
        "coalesced",
    )
    assert [some.verdict for some in results.values()] == ["streamed"] * 3
    assert place.left_behind() == []


async def test_a_proxy_that_never_answers_ends_as_a_time_out(place: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, asked_s=0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silence = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        place.nginx_conf("mine.conf", server=f"location /stream/ {{ proxy_pass {silence}; }}")
        result = await only(place, "nginx:mine")
    assert (result.outcome, result.verdict) == ("fail", "broken")
    assert result.reason == "time-out: the request did not reach the backend within 0.5 s"
    assert place.left_behind() == []


async def test_a_response_that_never_ends_ends_as_a_time_out(place: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, silence_s=0.5)
    place.nginx_conf("mine.conf", server="location /stream/ { limit_rate 1; proxy_pass ${UPSTREAM}; }")
    result = await only(place, "nginx:mine")
    assert (result.outcome, result.verdict) == ("fail", "broken")
    assert result.reason.startswith("the response did not end: ")
    assert place.left_behind() == []


async def test_a_body_that_cannot_be_decoded_is_broken(place: Sandbox) -> None:
    place.nginx_conf("mine.conf", location="add_header Content-Encoding gzip;")
    result = await only(place, "nginx:mine")
    assert (result.outcome, result.verdict) == ("fail", "broken")
    assert "gzip" in result.reason
    assert "in mid-stream" not in result.reason
    assert place.left_behind() == []


def hit(runner: Runner, cell: Cell) -> asyncio.Task[Result]:
    """Begin to measure a cell."""
    return asyncio.create_task(runner.result(cell))


async def only(place: Sandbox, chain: str) -> Result:
    """Measure the unmitigated cell of one chain, while another goes its way."""
    job = session.load(str(place.write("m.yaml", OWN)))
    async with asyncio.timeout(DEADLINE_S), session.session(job, place.folder / "runs") as (runner, _):
        results = await runner.run(job.cells, lambda result: None)
    by_chain = {result.id.split("/")[0]: result for result in results}
    assert by_chain["nginx:http10"].verdict == "coalesced"
    return by_chain[chain]
