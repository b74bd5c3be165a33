"""Text comes out of Markdown as it went in, wherever it stands."""

from __future__ import annotations

import pytest

from harness.reports.markup import paragraph, prose, row, text, within


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain text", "plain text"),
        ("`code *here*` and *not* there", r"`code *here*` and \*not\* there"),
        ("before `a`, `b` after", "before `a`, `b` after"),
        ("`a``b`", r"\`a\`\`b\`"),
        ("one ` alone", r"one \` alone"),
        ("```fence```", r"\`\`\`fence\`\`\`"),
        ("`<b>` is not <b>", "`<b>` is not &lt;b>"),
        ("  two\n lines  `x\ny` ", "two lines `x y`"),
        ("", ""),
    ],
)
def test_code_between_single_backticks_is_code_and_nothing_else_is(said: str, shown: str) -> None:
    assert prose(said) == shown


@pytest.mark.parametrize(("said", "shown"), [(" and `a`, ", " and `a`, "), ("\n", " "), ("no blank", "no blank")])
def test_a_part_of_prose_keeps_the_blanks_that_tell_it_from_its_neighbours(said: str, shown: str) -> None:
    assert within(said) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("1. no list", r"1\. no list"),
        ("1.5 s", r"1\.5 s"),
    ],
)
def test_a_paragraph_starts_nothing_else(said: str, shown: str) -> None:
    assert paragraph(said) == shown


def test_a_pipe_ends_no_cell() -> None:
    assert row(text("a|b"), "`c|d`") == r"| a\|b | `c\|d` |"
