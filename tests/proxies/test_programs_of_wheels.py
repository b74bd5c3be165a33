"""Real programs out of wheels: each serves and passes, tells what is wrong with a config, and is gone afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.launchers.base import Fetching
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.resources import configs
from harness.session.shipped import variants
from tests.factories import judged
from tests.measuring import plan
from tests.processes import alive, process
from tests.sampling import some_of

VERSIONS = {"caddy": "2.11.7", "haproxy": "2.8.25", "traefik": "3.7.15", "envoy": "1.40.0"}
VARIANTS = [f"{name}:{variant}@wheel:{version}" for name, version in VERSIONS.items() for variant in variants(name)]

in_modules_loop = pytest.mark.asyncio(loop_scope="module")
pytestmark = pytest.mark.proxies


def program(name: str) -> Described:
    """Return one of them in the version that is asked for here, which is fetched if it is not there yet."""
    proxy = PROXIES[name]
    assert isinstance(proxy, Described)
    wheel = replace(proxy, wanted=VERSIONS[name], only="wheel")
    wheel.fetch(Fetching(print))
    return wheel


def own(name: str, folder: Path, words: str, others: str) -> Path:
    """Write a config of the user's: a shipped one in which some words are others."""
    shipped = configs() / name / ("default" if name == "haproxy" else "plain")
    text = shipped.with_suffix(PROXIES[name].suffix).read_text()
    assert words in text
    path = folder / f"my{PROXIES[name].suffix}"
    before, _, after = text.rpartition(words)  # the first line speaks of them, too
    path.write_text(f"{before}{others}{after}")
    return path


@in_modules_loop
@some_of("chain", VARIANTS, each=3)
async def test_a_shipped_config_serves_and_passes_a_stream_whole(bench: Bench, chain: str) -> None:
    program(chain.partition(":")[0])
    at_a_pace = plan(chain, 8, 100)  # some hold each token for 200 ms of their own accord
    trace, entry = await bench.record("cell", replace(at_a_pace, emission=replace(at_a_pace.emission, pace="paced")))
    assert judged(trace).verdict != "broken", judged(trace).reason
    (running,) = entry.hops
    assert chain.rpartition(":")[2] in running.version
    assert "wheel" in running.version
    assert entry.death() is None


@in_modules_loop
@pytest.mark.parametrize(
    ("name", "words", "others", "complaint", "line"),
    [
        ("caddy", "reverse_proxy", "reverse_prox", "unrecognized directive: reverse_prox", 9),
        ("caddy", "${UPSTREAM_ADDRESS}\n}", "${UPSTREAM_ADDRESS}\n", "expecting '}'", 9),
        ("haproxy", "mode http", "mod http", "unknown keyword 'mod' in 'defaults' section", 6),
        ("haproxy", "server app ", "server app ${UPSTREAM_HOST}:no #", "invalid character 'n' in port number 'no'", 16),
        ("traefik", "routers:", "routers", "mapping values are not allowed in this context", 4),
        ("traefik", "servers:", "server:", "field not found, node: server", None),
        ("envoy", "routes:", "routes", "illegal map value", 17),
    ],
)
async def test_a_complaint_about_a_line_is_led_back_to_the_users_file(
    bench: Bench, tmp_path: Path, name: str, words: str, others: str, complaint: str, line: int | None
) -> None:
    config, upstream = own(name, tmp_path, words, others), (await bench.entry(())).endpoint
    async with Launcher() as launcher:
        with pytest.raises(InputError) as told:
            await program(name).start(config, upstream, tmp_path, launcher)
    (one,) = told.value.complaints
    assert (one.file, one.line) == (str(config), line)
    assert complaint in one.message


@in_modules_loop
@pytest.mark.parametrize(
    ("name", "words", "others", "complaint"),
    [
        ("haproxy", "default_backend app", "default_backend ap", "unable to find required default_backend: 'ap'"),
        ("envoy", "stat_prefix", "stat_prefx", "'stat_prefx'"),
        ("envoy", '["*"]', "[]", "Domains: value must contain at least 1 item"),
        ("envoy", "route: {cluster: app}", "route: {cluster: ap}", "route: unknown cluster 'ap'"),
        ("traefik", "service: app}", "service: app, middlewares: [no]}", 'middleware \\"no@file\\" does not exist'),
    ],
)
async def test_a_complaint_without_a_line_is_told_of_the_config_in_the_programs_words(
    bench: Bench, tmp_path: Path, name: str, words: str, others: str, complaint: str
) -> None:
    config, upstream = own(name, tmp_path, words, others), (await bench.entry(())).endpoint
    wheel = program(name)
    impatient = replace(wheel, given=wheel.said.model_copy(update={"within_s": 5.0}))  # Traefik stays, and answers 404
    async with Launcher() as launcher:
        with pytest.raises(InputError) as told:
            await impatient.start(config, upstream, tmp_path, launcher)
    (one,) = told.value.complaints
    assert (one.file, complaint in one.message) == (str(config), True)


@in_modules_loop
@pytest.mark.parametrize("name", VERSIONS)
async def test_it_is_gone_with_all_that_it_started_when_its_run_is_over(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    upstream = (await bench.entry(())).endpoint
    config = configs() / name / f"{'default' if name == 'haproxy' else 'plain'}{PROXIES[name].suffix}"
    async with Launcher() as launcher:
        running = await program(name).start(config, upstream, tmp_path, launcher)
        group = process(running).pid
        assert alive(group)
    assert not alive(group)
