"""A browser that does not start is Unavailable, with its own words and the way out. Played by scripts."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from harness.clients import chromium_browser
from harness.clients.base import Request, Unheard
from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.clients.chromium_browser import FREE_S
from harness.clients.chromium_tab import OPEN_S
from harness.errors import Unavailable
from harness.launchers.process import Launcher
from harness.mitigations import REQUEST_HEADERS
from harness.recorder import ASKED_S

pytestmark = pytest.mark.proxies

ASKED = Request("http://127.0.0.1:9/stream/1", headers=REQUEST_HEADERS["browser"])
TELLS_VERSION = 'case "$*" in --version) echo "Chromium 1.2.3 built on Debian"; exit;; esac\necho started >> starts\n'
NO_SANDBOX = "echo 'No usable sandbox! Update your kernel' >&2; exit 1"
NOBODY_THERE = 'for each in "$@"; do\n  case "$each" in --user-data-dir=*) cd "${each#*=}";; esac\ndone\n' + (
    "printf '9\\n/devtools' > DevToolsActivePort; exec sleep 60"
)


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
        (NOBODY_THERE, "ECONNREFUSED"),
    ],
    ids=["ends", "is silent", "is not there"],
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
            assert told.value.remedy == f"see why with `{plays} --headless --dump-dom about:blank`"
        assert starts(plays) == 1
        lines = [" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)]
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


def test_a_slow_browser_gives_up_before_the_recorder_takes_the_chain_for_broken() -> None:
    assert FREE_S + 2 * OPEN_S < ASKED_S
