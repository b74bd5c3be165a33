"""HTTP/2 and TLS through real proxies: what a chain can be asked in, and that the clients agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from harness.documents.hops import read as hop
from harness.errors import Unavailable
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.guard import PULSE_TRIPS
from harness.model import Cell, Chain, Hop, Workload
from harness.resources import configs
from harness.session import catalogue
from tests.factories import comes
from tests.planning import plan

pytestmark = [pytest.mark.proxies, pytest.mark.asyncio(loop_scope="module")]

SHORT = Workload("short", tokens=24, token_bytes=112)
LONG = Workload("long", tokens=320, token_bytes=512)
SMOKE = [
    *(Cell((), SHORT, mitigations=names) for names in ((), ("x-accel-buffering",), ("prelude-4k",), ("pad-8k",))),
    Cell((), SHORT, mitigations=("post-instead-of-get",)),
    Cell((), SHORT, body="length"),
    *(Cell((), LONG, mitigations=names) for names in ((), ("x-accel-buffering",))),
]
GOODBYE = ("server {", "server {\n        keepalive_requests 1;")


def hops(text: str) -> Chain:
    return tuple(map(hop, text.split(">")))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A bench with an nginx of a user's, which says goodbye in HTTP/2 as soon as it is asked."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "goodbye.conf").write_text((configs() / "nginx/h2.conf").read_text().replace(*GOODBYE))
    own = {Hop("nginx", "goodbye"): folder / "goodbye.conf"}
    async with Launcher() as launcher, Bench(launcher, folder / "bench", own) as running:
        yield running


async def told(bench: Bench, cell: Cell) -> str:
    trace, _ = await bench.record(cell.id, plan(cell, catalogue()))
    return comes(trace)


async def test_what_http2_reads_is_what_http1_reads(own_bench: Bench) -> None:
    both = [
        (replace(cell, chain=hops("nginx:http10")), replace(cell, chain=hops("nginx:h2"), client="h2"))
        for cell in SMOKE
    ]
    seen = await asyncio.gather(*(told(own_bench, cell) for pair in both for cell in pair))
    plain, http2 = seen[::2], seen[1::2]
    assert http2 == plain
    assert {"streamed", "at the end", "in bursts", "too short"} == set(plain)


@pytest.mark.parametrize(
    ("chain", "client", "what"),
    [
        ("nginx:tls", "aiohttp", "at the end"),
        ("nginx:h2-tls-buffering-off", "aiohttp", "streamed"),
        ("nginx:h2-tls-buffering-off", "h2", "streamed"),
        ("nginx:h2-tls-http11", "h2", "streamed"),
        ("nginx:buffering-off>nginx:h2-tls-buffering-off", "aiohttp", "streamed"),
        ("nginx:h2-tls-buffering-off>nginx:h2-tls-buffering-off", "h2", "streamed"),
        ("cloudrun:streaming>nginx:h2-tls-buffering-off", "aiohttp", "streamed"),
        ("nginx:goodbye", "h2", "at the end"),
    ],
)
async def test_tls_passes_to_the_client_and_between_hops(own_bench: Bench, chain: str, client: str, what: str) -> None:
    assert await told(own_bench, Cell(hops(chain), SHORT, client=client)) == what


@pytest.mark.parametrize(
    ("chain", "client", "why"),
    [
        ("nginx:http10", "h2", "client h2 asks in HTTP/2, and nginx:http10, which it meets first, only answers in"),
        (
            "nginx:h2",
            "aiohttp",
            "client aiohttp asks in HTTP/1.1, and nginx:h2, which it meets first, only answers in",
        ),
        ("nginx:http10>nginx:h2", "aiohttp", "nginx:http10 passes requests on in HTTP/1.1, and nginx:h2 behind it"),
        (
            "cloudrun:streaming>nginx:h2",
            "aiohttp",
            "cloudrun:streaming passes requests on in HTTP/1.1, and nginx:h2",
        ),
    ],
)
async def test_what_cannot_be_asked_so_is_unavailable_with_the_way_out(
    own_bench: Bench, chain: str, client: str, why: str
) -> None:
    if "nginx:h2" in chain and "1.1" in (await own_bench.entry(hops("nginx:h2"))).endpoint.http:
        pytest.skip("nginx answers in both on one port since 1.25.1")
    with pytest.raises(Unavailable) as caught:
        await told(own_bench, Cell(hops(chain), SHORT, client=client))
    assert caught.value.reason.startswith(why)
    assert "nginx:h2-tls" in caught.value.remedy


async def test_http2_as_a_mitigation_reads_with_the_h2_client_through_tls(own_bench: Bench) -> None:
    cell = Cell(hops("nginx:http10"), SHORT, mitigations=("http2",))
    trace, _ = await own_bench.record(cell.id, plan(cell, catalogue()))
    assert trace.plan.client == "h2"
    assert dict(trace.request_headers)[":scheme"] == "https"
    assert [str(hop) for hop in trace.plan.chain] == ["nginx:h2-tls"]


@pytest.mark.parametrize("chain", ["nginx:http10", "nginx:tls", "nginx:h2", "nginx:h2-tls"])
async def test_a_pulse_passes_whatever_a_chain_speaks(own_bench: Bench, chain: str) -> None:
    pulse = (await own_bench.entry(hops(chain))).guard.pulse
    await pulse.trips.after(PULSE_TRIPS)
    assert pulse._proven, "an answer came"
    assert not pulse.lost


async def test_nothing_of_an_h2_run_is_left(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with Launcher() as launcher, Bench(launcher, tmp_path / "bench") as bench:
        await told(bench, Cell(hops("nginx:h2-tls"), SHORT, client="h2"))
        folders = [*map(Path, launcher._janitors.folders)]
    assert folders
    assert not any(folder.exists() for folder in folders)
    assert asyncio.all_tasks() <= before
