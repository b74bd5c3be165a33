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
    HopKind,
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
    Facts,
    Fault,
    HeaderChange,
    Judgement,
    Metrics,
    Outcome,
    Refusal,
    Release,
    ReleasedBy,
    Result,
    RunInfo,
    Screen,
    StandIn,
    Verdict,
)
from harness.model.planned import Emission, Endpoint, HttpVersion, Plan
from harness.model.recorded import EMITTER_HEADER, Answerer, Heartbeat, Read, Remark, Sent, Step, Trace
from harness.model.reported import (
    FACTS,
    METRICS,
    REFERENCES,
    Claim,
    ClaimJudgement,
    FactRule,
    FieldReport,
    Limit,
    Part,
    Readers,
    Reference,
)

__all__ = [
    "DEFAULT_CLIENT",
    "EMITTER_HEADER",
    "FACTS",
    "METRICS",
    "REFERENCES",
    "Answerer",
    "Body",
    "Cell",
    "Chain",
    "Claim",
    "ClaimJudgement",
    "Cost",
    "Effect",
    "Emission",
    "Endpoint",
    "Expectation",
    "FactRule",
    "Facts",
    "Fault",
    "FieldReport",
    "Fill",
    "Filler",
    "Format",
    "HeaderChange",
    "Heartbeat",
    "Hop",
    "HopKind",
    "HttpVersion",
    "Judgement",
    "Limit",
    "Method",
    "Metrics",
    "Mitigation",
    "Outcome",
    "Pace",
    "Part",
    "Payload",
    "Plan",
    "Read",
    "Readers",
    "Reference",
    "Refusal",
    "Release",
    "ReleasedBy",
    "Remark",
    "RequestProfile",
    "Result",
    "RunInfo",
    "Screen",
    "Sent",
    "StandIn",
    "Step",
    "Trace",
    "Verdict",
    "Workload",
    "chain_text",
]
