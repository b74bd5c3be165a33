"""What is told of a cell that failed: how to measure it again, where it was measured."""

from __future__ import annotations

from typing import Any, cast

import pytest
from typer.main import get_command

from harness.cli import commands
from harness.model import DECIDING
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


@pytest.mark.parametrize(
    ("of", "command"),
    [
        ({}, "--chain 'nextjs:dev>nginx:gzip'"),
        (
            {"options": ("run", "--chain", "nextjs:./web>nginx:./n.conf", "--tokens", "9", "--path", "/held")},
            "--chain 'nextjs:./web>nginx:./n.conf' --path /held",
        ),
        (
            {**MATRIX, "options": ("check", "m.yaml", *STANDS)},
            f"--chain 'nextjs:dev>nginx:gzip' --with m.yaml {' '.join(STANDS)}",
        ),
    ],
)
def test_which_hop_it_is_finds_out_who_knows_how_configs_stand_in_the_chain(of: dict[str, Any], command: str) -> None:
    failed = result(cell("nextjs:dev>nginx:gzip"), "buffered", outcome="fail")
    assert f"by which hop: harness diagnose {command} finds out" in looked_at(failed, {}, run_info(**of))


SAYS_ALL = {"file", "shard", "only", "skip", "jobs", "require", "runs", "keep", "offline", "locked", "help"}
SAYS_ALL |= {"allow-unavailable", "json", "markdown", "junit", "html"}
"""What of a command's options is no part of what a cell of a matrix file is."""


def test_every_option_that_decides_what_a_cell_of_a_matrix_file_is_goes_with_it() -> None:
    params = cast(Any, get_command(commands.app)).commands["matrix"].params
    asked = {word for one in params for word in one.opts if word.startswith("--")}
    assert asked - {f"--{name}" for name in SAYS_ALL} == {*DECIDING}
