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

from typing import TYPE_CHECKING

from harness import lazily

if TYPE_CHECKING:
    from harness.model.asked import (
        DEFAULT_CLIENT,
        DEFAULT_REQUEST,
        WORKLOAD_KEYS,
        Cost,
        Edit,
        Fill,
        Filler,
        Format,
        Handshake,
        HopKind,
        Mitigation,
        Pace,
        Payload,
        RequestProfile,
        Workload,
        WorkloadKey,
    )
    from harness.model.axes import AXES, LABELS, Axis, Cell, parts_of
    from harness.model.commands import REQUESTS, to_diagnose
    from harness.model.deployed import Deployment, Place, ServedBy
    from harness.model.facts import FACTS, Fact
    from harness.model.hops import (
        AT,
        Chain,
        Hop,
        Option,
        OptionKind,
        Options,
        chain_text,
        hop_as_given,
        in_order,
        program_name,
    )
    from harness.model.judged import (
        LIMITS,
        MANNERS,
        VERDICTS,
        Change,
        Changed,
        Effect,
        Expectation,
        Facts,
        Fault,
        Gravity,
        HeaderChange,
        Judgement,
        LetThrough,
        Manner,
        Metrics,
        Outcome,
        Refusal,
        Release,
        ReleasedBy,
        Result,
        Screen,
        Shows,
        StandIn,
        Start,
        TurnedAway,
        Verdict,
        streams,
    )
    from harness.model.kept import Baseline, ChangedFile, Kept, KeptRelease
    from harness.model.planned import ASKED_QUERY, PULSE_MARK, Emission, Endpoint, HttpVersion, Plan, Turn
    from harness.model.recorded import (
        EMITTER_HEADER,
        NO_STREAM_MARK,
        Answerer,
        Clock,
        Heartbeat,
        Read,
        Remark,
        Sent,
        Step,
        StepKind,
        Trace,
    )
    from harness.model.recording import DIGEST, RECORDINGS, Coded, Recording, Write, digest_of
    from harness.model.redaction import (
        is_secret,
        masked_mitigation,
        masked_plan,
        masked_trace,
        shown_urls,
        shown_value,
        spellings,
        without_query,
        without_said,
        without_userinfo,
    )
    from harness.model.reported import (
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
    from harness.model.run import DECIDING, THERE, RunInfo, versions_met
    from harness.model.words import HIDDEN, Body, CodecName, Method, TransportName
else:
    __all__, __getattr__ = lazily(__name__)
