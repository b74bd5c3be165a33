"""What a command refuses before anything is measured, and how it says so: what is wrong, where, and what is allowed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NoReturn

import pytest

from harness.cli.progress import progress
from harness.errors import Interrupted
from harness.store.runs import Run
from tests.commanding import Harness
from tests.reports.samples import matrix, run_info
from tests.sandbox import DIRECT, NGINX


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("run --chain nginx:nope", "--chain: unknown variant 'nginx:nope'; allowed: buffering-off, cached, default"),
        ("run --chain nonsuch:x", "--chain: unknown proxy 'nonsuch'; allowed: direct, nginx"),
        ("run --chain at:chat.example", "--chain: at:chat.example is whatever stands in front of an emitter elsewhere"),
        ("run --chain direct --format xml", "--format: 'xml' is not allowed; allowed: sse, ndjson, text"),
        ("run --chain direct --body none", "--body: 'none' is not allowed; allowed: chunked, length, close"),
        ("run --chain direct --request wget", "--request: unknown request 'wget'; allowed: curl, browser"),
        ("run --chain direct --client httpx", "--client: unknown client 'httpx'; allowed: aiohttp"),
        ("run --chain direct --pace slow", "--pace: 'slow' is not allowed; allowed: lockstep, paced"),
        ("run --chain direct --payload zeros", "--payload: 'zeros' is not allowed; allowed: repetitive, random"),
        ("run --chain direct -m no-cash", "--mitigation: unknown mitigation 'no-cash'; allowed: x-accel-buffering"),
        ("run --chain nginx:default -m none -m no-cache", "--mitigation: none stands for no mitigation, and there are"),
        ("run --chain nginx:default -m all", "--mitigation: all is a word of matrix files; `harness diagnose` tries"),
        ("run --chain direct --expect fast", "--expect: 'fast' is not allowed; allowed: streamed, delayed"),
        ("diagnose", "name the chain, either hop by hop with --hop, or in one word with --chain"),
        ("diagnose --hop nginx:default --chain nginx:default", "name the chain, either hop by hop with --hop, or in"),
        ("diagnose --hop ngnix:default", "--hop: unknown proxy 'ngnix'; allowed: direct, nginx"),
        ("diagnose --hop nginx", "--hop: nginx is a proxy, and a hop one of its variants, as nginx:default"),
        ("run --chain nginx:@1.31", "--chain: nginx is a proxy, and a hop one of its variants, as nginx:default"),
        ("diagnose --hop nextjs>nginx:default", "--hop: nextjs is a proxy, and a hop one of its variants, as nextjs:"),
        ("diagnose --hop nginx:default --hop direct", "--hop: direct stands alone: it is the chain without hops"),
        ("diagnose --chain direct", "--chain: direct has no hop that could hold anything"),
        ("diagnose --hop nginx:default --format xml", "--format: 'xml' is not allowed; allowed: sse, ndjson"),
        (
            "diagnose --hop nginx:default --with nope.yaml",
            "there is no matrix 'nope.yaml': give a path",
        ),
        ("diagnose --hop nginx:default --budget 0", "'--budget': Input should be greater than or equal to 0.1"),
        ("run --chain direct --tokens 0", "--tokens: must be greater than or equal to 1, not 0"),
        ("run --chain direct --patience-ms -1", "--patience-ms: must be greater than 0, not -1.0"),
        (
            "run --chain direct -m bypass-proxy",
            "harness: --mitigation: cell direct/sse/chunked/curl/aiohttp/32x96/bypass",
        ),
        ("run --chain direct -m bypass-proxy", "bypass-proxy bypasses a chain that is direct already"),
        ("run --chain direct --token-bytes 9", "--token-bytes: cell direct/"),
        ("run --chain direct --token-bytes 9", "/none/lockstep: 9 is too small: format sse needs"),
        ("run --chain nginx:./my.conf", "there is no file"),
        (
            "matrix nope",
            "there is no matrix 'nope': give a path or a shipped matrix; allowed: applications, atlas, c",
        ),
        ("run --chain direct --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("matrix smoke --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("report --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("check --against nope --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("matrix smoke --pace slow", "'--pace': 'slow' is not allowed; allowed: lockstep, paced"),
        ("matrix smoke --jobs 0", "'--jobs' / '-j': Input should be greater than or equal to 1"),
        ("matrix smoke --patience 1", "No such option: --patience"),
        ("list everything", "'WHAT': 'everything' is not allowed; allowed: proxies, profiles, mitigations, requests"),
        ("list mitigation", "and 1 more (did you mean 'mitigations'?)"),
        ("setup nginx:nope", "harness: unknown variant 'nginx:nope'; allowed: buffering-off"),
        ("setup caddy@apt", "caddy takes a source with what is asked of it: @apt:VERSION, not @apt alone"),
        (
            "run --chain nginx:default@docker",
            "nginx takes a source with what is asked of it: @docker:TAG, not @docker alone",
        ),
        ("setup nonsuch@1", "there is no proxy or client 'nonsuch@1' to set up; allowed: nginx"),
        ("setup nonsuch", "there is no proxy or client 'nonsuch' to set up; allowed: nginx"),
        ("report nope", "nope is not a run folder: it has no run.json"),
        ("report", "there is no run in runs yet: start one with `harness matrix`"),
        ("check --against nope .", "is not a run folder: it has no run.json"),
        ("measure", "No such command 'measure'"),
    ],
)
def test_wrong_words_end_with_2_and_say_what_is_allowed(harness: Harness, words: str, complaint: str) -> None:
    said = harness(*words.split())
    assert (said.status, said.out) == (2, "")
    assert complaint in said.err
    assert "Traceback" not in said.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("command", ["run --chain nextjs:./mine.yaml", "setup nextjs:./mine.yaml"])
def test_what_is_wrong_in_a_file_of_a_hop_is_told_with_its_line_and_key(harness: Harness, command: str) -> None:
    Path("mine.yaml").write_text("# mine\nmode: prod\ncompress: maybe\n")
    said = harness(*command.split())
    assert (said.status, said.out) == (2, "")
    assert said.err == "harness: mine.yaml:3: compress: must be a valid boolean, not 'maybe'\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title: [", "m.yaml:1: not YAML: "),
        (DIRECT.replace("chain: direct", "chian: direct"), "m.yaml:3: axes.chian: unknown key; allowed: body, chain"),
        (DIRECT.replace("chain: direct", "chain: nginx:nope"), "m.yaml:3: axes.chain: unknown variant 'nginx:nope'"),
        (DIRECT.replace("tokens: 8", "tokens: many"), "m.yaml:2: workloads.short.tokens: must be a whole number"),
        (DIRECT.replace("verdict: streamed", "verdict: fast"), "m.yaml:5: expect[0].verdict: 'fast' is not allowed"),
        (DIRECT.replace("chain: direct", "chain: direct, mitigations: bypass-proxy"), "direct already"),
    ],
)
def test_a_wrong_matrix_ends_with_2_and_names_file_line_and_key(
    harness: Harness, tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "m.yaml").write_text(text)
    said = harness("matrix", "m.yaml")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("harness: m.yaml:")
    assert complaint in said.err
    assert not Path("runs").exists()


def test_all_that_is_wrong_in_a_matrix_is_told_at_once(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT.replace("tokens: 8", "tokens: 0").replace("title", "tilte"))
    lines = harness("matrix", "m.yaml").err.splitlines()
    assert [line.removeprefix("harness: ").split(":")[:2] for line in lines] == [
        ["m.yaml", "1"],
        ["m.yaml", "1"],
        ["m.yaml", "2"],
    ]


def test_unknown_names_are_told_in_one_round_with_unknown_keys_and_wrong_types(
    harness: Harness, tmp_path: Path
) -> None:
    wrong = """\
title: Mine
workloads: {short: {tokens: many, token_bytes: 112}}
axes: {chain: [nginx:nope, nginx:own], boddy: chunked, mitigations: [no-cash, mine]}
include:
  - {chain: ngnix:default, body: 7}
  - {client: corl, chain: 7}
variants: {nginx: {own: [own.conf]}}
mitigations: {mine: {claim: It helps., source: us, cost: header}}
"""
    (tmp_path / "m.yaml").write_text(wrong)
    told = [line.removeprefix("harness: ") for line in harness("matrix", "m.yaml").err.splitlines()]
    assert [line.split(":")[1] + line.split(":")[2] for line in told] == [
        "2 workloads.short.tokens",
        "3 axes.boddy",
        "3 axes.chain[0]",
        "3 axes.mitigations[0]",
        "5 include[0].body",
        "5 include[0].chain",
        "6 include[1].chain",
        "6 include[1].client",
        "7 variants.nginx.own",
        "8 mitigations.mine",
    ]
    assert "did you mean 'no-cache'?" in told[3]


@pytest.mark.parametrize("include", ["7", "[7]", "nginx:nope", "{axes: 1}"])
def test_what_has_no_shape_has_no_names(harness: Harness, tmp_path: Path, include: str) -> None:
    (tmp_path / "m.yaml").write_text(f"title: x\nworkloads: 7\naxes: 7\ninclude: {include}\nmitigations: 7\n")
    told = harness("matrix", "m.yaml").err
    assert "unknown" not in told.replace("unknown key", "")
    assert "m.yaml:3: axes: must be keys and values, not 7" in told


async def test_an_interrupted_run_counts_what_is_on_disk_not_what_it_had_told(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info(finished_at=None, cells=5))

    def interrupted() -> NoReturn:
        with progress(run) as tell:
            for some in matrix()[:2]:
                run.append(some)
            tell(matrix()[0])
            raise asyncio.CancelledError

    with pytest.raises(Interrupted, match="2 of 5 cells are done"):
        interrupted()


def test_a_glob_that_selects_nothing_ends_with_5_and_shows_an_id(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    said = harness("matrix", "m.yaml", "--only", "ngnix*")
    assert (said.status, said.out) == (5, "")
    assert "none of the 2 cells is left by --only 'ngnix*'" in said.err
    assert "such as direct/" in said.err


@pytest.mark.parametrize("option", ["--json", "--markdown", "--junit", "--html"])
@pytest.mark.parametrize(("path", "why"), [("no/out", "there is no folder no"), (".", "Is a directory")])
def test_output_that_cannot_be_written_is_refused_before_the_run(
    harness: Harness, tmp_path: Path, option: str, path: str, why: str
) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    said = harness("matrix", "m.yaml", option, path)
    assert said.status == 2
    assert said.err.strip().startswith(f"harness: cannot write {path}: {why}")
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", ["matrix m.yaml", "run --chain direct"])
def test_a_required_proxy_that_is_missing_ends_with_3_before_the_run(
    harness: Harness, tmp_path: Path, no_nginx: None, words: str
) -> None:
    (tmp_path / "m.yaml").write_text(NGINX)
    said = harness(*words.split(), "--require", "nginx")
    assert (said.status, said.out) == (3, "")
    assert "nginx is required, but cannot run here: nginx is not installed (install it: apt-get" in said.err
    assert not Path("runs").exists()


def test_the_environment_can_require_proxies_too(
    harness: Harness, tmp_path: Path, no_nginx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.yaml").write_text(NGINX)
    monkeypatch.setenv("HARNESS_REQUIRE", "nginx")
    said = harness("matrix", "m.yaml")
    assert (said.status, said.out) == (3, "")


@pytest.mark.proxies
def test_a_missing_proxy_that_nobody_requires_is_unavailable_with_the_way_out(
    harness: Harness, tmp_path: Path, no_nginx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.yaml").write_text(NGINX)
    said = harness("matrix", "m.yaml")
    assert said.status == 3
    assert "nginx is not installed (install it: apt-get install nginx)" in said.out
    assert "3 cells: 1 pass, 2 unavailable. Exit status 3: no cell with a hop could be measured." in said.out
    (tmp_path / "m.yaml").write_text(DIRECT.replace("chain: direct", "chain: [nginx:http10, cloudrun:streaming]"))
    said = harness("matrix", "m.yaml")
    assert said.status == 0
    assert "2 unavailable. Exit status 0: what can run here is as expected, 2 cells cannot." in said.out
    monkeypatch.setenv("CI", "true")
    assert harness("matrix", "m.yaml").status == 3
    assert harness("matrix", "m.yaml", "--allow-unavailable").status == 0
