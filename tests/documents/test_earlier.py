"""What an earlier harness wrote, read as today's nouns: known by its shape, and never guessed at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.documents import records
from harness.documents.earlier import Fields
from harness.model import Hop, HopKind
from tests.factories import story

TRACE = story("s0 r0 end")


def earlier_trace(*proxies: str, **changes: object) -> Fields:
    """Return a trace as schema version 1 had it."""
    plan = replace(TRACE.plan, chain=tuple(Hop(proxy, "x") for proxy in proxies))
    fields: Fields = records.plain(replace(TRACE, plan=plan)) | changes
    del fields["hops"]
    return fields


def loaded(fields: Fields) -> object:
    return records.load_trace(records.dump(fields), TRACE.body)


@pytest.mark.parametrize(
    ("proxy", "kind"),
    [("nginx", "proxy"), ("nextjs", "proxy"), ("cloudrun", "emulator"), ("asgi", "application")],
)
def test_of_what_kind_a_hop_was_its_name_told(proxy: str, kind: HopKind) -> None:
    plan = replace(TRACE.plan, chain=(Hop(proxy, "x"),))
    assert loaded(earlier_trace(proxy)) == replace(TRACE, plan=plan, hops=(kind,))


def test_a_trace_of_today_stays_as_it_is() -> None:
    trace = replace(TRACE, plan=replace(TRACE.plan, chain=(Hop("asgi", "x"),)), hops=("proxy",))
    assert records.load_trace(records.dump(trace), trace.body) == trace
