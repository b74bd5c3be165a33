"""Keeps a run on disk as it happens, and reads it back: the one place that writes files for people.

    runs/20251121T082200Z-default/
        run.json            what was asked, where and with what       (rewritten when the run ends, or has more cells)
        results.jsonl       a line per finished cell, in the order in which they finished
        recordings/         answers of applications that cells replay, one for all of them
        cells/<slug>/       evidence of one cell: trace.json, body.bin.gz, and what proxies left there

Rules: a line is written in one piece the moment its cell ends, so a killed run keeps what it had; a line torn by the
kill is dropped and said so, a wrong line anywhere else is an error; whole files appear at once or not at all.
Lines are not synced one by one: a process that dies loses nothing that was written, and waiting for the disk would
stall the cells that are being measured. `finish` syncs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gzip
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Self

from harness.documents import recordings, records
from harness.documents.redaction import masked_run
from harness.errors import InputError, Unwritable, shortened, unwritable
from harness.model import DIGEST, RECORDINGS, Cell, Recording, Result, RunInfo, Trace, masked_plan, versions_met
from harness.resources import is_file, own_folder, runs_folder

STAMP = re.compile(r"\d{8}T\d{6}Z-")
UNSAFE = re.compile(r"[^A-Za-z0-9.+-]+")
SLUG_CHARS = 150
NAME_BYTES = 200
"""What a name may have, with room for a number or an ending: file systems take 255."""
RUN, RESULTS = "run.json", "results.jsonl"
RECORDING_CHARS = 10_000_000


class Run:
    """One run's folder. `torn` says that its last line was cut off by a kill and has been left out."""

    def __init__(self, folder: Path, info: RunInfo, results: Sequence[Result] = (), torn: bool = False) -> None:
        self.folder = folder
        self.info = info
        self.results = list(results)
        self.torn = torn

    @property
    def results_file(self) -> Path:
        """Where the results are, a line each."""
        return self.folder / RESULTS

    @classmethod
    def create(cls, root: Path, info: RunInfo) -> Self:
        """Make a new folder under `root`, named after the run's start and matrix, and write its head without secrets.

        Raises InputError if that cannot be written there, or for a matrix file that is no YAML.
        """
        head = masked_run(info)
        stamp = datetime.fromisoformat(info.started_at).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        name = f"{stamp}-{_folder_name(info.name)}"
        try:
            runs_folder(root)
            run = cls(_new_folder(root, name), head)
            run.results_file.touch()
        except OSError as error:
            raise unwritable(error)(f"cannot make a run folder in {root}: {error.strerror}") from error
        run._write_head()
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a run back, whether it finished, goes on or was killed."""
        return cls(path, cls.head(path), *_read_results(path / RESULTS))

    @staticmethod
    def head(path: Path) -> RunInfo:
        """Read back what a run was of. Raises InputError for a folder that is none of a run, or a damaged one."""
        head = path / RUN
        if not is_file(head):
            raise InputError(
                f"{path} is not a run folder: it has no run.json. `harness matrix` prints the folder of its run."
            )
        try:
            fields = dict(json.loads(head.read_bytes()))
            version = fields.pop("schema_version", None)
            if version not in records.READABLE:
                raise InputError(
                    f"{head} has schema version {version}; this harness reads versions"
                    f" {' and '.join(map(str, records.READABLE))}. Use the harness that wrote it."
                )
            return records.load_run(fields)
        except (ValueError, TypeError) as error:
            raise InputError(f"{head} is damaged: {_first_lines(error)}") from error

    def append(self, result: Result) -> None:
        """Add one finished cell: its line is there whole, or not at all unless we are killed meanwhile."""
        line = f"{records.dump(result)}\n".encode("ascii")
        with _writing(self.results_file), self.results_file.open("ab", buffering=0) as lines:
            _add(lines, line)
        self.results.append(result)

    def expect(self, cells: int) -> None:
        """Write down how many cells the run is to have, if that is known only as it goes on."""
        self.info = dataclasses.replace(self.info, cells=cells)
        self._write_head()

    def finish(self, at: str = "") -> None:
        """Write down when the run ended, by default now, and all versions that its cells met; let the disk catch up."""
        versions = versions_met([self.info.versions, *(result.versions for result in self.results)])
        now = at or datetime.now(UTC).isoformat(timespec="seconds")
        self.info = dataclasses.replace(self.info, versions=versions, finished_at=now)
        self._write_head()
        with _writing(self.results_file), self.results_file.open("ab") as lines:
            os.fsync(lines.fileno())

    def discard(self) -> None:
        """Leave nothing of it on disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def cell_folder(self, cell: Cell) -> Path:
        """Return where the folder of a cell is, whether it is there or not."""
        return self.folder / "cells" / slug(cell.id)

    def evidence(self, cell: Cell) -> Path:
        """Return the folder for what is kept of a cell, made if need be."""
        folder = self.cell_folder(cell)
        own_folder(folder)
        return folder

    def save_trace(self, trace: Trace, cell: Cell, take: int = 1) -> Path:
        """Keep a cell's trace and return the folder it is in; `take` numbers its streams as they came."""
        folder = self.cell_folder(cell)
        with _writing(folder):
            self.evidence(cell)
            text, body = _trace_files(folder, take)
            body.write_bytes(gzip.compress(trace.body, compresslevel=1, mtime=0))
            told = dataclasses.replace(trace, plan=masked_plan(trace.plan))
            text.write_text(records.dump(told) + "\n", encoding="ascii")
        return folder

    def keep_recording(self, recording: Recording) -> Path:
        """Keep what cells of the run replay, once for all of them, and return its file."""
        file = _recording_file(self.folder, recording)
        with _writing(file):
            own_folder(file.parent)
        write_text(file, recordings.dump(recording))
        return file

    def first_trace(self, cell: Cell) -> Trace:
        """Read back what a cell's first stream left behind."""
        return _load_trace(self.cell_folder(cell), 1)

    def copy_records(self, root: Path) -> Path:
        """Put head and results, without traces, into the folder of the matrix's name under `root`; return that."""
        folder = root / _folder_name(self.info.name)
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name in (RUN, RESULTS):
                write_text(folder / name, (self.folder / name).read_text(encoding="utf-8"))
        return folder

    def _write_head(self) -> None:
        head = {"schema_version": records.SCHEMA_VERSION, **records.plain(self.info)}
        write_text(self.folder / RUN, json.dumps(head, indent=2) + "\n")


def load_traces(folder: Path) -> tuple[Trace, ...]:
    """Read a cell's traces back from its evidence, in the order of their takes: one or more."""
    takes = itertools.takewhile(lambda take: take == 1 or _trace_files(folder, take)[0].exists(), itertools.count(1))
    return tuple(_load_trace(folder, take) for take in takes)


def _load_trace(folder: Path, take: int) -> Trace:
    text, body = _trace_files(folder, take)
    try:
        trace = records.load_trace(text.read_text(encoding="ascii"), gzip.decompress(body.read_bytes()))
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no trace: {Path(error.filename).name} is missing") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"the trace in {folder} is damaged: {_first_lines(error)}") from error
    if named := trace.plan.emission.workload.recording:
        trace = _with_recording(trace, _recording_file(folder.parent.parent, named), named)
    if (had := sum(read.size_bytes for read in trace.reads)) != len(trace.body):
        raise InputError(f"the trace in {folder} is damaged: {body.name} has {len(trace.body)} of {had} bytes")
    return trace


def load_recording(path: Path) -> Recording:
    """Read a recording from its file, or the only one of a run's folder. Raises InputError."""
    if path.is_dir():
        found = [*path.glob(f"{RECORDINGS}/*.json"), *path.glob(f"shard-*/{RECORDINGS}/*.json")]
        files = sorted({file.name: file for file in found}.values())
        if len(files) != 1:
            there = ", ".join(map(str, files)) or "none"
            raise InputError(f"{path}: a recording, or a run with one, is needed; recordings there: {there}")
        path = files[0]
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(RECORDING_CHARS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this recording cannot be read: {error}") from error
    if len(text) > RECORDING_CHARS:
        raise InputError(f"{path} is no recording: none has more than {RECORDING_CHARS} characters")
    return recordings.load(text, str(path))


def _recording_file(folder: Path, recording: Recording) -> Path:
    """Return the file of a recording in a run. Raises InputError for a digest that is none: it becomes a path."""
    if not DIGEST.fullmatch(recording.digest):
        raise InputError(f"{folder}: {shortened(recording.digest)} is no recording's digest: 16 hexadecimal digits are")
    return folder / recording.file


def _with_recording(trace: Trace, file: Path, named: Recording) -> Trace:
    """Return a trace whose recording is not only named. Raises InputError if that is not in the run any more."""
    if (there := load_recording(file)) != named:
        raise InputError(f"{file} is another recording: its digest is {there.digest}")
    emission = trace.plan.emission
    workload = dataclasses.replace(emission.workload, recording=there)
    emission = dataclasses.replace(emission, workload=workload)
    return dataclasses.replace(trace, plan=dataclasses.replace(trace.plan, emission=emission))


def newest_first(root: Path) -> list[Path]:
    """Return the folders of the runs in a folder, that of the one which was started last first."""
    folders = [head.parent for head in root.glob(f"*/{RUN}") if STAMP.match(head.parent.name)]
    return sorted(folders, key=lambda folder: (folder.name.split("-")[0], folder.stat().st_mtime_ns), reverse=True)


def latest(root: Path) -> Path:
    """Return the folder of the run that was started last."""
    for folder in newest_first(root):
        return folder
    raise InputError(f"there is no run in {root} yet: start one with `harness matrix`")


def runs_in(path: Path) -> list[Path]:
    """Return the run folders in a folder, by name; just the folder itself if it is one, or holds none."""
    return [path] if is_file(path / RUN) else sorted(head.parent for head in path.glob(f"*/{RUN}")) or [path]


def slug(cell_id: str) -> str:
    """Return a cell's id as the name of a folder: fit for any file system and for artifact uploads, and unique."""
    readable = UNSAFE.sub("_", cell_id.replace(":", "."))[:SLUG_CHARS].strip("._")
    return f"{readable}-{hashlib.sha256(cell_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def fitting(name: str) -> str:
    """Return a name as a file system takes it: as it is, or the start of it with a digest of the whole."""
    if len(os.fsencode(name)) <= NAME_BYTES:
        return name
    start = os.fsdecode(os.fsencode(name)[: NAME_BYTES - 17])
    return f"{start}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def write_text(path: Path, text: str) -> None:
    """Write a whole file: readers see the old one or the new one. A device or pipe is simply written to."""
    write_pieces(path, [text])


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Write a whole file likewise, of which no more is in memory than a piece."""
    with _writing(path):
        target = _target(path)
        if _is_device(path):
            with path.open("w", encoding="utf-8", errors="replace") as device:
                device.writelines(pieces)
            return
        draft = target.with_name(fitting(f".{target.name}.{secrets.token_hex(8)}.tmp"))
        with draft.open("x", encoding="utf-8", errors="replace", newline="\n") as file:  # new, so no link of another's
            try:
                file.writelines(pieces)
                file.flush()
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise InputError if `write_text` could not write there: better asked before a long run than after it."""
    with _writing(path):
        target = _target(path)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _is_device(path):
            with tempfile.TemporaryFile(dir=target.parent):
                pass


def check_folder(path: Path) -> None:
    """Make a folder if it is missing. Raises InputError if nothing could be written in it."""
    with _writing(path):
        own_folder(path)
    check_writable(path / RUN)


def unwritable_because(folder: Path) -> str | None:
    """Return why no file could be kept in a folder, which may be still to make; None if one could. Leaves no trace."""
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(bytes(4096))
            probe.flush()
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None


def _add(lines: FileIO, line: bytes) -> None:
    """Write all of `line`, however little the disk takes at a time; what it cannot take whole it takes back."""
    whole = lines.tell()
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[lines.write(rest) :]
    except OSError:
        with contextlib.suppress(OSError):
            lines.truncate(whole)
        raise


def _target(path: Path) -> Path:
    """Return the file that a path leads to. Raises InputError if a link on the way is another user's trap.

    A link counts as one's own if it is root's, or made by whose folder it is in: as Linux has it in shared folders.
    """
    for place in (path.absolute(), *path.absolute().parents):
        if place.is_symlink():
            trusted = (0, os.geteuid(), place.parent.stat().st_uid)
            if (owner := place.lstat().st_uid) not in trusted:
                raise InputError(f"cannot write {path}: {place} is a link that another user made (uid {owner})")
    return Path(os.path.realpath(path))


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell in words why a path cannot be written."""
    try:
        yield
    except FileNotFoundError as error:
        raise Unwritable(f"cannot write {path}: there is no folder {path.parent}; make it first") from error
    except OSError as error:
        raise unwritable(error)(f"cannot write {path}: {error.strerror}") from error


def _folder_name(matrix: str) -> str:
    return fitting(UNSAFE.sub("-", matrix).strip(".-") or "matrix")


def _new_folder(root: Path, name: str) -> Path:
    folder, number = root / name, 1
    while True:
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:  # another run was started in the same second
            number += 1
            folder = root / f"{name}-{number}"
        else:
            return folder


def _read_results(path: Path) -> tuple[list[Result], bool]:
    *lines, last = path.read_bytes().split(b"\n") if path.exists() else [b""]
    results = []
    for number, line in enumerate(lines, start=1):
        try:
            results.append(records.load_result(line.decode()))
        except ValueError as error:
            raise InputError(f"{path}:{number} is no result: {_first_lines(error)}") from error
    try:
        return [*results, *([records.load_result(last.decode())] if last else [])], False
    except ValueError:
        return results, True


def _trace_files(folder: Path, take: int) -> tuple[Path, Path]:
    number = "" if take == 1 else f"-{take}"
    return folder / f"trace{number}.json", folder / f"body{number}.bin.gz"


def _first_lines(error: Exception) -> str:
    """Return what is wrong in one line: pydantic names the field on its second line and the fault on its third."""
    return " ".join(line.strip() for line in str(error).splitlines()[:3])
