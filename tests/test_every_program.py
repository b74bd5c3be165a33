"""Every proxy that a file describes can be had here, or says why not; and what it does to a stream is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import session
from harness.errors import ProxyError, Unavailable
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from tests.sampling import sampled
from tests.sandbox import required

pytestmark = pytest.mark.proxies

MATRIX = """\
title: Every program
workloads: {{short: {{tokens: 24, token_bytes: 112}}}}
axes: {{chain: '{hop}', request: [curl, browser]}}
"""
VARIANTS = {"litellm": "pass-through"}
"""Of those that have one for streams that are not of their own format."""
OTHERWISE = {"trafficserver": "9.2.9"}
"""What says another version of itself than its package does: Debian's 9.2.5+ds-0+deb12u4 was made from 9.2.9."""
DESCRIBED = {name: proxy for name, proxy in PROXIES.items() if isinstance(proxy, Described)}
ELSEWHERE = ("nginx", "nextjs", "apache", "caddy", "express", "haproxy", "litellm", "traefik", "vite")
"""Those that other tests start and measure for every change."""


@pytest.mark.parametrize(
    "name",
    [
        *sampled((pytest.param(name) for name in DESCRIBED if name not in ELSEWHERE), each=3),
        *sampled(map(pytest.param, ELSEWHERE), each=len(ELSEWHERE)),
    ],
)
async def test_a_program_is_fetched_started_and_measured(name: str, tmp_path: Path) -> None:
    proxy = DESCRIBED[name]
    try:
        proxy.fetch(session.Fetching(print))
    except (Unavailable, ProxyError) as error:
        if name in required():
            raise
        pytest.skip(str(error))
    variant = VARIANTS.get(name) or next(iter(proxy.variants()))
    (tmp_path / "m.yaml").write_text(MATRIX.format(hop=f"{name}:{variant}"))
    job = session.load(str(tmp_path / "m.yaml"))
    async with session.session(job, tmp_path / "runs") as (runner, _):
        results = await runner.run(job.cells, lambda result: None)
    told = [(result.verdict, result.reason, result.versions.get(name, "")) for result in results if result.cell.chain]
    assert [(reason, version) for verdict, reason, version in told if verdict in (None, "broken")] == []
    meant = next(offer for offer in proxy.sources.offers() if offer.locked)
    own_words = f"{OTHERWISE.get(name, meant.version)} ({meant.source}"
    assert [version.startswith(own_words) for _, _, version in told] == [True, True], (own_words, told)
