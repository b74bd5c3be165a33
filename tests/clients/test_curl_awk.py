"""The real curl piped into real awks: what comes out is read, what an awk holds is said, and nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clients.base import Remote, Request, Sink, Unheard
from harness.clients.curl_awk import CurlAwk
from harness.documents.hops import read as hop
from harness.errors import ClientError, Unavailable
from harness.judge.verdict import assess
from harness.measure.bench import Bench
from harness.model import Cell, Trace, Workload
from harness.session import catalogue
from tests.clients.piping import Running, alive, pipes, read_through, signalled
from tests.factories import figures, judged
from tests.misbehaving import Answer, Behaviour, after, passes
from tests.planning import plan
from tests.sandbox import missing
from tests.tapping import Tap
from tests.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.proxies,
    pytest.mark.needs("curl-awk"),
]

LOAD = Workload("w", tokens=12, token_bytes=300, interval_ms=5)
LONG = Workload("w", tokens=40, token_bytes=512)  # mawk reads 4096 bytes before it looks
AWKS = {
    "mawk": "exec mawk",
    "mawk-interactive": "exec mawk -W interactive",
    "gawk": "exec gawk",
    "busybox": "exec busybox awk",
}


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No test leaves a process behind."""
    yield
    assert alive("curl", "awk", "mawk", "gawk", "busybox") == []


def put_first(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Make `awk` mean this, as a user's own wrapper does."""
    awk = folder / "awk"
    awk.write_text(f'#!/bin/sh\n{script} "$@"\n')
    awk.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def using(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which(AWKS[name].split()[1]):
        pytest.skip(f"{name} is not installed")
    put_first(folder, monkeypatch, AWKS[name])


def cell(**axes: Any) -> Cell:
    chain = (hop(axes.pop("chain")),) if "chain" in axes else ()
    return Cell(chain, axes.pop("workload", LOAD), client="curl-awk", **axes)


async def measured(bench: Bench, **axes: Any) -> Trace:
    asked = cell(**axes)
    if asked.chain and (why := missing(asked.chain[0].proxy)):
        pytest.skip(why)
    bench._clients.pop("curl-awk", None)  # what it has found out is about another awk
    trace, _ = await bench.record(asked.id, plan(asked, catalogue()))
    return trace


def passed(trace: Trace) -> bool:
    """Tell whether every token came by itself in the end; how late, and when it began to, is the machine's business."""
    return judged(trace).verdict in ("streamed", "delayed")


class Acting(CurlAwk):
    """A pipe whose user acts once, right after so many reads."""

    def __init__(self, reads: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._reads = reads
        self._act = act

    async def stream(self, request: Request, sink: Sink) -> None:
        await super().stream(request, Tap(sink, self._reads, self._act))


class Continuing(Unheard):
    """A sink that lets a stopped program go on as soon as somebody waits for it."""

    def __init__(self, sink: Sink, name: str) -> None:
        self._sink = sink
        self._name = name

    def __getattribute__(self, name: str) -> Any:
        mine = ("remote", "_sink", "_name")
        return object.__getattribute__(self, name) if name in mine else getattr(self._sink, name)

    def remote(self, reader: Remote) -> None:
        async def awake() -> None:
            signalled(self._name, signal.SIGCONT)
            await reader.awake()

        self._sink.remote(Remote(awake, reader.trip_ms, remark=reader.remark))


# ---------------------------------------------------------------- what each awk does


@pytest.mark.parametrize("form", ["sse", "ndjson", "text", "openai"])
@pytest.mark.parametrize("name", ["mawk-interactive", "gawk", "busybox"])
async def test_who_reads_line_by_line_hands_over_every_token(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: Any
) -> None:
    using(name, tmp_path, monkeypatch)
    trace = await measured(bench, format=form)
    assert passed(trace), judged(trace).reason
    assert trace.remark
    assert trace.remark.keeps_lines is False


async def test_mawk_holds_a_block_whatever_stands_before_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    using("mawk", tmp_path, monkeypatch)
    for axes in ({}, {"chain": "nginx:buffering-off"}):
        trace = await measured(bench, workload=LONG, **axes)
        told = judged(trace)
        assert (told.verdict, told.release and told.release.by) == ("coalesced", "bytes"), told.reason
        assert told.release
        assert (told.release.seq % 8, told.release.after_tokens) == (0, 7), "eight of 512 bytes fill a block"
        assert trace.remark
        assert trace.remark.printed_by
        assert trace.remark.printed_by.startswith("mawk ")
        assert trace.remark.keeps_lines is True


async def test_a_stream_smaller_than_a_block_comes_at_its_end(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    using("mawk", tmp_path, monkeypatch)
    told = assess([await measured(bench)])
    release = told.judgement.release
    assert (told.judgement.verdict, release and release.by) == ("coalesced", "bytes"), told.judgement.reason
    assert told.shows
    assert told.shows.manner == "at the end"


async def test_a_coding_comes_off_before_awk(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    using("mawk-interactive", tmp_path, monkeypatch)
    trace = await measured(bench, chain="nginx:gzip", request="browser")
    assert ("Content-Encoding", "gzip") in trace.headers
    assert trace.decoded
    assert judged(trace).verdict == "buffered"


async def test_a_line_without_an_end_is_not_told_before_the_stream_ends(running: Running) -> None:
    async def half(response: Any, answer: Answer) -> None:
        answer.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
        await answer.flush()

    trace = await read_through(running, half, cell(), CurlAwk())
    assert judged(trace).reason == "status 404 instead of 200: gone"
    assert trace.body == b"gone\n", "awk ends what nobody ended"


async def test_many_pipes_at_once_leave_no_descriptor(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    using("mawk-interactive", tmp_path, monkeypatch)
    await measured(bench)
    before = pipes()
    asked = cell()
    todo = plan(asked, catalogue())
    streams = await asyncio.gather(*(bench.record(asked.id, todo) for _ in range(12)))
    assert [judged(trace).reason for trace, _ in streams if not passed(trace)] == []
    await eventually(pipes, lambda now: now <= before)


# ---------------------------------------------------------------- when something is missing or dies


async def test_a_missing_awk_is_told_with_the_way_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    there = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "awk" else there(name))
    with pytest.raises(Unavailable, match=r"awk is not installed .*apt-get install gawk"):
        CurlAwk().version()
    with pytest.raises(Unavailable, match="awk is not installed"):
        await measured(bench)
    assert alive("curl") == []


async def test_an_awk_that_cannot_tell_the_time_is_told_with_the_way_out(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_first(tmp_path, monkeypatch, "echo 'awk: calling undefined function strftime' >&2; exit 2; :")
    with pytest.raises(Unavailable, match=r"awk, which is of an unknown make, has no strftime .*install gawk"):
        CurlAwk().version()
    with pytest.raises(Unavailable, match="has no strftime"):
        await measured(bench)


async def test_versions_name_both_programs() -> None:
    assert CurlAwk().version().partition(" with ")[2].split()[0] in {"mawk", "gawk", "busybox"}


@pytest.mark.parametrize("name", ["curl", "mawk"])
async def test_who_is_killed_in_mid_stream_is_our_fault_and_not_the_streams(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    using("mawk-interactive", tmp_path, monkeypatch)
    client = Acting(3, lambda: signalled(name, signal.SIGKILL))
    killed = "curl" if name == "curl" else "awk"
    with pytest.raises(ClientError, match=f"in mid-stream, {killed} was killed by SIGKILL"):
        await read_through(running, passes, cell(), client)


@pytest.mark.parametrize("name", ["curl", "mawk"])
async def test_who_stands_still_makes_no_hold(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    using("mawk-interactive", tmp_path, monkeypatch)

    class Stopping(CurlAwk):
        async def stream(self, request: Request, sink: Sink) -> None:
            stopped = Tap(sink, 3, lambda: signalled(name, signal.SIGSTOP))
            await super().stream(request, Continuing(stopped, name))

    trace = await read_through(running, passes, cell(), Stopping())
    assert [step.kind for step in trace.steps if step.kind == "hold"] == []
    assert figures(trace).tokens_received == len(trace.sent) >= LOAD.tokens


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (after(3, Answer.reset), "curl: (56) "),
        (after(3, lambda answer: None), "curl: (18) transfer closed with outstanding read data remaining"),
    ],
)
async def test_a_bad_end_is_told_in_curls_own_words(running: Running, behave: Behaviour, reason: str) -> None:
    told = judged(await read_through(running, behave, cell(), CurlAwk()))
    assert (told.verdict, told.reason[: len(reason)]) == ("broken", reason)
