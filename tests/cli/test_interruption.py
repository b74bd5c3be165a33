"""Ctrl-C, SIGTERM and sudden death of the program: finished cells stay, nothing else does."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.sampling import sampled, some_of
from tests.sandbox import SLOW, Sandbox
from tests.waiting import wait_for

pytestmark = [pytest.mark.proxies, pytest.mark.needs("nginx")]

MATRIX = f"""\
title: Three cells that take their time, and others
workloads: {{short: {{tokens: 24, token_bytes: 112}}}}
include:
  - {{chain: [nginx:http10, nginx:ignore-x-accel, nginx:http10>nginx:http10], mitigations: slow}}
  - {{chain: nginx:buffering-off}}
  - {{chain: direct, format: ndjson}}
{SLOW}"""
READ_BY_CURL = f"""\
title: A cell that takes its time, read by a program of its own
workloads: {{short: {{tokens: 24, token_bytes: 112}}}}
axes: {{chain: nginx:http10, client: curl, mitigations: slow}}
{SLOW}"""
STREAMED = {
    "direct/sse/chunked/curl/aiohttp/short/none/lockstep",
    "direct/ndjson/chunked/curl/aiohttp/short/none/lockstep",
    "nginx:buffering-off/sse/chunked/curl/aiohttp/short/none/lockstep",
}
BASELINES = {
    f"{chain}/sse/chunked/curl/aiohttp/short/none/lockstep"
    for chain in ("nginx:http10", "nginx:ignore-x-accel", "nginx:http10>nginx:http10")
}
QUICK = STREAMED | BASELINES
CELLS = len(QUICK) + 3
NGINX = 4


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", MATRIX)
        yield place


def in_mid_run(place: Sandbox, *argv: str) -> tuple[subprocess.Popen[str], set[str]]:
    """Start a run and wait until its quick cells are done and the others in flight; also return its sockets."""
    program = place.start("matrix", "m.yaml", *argv)
    wait_for(lambda: set(place.results()), lambda told: told == QUICK)
    wait_for(lambda: (place.streaming("http10"), place.streaming("ignore-x-accel")), all)
    wait_for(lambda: place.processes("nginx: master"), lambda masters: len(masters) == NGINX)
    assert len(place.processes("harness.backends.emitter")) == 1
    janitors = 1 if "--keep" in argv else 2  # a spare, if there are folders that are to go
    assert len(place.processes("janitor.py")) == janitors + 1 + NGINX, "and a keeper of each program"
    listening = place.listening()
    assert len(listening) == NGINX + 2  # the emitter has two
    assert len(list(place.tmp.iterdir())) == NGINX
    return program, listening


def hit(program: subprocess.Popen[str], number: int) -> None:
    """Send a signal as a terminal does, to the whole process group."""
    os.killpg(program.pid, number)


def hit_again(program: subprocess.Popen[str], number: int) -> int | None:
    """Send it again, and return the exit status, if it has ended."""
    hit(program, number)
    return program.poll()


def assert_reported(place: Sandbox) -> None:
    """The cells that were done are on disk, nothing that the signal cut short is, and `harness report` reads them."""
    assert set(place.results()) == QUICK
    assert {result.id for result in place.results().values() if result.verdict == "streamed"} == STREAMED
    assert place.last_run().info.finished_at is None
    said = place.run("report")
    assert said.status == 3
    assert f"{len(QUICK)} of {CELLS} cells: {len(QUICK)} observed. Exit status 3: the run did not finish." in said.out


@some_of("number", [signal.SIGINT, signal.SIGTERM], each=2)
def test_an_interrupted_run_ends_with_130_says_where_its_cells_are_and_leaves_nothing(
    place: Sandbox, number: signal.Signals
) -> None:
    program, listening = in_mid_run(place, "--junit", "out.xml")
    hit(program, number)
    said = place.said(program)
    assert place.left_behind(listening) == []
    assert said.status == 130
    cases = list(ET.parse(place.folder / "out.xml").iter("testcase"))
    assert {str(case.get("name")) for case in cases} == {*QUICK, "harness matrix"}
    (error,) = (fault for case in cases for fault in case.iter("error"))
    assert error.get("message") == "interrupted"
    assert f"{len(QUICK)} of {CELLS} cells were measured" in str(error.text)
    assert f"Interrupted: {len(QUICK)} of {CELLS} cells are done. `harness report runs/" in said.err
    assert str(place.last_run().folder.relative_to(place.folder)) in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert_reported(place)


@some_of("number", [signal.SIGKILL, signal.SIGHUP], each=2)
def test_a_run_that_is_killed_keeps_its_cells_and_leaves_nothing(place: Sandbox, number: signal.Signals) -> None:
    program, listening = in_mid_run(place)
    hit(program, number)
    assert place.said(program).status == -number
    place.wait_until_clean(listening)
    assert_reported(place)


@some_of("number", [signal.SIGTERM, signal.SIGINT], each=2)
def test_somebody_who_cannot_wait_for_the_end_leaves_nothing_either(place: Sandbox, number: signal.Signals) -> None:
    program, listening = in_mid_run(place)
    for _ in range(5):
        hit(program, number)
    said = place.said(program)
    place.wait_until_clean(listening)
    assert said.status == 130
    assert "Interrupted" in said.err
    assert "Traceback" not in said.err
    assert_reported(place)


@some_of("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], each=2)
def test_a_run_that_ends_while_it_starts_leaves_nothing(place: Sandbox, number: signal.Signals) -> None:
    program = place.start("matrix", "m.yaml")
    wait_for(lambda: place.processes("janitor.py"))
    hit(program, number)
    said = place.said(program)
    place.wait_until_clean()
    assert said.status == (-number if number == signal.SIGKILL else 130)
    assert "Traceback" not in said.err
    assert ("Interrupted: " in said.err) is (number != signal.SIGKILL)


def test_ctrl_c_on_the_janitor_or_keepers_or_a_stray_signal_to_them_changes_nothing(place: Sandbox) -> None:
    program, listening = in_mid_run(place)
    for janitor in place.processes("janitor.py"):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            janitor.send_signal(number)
    hit(program, signal.SIGKILL)
    place.said(program)
    place.wait_until_clean(listening)


def test_folders_are_kept_for_who_asks_for_them_but_no_process_is(place: Sandbox) -> None:
    program, _ = in_mid_run(place, "--keep")
    hit(program, signal.SIGTERM)
    assert place.said(program).status == 130
    assert [some.split()[0] for some in place.left_behind()] == ["temporary"] * NGINX
    assert {path.name.rpartition("-")[0] for path in place.tmp.iterdir()} == {"harness-nginx"}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@some_of("number", [signal.SIGKILL, signal.SIGINT], each=2)
def test_a_run_that_ends_in_mid_stream_leaves_no_program_that_read_it(place: Sandbox, number: signal.Signals) -> None:
    place.write("m.yaml", READ_BY_CURL)
    program = place.start("matrix", "m.yaml")
    wait_for(lambda: (place.streaming("http10"), place.processes("curl -q")), all)
    hit(program, number)
    said = place.said(program)
    place.wait_until_clean()
    assert said.status == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said.err


@some_of("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], each=3)
def test_a_test_of_a_config_of_the_users_leaves_nothing_either(place: Sandbox, number: signal.Signals) -> None:
    programs = place.folder / "bin"
    programs.mkdir()
    asked = "case $1 in -[vV]) echo nginx version: nginx/1.22.1 >&2; exit;; esac"
    slow = place.write("bin/nginx", f"#!/bin/sh\n{asked}\nexec sleep 1000\n")
    slow.chmod(0o755)
    place.nginx_conf("my.conf")
    place.write("m.yaml", "title: Own\nworkloads: {w: {tokens: 8, token_bytes: 100}}\naxes: {chain: nginx:./my.conf}")
    program = place.start("matrix", "m.yaml", PATH=f"{programs}:{os.environ['PATH']}")
    wait_for(lambda: place.processes("sleep 1000"))
    assert list(place.tmp.iterdir())
    hit(program, number)
    said = place.said(program)
    place.wait_until_clean()
    assert said.status == (130 if number == signal.SIGINT else -number)
    assert said.err == ("Interrupted: nothing was measured yet.\n" if number == signal.SIGINT else "")


HELD = """\
events {}
http { server { listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}/; proxy_http_version 1.0; } } }
"""


@pytest.mark.parametrize("number", sampled([pytest.param(signal.SIGINT), pytest.param(signal.SIGTERM)], each=2))
def test_an_interrupted_diagnosis_tells_what_it_has_found_and_leaves_nothing(
    place: Sandbox, number: signal.Signals
) -> None:
    place.write("held.conf", HELD)
    program = place.start("diagnose", "--hop", "nginx:./held.conf", "--hop", "nginx:inner=./held.conf")
    wait_for(place.results, lambda told: any("inner/" in cell for cell in told))
    listening = place.listening()
    hit(program, number)
    said = place.said(program)
    assert place.left_behind(listening) == []
    assert said.status == 130
    assert said.out.startswith("nginx:held>nginx:inner\n")
    assert "it was interrupted" in " ".join(said.out.split())
    assert "Exit status 130: interrupted." in said.out
    assert "Interrupted: " in said.err
    assert place.last_run().info.finished_at is None


@some_of("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM], each=2)
def test_a_set_up_of_several_programs_at_once_ends_with_all_of_them(place: Sandbox, number: signal.Signals) -> None:
    """Pip stands still for as long as it likes to: what it is to fetch from answers nobody.

    Who cannot wait for the end, and says so again and again, breaks into nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as mute:
        index = f"http://127.0.0.1:{mute.getsockname()[1]}/simple"
        env = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
        cache = str(place.folder / "cache")
        program = place.start("setup", "caddy", "traefik", "haproxy", "--jobs", "2", HARNESS_CACHE=cache, **env)
        wait_for(lambda: place.processes("pip --disable"), lambda pips: len({one.ppid() for one in pips}) == 2)
        wait_for(lambda: hit_again(program, number), lambda status: status is not None)
        said = place.said(program)
    place.wait_until_clean()
    assert said.status == (-number if number == signal.SIGKILL else 130)
    assert "Traceback" not in said.err
    assert "haproxy" not in said.err, "the third was not begun"
    if number != signal.SIGKILL:
        assert said.err.endswith("\nInterrupted.\n")
        assert {path.name.partition("-")[0] for path in Path(cache).glob("programs/*/*") if path.is_dir()} == set()
