"""The nouns of the harness, from the cell that is asked for to the result that is reported. Read this room first.

Rules: frozen plain data and its names, nothing else; nothing of ours is imported.
Units are in the names: `_ns` is an instant of CLOCK_MONOTONIC, `_ms` a duration, `_s` a time-out, `_bytes` a size.
Words: a *read* is what the client got in one receive, a *token* is what the backend meant, a *hop* is one
proxy of a chain, *upstream* is towards the backend. Chains are written client side first.

In: nothing; the nouns are made by whoever knows what they say.
Out: what is asked, planned, recorded, judged, and reported by others, a file each, in the order of the data's way.
Enter: everybody.
"""

from __future__ import annotations

from harness.model.asked import (
    DEFAULT_CLIENT,
    Body,
    Cell,
    Chain,
    Cost,
    Fill,
    Filler,
    Format,
    Hop,
    Method,
    Mitigation,
    Pace,
    Payload,
    RequestProfile,
    Workload,
    chain_text,
)
from harness.model.judged import (
    Effect,
    Expectation,
    Fault,
    HeaderChange,
    Judgement,
    Metrics,
    Outcome,
    Release,
    ReleasedBy,
    Result,
    RunInfo,
    Verdict,
)
from harness.model.planned import Emission, Endpoint, HttpVersion, Plan
from harness.model.recorded import Clock, Heartbeat, Read, Sent, Step, Trace
from harness.model.reported import (
    METRICS,
    REFERENCES,
    Claim,
    ClaimJudgement,
    FieldReport,
    Limit,
    NoteRule,
    Part,
    Readers,
    Reference,
)

__all__ = [
    "DEFAULT_CLIENT",
    "METRICS",
    "REFERENCES",
    "Body",
    "Cell",
    "Chain",
    "Claim",
    "ClaimJudgement",
    "Clock",
    "Cost",
    "Effect",
    "Emission",
    "Endpoint",
    "Expectation",
    "Fault",
    "FieldReport",
    "Fill",
    "Filler",
    "Format",
    "HeaderChange",
    "Heartbeat",
    "Hop",
    "HttpVersion",
    "Judgement",
    "Limit",
    "Method",
    "Metrics",
    "Mitigation",
    "NoteRule",
    "Outcome",
    "Pace",
    "Part",
    "Payload",
    "Plan",
    "Read",
    "Readers",
    "Reference",
    "Release",
    "ReleasedBy",
    "RequestProfile",
    "Result",
    "RunInfo",
    "Sent",
    "Step",
    "Trace",
    "Verdict",
    "Workload",
    "chain_text",
]
