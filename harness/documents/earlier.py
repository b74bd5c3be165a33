"""Makes records that an earlier harness wrote into what today's nouns expect. Pure: plain data in, plain data out.

Rules: what is read is never rewritten on disk; a record is known by its shape, for a line of results.jsonl bears no
version; what an earlier harness did not write down stays unknown.
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

KINDS = {"asgi": "application", "cloudrun": "emulator"}
"""Of the four proxies that there were, those that are none."""


def result(fields: Fields) -> Fields:
    """Return a line of results.jsonl as it would be written today."""
    return fields


def trace(fields: Fields) -> Fields:
    """Return a trace.json as it would be written today."""
    return _with_hops(fields)


def _with_hops(fields: Fields) -> Fields:
    """Say of what kind each hop of the chain was: then a proxy's name told."""
    if "hops" in fields:
        return fields
    return {**fields, "hops": [KINDS.get(hop["proxy"], "proxy") for hop in fields["plan"]["chain"]]}
