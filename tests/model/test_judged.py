"""The tables of what is judged: each has all that there is, and what shows or orders it iterates them."""

from __future__ import annotations

from typing import get_args

import pytest

from harness.judge.verdict import SEVERITY
from harness.model import VERDICTS, Gravity, Verdict
from harness.reports import grid, html


def test_the_table_has_every_verdict_worst_last() -> None:
    assert tuple(VERDICTS) == get_args(Verdict)
    assert sorted(SEVERITY, key=SEVERITY.__getitem__) == list(VERDICTS)
    gravities = [get_args(Gravity).index(gravity) for gravity in VERDICTS.values()]
    assert gravities == sorted(gravities)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_has_its_colour_on_a_terminal_and_on_a_page(verdict: Verdict) -> None:
    assert grid.STYLES[verdict]
    selectors = [line.partition(" {") for line in html.STYLE.splitlines()]
    (rule,) = (rule for names, _, rule in selectors if f".{html.CLASSES[verdict]}" in names.split(", "))
    assert "color: var(--" in rule
