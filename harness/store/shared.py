"""A run that several processes write: the workers of one test session keep what they measure in one folder.

Rules: who comes first makes the folder; a file in it says of which session it is, until that has ended. Every process
has folders of its own for evidence. Lines of results and heads are written one after another, under a lock; what the
death of another process has torn is taken out before the next line comes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from harness.documents.redaction import masked_run
from harness.model import Cell, Result, RunInfo
from harness.resources import runs_folder
from harness.store.runs import RESULTS, Run, write_text

SESSION = "session"
"""The file that says of which session a run is: its secret, in one line."""
MEANT = "meant.json"
"""What ids stand for in a session, as far as they do not say it themselves, until that has ended."""

GROWING = ("mitigations", "inputs", "own", "standing", "tests")
"""What of a run's head each part adds to."""


class SharedRun(Run):
    """The part that one process has in a run, as a folder's ending: `part` is empty if it is the only one."""

    part = ""

    @classmethod
    def join(cls, root: Path, info: RunInfo, session: str, part: str = "") -> Self:
        """Return the run of that matrix of a session, made if there is none yet. Raises what `create` raises."""
        with contextlib.suppress(OSError):  # `create` says what is wrong with that
            runs_folder(root)
        with alone_in(root):
            heads = {folder: Run.head(folder) for folder in runs_of(root, session)}
            same = [folder for folder, head in heads.items() if head.matrix_file == info.matrix_file]
            run = cls(same[0], heads[same[0]]) if same else cls.create(root, info)
            if not same:
                write_text(run.folder / SESSION, f"{session}\n")
        run.part = part
        return run

    def cell_folder(self, cell: Cell) -> Path:
        folder = super().cell_folder(cell)
        return folder.with_name(f"{folder.name}.{self.part}") if self.part else folder

    @property
    def proxies(self) -> Path:
        """Where the evidence of proxies goes that this process starts."""
        return self.folder / "proxies" / self.part

    def append(self, result: Result) -> None:
        with alone_in(self.folder):
            _mend(self.results_file)
            super().append(result)

    def claim(self, meant: Mapping[str, str]) -> str:
        """Write down what names stand for, unless another process has one that stands for something else: return that.

        Blocks.
        """
        file = self.folder / MEANT
        with alone_in(self.folder):
            known = dict(json.loads(file.read_text())) if file.exists() else {}
            if other := next((name for name, what in meant.items() if known.get(name, what) != what), ""):
                return other
            if not meant.keys() <= known.keys():
                write_text(file, json.dumps({**known, **meant}))
        return ""

    def make_known(self, about: RunInfo) -> None:
        """Write down what cells of the run will be measured with, beside what is known of it already."""
        if all(getattr(about, each).keys() <= getattr(self.info, each).keys() for each in GROWING):
            return
        with alone_in(self.folder):
            told = Run.head(self.folder)
            known: dict[str, Any] = {each: {**getattr(about, each), **getattr(told, each)} for each in GROWING}
            self.info = masked_run(dataclasses.replace(told, **known))
            self._write_head()


def runs_of(root: Path, session: str) -> list[Path]:
    """Return the folders of the runs of a session that goes on, the oldest first."""
    return sorted(file.parent for file in root.glob(f"*/{SESSION}") if _said(file) == session)


def _said(file: Path) -> str:
    """Return what a file says; nothing if it is gone by now, as that of a session which has ended meanwhile."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def finish(folder: Path, is_whole: bool) -> None:
    """End a run for all processes that had part in it: each cell has one result, the first, and the run has ended,
    unless it is not whole.

    Raises InputError if it is damaged.
    """
    with alone_in(folder):
        _mend(folder / RESULTS)
        lines = {json.loads(line)["id"]: line for line in reversed((folder / RESULTS).read_text().splitlines())}
        write_text(folder / RESULTS, "".join(f"{line}\n" for line in reversed(lines.values())))
        if is_whole:
            Run.open(folder).finish()
        for name in (SESSION, MEANT):
            (folder / name).unlink(missing_ok=True)


def _mend(lines: Path) -> None:
    """Take out what a process that died has left of a line, which nobody completes any more."""
    with lines.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if end and file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; where its file system has no locks, nobody is kept out."""
    try:
        place = os.open(folder, os.O_RDONLY)
    except OSError:  # there is none, or it cannot be read: who writes there says so
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)
