"""A run as one file: its records, and a trace of every stream, so that all its cells can be judged again from it.

    python -m benchmarks.archive docs/atlas-run.tar.xz runs/atlas     unpacks one, for every command that reads runs

Rules: unpacked it is a run folder as any other, and its traces are what they were, to the nanosecond, but for one
thing. Of a compressed body of more than `CODED_BYTES` there is what each read of it made known, instead of its bytes,
which nothing makes shorter; such a trace says that it is `decoded`, as one of a browser does, and knows no more how
many bytes were on the wire. A body that is what was sent is not stored: it is written again as the emitter wrote it.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import tarfile
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import sub
from pathlib import Path
from typing import Any

from harness.documents import records
from harness.errors import StreamError
from harness.formats import CODECS
from harness.formats.body import EmittedBody
from harness.formats.coding import content_coding, decoder
from harness.model import RECORDINGS, Read, Trace
from harness.store.runs import RESULTS, RUN, Run, load_traces, slug

RECORDS = (RUN, RESULTS)
CODED_BYTES = 16_384
COLUMNS = ("reads", "sent", "heartbeats", "steps")
"""The lists of a trace that are stored column by column."""
TRACES, BODY = "traces", ".body"


def pack(folder: Path, archive: Path) -> None:
    """Write a run's folder into one file. Raises InputError if the folder holds none."""
    run = Run.open(folder)
    with tarfile.open(archive, "w:xz", preset=6) as packed:
        kept = (folder / name for name in RECORDS)
        for file in (*kept, *sorted(folder.glob(f"{RECORDINGS}/*.json"))):
            _add(packed, file.relative_to(folder).as_posix(), file.read_bytes())
        for cell in sorted((result.cell for result in run.results), key=lambda cell: cell.id):
            if run.cell_folder(cell).is_dir():
                for take, trace in enumerate(load_traces(run.cell_folder(cell)), 1):
                    _add_trace(packed, f"{TRACES}/{slug(cell.id)}/{take}", as_read(trace))


def _add_trace(packed: tarfile.TarFile, name: str, trace: Trace) -> None:
    """Add a trace, after its body where that has to be stored."""
    if trace.body != as_sent(trace):
        _add(packed, f"{name}{BODY}", trace.body)
    plain = records.plain(trace)
    plain |= {name: _columns(plain[name]) for name in COLUMNS}
    _add(packed, f"{name}.json", json.dumps(plain, separators=(",", ":")).encode("ascii"))


def _add(packed: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    packed.addfile(member, io.BytesIO(data))


def as_read(trace: Trace) -> Trace:
    """Return the trace that is stored of one: with a long compressed body as a reader had it, read by read.

    A body that cannot be decoded to its end stays as it is: what is wrong with it is in its bytes.
    """
    coding = None if trace.decoded else content_coding(trace.headers)
    if coding is None or len(trace.body) <= CODED_BYTES:
        return trace
    try:
        content = decoder(coding)
        ends = [0, *itertools.accumulate(read.size_bytes for read in trace.reads)]
        known = [content.feed(trace.body[start:end]) for start, end in itertools.pairwise(ends)]
        if content.finish():
            return trace
    except StreamError:
        return trace
    reads = tuple(Read(read.at_ns, len(data)) for read, data in zip(trace.reads, known, strict=True))
    return replace(trace, reads=reads, body=b"".join(known), decoded=True)


def as_sent(trace: Trace) -> bytes | None:
    """Return the whole body as the emitter wrote it; None of a recording, whose writes a trace only names."""
    emission = trace.plan.emission
    if emission.workload.recording:
        return None
    body, beat = EmittedBody(emission), CODECS[emission.format].heartbeat() or b""
    tokens = [(token.end_bytes, body.token(token.seq, token.at_ns)) for token in trace.sent]
    beats = [(sent.end_bytes, beat) for sent in trace.heartbeats]
    return b"".join([body.opening(), *(data for _, data in sorted(tokens + beats)), body.closing()])


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows column by column, numbers as differences from one to the next."""
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return {name: list(map(sub, told, [0, *told])) if _numbers(told) else told for name, told in columns.items()}


def _rows(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return what `_columns` was given."""
    whole = [list(itertools.accumulate(told)) if _numbers(told) else told for told in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*whole, strict=True)]


def _numbers(told: Sequence[Any]) -> bool:
    return isinstance(told[0], int)


def unpack(archive: Path, folder: Path, only: Container[str] | None = None) -> Run:
    """Write a run into a folder and open it, with the traces of all its cells, or only of those with these ids."""
    with tarfile.open(archive) as packed:
        for member in itertools.islice(packed, len(RECORDS)):  # they come first
            packed.extract(member, folder, filter="data")
        run = Run.open(folder)
        cells = {slug(result.id): result.cell for result in run.results if only is None or result.id in only}
        body: bytes | None = None
        for member in itertools.islice(packed, len(RECORDS), None):
            match Path(member.name).parts:
                case (_, cell, name) if cell in cells:
                    data = _data(packed, member)
                    if name.endswith(BODY):
                        body = data
                    else:
                        run.save_trace(_trace(data, body), cells[cell], int(name.removesuffix(".json")))
                        body = None
                case (_, _):  # a recording
                    packed.extract(member, folder, filter="data")
    return run


def _trace(text: bytes, body: bytes | None) -> Trace:
    """Return a trace from what is stored of it, its body written again where that is not."""
    fields = json.loads(text)
    fields |= {name: _rows(fields[name]) for name in COLUMNS}
    trace = records.load_trace(json.dumps(fields), body or b"")
    return trace if body is not None else replace(trace, body=as_sent(trace) or b"")


def _data(packed: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = packed.extractfile(member)
    assert file
    return file.read()


@contextmanager
def head(archive: Path) -> Iterator[Run]:
    """Open an archive's run without its traces, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        yield unpack(archive, Path(folder), only=())


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.archive", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path)
    parser.add_argument("folder", type=Path, help="where it is unpacked; made if need be")
    given = parser.parse_args()
    run = unpack(given.archive, given.folder)
    print(f"{len(run.results)} results are in {given.folder}")


if __name__ == "__main__":
    main()
