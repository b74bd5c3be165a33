"""Makes records that an earlier harness wrote into what today's nouns expect. Pure: plain data in, plain data out.

Rules: what is read is never rewritten on disk; a record is known by its shape, for a line of results.jsonl bears no
version; what an earlier harness did not write down stays unknown.
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]


def result(fields: Fields) -> Fields:
    """Return a line of results.jsonl as it would be written today."""
    return fields


def trace(fields: Fields) -> Fields:
    """Return a trace.json as it would be written today."""
    return _transport(fields)


def _transport(fields: Fields) -> Fields:
    """Tell the transport from the format: `websocket` was one, and what it carries has always been NDJSON."""
    match fields:
        case {"plan": {"emission": {"format": "websocket"} as emission} as plan}:
            told = {**emission, "transport": "websocket", "format": "ndjson"}
            return {**fields, "plan": {**plan, "emission": told}}
    return fields
