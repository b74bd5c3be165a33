"""Two that hold alike are held by the same; and what cannot be told from something else is like nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.diagnosis import manner as module
from harness.diagnosis.manner import alike, manner
from harness.judge import rules
from harness.model import Facts, HeaderChange, Release, Result, Verdict
from tests.reports.samples import cell, metrics, result

ENCODED = HeaderChange("Content-Encoding", None, "gzip")
PROXY, APPLICATION = Facts(hops=("proxy",)), Facts(hops=("application",))


def by_bytes(after: int, resolution: int = 96, tokens: int = 42) -> Result:
    return result(cell(), "coalesced", release=Release(4, "bytes", after, tokens, 1750.0, 9.5, resolution))


def by_timer(wait_ms: float, idle: bool = False) -> Result:
    return result(cell(), "coalesced", release=Release(4, "timer", 0, 0, wait_ms, 9.5, 0, idle))


def late(by_ms: float) -> Result:
    return result(cell(), "delayed", metrics=metrics(over_control_ms=by_ms))


ALIKE = {
    "as many bytes": (by_bytes(4032), by_bytes(4128)),
    "a step of the probe apart": (by_bytes(8192, 4096), by_bytes(4800)),
    "a timer on a busy machine": (by_timer(500.0), by_timer(520.0)),
    "as late": (late(200.0), late(212.0)),
    "late by as much, or as little": (late(60.0), late(80.0)),
    "as late, within a tenth": (late(2000.0), late(1830.0)),
}
UNLIKE = {
    "more bytes": (by_bytes(4032), by_bytes(8064)),
    "bytes and a timer": (by_bytes(4032), by_timer(500.0)),
    "a timer and one that waits for a pause": (by_timer(500.0), by_timer(500.0, idle=True)),
    "a longer timer": (by_timer(500.0), by_timer(1000.0)),
    "later": (late(200.0), late(400.0)),
    "later by more than a busy machine adds": (late(60.0), late(90.0)),
    "late and held for as long": (late(500.0), by_timer(500.0)),
    "what only the end lets go may hide anything": (result(cell()), result(cell())),
}


@pytest.mark.parametrize(
    ("one", "other", "the_same"),
    [
        *(pytest.param(*pair, True, id=name) for name, pair in ALIKE.items()),
        *(pytest.param(*pair, False, id=name) for name, pair in UNLIKE.items()),
    ],
)
def test_alike_is_what_the_same_lets_go_after_as_much(one: Result, other: Result, the_same: bool) -> None:
    first, second = manner(one), manner(other)
    assert None not in (first, second)
    assert alike(first, second) is alike(second, first) is the_same


@pytest.mark.parametrize(
    ("verdict", "facts", "in_code"),
    [
        ("buffered", APPLICATION, True),
        ("buffered", PROXY, False),
        ("buffered", Facts(hops=("proxy", "application")), False),
        ("delayed", APPLICATION, False),
    ],
)
def test_in_code_is_what_an_application_alone_keeps_to_the_end(verdict: Verdict, facts: Facts, in_code: bool) -> None:
    found = manner(result(cell(), verdict, facts=facts))
    assert found
    assert found.in_code is in_code
    compressed = manner(result(cell(), verdict, facts=facts, header_changes=(ENCODED,)))
    assert compressed
    assert not compressed.in_code, "a header may keep the compressor off"


def test_nothing_is_told_of_what_streams_broke_off_or_is_let_go_by_one_thing_or_another() -> None:
    unknown = replace(by_bytes(4032), release=Release(4, "unknown", 4032, 42, 1750.0, 9.5, 96))
    for one in (result(cell(), "streamed"), result(cell(), "broken"), result(cell(), None, metrics=None), unknown):
        assert manner(one) is None
    assert not alike(None, None)


def test_what_differs_here_differs_there() -> None:
    """A search may not know the rules of verdicts, but has to agree with them."""
    assert (module.ALIKE, module.ALIKE_MS) == (rules.ALIKE, rules.ALIKE_MS)
