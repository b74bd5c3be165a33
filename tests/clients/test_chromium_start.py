"""A browser that does not start is Unavailable, with its own words and the way out. Played by scripts."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.clients import chromium_browser
from harness.clients.base import Request, Unheard
from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.clients.chromium_tab import Tab
from harness.errors import Unavailable
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.schedule import Schedule
from harness.model import Cell, Workload
from tests.clients.browsing import line_of
from tests.factories import judged
from tests.planning import REQUESTS, plan
from tests.sampling import some_of
from tests.sandbox import Sandbox
from tests.waiting import wait_for

pytestmark = pytest.mark.proxies

ASKED = Request("http://127.0.0.1:9/stream/1", headers=REQUESTS["browser"].headers)
TELLS_VERSION = 'case "$*" in --version) echo "Chromium 1.2.3 built on Debian"; exit;; esac\necho started >> starts\n'
NO_SANDBOX = "echo 'No usable sandbox! Update your kernel' >&2; exit 1"
ONLY_GREETS = "printf '{\"id\": 0}\\0' >&4; exec sleep 60"


@pytest.fixture
def plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program; its starts are kept in its folder."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "chromium"


def play(program: Path, does: str) -> None:
    program.write_text("#!/bin/sh\n" + does.replace(">> starts", f">> {program.parent}/starts"))
    program.chmod(0o755)


def starts(program: Path) -> int:
    return len((program.parent / "starts").read_text().splitlines())


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (NO_SANDBOX, r"chromium exited with status 1\n.*No usable sandbox! Update your kernel"),
        ("exec sleep 60", "it did not answer within 2 s"),
        (ONLY_GREETS, r"Timeout 2000ms exceeded\."),
    ],
    ids=["ends", "is silent", "only greets"],
)
async def test_a_browser_that_does_not_start_is_told_with_the_way_out_and_tried_once(
    plays: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str
) -> None:
    monkeypatch.setattr(chromium_browser, "READY_S", 2.0)
    play(plays, TELLS_VERSION + does)
    async with Launcher() as launcher:
        for client in (Chromium(), ChromiumEventSource()):
            client.equip(launcher, plays.parent)
            with pytest.raises(Unavailable, match=rf"(?s)the browser did not start: .*{said}") as told:
                await client.stream(ASKED, Unheard())
            assert "ws://" not in str(told.value)
            assert told.value.remedy == f"see why with `{plays} --headless --dump-dom about:blank`"
        assert starts(plays) == 1
        lines = [line_of(each) for each in psutil.Process().children(recursive=True)]
        assert not [line for line in lines if "run-driver" in line or "sleep" in line]


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo 'it requires the snap to be installed'; exit 1", "it requires the snap to be installed"),
        ("echo 'it is unwell' >&2; exit 1", "it is unwell"),
        ("exit 3", "exit status 3"),
        ("exit 0", "exit status 0"),
    ],
)
def test_a_program_that_tells_no_version_does_not_count_as_a_browser(plays: Path, does: str, said: str) -> None:
    play(plays, does)
    with pytest.raises(Unavailable, match=f"{plays} does not run: {said}") as told:
        Chromium().version()
    assert "apt-get install chromium" in told.value.remedy


def test_the_version_is_that_of_browser_and_playwright(plays: Path) -> None:
    play(plays, TELLS_VERSION)
    assert Chromium().version().startswith("Chromium 1.2.3, Playwright 1.")


def descendants() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.mark.needs("chromium")
async def test_when_paced_cells_begin_the_browser_has_started_with_all_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, cores = list[object](), 2
    real = Tab.open

    async def counted(*there: Any) -> Tab:
        opened.append(there)
        return await real(*there)

    monkeypatch.setattr(Tab, "open", counted)
    load = Workload("w", tokens=4, token_bytes=112, interval_ms=20)
    told = [
        plan(Cell((), load, client=client, request="browser", pace="paced"), {})
        for client in ("chromium", "chromium-eventsource")
    ] * 2
    async with Launcher() as launcher, Bench(launcher, tmp_path, schedule=Schedule(cores=cores)) as bench:
        await bench.start_all(told)
        there = descendants()
        assert len(opened) == cores
        for two in (told[:cores], told[cores:]):
            traces = await asyncio.gather(*(bench.record("cell", one) for one in two))
            assert [judged(trace).verdict for trace, _ in traces] == ["streamed"] * cores
        assert descendants() <= there
        assert len(opened) == cores


MATRIX = """\
title: A browser
workloads: {short: {tokens: 4, token_bytes: 112}}
axes: {chain: direct, client: chromium, request: browser}
"""
REAL, SILENT = "", TELLS_VERSION + "exec sleep 60"
with_chromium = pytest.mark.needs("chromium")


@some_of(
    ("does", "stage"),
    [
        pytest.param(REAL, "--user-data-dir", marks=with_chromium),
        pytest.param(REAL, "run-driver", marks=with_chromium),
        (SILENT, "sleep 60"),
    ],
    each=2,
    ids=["the browser", "Playwright's driver", "a browser that never answers"],
)
def test_ctrl_c_while_it_starts_ends_it_in_order(tmp_path: Path, plays: Path, does: str, stage: str) -> None:
    if does:
        play(plays, does)
    home = tmp_path / "home"
    home.mkdir()
    with Sandbox(home) as place:
        place.write("m.yaml", MATRIX)
        program = place.start("matrix", "m.yaml")
        wait_for(lambda: place.processes(stage))
        os.killpg(program.pid, signal.SIGINT)
        said = place.said(program)
        place.wait_until_clean()
    assert said.status == 130
    assert said.err.count("\n") == 1, said.err
    assert "Interrupted: 0 of 1 cells are done." in said.err
