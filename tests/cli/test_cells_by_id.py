"""A cell's id, as any output has it, is all that one needs to measure the cell again or to look at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness import session
from harness.backends.posting import TOKEN_VARIABLE
from harness.errors import InputError, SelectionError
from harness.model import Deployment, Endpoint, Hop, Workload
from harness.session.named import by_id, newest_with
from harness.store.runs import Run
from tests.commanding import Harness
from tests.reports.samples import cell, result, run_info

GZIP = "nginx:gzip/sse/chunked/browser/aiohttp/short/none/lockstep"
CONFIG = "events {}\nhttp { server { listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}; } } }\n"
MATRIX = """\
title: Mine
workloads: {tiny: {tokens: 8, token_bytes: 112}}
variants: {nginx: {mine: ./my.conf}}
axes: {chain: [direct, "nginx:mine"], workload: tiny}
"""


@pytest.mark.parametrize(
    "cell",
    [
        GZIP,
        "direct/ndjson/chunked/curl/aiohttp/32x96/none/lockstep",
        "nginx:http10/sse/length/browser/aiohttp/9x128-random-every40ms-seed3-exact/no-cache/paced",
        "nextjs:dev>nginx:http10@1.31/sse/chunked/browser/aiohttp/32x96/no-transform+x-accel-buffering/lockstep",
    ],
)
def test_an_id_means_the_cell_that_has_it(cell: str, tmp_path: Path) -> None:
    assert by_id(cell, tmp_path).cells[-1].id == cell


@pytest.mark.parametrize("matrix", ["smoke", "versions"])
def test_a_cell_of_a_shipped_matrix_is_found_by_its_id(matrix: str, tmp_path: Path) -> None:
    """Where two matrices have the same id, the cell may be the other's, which measures the same chain."""
    last = session.load(matrix).cells[-1]
    assert by_id(last.id, tmp_path).cells[-1].id == last.id


UNVERSIONED = "nextjs:dev/ndjson/chunked/browser/aiohttp/short/none/lockstep"
VERSIONED = "nginx:default@1.31/sse/chunked/curl/aiohttp/short/none/lockstep"


def test_a_whole_id_means_its_own_cell_before_that_of_a_version_which_another_matrix_has(tmp_path: Path) -> None:
    ids = [one.id for one in by_id(UNVERSIONED, tmp_path).cells]
    assert [one for one in ids if one.startswith("nextjs:")] == [UNVERSIONED]


def test_what_is_expected_is_of_the_version_that_an_id_means(tmp_path: Path) -> None:
    job = by_id(VERSIONED.replace("@1.31", ""), tmp_path, ["buffered"])
    assert job.cells[-1].id == VERSIONED
    assert [row.cells for row in job.matrix.expectations if row.why == "--expect says so"] == [VERSIONED]


def test_what_is_expected_is_of_that_cell_alone_whatever_its_id_looks_like(tmp_path: Path) -> None:
    rows = by_id(GZIP, tmp_path, ["streamed"]).matrix.expectations
    assert [row.cells for row in rows if row.why == "--expect says so"] == [GZIP]
    with pytest.raises(InputError, match=r"'steamed' is not allowed"):
        by_id(GZIP, tmp_path, ["steamed"])


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("", "'' is no id of a cell, which has 8 parts: chain/format/"),
        ("nginx:gzip/sse", "is no id of a cell"),
        (GZIP.replace("short", "shrt"), "no matrix has the cell nginx:gzip/"),
        (
            "nginx:gizp/sse/chunked/curl/aiohttp/32x96/none/lockstep",
            r"unknown variant 'nginx:gizp'.*did you mean 'gzip'",
        ),
        ("direct/sse/chunked/curl/aiohttp/0x96/none/lockstep", "must be greater than or equal to 1, not 0"),
    ],
)
def test_what_is_no_id_is_told(cell: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        by_id(cell, tmp_path)


def test_a_cell_says_all_so_that_no_option_goes_with_its_id(harness: Harness) -> None:
    said = harness("run", GZIP, "--client", "curl", "-m", "no-cache")
    assert (said.status, f"{GZIP} says all of a cell: leave --mitigation and --client out" in said.err) == (2, True)
    neither = harness("run")
    assert (neither.status, "name a cell: by its id" in neither.err) == (2, True)


AFAR = "at:chat.example:8080/sse/chunked/browser/aiohttp/short/no-cache/lockstep"
SITE = session.Site(Endpoint(8080, host="chat.example"), "chat.example:8080/api", "open-sesame")


@pytest.mark.parametrize("workload", ["short", "32x96"])
def test_a_cell_from_afar_is_measured_again_where_it_was(workload: str, tmp_path: Path) -> None:
    cell = AFAR.replace("short", workload)
    job = by_id(cell, tmp_path, ["streamed"], site=SITE)
    assert (job.cells[-1].id, job.site) == (cell, SITE)
    assert [row.cells for row in job.matrix.expectations if row.why == "--expect says so"] == [cell]
    assert {one.chain for one in job.cells} == {SITE.chain}, "its baseline is there, too"


def test_a_cell_from_afar_is_not_looked_for_here_and_how_to_go_on_is_told(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"{AFAR} was measured from afar, in front of an emitter elsewhere: `harness run {AFAR} --at URL`"
    assert told in harness("run", AFAR).err
    url = ("--at", "https://chat.example:8080/api", "--control=http://chat.example:81")
    run = Run.create(tmp_path / "runs", run_info(name="m", options=("matrix", "smoke", *url, "--jobs", "2")))
    run.append(result(replace(cell(), chain=SITE.chain), "streamed"))
    measured = run.results[0].id
    said = harness("run", measured)
    assert (said.status, f"`harness run {measured} {' '.join(url)}`" in said.err) == (2, True)
    for meant in (measured, "at:chat.example:8080"):
        assert json.loads(harness("show", meant, "--json", "-").out)["results"][0]["id"] == measured
    only = harness("matrix", "smoke", "--only", measured)
    assert (only.status, "what begins with at: is measured from afar: say where, with --at URL" in only.err) == (
        5,
        True,
    )


def test_a_place_and_a_cell_have_to_be_one(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=f"--at: {GZIP} is no cell of what stands there; {AFAR[:20]}.*/short/none"):
        by_id(GZIP, tmp_path, site=SITE)
    monkeypatch.setenv(TOKEN_VARIABLE, "open-sesame-open-sesame")
    elsewhere = harness("run", AFAR, "--at", "http://other.example")
    assert (elsewhere.status, "at:other.example/sse/chunked/browser/aiohttp/short/no-" in elsewhere.err) == (2, True)
    unnamed = harness("run", "--chain", "nginx:gzip", "--at", "http://chat.example")
    assert (unnamed.status, "--at: name a cell that was measured there by its id" in unnamed.err) == (2, True)
    assert "--control is of an emitter elsewhere" in harness("run", AFAR, "--control", "http://chat.example").err
    with_headers = harness("run", AFAR, "--at", "http://chat.example:8080", "-H", "a: b")
    assert "leave --backend, --replay, -X, -H, -d and --cacert out" in with_headers.err


@pytest.mark.proxies
def test_a_cell_of_a_run_is_shown_and_measured_again(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(MATRIX)
    (tmp_path / "my.conf").write_text(CONFIG)
    cell = "direct/sse/chunked/curl/aiohttp/tiny/none/lockstep"
    assert harness("matrix", "my.yaml", "--only", "direct").status == 0
    assert by_id(cell.replace("direct", "nginx:mine"), tmp_path / "runs").own == {Hop("nginx", "mine"): Path("my.conf")}
    shown = harness("show", "direct", "--json", "shown.json")
    assert (shown.status, cell in shown.out, "emitted" in shown.out) == (0, True, True)
    assert [one["id"] for one in json.loads((tmp_path / "shown.json").read_text())["results"]] == [cell]
    again = harness("run", cell, "--expect", "buffered")
    assert (again.status, "expected buffered, got streamed" in again.out) == (1, True)
    assert harness("run", "--chain", "nginx:other=./my.conf").status == 0
    assert cell in harness("show", cell).out, "an older run has it"
    through = "nginx:other/sse/chunked/curl/aiohttp/32x96/none/lockstep"
    found = harness("run", through)
    assert (found.status, through in found.out) == (0, True), "which file that is, its run says"
    none = harness("show", "nginx:gzip")
    assert (none.status, "has no cell nginx:gzip; a glob matches" in none.err) == (5, True)


def kept(root: Path, second: int, *chains: str) -> Run:
    """Keep a run of these chains, started at that second."""
    run = Run.create(root, run_info(name="m", started_at=f"2025-11-21T08:22:{second:02}+00:00"))
    for chain in chains:
        run.append(result(cell(chain), "streamed"))
    return run


def test_a_cell_is_that_of_the_newest_run_that_has_any_and_several_are_told_not_passed_over(tmp_path: Path) -> None:
    older = kept(tmp_path, 1, "nginx:gzip", "nginx:cached")
    newer = kept(tmp_path, 2, "nginx:gzip", "nginx:tls")
    kept(tmp_path, 3, "direct")
    (tmp_path / "20251121T082204Z-broken").mkdir()
    (tmp_path / "20251121T082204Z-broken/run.json").write_text("rubbish")
    assert newest_with("nginx:gzip", tmp_path)[0].folder == newer.folder
    assert newest_with("nginx:cached", tmp_path)[0].folder == older.folder
    with pytest.raises(InputError, match=r"nginx:\*/\* means 2 cells of .*; give the id of one"):
        newest_with("nginx:*/*", tmp_path)
    with pytest.raises(SelectionError, match=r"082203Z-m has no cell nginx:h2"):
        newest_with("nginx:h2", tmp_path)
    with pytest.raises(InputError, match="there is no run in"):
        newest_with("nginx:gzip", tmp_path / "none")


def test_a_whole_id_means_its_own_cell_before_that_of_a_version_which_a_newer_run_has(tmp_path: Path) -> None:
    older, newer = kept(tmp_path, 1, "nginx:gzip"), kept(tmp_path, 2, "nginx:gzip@1.22.1")
    assert newest_with(cell("nginx:gzip").id, tmp_path)[0].folder == older.folder
    assert newest_with("nginx:gzip", tmp_path)[0].folder == newer.folder


def test_a_matrix_that_was_broken_since_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("title: [")
    Run.create(tmp_path / "runs", run_info(name="m", matrix_file="m.yaml", matrix_text="title: m"))
    assert by_id(GZIP, tmp_path / "runs").cells[-1].id == GZIP
    with pytest.raises(InputError, match=r"(?s)no matrix has the cell .*m\.yaml"):
        by_id(GZIP.replace("short", "shrt"), tmp_path / "runs")


# ---------------------------------------------------------------- configs of one's own, by what a run says of them

BARE = "server { listen 80; location / { proxy_pass http://web:1; } location /a/ { proxy_pass http://app:1; } }"
STOOD = Deployment(map=("app:1",), path="/a/b")


def kept_run(place: Path, own: Path, standing: Mapping[str, Deployment], **about: object) -> str:
    """Leave a run of a diagnosis through a config of one's own; return the id of its cell."""
    about = {"options": ("diagnose", "--hop", f"nginx:mine={own}"), **about}
    run = Run.create(place, run_info(own={"nginx:mine": str(own)}, standing=standing, **about))
    measured = replace(cell(), chain=(Hop("nginx", "mine"),), workload=Workload("32x96", 32, 96))
    run.append(result(measured, "buffered"))
    return measured.id


@pytest.mark.usefixtures("no_nginx")
def test_a_cell_of_a_diagnosis_with_configs_of_one_s_own_is_understood_by_its_id(tmp_path: Path) -> None:
    own = tmp_path / "it's.conf"
    own.write_text(BARE)
    measured = kept_run(tmp_path / "runs", own, {"nginx:mine": STOOD})
    job = by_id(measured, tmp_path / "runs", ["buffered"])
    assert (job.cells[-1].id, job.own, job.deployed) == (measured, {MINE: own}, {MINE: STOOD})
    assert [row.cells for row in job.matrix.expectations if row.why == "--expect says so"] == [measured]
    otherwise = by_id(measured, tmp_path / "runs", deployment=Deployment(map=("web:1",)))
    assert otherwise.deployed == {MINE: Deployment(map=("web:1",))}, "what options say counts"
    mended = measured.replace("/none/", "/nginx-buffering-off/")
    assert by_id(mended, tmp_path / "runs").cells[-1].id == mended, "another cell of the same configs"
    with pytest.raises(InputError, match="unknown variant"):
        by_id(measured.replace("nginx:mine", "nginx:yours"), tmp_path / "runs")


@pytest.mark.usefixtures("no_nginx")
def test_of_several_runs_with_configs_of_one_name_the_one_counts_that_has_the_cell(tmp_path: Path) -> None:
    first, later = tmp_path / "first.conf", tmp_path / "later.conf"
    first.write_text(BARE)
    later.write_text(BARE)
    measured = kept_run(tmp_path / "runs", first, {"nginx:mine": STOOD})
    mended = measured.replace("/none/", "/nginx-buffering-off/")
    Run.create(tmp_path / "runs", run_info(own={"nginx:mine": str(later)}, standing={"nginx:mine": STOOD}))
    assert by_id(measured, tmp_path / "runs").own == {MINE: first}
    assert by_id(mended, tmp_path / "runs").own == {MINE: later}, "the newest"


@pytest.mark.usefixtures("no_nginx")
def test_of_several_runs_the_one_counts_that_has_most_of_the_configs(tmp_path: Path) -> None:
    mine, yours = tmp_path / "mine.conf", tmp_path / "yours.conf"
    for file in (mine, yours):
        file.write_text(BARE)
    both = {"nginx:mine": str(mine), "nginx:yours": str(yours)}
    stood = {"nginx:mine": STOOD, "nginx:yours": STOOD}
    Run.create(tmp_path / "runs", run_info(started_at="2025-11-21T08:22:01+00:00", own=both, standing=stood))
    newer = {"nginx:mine": str(mine)}
    Run.create(tmp_path / "runs", run_info(own=newer, standing={"nginx:mine": STOOD}))
    chain = replace(cell(), chain=(Hop("nginx", "mine"), Hop("nginx", "yours")), workload=Workload("32x96", 32, 96))
    assert by_id(chain.id, tmp_path / "runs").own == {MINE: mine, Hop("nginx", "yours"): yours}


MINE = Hop("nginx", "mine")


@pytest.mark.usefixtures("no_nginx")
@pytest.mark.parametrize(
    ("config", "standing", "why"),
    [
        (None, STOOD, "no file"),
        (BARE, replace(STOOD, path="/a/b?#abcdef"), "unknown variant"),
        ("server {", STOOD, "mine.conf:1"),
    ],
)
def test_what_a_run_cannot_say_of_a_cell_is_led_back_to_what_was_typed(
    tmp_path: Path, config: str | None, standing: Deployment, why: str
) -> None:
    own = tmp_path / "mine.conf"
    if config is not None:
        own.write_text(config)
    measured = kept_run(tmp_path / "runs", own, {"nginx:mine": standing})
    with pytest.raises(InputError, match=why) as caught:
        by_id(measured, tmp_path / "runs")
    assert f"`harness diagnose --hop nginx:mine={own}` measures it" in str(caught.value)
