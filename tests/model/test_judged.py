"""The tables of what is judged: each has all that there is, and what shows or orders it iterates them."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from harness.judge.outcome import SEVERITY
from harness.model import FACTS, VERDICTS, Answerer, Fact, Facts, Gravity, Verdict
from harness.reports import grid, html


def test_the_table_has_every_verdict_worst_last() -> None:
    assert tuple(VERDICTS) == get_args(Verdict)
    assert sorted(SEVERITY, key=SEVERITY.__getitem__) == list(VERDICTS)
    gravities = [get_args(Gravity).index(gravity) for gravity in VERDICTS.values()]
    assert gravities == sorted(gravities)


def test_the_table_has_every_fact_but_of_what_kind_the_hops_are() -> None:
    assert [*FACTS] == [one.name for one in fields(Facts) if one.name != "hops"]
    assert [*FACTS["answered_by"].values] == [*get_args(Answerer)]


@pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS.keys())
def test_every_fact_can_be_said_and_denied_or_has_values_that_can(fact: Fact) -> None:
    assert bool(fact.denied) is not bool(fact.values)
    assert all((fact.about, *fact.values.values()))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_has_its_colour_on_a_terminal_and_on_a_page(verdict: Verdict) -> None:
    assert grid.STYLES[verdict]
    selectors = [line.partition(" {") for line in html.STYLE.splitlines()]
    (rule,) = (rule for names, _, rule in selectors if f".{html.CLASSES[verdict]}" in names.split(", "))
    assert "color: var(--" in rule
