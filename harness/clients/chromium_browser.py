"""The one browser of a run: the system's Chromium or Chrome without a window, steered by Playwright.

Rules: the launcher starts it, so that nothing of it outlives the harness; it listens on no port, and is steered over
pipes; all it writes goes to a folder that goes with the run; pages are used again, and whoever reads with it keeps to
its `SEATS`; one of which a page does not close hears of nothing but a flood, and is ended; one that died is started
anew for the next stream, one that did not start is not tried again. Whoever is cancelled while it starts leaves it to
start: Playwright can only be ended in order once it has, and half started, asyncio would log what became of its tasks.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from harness.clients.base import Seats
from harness.clients.chromium_channel import Switchboard
from harness.clients.chromium_pipe import FLAG, Pipe, placed
from harness.clients.chromium_tab import Tab
from harness.clients.limits import ANSWER_S, DEATH_S, READY_S
from harness.errors import ClientError, ProxyError, Unavailable
from harness.launchers.base import Program
from harness.launchers.commands import asked
from harness.launchers.process import Launcher, until

if TYPE_CHECKING:
    from playwright.async_api import Browser as Steered
    from playwright.async_api import CDPSession, Playwright

LOOK_S = 0.1
SEATS = Seats("chromium", 8)
MAC = "/Applications/{0}.app/Contents/MacOS/{0}"
PROGRAMS = (
    *("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"),
    *(MAC.format("Chromium"), MAC.format("Google Chrome")),
)
DISABLED = (
    "LocalNetworkAccessChecks",
    "CalculateNativeWinOcclusion",
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),  # pages of its own behind every window: two thirds of its work
)
FLAGS = (
    "--headless=new",
    FLAG,
    "--lang=en-US",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-features=" + ",".join(DISABLED),
    "--metrics-recording-only",
    "--password-store=basic",
    "--use-mock-keychain",
)
SETUP_HINT = "install it: apt-get install chromium, or brew install --cask chromium"
START_HINT = "see why with `{0} --headless --dump-dom about:blank`"
PLAYWRIGHT_HINT = "pip install 'token-stream-harness[browser]'"


def find() -> str:
    """Return the path of the system's Chromium or Chrome. Raises Unavailable without one."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise Unavailable("Chromium is not installed", SETUP_HINT)
    return program


def need_playwright() -> None:
    """Raise Unavailable if there is nothing to steer a browser with."""
    if importlib.util.find_spec("playwright") is None:
        raise Unavailable("Playwright is not installed", PLAYWRIGHT_HINT)


def installed() -> str:
    """Return the versions of browser and Playwright. Raises Unavailable if one is missing."""
    need_playwright()
    return f"{_banner(find())}, Playwright {version('playwright')}"


@cache
def _banner(program: str) -> str:
    said = asked([program, "--version"], SETUP_HINT)
    if said.returncode or not said.stdout.strip():  # a distribution may only have a stub that names a store
        words = (said.stderr.strip() or said.stdout.strip()).splitlines()[-1:]
        raise Unavailable(f"{program} does not run: {''.join(words) or f'exit status {said.returncode}'}", SETUP_HINT)
    return " ".join(said.stdout.split(" built on ")[0].split())


class Browser:
    """Starts the browser when a page is first asked for. Use `of` to share it, `tab` to read with it."""

    def __init__(self, launcher: Launcher, evidence: Path) -> None:
        self._launcher = launcher
        self._evidence = evidence
        self._lock = asyncio.Lock()
        self._idle: list[Tab] = []
        self._switchboard: Switchboard | None = None
        self._pipe: Pipe | None = None
        self._program: Program | None = None
        self._playwright: Playwright | None = None
        self._steered: Steered | None = None
        self._session: CDPSession | None = None
        self._starting: asyncio.Task[tuple[Steered, Switchboard]] | None = None

    @classmethod
    def of(cls, launcher: Launcher, evidence: Path) -> Browser:
        """Return the browser of a launcher's run."""
        if launcher not in _BROWSERS:
            _BROWSERS[launcher] = cls(launcher, evidence)
        return _BROWSERS[launcher]

    @asynccontextmanager
    async def tab(self, origin: str) -> AsyncIterator[Tab]:
        """Lend a page, one that is there already if possible. What breaks with the browser becomes a ClientError."""
        from playwright.async_api import Error

        tab: Tab | None = None
        try:
            steered, switchboard = await self._ensure()
            tab = self._choose(origin) or await Tab.open(steered, switchboard)
            yield tab
        except (Error, ClientError) as error:
            if tab:
                tab.gone = True
            death = await self._death()
            why = f"in mid-stream, {death}\n{self._last_words()}".strip() if death else str(error).split("\n", 1)[0]
            raise ClientError(why) from error
        finally:
            if tab and tab.gone:
                if not await tab.close() and self._program:
                    await self._program.stop()
            elif tab:
                self._idle.append(tab)

    async def close(self) -> None:
        """End it. The next page that is asked for starts it anew."""
        async with self._lock:
            starting, failed = self._starting, False
            while starting and not starting.done():  # nobody waits for it any more: let it fail
                if self._program:
                    await self._program.stop()
                await asyncio.wait({starting}, timeout=LOOK_S)
                failed = True
            if starting and (starting.exception() is None or failed):
                self._starting = None
            await self._end()

    async def _death(self) -> str | None:
        """Return what of the browser died, in words; None if all lives.

        What is slow is not dead: its other streams would die of that. What is dying may take a moment to be dead.
        """
        program = self._program
        if program is None or self._session is None:
            return None
        if death := program.death():
            return death
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._session.send("Browser.getVersion")
        except TimeoutError:
            return program.death() or f"chromium has not answered for {ANSWER_S:g} s"
        except Exception as error:  # a driver that died is told by no narrower class
            await until(program.death, DEATH_S)
            return program.death() or f"Playwright's driver, which steers chromium, ended: {error}"
        return None

    def _choose(self, origin: str) -> Tab | None:
        self._idle = [tab for tab in self._idle if not tab.gone]
        there = next((tab for tab in self._idle if tab.origin == origin), None)
        tab = there or next(iter(self._idle), None)
        if tab:
            self._idle.remove(tab)
        return tab

    async def _ensure(self) -> tuple[Steered, Switchboard]:
        async with self._lock:
            if self._steered and self._starting and self._starting.done() and await self._death():
                await self._end()
                self._starting = None
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            await asyncio.wait({self._starting})  # which leaves it alone if we are cancelled
            return self._starting.result()

    async def _start(self) -> tuple[Steered, Switchboard]:
        from playwright.async_api import Error, async_playwright

        try:
            self._switchboard = Switchboard()
            await self._switchboard.open()
            pipe = await self._launch(self._switchboard)
            manager = async_playwright()
            self._playwright = await manager.start()
            _heed_death(manager)
            self._steered = await self._playwright.chromium.connect_over_cdp(
                self._switchboard.lend(pipe),
                artifacts_dir=self._launcher.folder("playwright"),
                timeout=READY_S * 1e3,
            )
            self._session = await self._steered.new_browser_cdp_session()
        except (Error, ProxyError) as error:
            await self._end()
            why = str(error).split("\nCall log:", 1)[0]  # which has the path that nobody else is told
            raise Unavailable(f"the browser did not start: {why}", START_HINT.format(find())) from error
        return self._steered, self._switchboard

    async def _launch(self, switchboard: Switchboard) -> Pipe:
        """Start Chromium and return what it is steered over, once it answers.

        Its profile is its home, too, and its temporary folder, which it gets as `.`: it keeps sockets there, whose
        paths may not be long.
        """
        profile = self._launcher.folder("chromium")
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        with Pipe.made(switchboard.hang_up) as (pipe, inherited):
            self._pipe = pipe
            self._program = await self._launcher.launch(
                "chromium",
                placed([find(), *FLAGS, *root, f"--user-data-dir={profile}", "about:blank"], inherited),
                log=self._evidence / "chromium.log",
                cwd=profile,
                env={"HOME": str(profile), "TMPDIR": ".", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""},
                pass_fds=inherited,
            )
        program, greeting = self._program, asyncio.create_task(pipe.greeted())
        try:
            answered = await until(lambda: program.death() or (greeting.done() and greeting.result()), READY_S)
            if program.death() or not answered:
                why = program.death() or f"it did not answer within {READY_S:g} s"
                raise ProxyError(f"{why}\n{self._last_words()}")
        finally:
            greeting.cancel()
        return pipe

    async def _end(self) -> None:
        self._idle.clear()
        if self._playwright:
            await self._playwright.stop()
        if self._program:
            await self._program.stop()
        if self._switchboard:
            await self._switchboard.close()
        if self._pipe:
            self._pipe.close()
        self._playwright = self._steered = self._session = self._program = self._switchboard = self._pipe = None

    def _last_words(self) -> str:
        """Return what Chromium said last; that it finds no D-Bus is not worth telling."""
        lines = self._program.log_tail(40).splitlines() if self._program else []
        return "\n".join([line for line in lines if "/dbus/" not in line and ":ERROR:dbus" not in line][-6:])


_BROWSERS: WeakKeyDictionary[Launcher, Browser] = WeakKeyDictionary()
"""One a run, whichever clients read with it."""


def _heed_death(manager: object) -> None:
    """Take note of how Playwright's driver ends, if it dies: Playwright itself never looks, and asyncio logs that."""
    transport = getattr(getattr(manager, "_client", None), "_transport", None)
    if isinstance(end := getattr(transport, "on_error_future", None), asyncio.Future):
        end.add_done_callback(lambda end: end.cancelled() or end.exception())
