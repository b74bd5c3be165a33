"""A run in one file: unpacked it is judged as before, though what can be written again is not in it."""

from __future__ import annotations

import random
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import archive
from harness.formats.coding import decoder
from harness.judge.rejudge import rejudge
from harness.model import Filler, Read, Trace
from harness.store.runs import Run, load_traces
from tests.factories import BUFFERED, COALESCED, story, streamed
from tests.reports.samples import cell, result, run_info

NOISE = random.Random(1).randbytes(archive.CODED_BYTES + 1)
GZIP = (("Content-Encoding", "gzip"),)
LONG = story(streamed(200), gzip=True, payload="random", token_bytes=200)
SENT = {
    "buffered": story(BUFFERED),
    "with heartbeats": story("s0 beat r0 s1 beat r1 s2 r2 end"),
    "padded": story(COALESCED, padding=Filler(300)),
    "length": story(streamed(3), body="length"),
    "ndjson": story(streamed(3), format="ndjson", payload="random"),
}
"""Bodies that came as they were sent."""
STORED = {
    "altered": story(streamed(3), alter=lambda seq, data: data.swapcase()),
    "cut": story("s0 r0 s1 s2 end"),
    "compressed": story(streamed(9), gzip=True),
    "corrupt": replace(LONG, body=NOISE, reads=(Read(1, len(NOISE)),)),
    "cut while compressed": replace(LONG, body=LONG.body[:-20], reads=(Read(1, len(LONG.body) - 20),)),
    "not a stream": replace(story("s0 r0 end"), body=NOISE, reads=(Read(1, len(NOISE)),)),
}


def kept(run: Run) -> dict[str, tuple[Trace, ...]]:
    return {one.id: load_traces(run.cell_folder(one.cell)) for one in run.results}


def stored_run(folder: Path, *takes: Trace) -> Run:
    """Return a run of one cell, with these traces."""
    run = Run.create(folder, run_info(cells=1))
    for number, trace in enumerate(takes, 1):
        run.save_trace(replace(trace, cell_id=cell("nginx:a").id), cell("nginx:a"), number)
    run.append(result(cell("nginx:a"), "streamed"))
    run.finish()
    return run


def bodies_in(file: Path) -> int:
    with tarfile.open(file) as packed:
        return sum(name.endswith(archive.BODY) for name in packed.getnames())


@pytest.mark.parametrize("name", [*SENT, *STORED])
def test_a_run_is_unpacked_as_it_was_and_no_body_is_in_it_that_is_what_was_sent(tmp_path: Path, name: str) -> None:
    run = stored_run(tmp_path / "runs", (SENT | STORED)[name], story(streamed(2)))
    archive.pack(run.folder, tmp_path / "run.tar.xz")
    again = archive.unpack(tmp_path / "run.tar.xz", tmp_path / "again")
    assert (again.info, again.results) == (run.info, run.results)
    assert kept(again) == kept(run)
    assert bodies_in(tmp_path / "run.tar.xz") == (name in STORED)


def test_of_a_long_compressed_body_there_is_what_each_read_made_known_which_is_judged_alike(tmp_path: Path) -> None:
    assert len(LONG.body) > archive.CODED_BYTES
    run = stored_run(tmp_path / "runs", LONG)
    archive.pack(run.folder, tmp_path / "run.tar.xz")
    again = archive.unpack(tmp_path / "run.tar.xz", tmp_path / "again")
    ((trace,),) = kept(again).values()
    assert trace.body == decoder("gzip").feed(LONG.body)
    assert trace.decoded
    assert [read.at_ns for read in trace.reads] == [read.at_ns for read in LONG.reads]
    told, was = (rejudge(one.results, kept(one))[0] for one in (again, run))
    assert was.metrics
    assert told.metrics
    assert told.metrics.wire_bytes > was.metrics.wire_bytes
    as_was = replace(told.metrics, wire_bytes=was.metrics.wire_bytes, first_read_bytes=was.metrics.first_read_bytes)
    assert replace(told, metrics=as_was) == was


def test_only_the_traces_that_are_asked_for_are_unpacked(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "runs", STORED["altered"])
    archive.pack(run.folder, tmp_path / "run.tar.xz")
    assert not archive.unpack(tmp_path / "run.tar.xz", tmp_path / "none", only=()).cell_folder(cell("nginx:a")).exists()
    assert kept(archive.unpack(tmp_path / "run.tar.xz", tmp_path / "one", only=[cell("nginx:a").id])) == kept(run)
    with archive.head(tmp_path / "run.tar.xz") as head:
        assert head.results == run.results
        assert not (head.folder / "cells").exists()
