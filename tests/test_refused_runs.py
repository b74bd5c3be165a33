"""A run in which nothing was measured: what of it stays on disk."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import session
from harness.errors import Complaint, HarnessError, InputError, Interrupted, NoRoom, ProxyError
from harness.model import Recording
from harness.session.jobs import one_cell
from harness.store.runs import Run
from tests.reports.samples import cell, result
from tests.sandbox import Sandbox

GATEWAY = {
    "command": ["${PROGRAM}", "-c", "import sys; sys.exit(f'error: {sys.argv[1]}:2: what is x')", "${CONFIG}"],
    "complaints": [r"error: (?P<file>[^:]+):(?P<line>\d+): (?P<words>.*)"],
    "sources": {"system": {"program": "python3"}},
}


@pytest.mark.parametrize(
    ("fault", "measured", "stays"),
    [
        (lambda run: InputError("my.conf:2: what is x"), 0, False),
        (lambda run: InputError("my.conf:2: what is x"), 1, True),
        (lambda run: InputError(Complaint("what is x", file=str(run.folder.absolute() / "proxies/x.conf"))), 0, True),
        (lambda run: ProxyError("it did not start"), 0, True),  # its log is there
        (lambda run: NoRoom("the disk is full"), 0, True),
        (lambda run: Interrupted("Interrupted."), 0, True),
        (lambda run: None, 0, True),
    ],
)
async def test_what_is_refused_before_anything_was_measured_leaves_no_run(
    tmp_path: Path, fault: Callable[[Run], HarnessError | None], measured: int, stays: bool
) -> None:
    job = one_cell({"chain": "direct"}, {"tokens": 1, "token_bytes": 100})
    with contextlib.suppress(HarnessError):
        async with session.session(job, tmp_path / "runs") as (_, run):
            for _ in range(measured):
                run.append(result(cell(), "streamed"))
            if raised := fault(run):
                raise raised
    assert run.folder.exists() is stays
    assert [path.name for path in (tmp_path / "runs").glob("2*")] == [run.folder.name] * stays


async def test_what_an_application_has_answered_stays_whatever_is_refused_then(tmp_path: Path) -> None:
    job = one_cell({"chain": "direct"}, {"tokens": 1, "token_bytes": 100})
    answer = Recording("0123456789abcdef", "POST /chat", "POST", "sse", "chunked", "text/event-stream")
    replayed = [replace(one, workload=replace(one.workload, recording=answer)) for one in job.cells]
    with pytest.raises(InputError):
        async with session.session(replace(job, cells=tuple(replayed)), tmp_path / "runs") as (_, run):
            raise InputError("my.conf:2: what is x")
    assert [path.suffix for path in (run.folder / "recordings").iterdir()] == [".json"]


async def test_a_run_of_which_a_file_is_told_stays_however_its_folder_was_said(tmp_path: Path) -> None:
    job = one_cell({"chain": "direct"}, {"tokens": 1, "token_bytes": 100})
    (tmp_path / "here").mkdir()
    with pytest.raises(InputError):
        async with session.session(job, tmp_path / "here/../runs") as (_, run):
            raise InputError(Complaint("what is x", file=str((run.folder / "proxies/x.conf").resolve())))
    assert run.folder.exists()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        yield place


@pytest.mark.proxies
def test_a_diagnosis_that_a_programs_complaint_ends_leaves_no_run(place: Sandbox) -> None:
    """It is only told as the program starts: nothing has asked it before, as it says nothing of `explains`."""
    (place.folder / "gateway").mkdir()
    place.write("gateway/mine.conf", "to ${UPSTREAM}\nx at ${PORT}\n")
    place.write("gateway/program.yaml", json.dumps(GATEWAY))
    place.write("m.yaml", "proxies: {gateway: ./gateway}\n")
    said = place.run("diagnose", "--hop", "gateway:mine", "--with", "m.yaml")
    assert (said.status, "mine.conf:2: what is x" in said.err) == (2, True), said.err
    assert [path.name for path in (place.folder / "runs").iterdir()] == [".gitignore"]
    assert place.left_behind() == []
