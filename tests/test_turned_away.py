"""Limits and refusals of a real nginx: no load of ours and no order of cells is told as what a mitigation does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.model import Result
from tests.sampling import some_of
from tests.sandbox import Sandbox

pytestmark = [pytest.mark.proxies, pytest.mark.needs("nginx")]

ZONE = "zone $binary_remote_addr zone=z:1m"
LIMITS = {
    "burst": {"http": f"limit_req_{ZONE} rate=10r/s;", "location": "limit_req zone=z burst=20;"},
    "slow": {"http": f"limit_req_{ZONE} rate=2r/s;", "location": "limit_req zone=z;"},
    "connections": {"http": f"limit_conn_{ZONE};", "server": "limit_conn z 1;"},
}
REFUSALS = {
    "password": {"location": "return 401;"},
    "redirect": {"location": "return 302 http://elsewhere.invalid/;"},
}
WORDS = {"words": {"location": 'if ($http_accept_encoding = "identity") { return 503; }'}}

MATRIX = """\
title: Proxies that answer by themselves
workloads: {{short: {{tokens: 12, token_bytes: 112}}}}
variants: {{nginx: {{{files}}}}}
axes: {{chain: [{chains}], mitigations: [none, x-accel-buffering, accept-encoding-identity]}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        yield place


def measured(
    place: Sandbox, jobs: int, configs: dict[str, dict[str, str]]
) -> tuple[int, dict[tuple[str, str], Result]]:
    """Return the exit status of a run through nginx with these configs, and its results by variant and mitigation."""
    for name, inserted in configs.items():
        place.nginx_conf(f"{name}.conf", **inserted)
    files = ", ".join(f"{name}: ./{name}.conf" for name in configs)
    place.write("m.yaml", MATRIX.format(files=files, chains=", ".join(f"nginx:{name}" for name in configs)))
    said = place.run("matrix", "m.yaml", "--jobs", str(jobs))
    layers = [result for result in place.results().values() if result.cell.chain]
    return said.status, {(r.cell.chain[0].variant, " ".join(r.cell.mitigations) or "none"): r for r in layers}


@some_of("jobs", [64, 1], each=2)
def test_a_limit_changes_no_verdict_and_no_effect_however_many_jobs_there_are(place: Sandbox, jobs: int) -> None:
    status, results = measured(place, jobs, LIMITS)
    assert status == 0
    told = {where: (result.verdict, result.effect, result.outcome) for where, result in results.items()}
    alike = {
        "none": ("coalesced", None, "observed"),
        "x-accel-buffering": ("streamed", "defeats", "observed"),
        "accept-encoding-identity": ("coalesced", "no effect", "observed"),
    }
    assert told == {(variant, name): of for variant in LIMITS for name, of in alike.items()}


def test_what_lets_nothing_through_is_blocked_and_no_mitigations_fault(place: Sandbox) -> None:
    status, results = measured(place, 64, REFUSALS)
    assert status == 3
    assert {(result.outcome, result.effect) for result in results.values()} == {("blocked", None)}
    assert {result.facts.turned_away.let_through for result in results.values() if result.facts.turned_away} == {
        "nothing"
    }
    assert results["password", "none"].reason.startswith("status 401 instead of 200: ")
    assert results["redirect", "none"].reason.startswith("status 302 instead of 200: ")


def test_what_is_refused_for_its_own_words_harms(place: Sandbox) -> None:
    status, results = measured(place, 64, WORDS)
    assert status == 0
    harmed = results["words", "accept-encoding-identity"]
    assert (harmed.verdict, harmed.effect, harmed.outcome) == ("broken", "harms", "observed")
    assert results["words", "x-accel-buffering"].effect == "defeats"


def test_a_limit_that_lets_nothing_through_is_told_in_nginx_own_words(place: Sandbox) -> None:
    never = {"http": f"limit_req_{ZONE} rate=1r/m;", "location": "limit_req zone=z;"}
    _, results = measured(place, 4, {"never": never})
    blocked = [result for result in results.values() if result.outcome == "blocked"]
    assert blocked
    assert all("limiting requests, excess: " in result.reason for result in blocked)
    assert not [result for result in results.values() if result.effect == "harms"]


def test_a_diagnosis_says_that_a_config_limits_requests_and_measures_few_cells(place: Sandbox) -> None:
    place.nginx_conf("slow.conf", **LIMITS["slow"])
    said = place.run("diagnose", "--hop", "nginx:./slow.conf")
    assert said.status == 0, said.err
    told = " ".join(said.out.split())
    assert "nginx:slow limits requests (503): asked slowly, one by one, streams come through" in told
    assert "x-accel-buffering (header): with that, the whole chain streams (curl, browser)" in told
    mitigated = {result.cell for result in place.results().values() if result.cell.mitigations}
    assert {cell.mitigations for cell in mitigated} == {("x-accel-buffering",)}, "the first that works is the last"
