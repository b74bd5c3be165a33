"""What is told of a cell that failed: how to measure it again, where it was measured."""

from __future__ import annotations

from typing import Any, cast

import pytest
from typer.main import get_command

from harness.cli import commands
from harness.model import DECIDING, Deployment, Recording, Workload
from harness.reports.failing import looked_at
from tests.reports.samples import cell, result, run_info

FAILED = result(cell(), "buffered", outcome="fail")
THERE = ("--at", "https://chat.example/api", "--cacert=my ca.pem")
STANDS = ("--map", "app:8000", "--server=a.example", "--path", "/held")
PYTEST = "pytest -m proxies --harness-matrix 'my m.yaml'"
MATRIX = {"matrix_file": "m.yaml", "matrix_text": "title: m"}


@pytest.mark.parametrize(
    ("of", "again"),
    [
        ({}, f"harness run {FAILED.id}"),
        ({"options": ("run", FAILED.id, *THERE)}, f"harness run {FAILED.id} {THERE[0]} {THERE[1]} '{THERE[2]}'"),
        (
            {"options": ("run", "--chain", "nginx:./nginx.conf", "--path=/held", "-m", "no-cache")},
            "harness run --chain nginx:./nginx.conf --path=/held -m no-cache",
        ),
        ({"options": ("pytest", "-m", "proxies", "--harness-matrix", "my m.yaml")}, PYTEST),
        ({**MATRIX, "options": ("pytest", "-m", "proxies", "--harness-matrix", "my m.yaml")}, PYTEST),
        (
            {"options": ("pytest", "-m", "proxies"), "tests": {FAILED.id: ("pytest", "t.py::test[a/b]"), "other": ()}},
            "pytest 't.py::test[a/b]'",
        ),
        (MATRIX, f"harness matrix m.yaml --only {FAILED.id}"),
        (
            {**MATRIX, "options": ("matrix", "m.yaml", *THERE, "--jobs", "2")},
            f"harness matrix m.yaml {THERE[0]} {THERE[1]} '{THERE[2]}' --only {FAILED.id}",
        ),
        (
            {**MATRIX, "options": ("check", "m.yaml", *STANDS, "--strict", "--only", "curl")},
            f"harness matrix m.yaml {' '.join(STANDS)} --only {FAILED.id}",
        ),
        (
            {**MATRIX, "options": ("matrix", "m.yaml", "--pace", "paced", "--keep")},
            f"harness matrix m.yaml --pace paced --only {FAILED.id}",
        ),
    ],
)
def test_a_cell_is_measured_again_where_it_was_and_as_it_was(of: dict[str, Any], again: str) -> None:
    assert looked_at(FAILED, {}, run_info(**of))[-1] == f"again: {again}"


OWN = {"own": {"nextjs:web": "web", "nginx:n": "/srv/deploy/n.conf"}}
ONE = {"standing": {"nginx:n": Deployment(map=("app:8000",), server="a.example", path="/held?abc")}}
BOTH = {"standing": {"nginx:n": Deployment(wish="/held"), "nextjs:web": Deployment(server=":81", wish="/held")}}
RECORDED = Recording("0123456789abcdef", "", "GET", "sse", "chunked", "")
CHAIN = "nextjs:web>nginx:n"


@pytest.mark.parametrize(
    ("of", "asked", "command"),
    [
        ({}, {}, "--chain 'nextjs:web>nginx:n'"),
        (
            {**OWN, **ONE, "options": ("run", "--chain", "nextjs:./web>nginx:/srv/deploy/n.conf", "--tokens", "9")},
            {},
            "",
        ),
        ({**OWN, **ONE, "options": ("pytest", "-m", "proxies")}, {}, ""),
        (
            {**OWN, **ONE, **MATRIX, "options": ("check", "m.yaml", *STANDS)},
            {},
            "--chain 'nextjs:web>nginx:n' --with m.yaml --map nginx:n=app:8000 --server nginx:n=a.example"
            " --path '/held?(redacted)'",
        ),
        (BOTH, {}, "--chain 'nextjs:web>nginx:n' --server nextjs:web=:81 --path /held"),
        (
            {},
            {"request": "br", "client": "h2", "format": "ndjson", "body": "close"},
            "--chain 'nextjs:web>nginx:n' --body close --client h2 --format ndjson --request br",
        ),
        ({}, {"workload": Workload("w", 8, 96, payload="random")}, "--chain 'nextjs:web>nginx:n' --payload random"),
        (
            {"options": ("pytest", "-m", "proxies")},
            {"workload": Workload("w", 8, 96, recording=RECORDED)},
            "--chain 'nextjs:web>nginx:n' --replay 'my runs/1-pytest/recordings/0123456789abcdef.json'",
        ),
    ],
)
def test_which_hop_it_is_finds_out_what_knows_the_configs_and_how_they_stand_in_the_chain(
    of: dict[str, Any], asked: dict[str, Any], command: str
) -> None:
    evidence = "my runs/1-pytest/cells/nginx.n_sse-0123"
    failed = result(cell(CHAIN, **asked), "buffered", outcome="fail", evidence=evidence)
    usual = "--chain 'nextjs:web=./web>nginx:n=/srv/deploy/n.conf' --map app:8000 --server a.example"
    command = command or f"{usual} --path '/held?(redacted)'"
    assert f"by which hop: harness diagnose {command} finds out" in looked_at(failed, {}, run_info(**of))


def test_which_hop_it_is_is_found_out_by_nothing_where_what_was_replayed_was_not_kept() -> None:
    lost = cell(CHAIN, workload=Workload("w", 8, 96, recording=RECORDED))
    told = looked_at(result(lost, "buffered", outcome="fail", evidence=None), {}, run_info())
    assert not any(line.startswith("by which hop") for line in told)


SAYS_ALL = {"file", "shard", "only", "skip", "jobs", "require", "runs", "keep", "offline", "locked", "help"}
SAYS_ALL |= {"allow-unavailable", "json", "markdown", "junit", "html"}
"""What of a command's options is no part of what a cell of a matrix file is."""


def test_every_option_that_decides_what_a_cell_of_a_matrix_file_is_goes_with_it() -> None:
    params = cast(Any, get_command(commands.app)).commands["matrix"].params
    asked = {word for one in params for word in one.opts if word.startswith("--")}
    assert asked - {f"--{name}" for name in SAYS_ALL} == {*DECIDING}
