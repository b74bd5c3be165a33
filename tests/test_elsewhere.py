"""An emitter elsewhere, measured through what stands in front of it: the same verdicts as here, or none at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from harness.documents.hops import read as hop
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Emission, Endpoint, Plan, Workload
from tests.afar import in_front, measured
from tests.backends.deploying import Public, deployed
from tests.factories import judged

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

LOAD = Workload("w", tokens=16, token_bytes=120)
PLAN = Plan((), "GET", (), Emission(LOAD, headers=(("Cache-Control", "no-cache"),)))


@dataclass(frozen=True)
class Here:
    """What runs for all tests: a deployed emitter, and a bench with one of its own."""

    launcher: Launcher
    public: Public
    bench: Bench

    @property
    def deployed(self) -> Endpoint:
        return Endpoint(self.public.port)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    folder = tmp_path_factory.mktemp("here")
    async with Launcher() as launcher, deployed(launcher, folder) as public, Bench(launcher, folder / "own") as bench:
        yield Here(launcher, public, bench)
        assert "Traceback" not in (folder / "public.log").read_text()


@pytest.mark.parametrize(
    ("chain", "request_headers", "verdict"),
    [
        ("nginx:buffering-off", (), "streamed"),
        ("nginx:gzip", (("Accept-Encoding", "gzip"),), "buffered"),
        ("nginx:cached", (), "coalesced"),
        ("emulator:store-and-forward", (), "buffered"),
        ("emulator:idle-flush", (), "delayed"),
    ],
)
async def test_what_a_hop_does_is_the_same_from_afar(
    here: Here, tmp_path: Path, chain: str, request_headers: tuple[tuple[str, str], ...], verdict: str
) -> None:
    plan = replace(PLAN, request_headers=request_headers)
    local = judged((await here.bench.record("cell", replace(plan, chain=(hop(chain),))))[0])
    async with in_front(here.launcher, tmp_path / "front", (hop(chain),), here.deployed) as at:
        afar = judged(await measured(here.launcher, tmp_path / "far", plan, at))
    assert (local.verdict, afar.verdict) == (verdict, verdict), f"here {local.reason}\nfrom afar {afar.reason}"
    if local.release and afar.release:
        assert local.release.by == afar.release.by
        apart_bytes = abs(local.release.after_bytes - afar.release.after_bytes)
        assert apart_bytes <= max(local.release.resolution_bytes, 2 * LOAD.token_bytes)
