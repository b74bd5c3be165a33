"""A read is not a message: where they differ, a front end that parses every read breaks and a decoder does not."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from harness.documents.hops import read as hop
from harness.judge.metrics import delivery
from harness.measure.bench import Bench
from harness.model import Cell, Read, Trace, Workload
from harness.session import catalogue
from tests.factories import OPENED_NS, figures, judged, story, streamed
from tests.planning import plan
from tests.sandbox import missing

ALL_HERE = streamed(4)


def cut(trace: Trace, *sizes: int) -> Trace:
    """Return the trace with its body in reads of these sizes, the last one all that is left."""
    rest = len(trace.body) - sum(sizes)
    reads = (Read(OPENED_NS + number, size) for number, size in enumerate((*sizes, rest), 1) if size)
    return replace(trace, reads=tuple(reads))


def cuts(trace: Trace) -> tuple[int | None, int | None]:
    told = figures(trace)
    return told.reads_merged, told.reads_split


@pytest.mark.parametrize("form", ["sse", "ndjson", "text"])
@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ((80, 80, 80), (0, 0)),
        ((160, 160), (2, 0)),
        ((79, 1, 80), (1, 2)),
        ((40, 80, 80), (0, 4)),
        ((0,), (1, 0)),
        ((10, 10, 10), (1, 4)),
    ],
)
def test_reads_that_hold_several_messages_or_parts_of_one(
    form: str, sizes: tuple[int, ...], told: tuple[int, int]
) -> None:
    assert cuts(cut(story(ALL_HERE, format=form), *sizes)) == told


def test_what_a_client_has_decoded_is_no_longer_coded_whatever_the_head_says() -> None:
    coded = cut(story(ALL_HERE), 40, 80, 80)
    decoded = replace(coded, decoded=True, headers=(("Content-Encoding", "gzip"),))
    assert cuts(decoded) == cuts(coded) == (0, 4)


def test_a_read_that_makes_nothing_known_begins_ends_and_splits_nothing() -> None:
    trace = story("s0 r0 s1 r1 end")
    half, *rest = (Read(OPENED_NS + number, size) for number, size in enumerate((40, 0, 40, 80), 1))
    assert cuts(replace(trace, reads=(half, *rest))) == (0, 2)


def test_a_read_of_a_coded_body_is_judged_by_what_it_makes_known() -> None:
    trace = story("s0 r0 s1 s2 r1-2 end", gzip=True)
    assert cuts(trace) == (1, 0)
    assert len(trace.reads) == 3, "the last makes nothing known"
    assert figures(trace).first_read_bytes == trace.reads[0].size_bytes != 80
    first = trace.reads[0].size_bytes
    early = cut(trace, 2, first - 2)  # two bytes into gzip's head, then the rest of the first read
    assert cuts(early) == (1, 0)


def test_reads_before_a_body_turns_corrupt_are_counted() -> None:
    trace = story("s0 s1 r0-1 s2 r2 end", gzip=True)
    sound = trace.reads[0].size_bytes
    assert cuts(replace(trace, body=trace.body[:sound] + b"\xff" * (len(trace.body) - sound))) == (1, 0)
    unknown = replace(trace, headers=(("Content-Encoding", "lzma"),))
    assert cuts(unknown) == (0, 0)


@pytest.mark.parametrize("trace", [replace(story(ALL_HERE), status=502), story("s0 end")])
def test_a_page_or_nothing_has_no_messages(trace: Trace) -> None:
    assert cuts(trace) == (None, None)


def test_every_message_of_a_websocket_is_a_read() -> None:
    assert cuts(story("s0 s1 r0 r1 end", format="websocket")) == (0, 0)


@pytest.mark.parametrize(("sizes", "broken"), [((80, 80, 80), 0), ((160, 81), 3), ((70, 10, 80), 3), ((100, 100), 3)])
def test_a_front_end_that_parses_every_read_breaks_on_just_those_and_a_decoder_does_not(
    sizes: tuple[int, ...], broken: int
) -> None:
    trace = cut(story(ALL_HERE, format="ndjson"), *sizes)
    failed, at = 0, 0
    for read in trace.reads:
        text, at = trace.body[at : at + read.size_bytes].decode(), at + read.size_bytes
        with suppress(ValueError):
            json.loads(text)
            continue
        failed += 1
    assert failed == broken
    merged, split = cuts(trace)
    assert merged is not None
    assert split is not None
    assert max(merged, split) <= failed <= merged + split
    assert len(delivery(trace).arrivals) == 4
    assert delivery(trace).problem is None


# ---------------------------------------------------------------- in JavaScript, on real reads

NODE = shutil.which("node")
with_node = pytest.mark.skipif(not NODE, reason="node is not installed")
EACH_READ = """
const parses = what => { try { JSON.parse(what); return true } catch { return false } };
const reads = JSON.parse(require("fs").readFileSync(0)).map(hex => Uint8Array.from(Buffer.from(hex, "hex")));
const decoder = new TextDecoder(), lines = [];
let rest = "";
for (const read of reads) {
  const parts = (rest + decoder.decode(read, { stream: true })).split("\\n");
  rest = parts.pop();
  lines.push(...parts.filter(line => line.trim()));
}
console.log(JSON.stringify({
  value: reads.map(read => parses(read)),
  text: reads.map(read => parses(new TextDecoder().decode(read))),
  line: lines.map(line => parses(line)),
}));
"""


def in_node(reads: Sequence[bytes]) -> dict[str, list[bool]]:
    """Return what JSON.parse makes of each read as it is, of it as text, and of each line that a decoder finds."""
    assert NODE
    given = json.dumps([read.hex() for read in reads])
    said = subprocess.run([NODE, "-e", EACH_READ], input=given, capture_output=True, text=True, check=True).stdout
    told: dict[str, list[bool]] = json.loads(said)
    return told


def pieces(trace: Trace) -> list[bytes]:
    ends = [0]
    for read in trace.reads:
        ends.append(ends[-1] + read.size_bytes)
    return [trace.body[a:b] for a, b in itertools.pairwise(ends)]


async def recorded(bench: Bench, chain: str, load: Workload, **axes: Any) -> Trace:
    hops = () if chain == "direct" else (hop(chain),)
    if hops and (why := missing(hops[0].proxy)):
        pytest.skip(why)
    cell = Cell(hops, load, format="ndjson", **axes)
    trace, _ = await bench.record(cell.id, plan(cell, catalogue()))
    assert judged(trace).verdict != "broken", judged(trace).reason
    return trace


SMALL = Workload("small", tokens=40, token_bytes=300)
LARGE = Workload("large", tokens=3, token_bytes=400_000)


@with_node
@pytest.mark.proxies
@pytest.mark.asyncio(loop_scope="module")
async def test_a_message_a_read_parses_as_text_and_never_as_bytes(bench: Bench) -> None:
    trace = await recorded(bench, "direct", SMALL)
    assert cuts(trace) == (0, 0)
    told = in_node(pieces(trace))
    assert told["value"] == [False] * len(trace.sent), "bytes become 123,34,... as a string"
    assert told["text"] == told["line"] == [True] * len(trace.sent)


@with_node
@pytest.mark.proxies
@pytest.mark.asyncio(loop_scope="module")
async def test_reads_that_a_proxy_cut_do_not_parse_and_their_lines_do(bench: Bench) -> None:
    trace = await recorded(bench, "nginx:http10", SMALL)
    merged, split = cuts(trace)
    assert merged
    assert split
    told = in_node(pieces(trace))
    assert not any(told["text"])
    assert told["line"] == [True] * len(trace.sent)


@with_node
@pytest.mark.proxies
@pytest.mark.asyncio(loop_scope="module")
async def test_a_message_larger_than_a_read_is_split_with_nothing_on_the_way(bench: Bench) -> None:
    trace = await recorded(bench, "direct", LARGE)
    merged, split = cuts(trace)
    assert not merged
    assert split == len(trace.reads) > LARGE.tokens
    told = in_node(pieces(trace))
    assert not any(told["text"])
    assert told["line"] == [True] * len(trace.sent)
