"""Configs of every language as they are deployed, through the real programs: unmodified, edited, told what answered.

What of a config stands for what is told by tests without the programs (languages/), nginx' by test_nginx_as_deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import Result, chain_text
from harness.proxies.catalog import PROXIES
from harness.session import Fetching, fetched, load, session
from tests.proxies.languages import production
from tests.proxies.languages.reading import write

pytestmark = pytest.mark.proxies


async def measured(place: Path, language: str, config: Path, said: str) -> Result:
    """Measure one cell through a config of the user's, as a matrix file says what stands for what in it."""
    (place / "m.yaml").write_text(
        f"title: t\nworkloads: {{w: {{tokens: 24, token_bytes: 100}}}}\naxes: {{chain: '{language}:mine'}}\n"
        f"variants: {{{language}: {{mine: {{file: {config}{said}}}}}}}\n"
    )
    job = fetched(load(str(place / "m.yaml")), Fetching(print))
    async with session(job, place / "runs") as (runner, run):
        results = await runner.run(job.cells, lambda _: None)
        assert {chain_text(one.cell.chain): one.verdict for one in results}["direct"] == "streamed"
        assert results[-1].evidence, results[-1].reason
        (hop,) = (run.folder / "proxies").glob(f"{language}.mine")
        assert (hop / f"{language}.diff").read_text()
    return results[-1]


@pytest.mark.parametrize(
    ("language", "files", "said", "verdict", "answers"),
    [
        ("haproxy", {"haproxy.cfg": production.HAPROXY}, "map: chat", "streamed", "use_backend chat if is_api is_chat"),
        pytest.param(
            *("haproxy", {"haproxy.cfg": production.HAPROXY}, "map: web", "delayed", "default_backend web"),
            marks=pytest.mark.exhaustive,
        ),
    ],
)
async def test_the_verdict_is_that_of_what_the_program_says_answered(
    tmp_path: Path, language: str, files: Mapping[str, str], said: str, verdict: str, answers: str
) -> None:
    config = write(tmp_path / "etc", files)
    result = await measured(tmp_path, language, config, f", {said}")
    assert result.verdict == verdict, result.reason
    (served,) = result.facts.served_by
    assert served.location
    assert served.location.text == answers
    assert {name: (tmp_path / "etc" / name).read_text() for name in files} == files


@pytest.mark.parametrize(
    ("language", "text", "told"),
    [
        (
            "haproxy",
            "frontend f\n bind :80\n default_backend b\nbackend b\n balance best\n server s a:1\n",
            ":5: .*balance",
        ),
    ],
)
def test_what_a_program_has_against_a_config_is_told_at_the_users_line(
    tmp_path: Path, language: str, text: str, told: str
) -> None:
    config = write(tmp_path, {"my.conf": text})
    with pytest.raises(InputError, match=rf"my\.conf{told}"):
        PROXIES[language].check(config)
