"""The Next.js proxy: its variants, its app, and the real thing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import operator
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from itertools import product, starmap
from pathlib import Path
from typing import cast

import aiohttp
import psutil
import pytest
from aiohttp import web

from harness import resources
from harness.errors import InputError, ProxyError, Unavailable
from harness.launchers.process import Launcher
from harness.launchers.sources import Fetching
from harness.model import Endpoint, Hop
from harness.proxies.catalog import PROXIES
from harness.proxies.nextjs import PLACEHOLDER, NextJs, Variant, lay_build, lead_to, read_variant
from tests.processes import process
from tests.sampling import sampled, some_of
from tests.waiting import eventually

NEXTJS = cast(NextJs, PROXIES["nextjs"])
APP = resources.configs() / "nextjs"
LOCKS = sorted(APP.glob("*/package-lock.json"))
VERSIONS = ("", "15.5", "14.2")
TO_BROWSERS = {"dev": False, "dev-compress-off": True, "prod": False, "route-handler": True}
"""Whether a browser's first token comes alone through a variant."""
SHIPPED = sorted(NEXTJS.variants().values())
BROWSER = "gzip, deflate, br, zstd"
PATIENCE_S = 0.4


# ---------------------------------------------------------------- variants are data


def test_the_four_variants_are_shipped() -> None:
    assert {path.stem for path in SHIPPED} == {"dev", "dev-compress-off", "prod", "route-handler"}


@pytest.mark.parametrize("config", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_variant_says_what_it_stands_for(config: Path) -> None:
    assert read_variant(config).about == NEXTJS.describe(config) != ""


def test_what_a_variant_leaves_out_is_as_next_has_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("mode: dev\n")
    assert read_variant(mine) == Variant(mode="dev", compress=True, path="/api/py")
    assert NEXTJS.describe(mine) == "next dev, /api/py, compress on"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("mode: production", r"mine\.yaml:1: mode: 'production' is not allowed; allowed: dev, prod"),
        ("about: x", r"mine\.yaml:1: .*required"),
        ("mode: dev\ncompres: true", r"mine\.yaml:2: compres: unknown key; allowed: about, compress, mode, path"),
        ("mode: dev\ncompress: maybe", r"mine\.yaml:2: compress: must be a valid boolean, not 'maybe'"),
        ("mode: dev\npath: /api", r"mine\.yaml:2: path: '/api' is not allowed; allowed: /api/py, /api/route"),
        ("[mode, dev]", r"mine\.yaml:1: must be keys and values"),
        ("mode: [", r"mine\.yaml:\d: not YAML"),
    ],
)
def test_a_wrong_variant_names_file_key_and_what_is_allowed(tmp_path: Path, text: str, complaint: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    with pytest.raises(InputError, match=complaint):
        NEXTJS.check(mine)


def test_a_missing_variant_file_is_the_users_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml: cannot be read"):
        NEXTJS.check(tmp_path / "gone.yaml")


# ---------------------------------------------------------------- the app


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.parent.name for lock in LOCKS])
def test_a_lock_serves_every_machine(lock: Path) -> None:
    packages = {name: package for name, package in json.loads(lock.read_text())["packages"].items() if name}
    systems = {system for name in packages if "@next/swc-" in name for system in packages[name]["os"]}
    assert systems >= {"linux", "darwin"}


def test_rewrites_are_led_to_the_upstream() -> None:
    manifest = json.dumps({"destination": f"{PLACEHOLDER}/:path*"})
    assert json.loads(lead_to(Endpoint(81, "/api/py"), manifest)) == {
        "destination": "http://127.0.0.1:81/api/py/:path*"
    }
    with pytest.raises(ProxyError, match="no rewrite"):
        lead_to(Endpoint(81), "{}")


def test_an_instance_gets_a_build_of_its_own(tmp_path: Path) -> None:
    build, folder = tmp_path / "build", tmp_path / "instance"
    (build / "server").mkdir(parents=True)
    (build / "server" / "page.js").write_text("page")
    (build / "routes-manifest.json").write_text(PLACEHOLDER)
    folder.mkdir()
    lay_build(build, folder, Endpoint(81))
    assert (folder / "server" / "page.js").read_text() == "page"
    assert (folder / "routes-manifest.json").read_text() == "http://127.0.0.1:81"
    assert (build / "routes-manifest.json").read_text() == PLACEHOLDER


# ---------------------------------------------------------------- the real thing


@pytest.fixture
def installed(request: pytest.FixtureRequest) -> None:
    """Skip the test if Next.js is not set up here; fail it if it was required."""
    try:
        NEXTJS.version()
    except Unavailable as error:
        required = str(request.config.getoption("--harness-require", default="")).split(",")
        give_up = pytest.fail if NEXTJS.name in required else pytest.skip
        give_up(str(error))


def in_version(version: str) -> NextJs:
    """Return the proxy that runs in a version; an older one is fetched."""
    meant = cast(NextJs, NEXTJS.with_options(Hop(NEXTJS.name, "dev", version)))
    meant.fetch(Fetching(print))
    return meant


@contextlib.asynccontextmanager
async def backend(name: str = "a backend") -> AsyncIterator[Endpoint]:
    """Offer /pulse, /echo, and /stream, which sends one token and then nothing until /end is asked for."""
    end = asyncio.Event()

    async def pulse(request: web.Request) -> web.Response:
        return web.Response(text=name)

    async def echo(request: web.Request) -> web.Response:
        seen = [request.method, request.path_qs, request.headers.get("X-Mine"), await request.text()]
        return web.json_response(seen, status=418, headers={"X-Yours": "kept"})

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.headers["Cache-Control"] = request.query.get("cache", "no-cache")
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await end.wait()
        await response.write_eof()
        return response

    async def finish(request: web.Request) -> web.Response:
        end.set()
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/pulse", pulse), web.route("*", "/echo", echo), web.get("/end", finish)])
    app.add_routes([web.get("/stream", stream)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Endpoint(int(runner.addresses[0][1]))
    finally:
        end.set()
        await runner.cleanup()


async def first_token_comes_alone(url: str, accept: str | None) -> bool:
    """Return whether the token came while the backend was silent; wait for it no longer than the patience."""
    headers = {"Accept-Encoding": accept} if accept else {}
    async with (
        aiohttp.ClientSession(skip_auto_headers=["Accept-Encoding"]) as session,
        session.get(url, headers=headers) as response,
    ):
        try:
            async with asyncio.timeout(PATIENCE_S):
                return b"data: 1" in await response.content.readuntil(b"\n\n")
        except TimeoutError:
            return False


def group(pgid: int) -> list[int]:
    """Return the processes of a group that are alive."""

    def belongs(one: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            return os.getpgid(one.pid) == pgid and one.status() != psutil.STATUS_ZOMBIE
        return False

    return [one.pid for one in psutil.process_iter() if belongs(one)]


def instance(evidence: Path) -> Path:
    """Return the folder that an instance worked in."""
    app, dist_dir = re.findall(r"cd (\S+)|DIST_DIR=(\S+)", (evidence / "command.txt").read_text())
    return Path(app[0], dist_dir[1])


@pytest.mark.proxies
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("variant", "version"),
    sampled(starmap(pytest.param, product(TO_BROWSERS, VERSIONS)), each=2 * len(VERSIONS)),
)
async def test_a_token_waits_only_for_the_gzip_of_rewrites(variant: str, version: str, tmp_path: Path) -> None:
    to_browsers, nextjs = TO_BROWSERS[variant], in_version(version)
    async with backend() as upstream, Launcher() as launcher:
        running = await nextjs.start(APP / f"{variant}.yaml", upstream, tmp_path, launcher)
        assert running.version == nextjs.version()
        assert running.version.startswith(version)
        stream = f"{running.endpoint.url}/stream"
        assert await first_token_comes_alone(stream, None)
        assert await first_token_comes_alone(stream, BROWSER) is to_browsers
        assert await first_token_comes_alone(f"{stream}?cache=no-transform", BROWSER)
    assert "UPSTREAM=" in (tmp_path / "command.txt").read_text()
    assert re.search("next.js", (tmp_path / "nextjs.log").read_text(), re.IGNORECASE)


@pytest.mark.proxies
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("variant", ["prod", "route-handler"])
async def test_method_headers_body_and_status_pass(variant: str, tmp_path: Path) -> None:
    async with backend() as upstream, Launcher() as launcher:
        running = await NEXTJS.start(APP / f"{variant}.yaml", upstream, tmp_path, launcher)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{running.endpoint.url}/echo?a=1", data="héllo", headers={"X-Mine": "kept"}) as response,
        ):
            assert response.status == 418
            assert response.headers["X-Yours"] == "kept"
            assert await response.json() == ["POST", "/echo?a=1", "kept", "héllo"]


@pytest.mark.proxies
@pytest.mark.usefixtures("installed")
async def test_instances_side_by_side_keep_to_their_upstreams_and_leave_nothing(tmp_path: Path) -> None:
    async def one(name: str, variant: str, launcher: Launcher) -> int:
        evidence = tmp_path / name
        evidence.mkdir()
        async with backend(name) as upstream, aiohttp.ClientSession() as session:
            running = await NEXTJS.start(APP / f"{variant}.yaml", upstream, evidence, launcher)
            async with session.get(f"{running.endpoint.url}/pulse") as response:
                assert await response.text() == name
        return process(running).pid

    async with Launcher() as launcher:
        wanted = [("a", "dev"), ("b", "dev"), ("c", "prod"), ("d", "prod")]
        pids = await asyncio.gather(*(one(name, variant, launcher) for name, variant in wanted))
        assert len(group(pids[0])) == 2  # `next dev` is two processes
        assert all(instance(tmp_path / name).is_dir() for name, _ in wanted)
    assert not any(map(group, pids))
    assert not any(instance(tmp_path / name).exists() for name, _ in wanted)


@pytest.mark.proxies
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("version", "inspector"),
    sampled([pytest.param("", 400), pytest.param("15.5", 404), pytest.param("14.2", 404)], each=len(VERSIONS)),
)
async def test_next_dev_starts_nothing_for_a_stranger(
    version: str, inspector: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers tell that these are still the paths: what Next.js does not know, it answers with 404."""
    editor = tmp_path / "an editor"
    editor.write_text("#!/bin/sh\nsleep 60\n")
    editor.chmod(0o755)
    monkeypatch.setenv("REACT_EDITOR", f'"{editor}"')
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.setenv(name, str(editor))
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=2000")
    async with backend() as upstream, Launcher() as launcher, aiohttp.ClientSession() as session:
        running = await in_version(version).start(APP / "dev.yaml", upstream, tmp_path, launcher)
        base = f"http://127.0.0.1:{running.endpoint.port}"
        before = programs_and_ports(process(running).pid)
        async with session.get(f"{base}/__nextjs_launch-editor?file=/etc/hostname&line1=1&column1=1") as response:
            assert response.status == 204
        async with session.get(f"{base}/__nextjs_attach-nodejs-inspector") as response:
            assert response.status == inspector
            assert inspector == 404 or "Failed to open port" in await response.text()
        async with session.post(f"{base}/_next/mcp", json={}) as response:
            assert response.status == 404
        assert programs_and_ports(process(running).pid) == before
    assert "NODE_OPTIONS=--max-old-space-size=2000 --require" in (tmp_path / "command.txt").read_text()


def programs_and_ports(pid: int) -> tuple[set[str], set[int]]:
    """Return the names of a program and of all that it has started, and the ports at which they listen."""
    whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    bound = [one for each in whole for one in each.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    return {each.name() for each in whole}, {one.laddr.port for one in bound}


KILLED = """
import asyncio, sys
from pathlib import Path
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.catalog import PROXIES

async def main():
    async with Launcher() as launcher:
        config, port, evidence = sys.argv[1:]
        upstream = Endpoint(int(port))
        running = await PROXIES["nextjs"].start(Path(config), upstream, Path(evidence), launcher)
        print(running.program.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.proxies
@pytest.mark.usefixtures("installed")
@some_of("variant", ["dev", "prod"], each=2)
async def test_nothing_outlives_a_harness_that_is_killed(variant: str, tmp_path: Path) -> None:
    async with backend() as upstream:
        arguments = (str(APP / f"{variant}.yaml"), str(upstream.port), str(tmp_path))
        harness = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert harness.stdout is not None
        pid = int(await asyncio.wait_for(harness.stdout.readline(), 30))
        assert group(pid)
        harness.send_signal(signal.SIGKILL)
        await harness.wait()
        await eventually(lambda: group(pid), operator.not_)
        await eventually(instance(tmp_path).exists, operator.not_)
