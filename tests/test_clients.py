"""Every client reads the same streams: they agree, or the documentation says why not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness import session
from harness.model import Result
from harness.reports.readers import disagreements
from harness.resources import configs
from tests.sampling import sampled
from tests.sandbox import required

PAGE = Path(__file__).parent.parent / "docs/clients.md"


SOME = ("direct/sse/*", "nginx:http10/sse/*/short/none/*", "nginx:buffering-off/sse/*", "nginx:h2/*")
"""A quarter of the cells, in which every client meets what streams and what holds."""


@pytest.fixture(scope="module", params=sampled([pytest.param(SOME, id="some"), pytest.param((), id="all")], each=2))
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    job = session.load(str(configs() / "matrices/clients.yaml"), only=request.param)

    async def measured() -> list[Result]:
        async with session.session(job, tmp_path_factory.mktemp("runs")) as (runner, _):
            return await runner.run(job.cells, lambda result: None)

    return asyncio.run(measured())


@pytest.mark.proxies
def test_clients_agree_or_the_page_says_why_not(results: list[Result]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    unexplained = [one for one in disagreements(results) if f"`{one.stream}`" not in page]
    assert not unexplained, "\n".join(f"{one.stream}: {one.sentence}" for one in unexplained)


@pytest.mark.proxies
def test_what_the_matrix_expects_of_clients_holds(results: list[Result]) -> None:
    assert [(result.id, result.reason) for result in results if result.outcome in ("fail", "unstable", "error")] == []


@pytest.mark.proxies
@pytest.mark.parametrize("client", ["curl", "h2", "chromium", "chromium-eventsource"])
def test_a_client_that_is_here_was_asked(results: list[Result], client: str) -> None:
    own = [result for result in results if result.cell.client == client]
    if {result.outcome for result in own} == {"unavailable"} and client not in required():
        pytest.skip(own[0].reason)
    manners = {result.shows.manner for result in own if result.shows}
    assert manners >= {"at the end", "one by one"}, own[0].reason


@pytest.mark.proxies
def test_an_awk_holds_a_stream_that_nobody_holds_if_it_is_said_to(results: list[Result]) -> None:
    own = [result for result in results if result.cell.client == "curl-awk"]
    if {result.outcome for result in own} == {"unavailable"} and "curl-awk" not in required():
        pytest.skip(own[0].reason)
    (remark,) = {result.facts.remark for result in own}  # one awk does one thing
    assert remark
    assert {result.verdict for result in own} == {"coalesced" if remark.keeps_lines else "streamed"}
