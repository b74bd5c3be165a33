"""What is told of a cell that failed: how to measure it again, where it was measured."""

from __future__ import annotations

from typing import Any

import pytest

from harness.reports.failing import looked_at
from tests.reports.samples import cell, result, run_info

FAILED = result(cell(), "buffered", outcome="fail")
THERE = ("--at", "https://chat.example/api", "--cacert=my ca.pem")
MATRIX = {"matrix_file": "m.yaml", "matrix_text": "title: m"}


@pytest.mark.parametrize(
    ("of", "again"),
    [
        ({}, f"harness run {FAILED.id}"),
        ({"options": ("run", FAILED.id, *THERE)}, f"harness run {FAILED.id} {THERE[0]} {THERE[1]} '{THERE[2]}'"),
        (MATRIX, f"harness matrix m.yaml --only {FAILED.id}"),
        (
            {**MATRIX, "options": ("matrix", "m.yaml", *THERE, "--jobs", "2")},
            f"harness matrix m.yaml {THERE[0]} {THERE[1]} '{THERE[2]}' --only {FAILED.id}",
        ),
    ],
)
def test_a_cell_is_measured_again_where_it_was(of: dict[str, Any], again: str) -> None:
    assert looked_at(FAILED, {}, run_info(**of))[-1] == f"again: {again}"
