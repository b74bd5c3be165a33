"""The real nginx: every shipped config serves, every fault is told in nginx's own words, nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.bench import Bench
from harness.clients import CLIENTS
from harness.clients.base import Request
from harness.errors import InputError, ProxyError, Unavailable
from harness.launchers.process import Launcher, Process, until
from harness.model import Endpoint, Hop
from harness.proxies import certificates
from harness.proxies.base import Running
from harness.proxies.nginx import Nginx, render
from harness.resources import configs
from tests.clients.http2_peer import Seen
from tests.factories import judged
from tests.measuring import READS, plan
from tests.tapping import tapped

SHIPPED = sorted((configs() / "nginx").glob("*.conf"))
DEFAULT = configs() / "nginx/default.conf"
NOWHERE = Endpoint(1)
DEADLINE_S = 20.0
STRANGER = 54321

each_shipped = pytest.mark.parametrize("config", SHIPPED, ids=[path.stem for path in SHIPPED])
in_modules_loop = pytest.mark.asyncio(loop_scope="module")


def own(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write a config of the user's: the stock one with some words replaced."""
    text = DEFAULT.read_text()
    for words, others in changes:
        assert words in text
        text = text.replace(words, others)
    path = folder / "my.conf"
    path.write_text(text)
    return path


async def started(launcher: Launcher, config: Path, folder: Path, upstream: Endpoint = NOWHERE) -> Running:
    evidence = folder / "evidence"
    evidence.mkdir(exist_ok=True)
    return await Nginx().start(config, upstream, evidence, launcher)


async def status(running: Running, body: bytes | None = None) -> int | None:
    endpoint = running.endpoint
    client = CLIENTS[reader(endpoint)]()
    seen = Seen()
    await client.stream(
        Request(f"{endpoint.url}/pulse", method="POST" if body else "GET", body=body, authority=endpoint.authority),
        seen,
    )
    await client.close()
    return seen.status


def reader(endpoint: Endpoint) -> str:
    """Return the client that speaks what an endpoint does."""
    return "aiohttp" if "1.1" in endpoint.http else "h2"


# ---------------------------------------------------------------- templates, without nginx


@each_shipped
def test_a_shipped_config_says_in_its_first_line_what_it_stands_for(config: Path) -> None:
    told = Nginx().describe(config)
    assert told.endswith(".")
    assert told != config.name
    Nginx().check(config)


@pytest.mark.parametrize("placeholder", ["LISTEN", "UPSTREAM"])
async def test_a_missing_placeholder_is_the_users_to_fill_in(tmp_path: Path, placeholder: str) -> None:
    config = own(tmp_path, (f"${{{placeholder}}}", "127.0.0.1:80"))
    with pytest.raises(InputError) as told:
        Nginx().check(config)
    assert str(told.value).startswith(f"{config}: has no ${{{placeholder}}}; write `")
    async with Launcher() as launcher:
        with pytest.raises(InputError, match=str(config)):
            await started(launcher, config, tmp_path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_config_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    config = tmp_path / "my.conf"
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(InputError, match=r"my\.conf: cannot be read"):
        Nginx().check(config)


@pytest.mark.parametrize("listen", ["listen ${LISTEN} ssl", "listen   ${LISTEN} default_server ssl http2"])
@pytest.mark.parametrize("missing", ["CERTIFICATE", "CERTIFICATE_KEY"])
def test_tls_needs_the_harness_own_certificate(tmp_path: Path, listen: str, missing: str) -> None:
    there = "CERTIFICATE" if missing == "CERTIFICATE_KEY" else "CERTIFICATE_KEY"
    config = own(tmp_path, ("listen ${LISTEN}", f'{listen};\n  x "${{{there}}}"'))
    with pytest.raises(InputError) as told:
        Nginx().check(config)
    assert f"has no ${{{missing}}}; write `ssl_certificate" in str(told.value)
    Nginx().check(own(tmp_path, ("listen", f"# {listen}\n listen")))  # a comment asks for nothing


def test_nginxs_own_variables_are_left_alone(tmp_path: Path) -> None:
    template = "listen ${LISTEN}; pass ${UPSTREAM}${request_uri} $host ${FOLDER}/x ${LISTENER} $LISTEN;"
    rendered = render(template, "1.2.3.4:5", "http://up\\1", tmp_path)
    assert rendered == f"listen 1.2.3.4:5; pass http://up\\1${{request_uri}} $host {tmp_path}/x ${{LISTENER}} $LISTEN;"


async def test_a_missing_nginx_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **others: None)
    with pytest.raises(Unavailable, match="nginx is not installed") as told:
        Nginx().version()
    assert "apt-get install nginx" in told.value.remedy
    async with Launcher() as launcher:
        with pytest.raises(Unavailable, match="nginx is not installed"):
            await started(launcher, DEFAULT, tmp_path)


# ---------------------------------------------------------------- what is shipped


@pytest.mark.proxies
@in_modules_loop
@each_shipped
async def test_a_shipped_config_starts_and_passes_requests_and_streams(bench: Bench, config: Path) -> None:
    told = plan(f"nginx:{config.stem}", 8, 100, 80)
    client = reader((await bench.entry(told.chain)).endpoint)
    trace, entry = await bench.record("cell", replace(told, client=client))
    assert judged(trace).verdict in ("streamed", "buffered"), judged(trace).reason
    (running,) = entry.hops
    assert (running.name, running.version, await status(running)) == ("nginx", Nginx().version(), 200)
    assert entry.death() is None
    (evidence,) = entry.evidence
    assert f"listen 127.0.0.1:{running.endpoint.port}" in (evidence / "nginx.conf").read_text()
    log = (evidence / "error.log").read_text()
    assert not [line for line in log.splitlines() if "[emerg]" in line or "[alert]" in line or "[crit]" in line]


@pytest.mark.proxies
def test_nginx_is_found_where_distributions_put_it_although_a_users_path_does_not_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = Nginx().version()
    assert known[0].isdigit()
    if shutil.which("nginx", path="/usr/sbin:/usr/local/sbin"):
        monkeypatch.setenv("PATH", "/bin:/usr/bin")
        assert Nginx().version() == known


@pytest.mark.proxies
@in_modules_loop
@pytest.mark.parametrize(
    ("variant", "http", "secure"),
    [
        ("default", ("1.1",), False),
        ("tls", ("1.1",), True),
        ("h2-tls", ("1.1", "2"), True),
    ],
)
async def test_an_endpoint_tells_what_it_speaks(
    bench: Bench, variant: str, http: tuple[str, ...], secure: bool
) -> None:
    endpoint = (await bench.entry((Hop("nginx", variant),))).endpoint
    assert endpoint.http == http
    assert endpoint.url.startswith("https://" if secure else "http://")
    assert bool(endpoint.authority) is secure


@pytest.mark.proxies
@in_modules_loop
async def test_http2_in_the_clear_is_all_that_an_older_nginx_speaks_there(bench: Bench) -> None:
    """nginx answers in both on one port since 1.25.1."""
    version = tuple(map(int, Nginx().version().split()[0].split(".")))
    endpoint = (await bench.entry((Hop("nginx", "h2"),))).endpoint
    assert endpoint.http == (("2",) if version < (1, 25, 1) else ("1.1", "2"))


# ---------------------------------------------------------------- what a user may bring


@pytest.mark.proxies
async def test_a_certificate_that_is_not_the_harness_own_is_told_before_any_cell(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    certificates.issue(stranger, stranger / "authority.pem")
    pair = f"ssl_certificate {stranger / certificates.CERTIFICATE}; ssl_certificate_key {stranger / certificates.KEY};"
    ours = "# not ${CERTIFICATE} and ${CERTIFICATE_KEY}"
    config = own(tmp_path, ("listen ${LISTEN};", f"listen ${{LISTEN}} ssl; {pair} {ours}"))
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match=r"nginx does not serve TLS on port .*certificate verify failed"):
            await started(launcher, config, tmp_path)


@pytest.mark.proxies
async def test_a_key_is_gone_with_its_nginx_and_never_was_evidence(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        await started(launcher, configs() / "nginx/tls.conf", tmp_path)
        keys = [path for folder in launcher._folders for path in folder.glob("*key*")]
        assert [path.stat().st_mode & 0o777 for path in keys] == [0o600]
    assert not any(path.exists() for path in keys)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "authority.pem" in [path.name for path in kept]
    assert not [path for path in kept if b"PRIVATE KEY" in path.read_bytes()]


@pytest.mark.proxies
async def test_a_broken_config_is_told_in_nginxs_own_words_with_file_and_line(tmp_path: Path) -> None:
    config = own(tmp_path, ("proxy_pass", "proxy_bufferring off;\n            proxy_pass"))
    async with Launcher() as launcher:
        with pytest.raises(ProxyError) as told:
            await started(launcher, config, tmp_path)
    first, *words = str(told.value).splitlines()
    assert first == "nginx did not start:"
    assert "[emerg]" in words[0]
    rendered = tmp_path / "evidence/nginx.conf"
    line = 1 + [row.strip() for row in rendered.read_text().splitlines()].index("proxy_bufferring off;")
    assert words[0].endswith(f'unknown directive "proxy_bufferring" in {rendered}:{line}')


@pytest.mark.proxies
async def test_a_taken_port_that_a_config_insists_on_is_told_in_nginxs_own_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = own(tmp_path, ("listen ${LISTEN};", f"listen {address};\n        listen ${{LISTEN}};"))
        async with Launcher() as launcher:
            with pytest.raises(ProxyError) as told:
                await started(launcher, config, tmp_path)
            assert f"[emerg] bind() to {address} failed (98: Address already in use)" in str(told.value)
            assert launcher._processes == [], "and it was not tried again on another port"


@pytest.mark.proxies
async def test_a_config_may_say_itself_what_we_would_else_say(tmp_path: Path) -> None:
    config = own(tmp_path, ("events {}", f"daemon off;\npid {tmp_path}/own.pid;\nerror_log stderr info;\nevents {{}}"))
    async with Launcher() as launcher:
        running = await started(launcher, config, tmp_path)
        assert await status(running) == 502, "nobody listens behind it"
        assert int((tmp_path / "own.pid").read_text()) == running.process.pid
        assert "Connection refused" in running.process.log_tail()


# ---------------------------------------------------------------- life and death


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("harness-nginx-*"))


@pytest.mark.proxies
async def test_several_instances_live_side_by_side_and_nothing_of_them_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    async with Launcher() as launcher:
        places = [tmp_path / str(number) for number in range(8)]
        for place in places:
            place.mkdir()
        instances = await asyncio.gather(*(started(launcher, DEFAULT, place) for place in places))
        assert len({running.endpoint.port for running in instances}) == 8
        assert [await status(running) for running in instances] == [502] * 8
        assert len(folders()) == 8
        family = [psutil.Process(running.process.pid) for running in instances]
        family += [child for process in family for child in process.children(recursive=True)]
        assert len(family) >= 16, "a master and a worker each"
    assert await until(lambda: not any(process.is_running() for process in family), DEADLINE_S)
    assert folders() == set()


@pytest.mark.proxies
@in_modules_loop
async def test_one_that_dies_in_mid_stream_is_told_and_the_next_cell_gets_a_new_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = (Hop("nginx", "buffering-off"),)
    process = (await bench.entry(chain)).hops[0].process
    killer = tapped(monkeypatch, READS, lambda: process.signal_group(signal.SIGKILL))
    told = plan("nginx:buffering-off", 12, 100, 80)
    trace, entry = await bench.record("cell", replace(told, client=killer))
    assert judged(trace).verdict == "broken"
    assert await until(entry.death, DEADLINE_S)
    assert (entry.death() or "").startswith("nginx was killed by SIGKILL")
    trace, another = await bench.record("cell", told)
    assert judged(trace).verdict == "streamed"
    assert another.hops[0].process.pid != process.pid
    assert another.evidence != entry.evidence


class Others(Launcher):
    """A launcher whose folders belong to a stranger, with all that is in them, as they do when a stranger runs it."""

    def launch(self, *args: Any, **options: Any) -> Process:
        for folder in self._folders:
            for path in (folder, *folder.iterdir()):
                os.chown(path, STRANGER, STRANGER)
        return super().launch(*args, **options)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can get to; and an nginx that runs as somebody who owns nothing else."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become somebody else; who is not root tests it anyway")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shim = folder / "bin/nginx"
        shim.parent.mkdir()
        become = (
            f"exec setpriv --reuid={STRANGER} --regid={STRANGER} --clear-groups --inh-caps=-all --bounding-set=-all"
        )
        shim.write_text(f'#!/bin/sh\n{become} {shutil.which("nginx", path="/usr/sbin:/usr/bin")} "$@"\n')
        shim.chmod(0o755)
        (folder / "evidence").mkdir()
        os.chown(folder / "evidence", STRANGER, STRANGER)
        yield folder


@pytest.mark.proxies
@each_shipped
async def test_an_unprivileged_user_can_run_it(public: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{public}/bin:{os.environ['PATH']}")
    async with Others() as launcher:
        running = await started(launcher, config, public)
        assert await status(running, body=b"too large for its memory" * 10_000) == 502
        processes = [psutil.Process(running.process.pid), *psutil.Process(running.process.pid).children()]
        assert {process.uids().effective for process in processes} == {STRANGER}
    log = (public / "evidence/error.log").read_text()
    assert not [line for line in log.splitlines() if "Permission denied" in line]
