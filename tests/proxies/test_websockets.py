"""WebSockets through real proxies: who tunnels them, who refuses them, and what is told when one dies."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

import pytest

from harness.documents.hops import read as hop
from harness.matrix.mitigations import parse
from harness.measure.bench import Bench
from harness.model import Cell, Trace, Workload
from harness.resources import configs
from tests.factories import judged
from tests.measuring import READS
from tests.planning import plan
from tests.processes import process, signalled
from tests.sampling import some_of
from tests.tapping import tapped
from tests.waiting import eventually

pytestmark = [
    pytest.mark.proxies,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.needs("nginx"),
]
with_nextjs = pytest.mark.needs("nextjs")

CATALOGUE = parse((configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
LOAD = Workload("w", tokens=12, token_bytes=100, interval_ms=5)


async def recorded(bench: Bench, chain: str, client: str = "aiohttp", **axes: Any) -> Trace:
    cell = Cell(tuple(map(hop, chain.split(">"))), LOAD, format="websocket", **axes)
    trace, _ = await bench.record("cell", replace(plan(cell, CATALOGUE), client=client))
    return trace


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
@pytest.mark.parametrize("request_profile", ["curl", "browser"])
@some_of(
    "chain",
    [
        "nginx:websocket",
        "nginx:websocket>nginx:websocket",
        "cloudrun:report",
        pytest.param("nextjs:dev", marks=with_nextjs),
        pytest.param("nextjs:prod", marks=with_nextjs),
        pytest.param("nginx:websocket>nextjs:prod", marks=with_nextjs),
    ],
    each=2,
)
async def test_a_tunnel_holds_nothing_compressed_or_not(
    bench: Bench, chain: str, request_profile: Any, pace: Any
) -> None:
    """At a pace, a machine that stalls decides how much comes together."""
    trace = await recorded(bench, chain, request=request_profile, pace=pace)
    told = judged(trace)
    assert told.verdict == "streamed" or (pace == "paced" and told.verdict != "broken"), told.reason
    compressed = "sec-websocket-extensions" in {name.lower() for name, _ in trace.headers}
    assert compressed == (request_profile == "browser" and "cloudrun" not in chain), "the emulator takes the offer away"


@pytest.mark.parametrize(
    ("chain", "missing_then"),
    [
        ("nginx:http10", "HTTP/1.1, Upgrade: websocket, Connection: upgrade"),
        ("nginx:http11", "Upgrade: websocket, Connection: upgrade"),
        ("nginx:websocket>nginx:http10", "HTTP/1.1, Upgrade: websocket, Connection: upgrade"),
    ],
)
async def test_a_hop_that_drops_the_upgrade_is_broken_and_the_reason_says_how_to_mend_it(
    bench: Bench, chain: str, missing_then: str
) -> None:
    verdict = judged(await recorded(bench, chain))
    assert verdict.verdict == "broken"
    assert verdict.reason == (
        f"status 426 instead of 101: the WebSocket handshake came without {missing_then}: a hop dropped it, as nginx "
        "does unless it has proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        "proxy_set_header Connection upgrade;"
    )


async def test_an_emulator_passes_a_refusal_on(bench: Bench) -> None:
    verdict = judged(await recorded(bench, "cloudrun:streaming>nginx:http10"))
    assert verdict.verdict == "broken"
    assert verdict.reason.startswith("status 426 instead of 101: the upstream refused the WebSocket")
    assert "pass Upgrade and Connection on" in verdict.reason


@with_nextjs
async def test_a_hop_that_hangs_up_on_a_handshake_is_told(bench: Bench) -> None:
    verdict = judged(await recorded(bench, "nextjs:route-handler"))
    assert verdict.verdict == "broken"
    assert verdict.reason.startswith("the connection closed instead of an answer to the handshake")


@pytest.mark.parametrize("chain", ["nginx:websocket", "cloudrun:streaming"])
async def test_a_proxy_that_dies_in_mid_stream_is_told_as_1006(
    bench: Bench, chain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await bench.entry((hop(chain),))
    killer = tapped(monkeypatch, READS, lambda: signalled(process(entry.hops[0]), signal.SIGKILL))
    verdict = judged(await recorded(bench, chain, killer))
    assert verdict.verdict == "broken"
    assert "without a Close of the WebSocket (1006)" in verdict.reason
    await eventually(entry.death)
    assert judged(await recorded(bench, chain)).verdict == "streamed"
