"""The text of a baseline: read back as it was written, and refused, with the line, where it cannot be trusted."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.baseline import text as baselines
from harness.errors import InputError
from harness.judge.rules import RULES
from harness.model import AXES, MANNERS, VERDICTS, Baseline, Effect, Kept, KeptRelease

OURS = f"rules: {RULES}"
NAMES = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=40) | st.sampled_from(
    [
        "no",
        "1",
        "null",
        "a: b",
        "# a",
        "...",
        "x" * 1500,
        "*",
        "12e34",
        "0" * 40,
        "1.e5",
        "[a",
        '"',
        "deploy/nginx.conf",
        " a ",
    ]
)
SIZES = st.integers(0, 10**6)
RELEASES = (
    st.builds(KeptRelease, st.just("bytes"), SIZES, SIZES)
    | st.builds(KeptRelease, st.just("timer"), SIZES, SIZES, st.none() | st.booleans())
    | st.builds(KeptRelease, st.sampled_from(["end", "unknown"]))
)
KEPT = st.builds(
    Kept,
    st.none() | st.sampled_from(list(VERDICTS)),
    st.none() | st.sampled_from(list(MANNERS)),
    st.none() | st.sampled_from(Effect.__args__),  # type: ignore[attr-defined]
    st.none() | RELEASES,
    SIZES,
    SIZES,
    SIZES,
    st.booleans(),
    st.none() | SIZES,
)
PARTS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/=@>"), min_size=1, max_size=300)
IDS = st.tuples(
    PARTS.map("nginx:{}".format),
    *(st.sampled_from(axis.words) if axis.words else PARTS for axis in list(AXES.values())[1:] if not axis.later),
).map("/".join)
TEXTS = st.dictionaries(NAMES, NAMES, max_size=3)
BASELINES = st.builds(
    Baseline,
    name=st.just("my.baseline.yaml"),
    rules=st.just(RULES),
    harness_version=st.sampled_from(["0.1.0", "1.0", "2.0.dev1+g1"]),
    cells=st.dictionaries(IDS, KEPT, max_size=5),
    workloads=st.dictionaries(NAMES, st.fixed_dictionaries({"tokens": SIZES, "exact": st.booleans()}), max_size=2),
    standing=TEXTS,
    digests=st.fixed_dictionaries({"request": TEXTS.filter(bool), "mitigations": TEXTS.filter(bool)}),
    configs=st.dictionaries(NAMES, st.text("0123456789abcdef", min_size=40, max_size=40), max_size=3),
    judged=st.dictionaries(NAMES, st.integers(1, RULES), max_size=2),
    programs=st.dictionaries(NAMES, TEXTS.filter(bool), max_size=2),
)


@given(BASELINES)
def test_what_was_written_is_read_back(baseline: Baseline) -> None:
    written = baselines.text(baseline, "my.yaml")
    assert baselines.read(written, baseline.name) == baseline


@given(BASELINES, st.data())
def test_it_does_not_matter_in_which_order_cells_were_measured(baseline: Baseline, data: st.DataObject) -> None:
    turned = replace(baseline, cells=dict(data.draw(st.permutations(list(baseline.cells.items())))))
    assert baselines.text(turned, "my.yaml") == baselines.text(baseline, "my.yaml")


CELLS = {f"nginx:n{number}/sse/chunked/curl/aiohttp/chat/none/lockstep": Kept("streamed") for number in range(3)}
SAMPLE = Baseline(
    "b.yaml", RULES, "0.1.0", CELLS, {"chat": {"tokens": 8, "token_bytes": 112}}, configs={"n.conf": "ab" * 20}
)


def complaint(text: str) -> str:
    with pytest.raises(InputError) as refused:
        baselines.read(text, "b.yaml")
    return str(refused.value)


def test_a_text_that_was_cut_anywhere_is_refused_with_the_way_out() -> None:
    whole = baselines.text(SAMPLE, "my.yaml")
    for end in range(len(whole) - len("...\n")):
        assert "`--update` writes it anew where the whole matrix can be measured" in complaint(whole[:end])
    assert baselines.read(whole.rstrip(), "b.yaml") == SAMPLE


@pytest.mark.parametrize("said", ["path /chat?", "path /chat?(redacted)"])
def test_a_query_is_one_however_it_was_told_that_there_is_one(said: str) -> None:
    written = baselines.text(replace(SAMPLE, standing={"nginx:n0": f"{said}; map a=app"}), "my.yaml")
    assert baselines.read(written, "b.yaml").standing == {"nginx:n0": "path /chat?; map a=app"}


def test_one_cell_is_one_line() -> None:
    lines = baselines.text(SAMPLE, "my.yaml").splitlines()
    assert [line for line in lines if "nginx:" in line] == [f"  {cell}: {{verdict: streamed}}" for cell in CELLS]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("verdict: streamed", "verdict: fine", r"b.yaml:\d+: cells.*verdict: 'fine' is not allowed; allowed: streamed"),
        ("verdict: streamed", "shown: fine", r"b.yaml:\d+: .*unknown key; allowed: effect"),
        ("schema: 1", "schema: 2", "b.yaml:3: schema: is 2, and this harness knows 1: use one as new as that"),
        (OURS, "rules: 99", f"b.yaml:5: rules: is 99, and this harness knows {RULES}: use one as new as that"),
        ("abab", "--help", r"b.yaml:\d+: configs.*: '--help.* is no blob id of git's"),
        (OURS, "rules: many", "b.yaml:5: rules: must be a whole number, not 'many'"),
        (OURS, f"<<<<<<< HEAD\n{OURS}", "b.yaml:5: has a merge that git left open"),
        ("nginx:n1/sse", "nginx:n1", r"b.yaml:\d+: cells.*: is no id of a cell"),
        ("nginx:n1/sse", "nginx/sse", r"b.yaml:\d+: cells.*: 'nginx' is no hop"),
        ("workloads:", "cells: {}\nworkloads:", "b.yaml:.*this key is there twice"),
    ],
)
def test_what_somebody_has_made_of_it_is_refused_with_its_line(old: str, new: str, said: str) -> None:
    assert re.search(said, complaint(baselines.text(SAMPLE, "my.yaml").replace(old, new, 1)))


@pytest.mark.parametrize(
    "released", [{"bytes": 1, "ms": 2}, {}, {"within": 3}, {"bytes": -1}, {"bytes": 1, "idle": True}]
)
def test_a_release_says_one_thing(released: dict[str, Any]) -> None:
    said = baselines.text(SAMPLE, "my.yaml").replace("streamed}", f"streamed, released: {released}}}", 1)
    assert "released" in complaint(said)
