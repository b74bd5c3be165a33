"""A run as one file: its records, and the traces of all its cells but those with the longest bodies.

    python -m benchmarks.archive docs/atlas-run.tar.xz runs/atlas     unpacks one, for every command that reads runs

Rule: unpacked it is a run folder as any other. Bodies are stored in it uncompressed, for what two of them have in
common is only found across them; those of more than `BODY_BYTES`, compressed, are left out with their traces.
"""

from __future__ import annotations

import argparse
import gzip
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.store.runs import Run

RECORDS = ("run.json", "results.jsonl")
BODY_BYTES = 16_384


def pack(folder: Path, archive: Path) -> None:
    """Write a run's folder into one file. Raises InputError if the folder holds none."""
    Run.head(folder)
    with tarfile.open(archive, "w:xz", preset=6) as packed:
        for name in RECORDS:
            _add(packed, name, (folder / name).read_bytes())
        for cell in sorted((folder / "cells").iterdir()):
            bodies = {body.name: gzip.decompress(body.read_bytes()) for body in sorted(cell.glob("body*.bin.gz"))}
            if sum(len(gzip.compress(body, mtime=0)) for body in bodies.values()) <= BODY_BYTES:
                traces = {trace.name: trace.read_bytes() for trace in sorted(cell.glob("trace*.json"))}
                stored = {name: gzip.compress(body, 0, mtime=0) for name, body in bodies.items()}
                for name, data in (traces | stored).items():
                    _add(packed, f"cells/{cell.name}/{name}", data)


def _add(packed: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    packed.addfile(member, io.BytesIO(data))


def unpack(archive: Path, folder: Path) -> Run:
    """Write all that an archive has into a folder, and open the run."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return Run.open(folder)


@contextmanager
def records(archive: Path) -> Iterator[Run]:
    """Open an archive's run without its traces, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as packed:
        for _ in RECORDS:  # they come first
            if member := packed.next():
                packed.extract(member, folder, filter="data")
        yield Run.open(Path(folder))


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
