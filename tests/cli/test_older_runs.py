"""A run on disk is taken only for what it is of: the files that it was measured from, asked for what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import session
from harness.documents import recordings
from harness.model import Deployment, Verdict
from harness.session.running import described
from harness.store.runs import Run
from tests.commanding import Harness
from tests.recorded import recording
from tests.reports.samples import result

PROJECT = {
    "my.yaml": """\
title: My gateway
workloads: {answer: {recording: answer.json}}
axes: {chain: nginx:./nginx.conf}
""",
    "nginx.conf": "events {}\nhttp { include conf.d/*.conf; }\n",
    "conf.d/a.conf": "server { listen 80; location / { proxy_pass http://app:8000; } }\n",
}


@pytest.fixture(autouse=True)
def project(harness: Harness, no_nginx: None) -> None:
    """A folder with a matrix of one deployed config that is asked for anything."""
    for name, text in PROJECT.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    Path("answer.json").write_text(recordings.dump(recording()))


def run_of(path: str, verdict: Verdict = "streamed", root: str = "runs") -> Path:
    """Return the folder of a run whose config was asked for a path, if one is given."""
    job = session.load("my.yaml", deployment=Deployment(path=path))
    through_it = [result(cell, verdict) for cell in job.cells if cell.chain]
    run = Run.create(Path(root), replace(described(job, ()), cells=len(through_it)))
    for one in through_it:
        run.append(one)
    run.finish()
    return run.folder


@pytest.mark.parametrize("asked", ["", "/chat?key=s3cret"])
@pytest.mark.parametrize(
    ("file", "now", "told"),
    [
        ("", "", ""),
        ("elsewhere.conf", "gzip on;", ""),
        ("my.yaml", "titel: no matrix at all", "my.yaml"),
        ("my.yaml", None, "my.yaml (gone)"),
        ("nginx.conf", "evnts {}", "nginx.conf"),
        ("nginx.conf", None, "nginx.conf (gone)"),
        ("conf.d/a.conf", "gzip on;", "conf.d/a.conf"),
        ("conf.d/a.conf", None, "conf.d/a.conf (gone)"),
        ("conf.d/x.conf", "locatoin / {}", "conf.d/x.conf (new)"),
        ("conf.d/x.conf", "location / {", "conf.d/x.conf:1: "),
        ("answer.json", "{}", "answer.json"),
        ("answer.json", None, "answer.json (gone)"),
    ],
)
def test_the_last_run_is_refused_once_what_it_was_measured_from_is_not_what_it_was(
    harness: Harness, asked: str, file: str, now: str | None, told: str
) -> None:
    """So that a command that ended in an error lets nobody take the run before it for its own."""
    earlier, later = (run_of(asked, root=root) for root in ("earlier", "runs"))
    assert "s3cret" not in (later / "run.json").read_text()
    if now is None:
        Path(file).unlink()
    elif file:
        Path(file).write_text(now)
    said = harness("diff", earlier)
    assert (said.status, told in said.err) == (2 if told else 0, True)
    assert (f"{later}, the last run, is older than" in said.err) is bool(told)
    assert harness("diff", earlier, later).status == 0, "who names it means it"


PATHS = ("", "/chat"), ("/chat", "/held"), ("/chat?to=a", "/chat?to=b")


@pytest.mark.parametrize(("was", "now"), [*PATHS, *(pair[::-1] for pair in PATHS), ("/chat?to=a",) * 2])
def test_a_run_of_another_path_is_not_taken_for_this_one(harness: Harness, was: str, now: str) -> None:
    asked = ["--path", now] if now else []
    said = harness("check", "my.yaml", "--update", *asked, "--measured", run_of(was))
    assert said.status == (0 if was == now else 2)
    assert ("asked nginx:nginx for" in said.err, Path("my.baseline.yaml").exists()) == (was != now, was == now)


def test_two_runs_of_other_paths_have_other_cells(harness: Harness) -> None:
    said = harness("diff", run_of("/held", "buffered"), run_of("/chat"))
    told = "another cell: nginx:nginx is asked for path /chat, was for path /held"
    assert (said.status, told in said.out, "1 another cell." in said.out) == (1, True, True)
