"""The real nginx: every shipped config serves, and what is wrong with a user's is told in nginx's own words."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError, Unavailable
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Endpoint, Hop, chain_text
from harness.resources import configs
from harness.session import load, session
from tests.factories import comes, judged
from tests.measuring import plan
from tests.proxies.nginxes import DEFAULT, NGINX, NOWHERE, each_shipped, in_modules_loop, own, reader, started, status
from tests.waiting import eventually

# ---------------------------------------------------------------- templates, without nginx


@each_shipped
def test_a_shipped_config_says_in_its_first_line_what_it_stands_for(config: Path) -> None:
    told = NGINX.describe(config)
    assert told.endswith(".")
    assert told != config.name
    NGINX.check(config)


async def test_a_missing_nginx_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **others: None)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Unavailable, match=r"nginx.* is not installed") as told:
        NGINX.version()
    assert told.value.remedy == "harness setup nginx"
    async with Launcher() as launcher:
        with pytest.raises(Unavailable, match=r"nginx.* is not installed"):
            await NGINX.start(DEFAULT, NOWHERE, tmp_path, launcher)


# ---------------------------------------------------------------- what is shipped


@pytest.mark.proxies
@in_modules_loop
@each_shipped
async def test_a_shipped_config_starts_and_passes_requests_and_streams(bench: Bench, config: Path) -> None:
    told = plan(f"nginx:{config.stem}", 8, 100)
    client = reader((await bench.entry(told.chain)).endpoint)
    trace, entry = await bench.record("cell", replace(told, client=client))
    assert comes(trace) in ("streamed", "at the end"), judged(trace).reason
    (running,) = entry.hops
    assert (running.name, running.version, await status(running)) == ("nginx", NGINX.version(), 200)
    assert entry.death() is None
    (evidence,) = entry.evidence
    assert f"listen 127.0.0.1:{running.endpoint.port}" in (evidence / "conf" / config.name).read_text()
    log = (evidence / "nginx.log").read_text()
    assert not [line for line in log.splitlines() if "[emerg]" in line or "[alert]" in line or "[crit]" in line]


@pytest.mark.proxies
def test_nginx_is_found_where_distributions_put_it_although_a_users_path_does_not_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = NGINX.version()
    assert known[0].isdigit()
    if shutil.which("nginx", path="/usr/sbin:/usr/local/sbin"):
        monkeypatch.setenv("PATH", "/bin:/usr/bin")
        assert NGINX.version() == known


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
    version = tuple(map(int, NGINX.version().split()[0].split(".")))
    endpoint = (await bench.entry((Hop("nginx", "h2"),))).endpoint
    assert endpoint.http == (("2",) if version < (1, 25, 1) else ("1.1", "2"))


# ---------------------------------------------------------------- what a user may bring


BROKEN = ("proxy_pass", "proxy_bufferring off;\n            proxy_pass")


@pytest.mark.proxies
def test_tls_without_any_certificate_is_told_in_nginxs_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'my\.conf:\d+: no "ssl_certificate" is defined for the "listen ... ssl"'):
        NGINX.check(own(tmp_path, ("listen ${LISTEN};", "listen ${LISTEN} ssl;")))


@pytest.mark.proxies
async def test_a_certificate_of_the_users_is_replaced_by_one_that_clients_trust(tmp_path: Path) -> None:
    pair = "ssl_certificate /nowhere/its.pem; ssl_certificate_key /nowhere/its.key;"
    config = own(tmp_path, ("listen ${LISTEN};", f"listen 443 ssl; {pair}"))
    async with Launcher() as launcher:
        running = await started(launcher, config, tmp_path)
        assert running.endpoint.url.startswith("https://")
        assert await status(running) == 502


@pytest.mark.proxies
async def test_a_key_is_gone_with_its_nginx_and_never_was_evidence(tmp_path: Path) -> None:
    async with Launcher() as launcher:
        await started(launcher, configs() / "nginx/tls.conf", tmp_path)
        keys = [path for folder in launcher._janitors.folders for path in Path(folder).glob("*key*")]
        assert [path.stat().st_mode & 0o777 for path in keys] == [0o600]
    assert not any(path.exists() for path in keys)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "authority.pem" in [path.name for path in kept]
    assert not [path for path in kept if b"PRIVATE KEY" in path.read_bytes()]


@pytest.mark.proxies
async def test_a_broken_config_is_the_users_and_told_in_nginxs_words_at_its_own_line(tmp_path: Path) -> None:
    config = own(tmp_path, BROKEN)
    line = 1 + [row.strip() for row in config.read_text().splitlines()].index("proxy_bufferring off;")
    with pytest.raises(InputError) as told:
        NGINX.check(config)
    assert str(told.value) == f'{config}:{line}: unknown directive "proxy_bufferring"'
    async with Launcher() as launcher:
        with pytest.raises(InputError) as again:
            await started(launcher, config, tmp_path)
        assert launcher._processes == []
    assert str(again.value) == str(told.value)


@pytest.mark.proxies
def test_a_broken_included_config_is_told_at_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/app.conf").write_text("# mine\nproxy_bufferring off;\n")
    config = own(tmp_path, ("location / {", "location / {\n include conf.d/*.conf;"))
    with pytest.raises(InputError) as told:
        NGINX.check(config)
    assert str(told.value) == f'{tmp_path}/conf.d/app.conf:2: unknown directive "proxy_bufferring"'


@pytest.mark.proxies
def test_a_complaint_without_a_place_names_the_config(tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        NGINX.check(own(tmp_path, ("events {}", "")))
    assert str(told.value) == f'{tmp_path}/my.conf: no "events" section in configuration'


@pytest.mark.proxies
async def test_what_a_config_says_of_logs_pid_and_user_does_not_leave_our_folders(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    config = own(
        tmp_path,
        ("events {}", f"user nobody-here; daemon on;\npid {theirs}/own.pid;\nerror_log {theirs}/e.log;\nevents {{}}"),
        ("http {", f"http {{\n access_log {theirs}/a.log;\n proxy_temp_path {theirs}/tmp;"),
        ("location / {", f"location / {{\n error_log {theirs}/e.log crit;"),
    )
    NGINX.check(config)
    async with Launcher() as launcher:
        running = await started(launcher, config, tmp_path)
        assert await status(running) == 502, "nobody listens behind it"
        assert running.program.returncode is None, "it has not gone into the background"
    assert list(theirs.iterdir()) == []
    assert "Connection refused" in (tmp_path / "evidence/nginx.log").read_text()


UPSTREAM_BLOCK = """
events {}
http {
    upstream app {
        server ${UPSTREAM_ADDRESS};
        keepalive 8;
    }
    server {
        listen ${LISTEN};
        location / {
            proxy_pass http://app${UPSTREAM_PATH}/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            include proxy.conf;
        }
    }
}
"""


@pytest.mark.proxies
async def test_an_upstream_block_with_keepalive_and_an_include_beside_it_as_a_variant_of_the_users(
    tmp_path: Path,
) -> None:
    (tmp_path / "gateway.conf").write_text(UPSTREAM_BLOCK)
    (tmp_path / "proxy.conf").write_text("proxy_buffering off;\n")
    (tmp_path / "m.yaml").write_text(
        "title: t\nworkloads: {w: {tokens: 8, token_bytes: 100}}\n"
        "axes: {mitigations: x-accel-buffering, chain: ['nginx:./gateway.conf', 'nginx:http10>nginx:./gateway.conf']}"
    )
    job = load(str(tmp_path / "m.yaml"))
    async with session(job, tmp_path / "runs") as (runner, _):
        results = {chain_text(r.cell.chain): r for r in await runner.run(job.cells, lambda _: None) if r.effect}
    assert {chain: result.shows and result.shows.manner for chain, result in results.items()} == {
        "nginx:gateway": "one by one",
        "nginx:http10>nginx:gateway": "at the end",
    }, "the inner one uses X-Accel-Buffering up"


async def test_an_upstream_block_that_forgets_the_path_of_the_next_proxy_is_told(tmp_path: Path) -> None:
    config = tmp_path / "my.conf"
    config.write_text(UPSTREAM_BLOCK.replace("${UPSTREAM_PATH}", "").replace("include proxy.conf;", ""))
    async with Launcher() as launcher:
        with pytest.raises(InputError, match=r"my\.conf: the next proxy serves below /api/py: .*\$\{UPSTREAM_PATH\}/"):
            await started(launcher, config, tmp_path, Endpoint(1, "/api/py"))


@pytest.mark.proxies
async def test_two_servers_in_one_config_meet_in_the_private_folder(tmp_path: Path) -> None:
    inner = "server { listen unix:${FOLDER}/inner.sock; location / { return 204; } }"
    config = own(
        tmp_path,
        ("location / {", "location /pulse { proxy_pass http://inner; }\n location / {"),
        ("http {", f"http {{ upstream inner {{ server unix:${{FOLDER}}/inner.sock; }} {inner}"),
    )
    async with Launcher() as launcher:
        assert await status(await started(launcher, config, tmp_path)) == 204


@pytest.mark.proxies
@pytest.mark.skipif(os.geteuid() != 0, reason="only root's workers become somebody else")
async def test_roots_workers_reach_their_files_below_a_folder_that_is_roots_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "tmp"
    private.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    async with Launcher() as launcher:
        running = await started(launcher, DEFAULT, tmp_path)
        assert await status(running, body=b"too large for its memory" * 10_000) == 502
    assert "Permission denied" not in (tmp_path / "evidence/nginx.log").read_text()


@pytest.mark.proxies
async def test_asking_nginx_for_its_version_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one answers only once the event loop has turned; it gives up after a while."""
    version, real = NGINX.installed().version, NGINX.installed().program
    shim = tmp_path / "bin/nginx"
    shim.parent.mkdir()
    slow = "n=0; until [ -e go ]; do n=$((n + 1)); [ $n -lt 200 ] || exit 1; sleep 0.01; done"
    shim.write_text(f'#!/bin/sh\ncd {tmp_path}\ncase $1 in -[vV]) touch asked; {slow};; esac\nexec {real} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    async with Launcher() as launcher:
        starting = asyncio.create_task(started(launcher, DEFAULT, tmp_path))
        await eventually((tmp_path / "asked").exists)
        (tmp_path / "go").touch()
        assert (await starting).version.split()[0] == version
