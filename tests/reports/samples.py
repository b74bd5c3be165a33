"""Makes results to report on: small, whole and without a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.documents.hops import read as hop
from harness.model import (
    Body,
    Cell,
    Effect,
    Emission,
    Expectation,
    Facts,
    HeaderChange,
    Metrics,
    Mitigation,
    Place,
    Plan,
    Read,
    Refusal,
    Release,
    Remark,
    Result,
    RunInfo,
    Screen,
    Sent,
    ServedBy,
    StandIn,
    Start,
    Step,
    Trace,
    TurnedAway,
    Verdict,
    Workload,
)

SHORT = Workload("short", tokens=24, token_bytes=64)
LONG = Workload("long", tokens=400, token_bytes=512)
EVERY_FACT = Facts(
    hops=("emulator", "application"),
    emulates=("Cloud Run holds 4 KB",),
    applications=("It sends.",),
    served_by=(
        ServedBy(
            "/api/",
            False,
            Place("server shop.example:443", "nginx.conf", 9),
            Place("location /api/", "nginx.conf", 14),
            (Place("location /", "nginx.conf", 20),),
            "nginx:shop",
        ),
    ),
    answered_by="nobody",
    refusal=Refusal(404, 200),
    turned_away=TurnedAway(2, 503, "it"),
    beside_others="delayed",
    remark=Remark("EventSource", rewritten=True),
    clock_uncertainty_ms=0.0,
    screen=Screen(2, 100.0),
    stand_in=StandIn("curl", "awk"),
    unguarded=True,
    sampled_after=0,
    start=Start(4096),
    head_held=True,
    tail_tokens=1,
    late_tokens=2,
)
PLAYED = Facts(emulates=("field report 002's claim that Cloud Run holds 4 KB",))
CLAIM = "emulator: plays field report 002's claim that Cloud Run holds 4 KB"

CATALOGUE = {
    mitigation.name: mitigation
    for mitigation in (
        Mitigation("x-accel-buffering", "nginx stops buffering", "nginx.org", "header"),
        Mitigation("no-cache", "Proxies stop holding", "field report 001", "header"),
        Mitigation("accept-encoding-identity", "No compression, no holding", "RFC 9110", "request"),
        Mitigation("ndjson-instead", "Another format is not sniffed", "folklore", "format"),
        Mitigation("pad-2k", "Padding fills the buffer", "field report 002", "bytes"),
        Mitigation("pad-16k-random", "Padding that does not compress", "field report 002", "bytes"),
        Mitigation("delay-10ms", "A pause flushes", "field report 003", "latency"),
        Mitigation("nginx-buffering-off", "proxy_buffering off", "nginx.org", "config"),
        Mitigation("bypass-proxy", "Ask the backend itself", "field report 000", "architecture"),
    )
}


def run_info(**changes: Any) -> RunInfo:
    """A run's head."""
    info = RunInfo(
        name="sample",
        title="A sample matrix",
        started_at="2025-11-21T08:22:00+00:00",
        finished_at="2025-11-21T08:22:41+00:00",
        harness_version="0.1.0",
        python="3.11.7",
        platform="Linux x86_64",
        versions={"aiohttp": "3.13.2"},
        mitigations=CATALOGUE,
    )
    return replace(info, **changes)


def cell(
    chain: str = "nginx:default",
    *mitigations: str,
    request: str = "curl",
    body: Body = "chunked",
    workload: Workload = SHORT,
    **others: Any,
) -> Cell:
    """A cell; `chain` is written as people write it."""
    hops = () if chain == "direct" else tuple(map(hop, chain.split(">")))
    return Cell(hops, workload, body=body, request=request, mitigations=mitigations, **others)


def result(of: Cell, verdict: Verdict | None = "buffered", effect: Effect | None = None, **others: Any) -> Result:
    """A finished cell."""
    fields: dict[str, Any] = {
        "outcome": "observed",
        "reason": "from token 0 on, nothing came before the end" if verdict == "buffered" else "as seen",
        "metrics": metrics(),
        "versions": {"nginx": "1.24.0"} if of.chain else {},
        "started_at": "2025-11-21T08:22:01+00:00",
        "duration_ms": 412.0,
    }
    return Result(of.id, of, verdict=verdict, effect=effect, **{**fields, **others})


def metrics(**changes: Any) -> Metrics:
    """Figures of a stream that was held."""
    figures = Metrics(
        ttfb_ms=1.2,
        ttft_ms=405.0,
        inter_token_p50_ms=0.0,
        inter_token_p99_ms=0.1,
        hold_p50_ms=402.0,
        hold_p99_ms=410.0,
        hold_max_ms=412.5,
        over_control_ms=401.9,
        reads=1,
        tokens_expected=24,
        tokens_received=24,
        tokens_per_read=24.0,
        bursts=1,
        burst_tokens_max=24,
        holds=1,
        wire_bytes=1536,
        emitted_bytes=1536,
    )
    return replace(figures, **changes)


def layer(chain: str = "nginx:default", **where: Any) -> list[Result]:
    """A layer that buffers, with some mitigations tried on it."""

    def tried(name: str, verdict: Verdict, effect: Effect, wire_bytes: int = 1536, **others: Any) -> Result:
        figures = metrics(wire_bytes=wire_bytes)
        return result(cell(chain, name, **where), verdict, effect, metrics=figures, **others)

    return [
        result(cell(chain, **where)),
        tried("x-accel-buffering", "streamed", "defeats"),
        tried("no-cache", "buffered", "no effect"),
        tried("pad-2k", "coalesced", "reduces", 60_000),
        tried("pad-16k-random", "streamed", "defeats", 400_000),
        tried("bypass-proxy", "streamed", "defeats"),
    ]


def matrix() -> list[Result]:
    """Layers of every kind, one of each outcome."""
    fail = Expectation("nginx:ignore-x-accel/*", "it is told to ignore the header", effect=("no effect",))
    return [
        result(cell("direct"), "streamed"),
        *layer(),
        *layer(request="browser"),
        *layer(workload=LONG),
        result(cell("nginx:ignore-x-accel")),
        result(
            cell("nginx:ignore-x-accel", "x-accel-buffering"),
            "streamed",
            "defeats",
            outcome="fail",
            reason=f"expected effect no effect, got defeats: {fail.why}",
            expectation=fail,
        ),
        result(cell("nginx:ignore-x-accel", "pad-2k"), None, outcome="unstable", reason="buffered once, streamed once"),
        result(cell("nginx:buffering-off"), "streamed", outcome="pass"),
        result(cell("nginx:buffering-off", "no-cache"), "streamed", "not needed"),
        result(
            cell("cloudrun:report"), "coalesced", facts=PLAYED, release=Release(4, "bytes", 4096, 64, 3200.0, 9.5, 64)
        ),
        result(cell("cloudrun:report", "delay-10ms"), "broken", "harms", facts=PLAYED),
        result(
            cell("nextjs:dev>nginx:default"),
            None,
            outcome="unavailable",
            reason="Next.js is not installed (npm ci in configs/nextjs)",
            metrics=None,
        ),
        result(
            cell("nextjs:dev>nginx:default", "no-cache"),
            None,
            outcome="unavailable",
            reason="Next.js is not installed (npm ci in configs/nextjs)",
            metrics=None,
        ),
        result(cell("nginx:cached", "no-cache"), None, outcome="blocked", reason="its control did not stream"),
        result(cell("nginx:cached"), None, outcome="error", reason="the emitter died"),
        result(cell("nginx:cached", "pad-2k"), None, outcome="too short", reason="8 tokens do not tell; 90 would"),
    ]


def trace(of: Cell, held: int | None = 2, tokens: int = 24) -> Trace:
    """A stream whose token `held` waited for the end; the times are in ms after the start."""

    def at(ms: float) -> int:
        return 1_000_000_000 + round(ms * 1e6)

    sent, steps = [], []
    for seq in range(tokens):
        past = held is not None and seq > held
        ms = 2 + seq * 0.5 + (400 if past else 0)
        sent.append(Sent(seq, at(ms), (seq + 1) * 64))
        if not past:
            steps.append(Step("grant", seq, at(ms)))
        if seq == held:
            steps.append(Step("hold", seq, at(ms + 400)))
        elif not past:
            steps.append(Step("arrive", seq, at(ms + 0.1)))
    end = at(2 + tokens * 0.5 + (400 if held is not None else 0))
    steps += [Step("end", tokens - 1, end)] + ([Step("arrive", tokens - 1, end + 50_000)] if held is not None else [])
    return Trace(
        cell_id=of.id,
        plan=Plan(of.chain, "GET", (("accept", "text/event-stream"),), Emission(of.workload)),
        request_headers=(("accept", "text/event-stream"),),
        opened_ns=at(0),
        head_ns=at(1.2),
        status=200,
        headers=(("server", "nginx"), ("x-odd", "\udcff")),
        reads=(Read(at(2.1), 64), Read(end, 64)),
        body=bytes(range(128)),
        sent=tuple(sent),
        sent_headers=(),
        ended_ns=end,
        closed_ns=end + 60_000,
        steps=tuple(steps),
    )


CHANGE = HeaderChange("content-length", None, "1536")
