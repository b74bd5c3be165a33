"""Hops as records of version 1 have them: the whole text after the colon is the variant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.documents import earlier, records
from harness.documents.hops import read as hop
from tests.reports.samples import cell, result, trace


def as_in_version_1(record: dict[str, Any], within: str, **variants: str) -> str:
    """Return a record whose hops have such variants, without the fields that they have today."""
    record[within]["chain"] = [{"proxy": proxy, "variant": variant} for proxy, variant in variants.items()]
    return json.dumps(record)


def test_a_result_s_hops_are_taken_apart() -> None:
    today = result(cell("nginx:default>asgi:plain@uvloop,PAUSE_S=0,uvloop==0.22.1", "no-cache"))
    fields = records.plain(today)
    old = as_in_version_1(fields, "cell", nginx="default", asgi="plain@uvloop,PAUSE_S=0,uvloop==0.22.1")
    assert records.load_result(old) == today
    assert records.load_result(records.dump(today)) == today


def test_a_trace_s_hops_are_taken_apart() -> None:
    today = trace(cell("direct"))
    fields = records.plain(today)
    old = as_in_version_1(fields, "plan", asgi="plain@hypercorn", nginx="gzip")
    assert records.load_trace(old, today.body).plan.chain == (hop("asgi:plain@hypercorn"), hop("nginx:gzip"))


def test_ids_follow_where_the_words_of_an_option_had_another_order() -> None:
    chain = "asgi:plain@h11,uvloop>nginx:default"
    today = result(cell(chain, "no-cache"), baseline_id=cell(chain).id)
    assert today.baseline_id
    fields = records.plain(today)
    for key in ("id", "baseline_id"):
        fields[key] = fields[key].replace("h11,uvloop", "uvloop,h11")
    assert records.load_result(as_in_version_1(fields, "cell", asgi="plain@uvloop,h11", nginx="default")) == today


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cell": None},
        {"cell": {"chain": "asgi:plain@uvloop"}},
        {"cell": {"chain": [None, {"proxy": "asgi"}, {"proxy": "nginx", "variant": "default"}]}},
        [],
        12,
    ],
)
def test_what_has_no_such_hop_is_left_alone(fields: Any) -> None:
    assert earlier.result(fields) is fields


def test_a_hop_that_nobody_can_have_written_is_damage() -> None:
    fields = records.plain(result(cell("asgi:plain@uvloop")))
    with pytest.raises(ValueError, match="an option is empty"):
        records.load_result(as_in_version_1(fields, "cell", asgi="plain@uvloop,"))
