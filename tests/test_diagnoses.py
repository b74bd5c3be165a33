"""Real chains, diagnosed as users have it done: what is found, and that it is the truth of the chain and no other's."""

from __future__ import annotations

import json
import re
import shlex
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
    SetUp("nginx:./plain.conf>nginx:inner=./plain.conf", "the inner uses the header up", "pad-4k (bytes)"),
    SetUp("nginx:./off.conf", "nothing is held", said=("streams: ", "it streams as it is")),
    SetUp("nginx:./limit.conf", "a limit that lets all through in time", "x-accel-buffering (header)"),
    SetUp("nginx:./api.conf", "no location for what is asked", said=("a hop answers by itself", "404"), status=3),
    SetUp(
        "caddy:plain>nginx:./deaf.conf",
        "the outer asks for gzip and looks guilty of what the inner does",
        "content-encoding-identity + pad-4k (bytes)",
        ("caddy:plain alone it streams (curl, browser)", "without it the chain streams (curl, browser)"),
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
    SetUp(
        "traefik:buffering", "nothing within helps", "websocket-instead (format)", ("Nothing within the chain mends",)
    ),
    SetUp("emulator:store-and-forward", "nothing within helps", "websocket-instead (format)", ("A hop is emulated",)),
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


@pytest.mark.proxies
def test_a_budget_that_is_over_says_what_is_known_and_leaves_a_run(harness: Harness) -> None:
    said = harness("diagnose", "--hop", "cloudrun:x-accel-honoured", "--budget", "1", "--json", "out.json")
    assert said.status == 3
    assert "curl not known: the budget of 1 s was over" in " ".join(said.out.split())
    assert "What to change" not in said.out
    kept = json.loads(Path("out.json").read_text())
    assert {one["verdict"] for one in kept["results"]} == {"streamed"}, "the direct ones"
    again = harness("report")
    assert (again.status, "knows nothing of cloudrun:x-accel-honoured" in again.err) == (3, True)


PAGE = (configs().parent / "docs/diagnose.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def without_figures(text: str) -> list[str]:
    return re.sub(r"[\d.]+", "N", text).split()


@pytest.mark.proxies
def test_the_page_s_example_is_what_its_command_says(harness: Harness, tmp_path: Path) -> None:
    if why := missing("nextjs") or missing("nginx"):
        pytest.skip(why)
    (tmp_path / "gateway.conf").write_text(block("nginx"))
    _, *words = shlex.split(block("console").removeprefix("$ "))
    said = harness(*words)
    assert said.status == 0
    answer, _, _ = said.out.partition("as it is")
    example, table, _ = block("text").partition("as it is")
    assert table
    assert without_figures(answer) == without_figures(example)
