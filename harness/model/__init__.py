"""The nouns of the harness, from the cell that is asked for to the result that is reported. Read this room first.

Rules: frozen plain data and its names, nothing else; nothing of ours is imported.
Units are in the names: `_ns` is an instant of CLOCK_MONOTONIC, `_ms` a duration, `_s` a time-out, `_bytes` a size.
Words: a *read* is what the client got in one receive, a *token* is what the backend meant, a *hop* is one
proxy of a chain, *upstream* is towards the backend. Chains are written client side first.

In: nothing; the nouns are made by whoever knows what they say.
Out: what is asked, by which axes, planned, recorded, judged, and reported by others, a file each, in the data's order.
Enter: everybody.
"""

from __future__ import annotations

from harness.model.asked import (
    DEFAULT_CLIENT,
    Body,
    CodecName,
    Cost,
    Fill,
    Filler,
    Format,
    HopKind,
    Method,
    Mitigation,
    Pace,
    Payload,
    RequestProfile,
    TransportName,
    Workload,
)
from harness.model.axes import AXES, LABELS, Axis, Cell
from harness.model.hops import Chain, Hop, Option, OptionKind, Options, chain_text, in_order, program_name
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
    versions_met,
)
from harness.model.planned import Emission, Endpoint, HttpVersion, Plan
from harness.model.recorded import EMITTER_HEADER, Answerer, Clock, Heartbeat, Read, Remark, Sent, Step, Trace
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
    "AXES",
    "DEFAULT_CLIENT",
    "EMITTER_HEADER",
    "FACTS",
    "LABELS",
    "METRICS",
    "REFERENCES",
    "Answerer",
    "Axis",
    "Body",
    "Cell",
    "Chain",
    "Claim",
    "ClaimJudgement",
    "Clock",
    "CodecName",
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
    "Option",
    "OptionKind",
    "Options",
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
    "TransportName",
    "Verdict",
    "Workload",
    "chain_text",
    "in_order",
    "program_name",
    "versions_met",
]
