"""What earlier harnesses wrote is read as today's nouns, and stays what it was where there is nothing to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.documents import earlier
from harness.documents.records import dump, load_trace, plain
from harness.model import Trace
from tests.factories import judged, story

CARRIED = story("s0 r0 s1 r1 end", format="websocket")


def as_version_1(trace: Trace) -> Any:
    """Return a trace.json of the harness that took a WebSocket for a format."""
    fields = plain(trace)
    emission = fields["plan"]["emission"]
    if emission.pop("transport") == "websocket":
        emission["format"] = "websocket"
    return fields


def test_a_stream_of_a_websocket_was_one_of_lines_and_is_judged_as_ever() -> None:
    old = as_version_1(CARRIED)
    assert old["plan"]["emission"]["format"] == "websocket"
    read = load_trace(dump(old), CARRIED.body)
    assert read == CARRIED
    assert judged(read).verdict == "streamed"


def test_a_joined_message_of_an_old_websocket_is_as_broken_as_it_was() -> None:
    joined = replace(CARRIED, reads=(replace(CARRIED.reads[0], size_bytes=len(CARRIED.body)),))
    assert "a message is not one line" in judged(load_trace(dump(as_version_1(joined)), joined.body)).reason


def test_all_else_came_over_http() -> None:
    fetched = story("s0 r0 end", format="ndjson")
    assert load_trace(dump(as_version_1(fetched)), fetched.body) == fetched


@pytest.mark.parametrize("fields", [{}, {"plan": None}, {"plan": {"emission": []}}])
def test_what_is_no_trace_is_left_alone(fields: dict[str, Any]) -> None:
    assert earlier.trace(fields, b"") == fields
