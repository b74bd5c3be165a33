"""The command line, called in this process: what it says where, and with which exit status it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from harness import cli
from harness.errors import Unavailable
from harness.model import Result
from harness.proxies import PROXIES
from harness.resources import configs
from harness.store import Run, latest
from tests.reports.samples import cell, result, run_info
from tests.workplace import DIRECT, NGINX, Said

Harness = Callable[..., Said]

WIDTH = 400
COMMANDS = ("matrix", "run", "list", "doctor", "setup", "report", "check")
STREAMED = result(cell("direct"), "streamed", outcome="pass")
BUFFERED = result(cell("nginx:default"), "buffered", outcome="pass")


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """Call `harness` in an empty folder, on a screen so wide that no sentence is broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setattr(cli.out, "width", WIDTH)
    monkeypatch.setattr(cli.err, "width", WIDTH)

    def call(*argv: str | Path) -> Said:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in argv])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)

    return call


@pytest.fixture
def no_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without nginx."""

    def version() -> str:
        raise Unavailable("nginx is not installed", "install it: apt-get install nginx")

    monkeypatch.setattr(PROXIES["nginx"], "version", version)


def stored(root: Path, *results: Result) -> Path:
    """Put a finished run on disk."""
    run = Run.create(root, run_info(finished_at=None))
    for some in results:
        run.append(some)
    run.finish()
    return run.folder


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
        ("proxies", ["nginx:default", "Stock nginx", "nginx:buffering-off"]),
        ("mitigations", ["x-accel-buffering", "bypass-proxy", "header", "https://"]),
        ("profiles", ["profile", "whose claim it plays"]),
        ("formats", ["sse", "text/event-stream", "ndjson", "text"]),
        ("clients", ["aiohttp"]),
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
        "nginx:default/sse/chunked/curl/aiohttp/short/none/lockstep",
        "nginx:default/sse/chunked/curl/aiohttp/short/x-accel-buffering/lockstep",
    ]
    chosen = harness("list", "cells", "m.yaml", "--only", "nginx:*", "--skip", "*/none/*")
    assert [line.split("/")[-2] for line in chosen.out.splitlines()] == ["none", "none", "x-accel-buffering"]


def test_the_doctor_says_what_is_missing_and_how_to_get_it(harness: Harness, no_nginx: None) -> None:
    said = harness("doctor")
    assert said.status == 0
    assert re.search(r"^python +ok", said.out, re.MULTILINE)
    assert re.search(r"^nginx +missing +nginx is not installed +install it: apt-get install nginx", said.out, re.M)
    assert harness("doctor", "--require", "nginx").status == 3


# ---------------------------------------------------------------- measuring


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


def test_a_failed_expectation_ends_with_1_and_says_why_it_was_expected(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT.replace("verdict: streamed", "verdict: [buffered, coalesced]"))
    said = harness("matrix", "m.yaml")
    assert said.status == 1
    assert "expected buffered or coalesced, got streamed" in said.out
    assert "nothing in it could hold a token" in said.out


def test_one_cell_is_drawn_as_a_timeline(harness: Harness) -> None:
    said = harness("run", "--chain", "direct", "--tokens", "5", "--json", "out.json")
    assert said.status == 0
    assert [line.split()[0] for line in said.out.splitlines() if "●" in line][:5] == ["0", "1", "2", "3", "4"]
    assert "5 of 5 tokens" in said.out
    assert said.out.rstrip().endswith("observed: streamed")
    assert len(json.loads(Path("out.json").read_text())["results"]) == 1


def test_reports_are_written_in_every_format(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "markdown", "junit", "html")}
    said = harness("matrix", "m.yaml", *(word for name, path in paths.items() for word in (f"--{name}", path)))
    assert said.status == 0
    document = json.loads(paths["json"].read_text())
    jsonschema.validate(document, json.loads((configs().parent / "harness/schema/results.v1.json").read_text()))
    assert [some["verdict"] for some in document["results"]] == ["streamed", "streamed"]
    assert len(ElementTree.parse(paths["junit"]).findall(".//testcase")) == 2
    assert paths["markdown"].read_text().startswith("#")
    assert paths["html"].read_text().lower().startswith("<!doctype html>")


# ---------------------------------------------------------------- what is refused, before anything is measured


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("run --chain nginx:nope", "--chain: unknown variant 'nginx:nope'; allowed: buffering-off, cached, default"),
        ("run --chain apache:x", "--chain: unknown proxy 'apache'; allowed: direct, nginx"),
        ("run --chain direct --format xml", "--format: 'xml' is not allowed; allowed: sse, ndjson, text"),
        ("run --chain direct --body none", "--body: 'none' is not allowed; allowed: chunked, length, close"),
        ("run --chain direct --request wget", "--request: 'wget' is not allowed; allowed: curl, browser"),
        ("run --chain direct --client httpx", "--client: unknown client 'httpx'; allowed: aiohttp"),
        ("run --chain direct --pace slow", "--pace: 'slow' is not allowed; allowed: lockstep, paced"),
        ("run --chain direct --payload zeros", "--payload: 'zeros' is not allowed; allowed: repetitive, random"),
        ("run --chain direct -m no-cash", "--mitigation: unknown mitigation 'no-cash'; allowed: x-accel-buffering"),
        ("run --chain direct --tokens 0", "--tokens: must be greater than or equal to 1, not 0"),
        ("run --chain direct --patience-ms -1", "--patience-ms: must be greater than 0, not -1.0"),
        ("run --chain direct -m bypass-proxy", "bypass-proxy bypasses a chain that is direct already"),
        ("run --chain direct --token-bytes 9", "too small: format sse needs"),
        ("run --chain nginx:./my.conf", "there is no file"),
        ("matrix nope", "there is no matrix 'nope': give a path, or one of default, smoke"),
        ("matrix smoke --require apache", "--require: there is no proxy or client 'apache'; there are nginx"),
        ("matrix smoke --pace slow", "'--pace': Value error, 'slow' is not one of 'lockstep', 'paced'"),
        ("matrix smoke --jobs 0", "'--jobs' / '-j': Input should be greater than or equal to 1"),
        ("matrix smoke --patience 1", "No such option: --patience"),
        ("list everything", "'proxies', 'mitigations', 'profiles', 'formats', 'clients', 'cells'"),
        ("setup apache", "there is no proxy or client 'apache' to set up; there are nginx"),
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


def test_a_required_proxy_that_is_missing_ends_with_3_before_the_run(
    harness: Harness, tmp_path: Path, no_nginx: None
) -> None:
    (tmp_path / "m.yaml").write_text(NGINX)
    said = harness("matrix", "m.yaml", "--require", "nginx")
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


def test_a_missing_proxy_that_nobody_requires_is_unavailable_with_the_way_out(
    harness: Harness, tmp_path: Path, no_nginx: None
) -> None:
    (tmp_path / "m.yaml").write_text(NGINX)
    said = harness("matrix", "m.yaml")
    assert said.status == 0
    assert "nginx is not installed (install it: apt-get install nginx)" in said.out
    assert "3 cells: 1 pass, 2 unavailable" in said.out


# ---------------------------------------------------------------- runs that are on disk


def test_a_finished_run_is_reported_with_its_own_exit_status(harness: Harness, tmp_path: Path) -> None:
    failed = replace(BUFFERED, outcome="fail", reason="expected streamed, got buffered")
    stored(tmp_path / "runs", STREAMED, failed)
    said = harness("report", "--json", "out.json")
    assert said.status == 1
    assert "2 cells: 1 pass, 1 fail. Exit status 1: an expectation failed." in said.out
    assert "cut off" not in said.err
    assert len(json.loads(Path("out.json").read_text())["results"]) == 2


def test_a_killed_run_is_reported_without_its_torn_line(harness: Harness, tmp_path: Path) -> None:
    lines = stored(tmp_path / "runs", STREAMED, BUFFERED) / "results.jsonl"
    lines.write_bytes(lines.read_bytes()[:-30])
    said = harness("report")
    assert said.status == 0
    assert "1 cell: 1 pass" in said.out
    assert "The last line of results.jsonl was cut off" in said.err


def test_a_run_that_was_killed_before_its_first_cell_is_reported_as_empty(harness: Harness, tmp_path: Path) -> None:
    stored(tmp_path / "runs")
    said = harness("report")
    assert said.status == 5
    assert "0 cells" in said.out


def test_judging_a_run_again_gives_the_same_results(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    assert harness("matrix", "m.yaml", "--json", "first.json").status == 0
    assert harness("report", "--rejudge", "--json", "again.json").status == 0
    assert json.loads(Path("again.json").read_text()) == json.loads(Path("first.json").read_text())


def test_judging_again_forgets_what_was_written_and_looks_at_the_trace(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    harness("matrix", "m.yaml")
    lines = latest(Path("runs")) / "results.jsonl"
    lines.write_text(lines.read_text().replace('"verdict":"streamed","effect"', '"verdict":"buffered","effect"'))
    for words, verdict in ((("report",), "buffered"), (("report", "--rejudge"), "streamed")):
        harness(*words, "--json", "out.json")
        results = json.loads(Path("out.json").read_text())["results"]
        assert {some["verdict"] for some in results} == {verdict}


def test_a_run_like_an_earlier_one_passes_the_check(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    later = stored(tmp_path / "runs", STREAMED, BUFFERED)
    for words in ((later,), ()):
        said = harness("check", "--against", earlier, *words)
        assert said.status == 0
        assert "2 cells: 2 pass" in said.out


def test_a_changed_verdict_fails_the_check_and_both_verdicts_are_named(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    stored(tmp_path / "runs", STREAMED, replace(BUFFERED, verdict="coalesced"))
    said = harness("check", "--against", earlier)
    assert said.status == 1
    assert "expected buffered, got coalesced" in said.out
    assert f"as it was in {earlier}" in said.out
    assert BUFFERED.id in said.out


def test_a_cell_that_lost_its_verdict_fails_the_check(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    stored(tmp_path / "runs", STREAMED, replace(BUFFERED, verdict=None, outcome="unavailable", reason="no nginx"))
    said = harness("check", "--against", earlier)
    assert said.status == 1
    assert f"was buffered in {earlier}, is unavailable: no nginx" in said.out


def test_the_check_says_how_many_cells_it_could_not_compare(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", STREAMED, BUFFERED)
    stored(tmp_path / "runs", STREAMED)
    said = harness("check", "--against", earlier)
    assert said.status == 0
    assert f"1 of the 2 cells of {earlier} are not in this run." in said.err


def test_a_check_against_other_cells_checks_nothing_and_ends_with_5(harness: Harness, tmp_path: Path) -> None:
    earlier = stored(tmp_path / "earlier", BUFFERED)
    stored(tmp_path / "runs", STREAMED)
    said = harness("check", "--against", earlier)
    assert (said.status, said.out) == (5, "")
    assert "there is nothing to compare" in said.err
