"""On which lines expectations stand: of a file as it was measured, and of whatever else a kept run may hold."""

from __future__ import annotations

import pytest

from harness.matrix.expected import lines
from tests.reports.samples import run_info

TEXT = """\
title: t
expect:
  - cells: "direct/*"
    verdict: streamed
  - verdict: streamed
    cells: "nginx:*"
  - {why: again, cells: "direct/*"}
"""


def test_an_expectation_stands_on_the_line_of_its_glob_and_of_several_with_one_glob_the_last_counts() -> None:
    assert lines(run_info(matrix_text=TEXT)) == {"direct/*": 7, "nginx:*": 6}


@pytest.mark.parametrize(
    "text",
    ["", "- a list", "title: [", "title: t", "expect: 7", "expect: {0: {cells: a}}", "expect: [a, 7, {why: b}]"],
)
def test_what_has_no_expectations_has_no_lines(text: str) -> None:
    assert lines(run_info(matrix_text=text)) == {}


def test_what_is_no_glob_stands_nowhere() -> None:
    assert lines(run_info(matrix_text="expect: [{cells: [a]}, {cells: 7}, {cells: b}]")) == {"b": 1}
