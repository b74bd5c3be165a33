"""`harness check`: a matrix is measured and held against the baseline beside it, which only `--update` writes."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness import session
from harness.baseline import text
from harness.baseline.keeping import Surroundings
from harness.cli.arguments import refuse_forgotten
from harness.cli.groups import Globs, Standing
from harness.judge.rules import RULES
from harness.model import VERDICTS, Baseline, ChangedFile, Kept, Outcome, Verdict
from harness.session.checking import _with_those_of
from harness.session.inputs import blob_id, what_changed
from harness.session.running import described
from harness.store.runs import Run, write_text
from tests.commanding import Harness
from tests.reports.samples import result

MATRIX = """\
title: My gateway
workloads: {chat: {tokens: 8, token_bytes: 112}}
axes: {chain: nginx:./deploy/nginx.conf, request: [curl, browser]}
"""
CONFIG = """\
events {}
http {
  include servers/*.conf;
}
"""
SERVER = """\
upstream app { server app:8000; }
server {
  listen 80;
  location /api/ {
    proxy_pass http://app;
    proxy_http_version 1.1;
    proxy_set_header Authorization "Basic aHVzaDpodXNo";
    %s
  }
}
"""
STREAMS, HOLDS = "proxy_buffering off;", "gzip on; gzip_types *; gzip_proxied any;"
CELLS = [f"nginx:nginx/sse/chunked/{request}/aiohttp/chat/none/lockstep" for request in ("browser", "curl")]
BASELINE = Path("my.baseline.yaml")


@pytest.fixture
def project(harness: Harness, tmp_path: Path) -> Path:
    """A folder with a matrix of one deployed config that streams."""
    (tmp_path / "deploy" / "servers").mkdir(parents=True)
    (tmp_path / "my.yaml").write_text(MATRIX)
    (tmp_path / "deploy" / "nginx.conf").write_text(CONFIG)
    serves(tmp_path, STREAMS)
    return tmp_path


def serves(project: Path, line: str) -> None:
    (project / "deploy" / "servers" / "api.conf").write_text(SERVER % line)


def committed(project: Path) -> None:
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=n@n", "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=project, check=True)


@pytest.mark.usefixtures("project", "no_nginx")
def test_without_a_baseline_nothing_is_measured_and_the_way_out_is_told(harness: Harness) -> None:
    said = harness("check", "my.yaml")
    assert (said.status, said.out) == (2, "")
    assert "no baseline at my.baseline.yaml: `harness check my.yaml --update` measures" in said.err
    assert not Path("runs").exists()


@pytest.mark.usefixtures("project", "no_nginx")
@pytest.mark.parametrize(
    "damage", ["schema: 1", "schema: 9\n...", "\x00", "schema: 1\nrules: 1\nharness: x\ncells: []\n..."]
)
def test_a_baseline_that_cannot_be_read_is_refused_before_anything_is_measured(harness: Harness, damage: str) -> None:
    BASELINE.write_text(damage)
    said = harness("check", "my.yaml")
    assert (said.status, said.out) == (2, "")
    assert "my.baseline.yaml" in said.err
    assert "--update" in said.err or "use one as new as that which wrote it" in said.err
    assert not Path("runs").exists()


def test_a_matrix_with_an_error_takes_no_run_for_it_that_was_before(harness: Harness, project: Path) -> None:
    BASELINE.write_text("schema: 1\nharness: x\nrules: 1\ncells: {}\n...\n")
    (project / "my.yaml").write_text(MATRIX + "axis: {}\n")
    said = harness("check", "my.yaml")
    assert (said.status, said.out) == (2, "")
    assert "my.yaml:4: axis: unknown key" in said.err


FORMS = (
    "{0} is no run folder, and --against measures no matrix: `harness check --against 'a run'` holds the last run"
    " against that one, `harness check {0}` a matrix against its baseline"
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check",), "which matrix? Give its file"),
        (("check", "my.yaml", "--allow-missing"), "--allow-missing goes with --against"),
        (("check", "--against", "runs/a", "--update", "--keep", "--only", "x"), "leave out --update and --keep"),
        (("check", "--against", "runs/a", "--measured", "b", "--shard", "9/2"), "leave out --measured and --shard"),
        (("check", "--against", "a", "--path", "/b", "--map", "a:1", "--offline"), "--path and --map and --offline"),
        (("check", "my.yaml", "--against", "a run"), FORMS.format("my.yaml")),
        (("check", "smoke", "--against", "a run"), FORMS.format("smoke")),
        (("check", "nowhere.yaml"), "there is no matrix 'nowhere.yaml'"),
        (("check", "my.yaml", "--update", "--baseline", "no/folder.yaml"), "there is no folder no; make it first"),
    ],
)
@pytest.mark.usefixtures("project", "no_nginx")
def test_what_cannot_be_meant_is_refused(harness: Harness, words: tuple[str, ...], said: str) -> None:
    done = harness(*words)
    assert (done.status, said in done.err) == (2, True)


@pytest.mark.proxies
def test_a_config_that_begins_to_hold_fails_and_what_changed_in_it_stands_beside(
    harness: Harness, project: Path
) -> None:
    written = harness("check", "my.yaml", "--update")
    assert (written.status, "Written: my.baseline.yaml. Commit it." in written.err) == (0, True)
    told = BASELINE.read_text()
    (run,) = Path("runs").glob("2*")
    unchanged = harness("check", "my.yaml", "--update", "--measured", run)
    assert (unchanged.status, "my.baseline.yaml: nothing changed." in unchanged.err) == (0, True)
    assert [line for line in told.splitlines() if line.startswith("  nginx:nginx/")] == [
        f"  {cell}: {{verdict: streamed, shows: one by one}}" for cell in CELLS
    ]
    assert re.search(r"^  deploy/servers/api.conf: [0-9a-f]{40}$", told, re.MULTILINE)
    committed(project)
    assert "2 as they were." in harness("check", "my.yaml").out
    assert BASELINE.read_text() == told

    api = project / "deploy/servers/api.conf"
    api.write_text(api.read_text().replace("aHVzaDpodXNo", "b3RoZXI6b25l"))
    hidden = harness("check", "my.yaml", "--only", "curl")
    assert (hidden.status, "Only values have changed that are hidden here." in hidden.out) == (0, True)

    serves(project, HOLDS)
    failed = harness("check", "my.yaml", "--only", "browser", "--junit", "out.xml")
    assert failed.status == 1
    worse = "worse: buffered, was streamed; shows at the end, was one by one; deploy/servers/api.conf has changed"
    assert f"  {worse}\n    {CELLS[0]}\n      measured: token 0 was held" in failed.out
    assert f"-    {STREAMS}\n+    {HOLDS}\n" in failed.out
    assert "aHVzaDpodXNo" not in failed.out
    assert "      head: it was held until tokens had been sent\n" in failed.out
    (failure,) = ET.parse("out.xml").iter("failure")
    assert failure.get("message") == worse
    assert "measured: token 0 was held" in str(failure.text)

    updated = harness("check", "my.yaml", "--update", "--only", "browser")
    assert updated.status == 0
    now = BASELINE.read_text().splitlines()
    assert f"  {CELLS[0]}: {{verdict: buffered, shows: at the end, head_held: true}}" in now
    assert f"  {CELLS[1]}: {{verdict: streamed, shows: one by one}}" in now, "which was not chosen"
    assert re.findall(r"^  deploy/.*", "\n".join(now), re.MULTILINE) == re.findall(r"^  deploy/.*", told, re.MULTILINE)
    assert f"+    {HOLDS}\n" in harness("check", "my.yaml", "--only", "curl").out, "of what that was measured with"

    serves(project, STREAMS)
    mended = harness("check", "my.yaml", "--only", "browser")
    assert (mended.status, "Better than in the baseline\n  streamed, was buffered" in mended.out) == (0, True)


@pytest.mark.usefixtures("project", "no_nginx")
def test_what_cells_rest_on_that_are_not_chosen_is_known_as_far_as_it_is_there() -> None:
    Path("other.conf").write_text("events {}\nhttp { include deploy/servers/*.conf; }\n")
    Path("my.yaml").write_text(
        MATRIX.replace("nginx:./deploy/nginx.conf", "[nginx:./deploy/nginx.conf, nginx:./other.conf]")
    )
    job = session.load("my.yaml", ["nginx:other/*"])
    around = Surroundings()
    known = _with_those_of([*CELLS, CELLS[0].replace("nginx:nginx", "nginx:gone")], around, job, Path())
    assert known.files == {"nginx:nginx": ["deploy/nginx.conf", "deploy/servers/api.conf"]}
    assert known.configs.keys() == set(known.files["nginx:nginx"])


@pytest.mark.proxies
def test_another_location_that_answers_by_now_is_not_taken_for_the_one_that_did(
    harness: Harness, project: Path
) -> None:
    assert harness("check", "my.yaml", "--update", "--only", "curl").status == 0
    other = "location /ping/ { proxy_pass http://app; proxy_buffering off; }\n  location /api/"
    (project / "deploy/servers/api.conf").write_text((SERVER % HOLDS).replace("location /api/", other))
    said = harness("check", "my.yaml", "--only", "curl")
    assert said.status == 1
    assert "another cell: nginx:nginx is asked for path /ping/, was for path /api/" in said.out


@pytest.mark.proxies
def test_an_include_that_is_gone_or_new_is_told_as_that(harness: Harness, project: Path) -> None:
    (project / "deploy/servers/more.conf").write_text("server { listen 81; return 404; }\n")
    assert harness("check", "my.yaml", "--update", "--only", "curl").status == 0
    (project / "deploy/servers/more.conf").rename(project / "deploy/servers/other.conf")
    said = harness("check", "my.yaml", "--only", "curl").out
    assert "  deploy/servers/other.conf (nginx:nginx)\n    it is new\n  deploy/servers/more.conf (gone)\n" in said


@pytest.mark.proxies
def test_a_run_is_held_against_a_baseline_from_any_folder_and_its_configs_are_in_it(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert harness("check", "my.yaml", "--update", "--only", "curl").status == 0
    (run,) = Path("runs").glob("2*")
    monkeypatch.chdir(project / "deploy")
    assert "1 as they were" in harness("check", "../my.yaml", "--only", "curl", "--measured", f"../{run}").out
    serves(project, HOLDS)
    refused = harness("check", "../my.yaml", "--only", "curl", "--measured", f"../{run}")
    assert (refused.status, "is older than a config of nginx:nginx" in refused.err) == (2, True)


@pytest.mark.proxies
def test_another_workload_under_the_same_name_is_not_taken_for_it(harness: Harness, project: Path) -> None:
    assert harness("check", "my.yaml", "--update", "--only", "curl").status == 0
    (project / "my.yaml").write_text(MATRIX.replace("tokens: 8, token_bytes: 112", "tokens: 40, token_bytes: 4096"))
    said = harness("check", "my.yaml", "--only", "curl")
    assert said.status == 1
    assert "another cell: workload chat is 40 tokens of 4096 B, was 8 tokens of 112 B" in said.out


def run_of(*verdicts: Verdict | Outcome) -> Path:
    """Return the folder of a run of my.yaml, whose `CELLS` have come to these."""
    job = session.load("my.yaml")
    run = Run.create(Path("runs"), replace(described(job, ()), cells=len(CELLS)))
    by_id = {cell.id: cell for cell in job.cells}
    for cell, came_to in zip(map(by_id.__getitem__, CELLS), verdicts, strict=True):
        verdict = next((one for one in VERDICTS if one == came_to), None)
        others: dict[str, Any] = {} if verdict else {"outcome": came_to, "reason": "no nginx here"}
        run.append(result(cell, verdict, **others))
    run.finish()
    return run.folder


@pytest.mark.usefixtures("project", "no_nginx")
def test_who_writes_a_baseline_is_alone_from_reading_it_on(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    write = write_text

    def noted(path: Path, text: str) -> None:
        place = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            kept.append(True)
        os.close(place)
        write(path, text)

    monkeypatch.setattr("harness.session.checking.write_text", noted)
    harness("check", "my.yaml", "--update", "--measured", run_of("streamed", "streamed"))
    assert kept == [True]


@pytest.mark.usefixtures("project")
def test_what_is_offered_takes_what_was_measured_and_nothing_else(harness: Harness) -> None:
    chosen = ["--only", "*/browser/*", "--skip", "a b"]
    run = run_of("buffered", "streamed")
    BASELINE.write_text(GOOD)
    failed = harness("check", "my.yaml", *chosen, "--measured", run)
    assert failed.status == 1
    offered = shlex.split(failed.out.partition(" `harness ")[2].partition("` takes what was measured")[0])
    assert offered == ["check", "my.yaml", *chosen, "--measured", str(run), "--update"]
    assert harness(*offered).status == 0
    assert harness("check", "my.yaml", *chosen, "--measured", run).status == 0


def test_how_configs_stand_goes_with_what_is_offered_but_for_a_query() -> None:
    assert Standing(["app:8000", "b"], "a.example", "/held").typed == [
        *("--map", "app:8000", "--map", "b", "--server", "a.example", "--path", "/held")
    ]
    assert Standing(path="/chat?key=s3cret").typed == ["--path", "/chat?(redacted)"]
    assert Standing().typed == Globs().typed == []


def test_a_command_that_was_copied_without_its_query_is_refused(harness: Harness) -> None:
    copied = harness("check", "my.yaml", "--path", "/chat?(redacted)", "--update")
    assert (copied.status, "--path: (redacted) stands for what was typed there" in copied.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["probe", "https://bob:hunter2secret@h.example/x?(redacted)"], "argument 2"),
        (["probe", "u", "-H", "Authorization: (redacted)", "-d", "hunter2secret"], "-H"),
        (["probe", "u", "-H", "X-Other: hunter2secret", "-d(redacted)"], "-d"),
        (["run", "--chain", "direct", "--path=/x?(redacted)"], "--path"),
        (["run", "--chain", "direct", "--path", "/a b?(redacted)"], "--path"),
        (["run", "--chain", "nginx:mine=./my site.conf>http://127.0.0.1:9/x?(redacted)"], "--chain"),
        (["run", "--chain=nginx:a b>http://127.0.0.1:9/?(redacted)"], "--chain"),
        (["run", "--chain", "direct>http://(redacted)@127.0.0.1:9/x"], "--chain"),
        (["probe", "http://127.0.0.1:9", "-H", "X-Y.z: (redacted)"], "-H"),
        (["probe", "http://127.0.0.1:9", "-XPOST", "-dX: (redacted)"], "-d"),
    ],
)
def test_what_is_to_be_written_out_again_is_told_by_its_place_alone(
    harness: Harness, words: list[str], where: str
) -> None:
    said = harness(*words)
    assert (said.status, f"{where}: (redacted) stands" in said.err, "hunter2" in said.err) == (2, True, False)


@pytest.mark.parametrize("prompt", ["what does (redacted) mean?", '{"q": "(redacted)"}', "it was (redacted)"])
def test_a_prompt_may_have_the_word_that_hides_secrets(prompt: str) -> None:
    refuse_forgotten(["probe", "http://127.0.0.1:9", "-d", prompt])


GOOD = text.text(Baseline("b", RULES, "0.1.0", dict.fromkeys(CELLS, Kept("streamed"))), "my.yaml")
DAMAGED = ("cut off", f"<<<<<<< HEAD\n{GOOD}", GOOD.removesuffix("...\n"), "", "\x00")


@pytest.mark.usefixtures("project", "no_nginx")
@pytest.mark.parametrize(
    ("words", "came_to", "why_not", "damaged"),
    [
        *(((), ("streamed", "unavailable"), "would be lost", damaged) for damaged in DAMAGED),
        (("--only", "curl"), ("streamed", "streamed"), "this baseline cannot be used", DAMAGED[0]),
        (("--shard", "1/2"), ("streamed", "streamed"), "this baseline cannot be used", DAMAGED[0]),
        ((), ("unavailable", "unavailable"), f"would be lost: {CELLS[1]}: no nginx here, and 1 more", DAMAGED[0]),
        ((), ("streamed", "unstable"), f"would be lost: {CELLS[1]}: no nginx here$", DAMAGED[0]),
        ((), ("streamed", "too short"), "", DAMAGED[0]),
        ((), ("streamed", "buffered"), "", DAMAGED[0]),
    ],
)
def test_a_damaged_baseline_is_only_replaced_where_all_of_it_was_measured(
    harness: Harness, words: tuple[str, ...], came_to: tuple[Verdict | Outcome, ...], why_not: str, damaged: str
) -> None:
    BASELINE.write_text(damaged)
    said = harness("check", "my.yaml", "--update", *words, "--measured", run_of(*came_to))
    assert said.status == (2 if why_not else 0)
    assert (BASELINE.read_text() == damaged) is bool(why_not)
    assert re.search(why_not, said.err, re.MULTILINE)


@pytest.mark.usefixtures("project", "no_nginx")
@pytest.mark.parametrize("newer", ["schema: 2\n...", "schema: 1\nharness: 9\nrules: 99\ncells: {}\n..."])
def test_a_newer_baseline_is_never_replaced(harness: Harness, newer: str) -> None:
    BASELINE.write_text(newer)
    assert harness("check", "my.yaml", "--update", "--measured", run_of("streamed", "streamed")).status == 2
    assert BASELINE.read_text() == newer


@pytest.mark.usefixtures("project", "no_nginx")
@pytest.mark.parametrize("was", ["", GOOD, GOOD.replace("nginx:nginx/", "nginx:gone/")])
def test_a_run_that_measured_nothing_writes_nothing(harness: Harness, was: str) -> None:
    if was:
        BASELINE.write_text(was)
    said = harness("check", "my.yaml", "--update", "--measured", run_of("unavailable", "error"))
    assert (said.status, "nothing could be measured." in said.err, "Forgotten" in said.err) == (3, True, False)
    assert (BASELINE.read_text() if BASELINE.exists() else "") == was


@pytest.mark.usefixtures("project", "no_nginx")
def test_what_is_too_short_to_tell_by_now_is_taken_as_that_if_somebody_says_so(harness: Harness) -> None:
    BASELINE.write_text(GOOD)
    run = run_of("streamed", "too short")
    failed = harness("check", "my.yaml", "--measured", run)
    assert (failed.status, "takes what was measured as what is expected" in failed.out) == (3, True)
    updated = harness("check", "my.yaml", "--update", "--measured", run)
    assert (updated.status, f"too short to tell from now on (more tokens would do):\n{CELLS[1]}\n" in updated.err) == (
        0,
        True,
    )
    assert f"  {CELLS[1]}: {{verdict: too short}}\n" in BASELINE.read_text()
    again = harness("check", "my.yaml", "--measured", run)
    assert (again.status, "2 as they were." in again.out) == (0, True)


@pytest.mark.usefixtures("project", "no_nginx")
def test_no_update_is_offered_where_it_would_take_nothing(harness: Harness) -> None:
    BASELINE.write_text(GOOD)
    failed = harness("check", "my.yaml", "--measured", run_of("streamed", "unavailable"))
    assert (failed.status, "1 not measured." in failed.out, "--update" in failed.out) == (3, True, False)


GONE = "it is not here, so that nobody can tell what"


@pytest.mark.parametrize(
    ("at", "said", "lacking"),
    [
        ("folder/that/is/gone/n.conf", b"", GONE),
        ("gone.conf", b"", GONE),
        ("n.conf", b"\xff", "it cannot be read as text"),
        ("other.conf", b"a", "git does not have what: it was not committed as it was measured"),
    ],
)
def test_why_nobody_can_tell_what_changed_is_said_as_it_is(project: Path, at: str, said: bytes, lacking: str) -> None:
    (project / "n.conf").write_text("events {}\n")
    committed(project)
    was = blob_id(project / "n.conf") if at != "other.conf" else "ab" * 20
    if said:
        (project / at).write_bytes(said)
    found = what_changed(project / at, was, ChangedFile(at, ("nginx:nginx",)))
    assert (found.lacking, found.diff) == (lacking, "")


@pytest.mark.parametrize(("hop", "hides"), [("command:app", True), ("caddy:mine", False)])
def test_what_changed_in_a_program_is_read_as_one(project: Path, hop: str, hides: bool) -> None:
    file, said = project / "app", "{}\nserver = createServer({{ token: 'hunter2' }})\n"
    file.write_text(said.format("was"))
    committed(project)
    was = blob_id(file)
    file.write_text(said.format("is"))
    found = what_changed(file, was, ChangedFile("app", (hop,)))
    assert ("-was\n+is\n" in found.diff, "hunter2" not in found.diff) == (True, hides)


@pytest.mark.proxies
def test_what_stands_in_a_query_reaches_no_file(
    harness: Harness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["check", "my.yaml", "--update", "--only", "curl", "--path", "/api/chat?api_key=s3cret", "--junit", "o.xml"]
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    said = harness(*words)
    assert said.status == 0
    (run,) = Path("runs").glob("2*")
    assert "/api/chat?(redacted)" in (run / "results.jsonl").read_text()
    assert "s3cret" not in said.out + said.err
    told = [file for file in project.rglob("*") if file.is_file() and b"s3cret" in file.read_bytes()]
    assert [file for file in told if "proxies" not in file.parts] == []
    again = [*words[:2], *words[3:7], "--measured", run]
    for kept in ("/api/chat?", "/api/chat?(redacted)"):
        BASELINE.write_text(re.sub(r"/api/chat\?.*", kept, BASELINE.read_text()))
        assert "1 as they were." in harness(*again).out


@pytest.mark.proxies
@pytest.mark.usefixtures("project", "no_nginx")
def test_what_can_no_more_be_measured_fails_and_stays_in_the_baseline(harness: Harness) -> None:
    kept = f"  {CELLS[1]}: {{verdict: streamed}}\n"
    BASELINE.write_text(f"schema: 1\nharness: 0.1.0\nrules: {RULES}\ncells:\n{kept}...\n")
    said = harness("check", "my.yaml", "--only", "curl")
    assert (said.status, "what the baseline has could not be measured" in said.out) == (3, True)
    harness("check", "my.yaml", "--update", "--only", "curl")
    assert kept in BASELINE.read_text()


def test_a_check_of_some_cells_concerns_those_of_a_baseline_that_the_same_globs_mean() -> None:
    rest = "sse/chunked/curl/aiohttp/short/none/lockstep"
    here, gone, other = (f"nginx:{hop}/{rest}" for hop in ("default@1.31", "default@1.22", "gzip@1.31"))
    has = session.Chosen(only=["nginx:default"]).of([here, other])
    assert [has(one) for one in (here, gone, other)] == [True, True, False], "a cell that the matrix has no more, too"
    left = session.Chosen(skip=["nginx:default"]).of([here, other])
    assert [left(one) for one in (here, gone, other)] == [False, False, True]
    exact = session.Chosen(only=["nginx:default"]).of([here, f"nginx:default/{rest}"])
    assert not exact(here)


GONE = CELLS[0].replace("nginx:nginx", "nginx:gone@1.22.1")


@pytest.mark.usefixtures("project", "no_nginx")
@pytest.mark.parametrize(
    ("globs", "is_meant"),
    [
        ([], True),
        (["--only", "nginx:nginx", "--only", "nginx:gone@1.22.1"], True),
        (["--only", "curl"], False),
        (["--skip", "nginx:gone@1.22.1"], False),
    ],
)
def test_a_cell_that_is_gone_is_told_and_forgotten_only_where_the_globs_mean_it(
    harness: Harness, globs: list[str], is_meant: bool
) -> None:
    known = dict.fromkeys([*CELLS, GONE], Kept("streamed"))
    BASELINE.write_text(text.text(Baseline("b", RULES, "0.1.0", known), "my.yaml"))
    run = run_of("streamed", "streamed")
    said = harness("check", "my.yaml", *globs, "--measured", run)
    assert (said.status, GONE in said.out) == (int(is_meant), is_meant)
    harness("check", "my.yaml", *globs, "--update", "--measured", run)
    assert (GONE in BASELINE.read_text()) is not is_meant
