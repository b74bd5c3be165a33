"""What is printed to be typed: it is understood, and means the configs of the cell that it stands beside."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness import session
from harness.errors import InputError
from harness.model import Deployment
from harness.plugin import markers
from harness.reports.failing import looked_at
from harness.session.running import described
from tests.commanding import Harness
from tests.reports.samples import result
from tests.sampling import some_of

CONF = """\
events {}
http {
    server { listen 81; location / { proxy_pass http://app:8000; } location /other { proxy_pass http://app:8000; } }
}
"""
EDGE = CONF.replace("server {", "server { listen 80; location /api/ { proxy_pass http://app:8000; } }\n    server {", 1)
MATRIX = """\
title: T
workloads: {w: {tokens: 8, token_bytes: 112}}
variants:
  nginx:
    edge: {file: deploy/edge.conf, path: /api/declared, server: ":80"}
    gate: {file: deploy/nginx.conf, path: /other, server: ":81"}
axes: {chain: "%s"}
"""
LOAD = {"tokens": 8, "token_bytes": 112}
TWO = "nginx:edge=./deploy/edge.conf>nginx:./deploy/nginx.conf"
ONE = "nginx:default>nginx:./deploy/nginx.conf"


def of_marker(chain: object, **said: object) -> session.Job:
    asked = markers.read([chain], said, [Path.cwd()])
    assert asked
    return asked.job()[0]


def of_matrix(chain: str, **said: Any) -> session.Job:
    Path("m.yaml").write_text(MATRIX % chain)
    return session.load("m.yaml", deployment=Deployment(**said))


def of_options(chain: str, **said: Any) -> session.Job:
    return session.one_cell({"chain": chain, "request": "br"}, LOAD, deployment=Deployment(**said))


@some_of(
    "job",
    [
        lambda: of_marker(ONE, path="/api/chat"),
        lambda: of_marker([ONE, "direct"], map=["app:8000"], server=":81"),
        lambda: of_marker(TWO, path="/api/chat", server="edge=:80", map="nginx:nginx=app:8000"),
        lambda: of_options(ONE, path="/other"),
        lambda: of_options(TWO, server="nginx:edge=:80", path="/api/chat", map=("nginx=app:8000",)),
        lambda: of_matrix("nginx:edge>nginx:gate"),
        lambda: of_matrix("nginx:gzip>nginx:gate"),
        lambda: of_matrix("nginx:gzip>nginx:shop=./deploy/edge.conf", path="/api/x", server="shop=:80"),
        lambda: of_matrix("nginx:shop=./deploy/edge.conf>nginx:edge", path="/api/x", server="shop=:80"),
        lambda: of_matrix("nginx:edge>nginx:gate", server="nginx:edge=:81"),
        lambda: of_matrix("nginx:gzip>nginx:default"),
    ],
    each=4,
)
def test_what_finds_out_which_hop_it_is_looks_at_the_same_configs_in_the_same_way(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, job: Callable[[], session.Job]
) -> None:
    Path("deploy").mkdir()
    for name, text in {"edge": EDGE, "nginx": CONF}.items():
        Path(f"deploy/{name}.conf").write_text(text)
    measured = job()
    cell = measured.cells[-1]
    failed = result(cell, "buffered", outcome="fail")
    run = described(measured, ("pytest", "-m", "proxies"))
    (line,) = (line for line in looked_at(failed, {}, run) if line.startswith("by which hop: "))
    looked: list[session.Job] = []

    def look(job: session.Job, fetching: object) -> NoReturn:
        looked.append(job)
        raise InputError("it is understood")

    monkeypatch.setattr(session, "fetched", look)
    for command in (line.removeprefix("by which hop: ").removesuffix(" finds out"), session.to_try(measured, cell)[0]):
        program, *words = shlex.split(command)
        assert program == "harness"
        assert "it is understood" in harness(*words).err
    for found in looked:
        assert {one.chain for one in found.cells} >= {cell.chain}
        assert [of_chain(found, hop) for hop in cell.chain] == [of_chain(measured, hop) for hop in cell.chain]


def of_chain(job: session.Job, hop: Any) -> tuple[str, Deployment | None]:
    """Return a hop's file and how it stands in the chain."""
    return os.path.abspath(job.own.get(hop.bare, "")), job.deployed.get(hop.bare)
