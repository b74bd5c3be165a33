"""`harness diff` takes the last run only as long as what it was measured from is what it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import session
from harness.documents import recordings
from harness.model import Deployment
from harness.session.running import described
from harness.store.runs import Run
from tests.commanding import Harness
from tests.recorded import recording
from tests.reports.samples import cell, result

STREAMED = result(cell("nginx:nginx"), "streamed")
PROJECT = {
    "my.yaml": """\
title: My gateway
workloads: {answer: {recording: answer.json}}
axes: {chain: nginx:./nginx.conf}
""",
    "nginx.conf": "events {}\nhttp { include conf.d/*.conf; }\n",
    "conf.d/a.conf": "server { listen 80; location / { proxy_pass http://app:8000; } }\n",
}


@pytest.mark.usefixtures("no_nginx")
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
    for name, text in PROJECT.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    Path("answer.json").write_text(recordings.dump(recording()))
    job = session.load("my.yaml", deployment=Deployment(path=asked))
    head = replace(described(job, ()), finished_at=None)
    runs = [Run.create(Path(root), head) for root in ("earlier", "runs")]
    for run in runs:
        run.append(STREAMED)
        run.finish()
    earlier, later = (run.folder for run in runs)
    if now is None:
        Path(file).unlink()
    elif file:
        Path(file).write_text(now)
    said = harness("diff", earlier)
    assert (said.status, told in said.err) == (2 if told else 0, True)
    assert (f"{later}, the last run, is older than" in said.err) is bool(told)
    assert harness("diff", earlier, later).status == 0, "who names it means it"
