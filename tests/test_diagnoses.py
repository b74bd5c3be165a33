"""Real chains, diagnosed as users have it done: what is found, and that it is the truth of the chain and no other's."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.model import Result
from harness.resources import configs
from harness.store.runs import Run, latest
from tests.commanding import Harness
from tests.sampling import sampled
from tests.sandbox import missing

LOCATION = "listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}/; proxy_http_version 1.0;"
"""An nginx that buffers in any version: by HTTP/1.0, which was its default before 1.29.7."""
SERVER = "events {}\nhttp { %s server { " + LOCATION + " %s } } }\n"
CONFIGS = {
    "plain.conf": SERVER % ("", ""),
    "off.conf": SERVER % ("", "proxy_buffering off;"),
    "deaf.conf": SERVER
    % (
        "gzip on; gzip_types text/event-stream; gzip_proxied any;",
        "proxy_ignore_headers X-Accel-Buffering;",
    ),
    "login.conf": SERVER % ("", "auth_basic a; auth_basic_user_file users;"),
    "users": "a:$apr1$x$y\n",
    "limit.conf": SERVER % ("limit_req_zone $server_name zone=a:1m rate=2r/s;", "limit_req zone=a;"),
    "api.conf": SERVER.replace("location / ", "location /api/ ") % ("", ""),
}


@dataclass(frozen=True)
class SetUp:
    """A chain, what it is about, what mends it (empty: nothing is to mend), and words of the answer."""

    chain: str
    about: str
    mended_by: str = ""
    said: tuple[str, ...] = ()
    status: int = 0


SET_UPS = (
    SetUp("nginx:./plain.conf", "a buffer that heeds a header", "x-accel-buffering (header)", ("at the end",)),
    SetUp("nginx:./login.conf", "a login that answers instead", said=("a hop answers by itself", "401"), status=3),
    SetUp(
        "nginx:./plain.conf>nginx:inner=./plain.conf",
        "the inner uses the header up, unless it is told to pass it on",
        "nginx-pass-x-accel@inner (config)",
        ("proxy_pass_header X-Accel-Buffering;", '"X-Accel-Buffering": "no"'),
    ),
    SetUp("nginx:./off.conf", "nothing is held", said=("streams: ", "it streams as it is")),
    SetUp("nginx:./limit.conf", "a limit that lets all through in time", "x-accel-buffering (header)"),
    SetUp("nginx:./api.conf", "no location for what is asked", said=("a hop answers by itself", "404"), status=3),
    SetUp(
        "caddy:plain>nginx:./deaf.conf",
        "the outer asks for gzip and looks guilty of what the inner does",
        "nginx-buffering-off (config)",
        (
            "proxy_buffering off;",
            "caddy:plain alone it streams (curl, browser)",
            "without it the chain streams (curl, browser)",
        ),
    ),
    SetUp(
        "nginx:./off.conf>nginx:inner=./plain.conf",
        "the outer does what it can",
        "x-accel-buffering (header)",
        ("nginx:off alone it streams (curl, browser)",),
    ),
    SetUp("express:compression", "a compressor, for browsers alone", "no-transform (header)", ("curl streams",)),
    SetUp("express:compression>nginx:./plain.conf", "two that hold", "no-transform + x-accel-buffering (header)"),
    SetUp("haproxy:compression", "no header helps", "haproxy-no-delay (config)", ("option http-no-delay",)),
    SetUp("traefik:buffering", "a middleware too many", "traefik-buffering-off (config)"),
    SetUp(
        "emulator:store-and-forward",
        "nothing within helps",
        "websocket-instead (format)",
        ("A hop is emulated", "Nothing within the chain mends"),
    ),
    SetUp("apache:deflate-all>express:compression", "the inner holds", "no-transform (header)"),
)


@pytest.mark.proxies
@pytest.mark.parametrize("set_up", sampled([pytest.param(one, id=one.chain) for one in SET_UPS], each=9))
def test_what_is_found_is_what_mends_the_chain(harness: Harness, tmp_path: Path, set_up: SetUp) -> None:
    hops = [hop.partition(":")[0] for hop in set_up.chain.split(">")]
    if why := next(filter(None, map(missing, hops)), None):
        pytest.skip(why)
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    said = harness("diagnose", "--chain", set_up.chain)
    told = " ".join(said.out.split())
    assert said.status == set_up.status, said.err
    assert [words for words in set_up.said if words not in told] == []
    _, changes, what = told.partition("What to change ")
    assert bool(changes) is bool(set_up.mended_by)
    assert set_up.mended_by in what
    assert harness("report").out == said.out
    is_proven(Run.open(latest(Path("runs"))), set_up.mended_by.partition(" (")[0])


def is_proven(run: Run, mended_by: str) -> None:
    """See that the records bear out what was told: all requests stream with it, and not without any part of it."""
    names = mended_by.split(" + ") if mended_by else []
    whole = [one for one in run.results if ">".join(map(str, one.cell.chain)) == run.info.diagnosed]
    by_set: dict[tuple[str, ...], list[Result]] = {}
    for one in whole:
        by_set.setdefault(one.cell.mitigations, []).append(one)
    assert len(by_set[()]) == 2
    if names:
        assert {one.verdict for one in by_set[tuple(names)]} == {"streamed"}
        for name in names:
            rest = tuple(other for other in names if other != name)
            assert {one.verdict for one in by_set[rest]} != {"streamed"}


SHOP = """\
events {}
http {
    proxy_cache_path /var/cache/nginx keys_zone=pages:1m;
    gzip on;
    gzip_types text/event-stream;
    upstream app { server app:8000; }
    server {
        listen 443 ssl;
        server_name shop.example;
        ssl_certificate /etc/shop.pem;
        ssl_certificate_key /etc/shop.key;
        proxy_set_header Authorization "Bearer s3cr3t";
        location / { proxy_pass http://app; }
        location /api/ {
\t\tproxy_pass http://app;  # the chat
\t\tproxy_http_version 1.0;
\t\tproxy_cache pages;
\t\tproxy_ignore_headers X-Accel-Buffering Cache-Control;
        }
    }
}
"""


@dataclass(frozen=True)
class Deployed:
    """A chain of configs that no header mends, how they stand in it, and in which files it is to be changed."""

    chain: str
    options: tuple[str, ...]
    files: tuple[str, ...]


DEPLOYED = (
    Deployed("nginx:./shop.conf", ("--path", "/api/chat"), ("shop.conf",)),
    Deployed("nginx:./plain.conf>nginx:./deaf.conf", (), ("deaf.conf", "plain.conf")),
)


@pytest.mark.proxies
@pytest.mark.needs("nginx")
@pytest.mark.needs("nginx")
@pytest.mark.skipif(not shutil.which("patch"), reason="no patch")
@pytest.mark.parametrize("set_up", sampled([pytest.param(one, id=one.chain) for one in DEPLOYED], each=2))
def test_what_is_printed_patches_the_files_and_these_stream_as_they_are_then(
    harness: Harness, tmp_path: Path, set_up: Deployed
) -> None:
    texts = {**CONFIGS, "shop.conf": SHOP}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    said = harness("diagnose", "--chain", set_up.chain, *set_up.options)
    run = Run.open(latest(Path("runs")))
    assert harness("report").out == said.out
    patch = ["patch", "-p0", "--no-backup-if-mismatch"]
    subprocess.run(patch, input=said.out.encode(), check=True, timeout=60)  # which passes over what is no diff
    assert sorted(name for name, text in texts.items() if Path(name).read_text() != text) == list(set_up.files)
    for request in ("curl", "browser"):
        options = ("--chain", set_up.chain, *set_up.options, "--request", request)
        streams = harness("run", *options, "--expect", "streamed")
        assert streams.status == 0, streams.out
    kept = [said.out, said.err, (run.folder / "run.json").read_text(), (run.folder / "results.jsonl").read_text()]
    assert [text for text in kept if "s3cr3t" in text] == []
    assert run.folder.stat().st_mode & 0o077 == 0, "what nginx was given lies in it, secrets and all"


@pytest.mark.proxies
def test_one_cell_tells_what_its_mitigation_changed_in_the_config(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "deaf.conf").write_text(CONFIGS["deaf.conf"])
    said = harness("run", "--chain", "nginx:./deaf.conf", "-m", "nginx-buffering-off", "--expect", "streamed")
    assert said.status == 0, said.err
    _, _, diff = said.out.partition("nginx:deaf was measured with this in your config:\n")
    assert diff.startswith("--- deaf.conf\n+++ deaf.conf\n@@ -1,2 +1,2 @@\n")
    assert "defeats" in said.out


@pytest.mark.proxies
def test_a_budget_that_is_over_says_what_is_known_and_leaves_a_run(harness: Harness) -> None:
    said = harness("diagnose", "--hop", "cloudrun:x-accel-honoured", "--budget", "1", "--json", "out.json")
    assert said.status == 3
    told = " ".join(said.out.split()).partition("curl ")[2]
    assert re.match(r"(not known|looks held \(not measured to the end\)): the budget of 1 s was over", told)
    assert "with that, the whole chain streams" not in said.out
    kept = json.loads(Path("out.json").read_text())
    assert {one["verdict"] for one in kept["results"]} <= {"streamed"}, (
        "of the direct ones, as many as there was time for"
    )
    again = harness("report")
    assert (again.status, "knows nothing of cloudrun:x-accel-honoured" in again.err) == (3, True)


PAGE = (configs().parent / "docs/diagnose.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


EXAMPLES = list(zip(blocks("nginx"), blocks("console"), blocks("text"), strict=True))


def without_figures(text: str) -> list[str]:
    return re.sub(r"[\d.]+", "N", text).split()


@pytest.mark.proxies
@pytest.mark.parametrize(("config", "command", "text"), EXAMPLES, ids=["a header", "a line of a config"])
def test_the_page_s_example_is_what_its_command_says(
    harness: Harness, tmp_path: Path, config: str, command: str, text: str
) -> None:
    if why := next(filter(None, (missing(name) for name in ("nextjs", "nginx") if f"{name}:" in command)), None):
        pytest.skip(why)
    file = config.split()[1]
    (tmp_path / file).write_text(config)
    _, *words = shlex.split(command.removeprefix("$ "))
    said = harness(*words)
    assert said.status == 0
    answer, table, _ = said.out.partition("request body     as it is")
    assert table
    assert without_figures(answer) == without_figures(text.partition("request body     as it is")[0])
