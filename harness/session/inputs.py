"""What a run is measured from: the files that its hops are configured by, as git would name their contents.

Rules: a file is told by its git blob id, so that git can show what it said then; nothing is written to anybody's
repository.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from harness.baseline.addresses import hop_of
from harness.errors import HarnessError, Unavailable
from harness.launchers.commands import asked
from harness.measure.bench import adapter, variant_file
from harness.model import ChangedFile, Hop, RunInfo
from harness.proxies.base import Deployable, Proxy
from harness.proxies.catalog import PROXIES
from harness.proxies.diffs import first_changed, unified
from harness.proxies.languages.secrets import masker
from harness.resources import configs
from harness.session.jobs import Job, hops_of

MATRIX = "matrix"
"""Stands for the matrix file where hops have names."""
SHIPPED = "shipped:"
"""Before what lies in the package."""
HIDDEN_ONLY = "Only values have changed that are hidden here.\n"
SHALLOW = (
    "this clone is shallow and does not have what: `fetch-depth: 0` of actions/checkout, or `git fetch --unshallow`,"
    " gets it"
)
Inputs = Mapping[str, Mapping[str, str]]
"""Blob ids of files, by path, by the hop whose config they are, or `MATRIX`."""


def inputs_of(job: Job) -> Inputs:
    """Return what a job is measured from: paths are relative to the current folder where they lie below it. Blocks."""
    found: dict[str, dict[str, str]] = {}
    matrix = Path(job.matrix.file)
    if job.matrix.text and matrix.is_file():
        found[MATRIX] = _blobs([matrix, *(matrix.parent / one for one in job.matrix.recordings)])
    for hop, file in hops_of(job).items():
        if not hop.edits:
            try:
                files = _files(adapter(hop, job.proxies, job.deployed), file)
            except HarnessError:  # what is wrong with it is told elsewhere
                files = [file]
            found[str(hop)] = _blobs(files)
    return {hop: files for hop, files in found.items() if files}


def are_same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell whether two say the same of what a hop is configured by, wherever each was measured: another machine has a
    project in another folder, and calls each file in it the same. One that is alone may have any name.
    """
    if one.keys() == other.keys() or len(one) != len(other):
        return one == other
    if len(one) == 1:
        return [*one.values()] == [*other.values()]
    try:
        mine, its = _in_its_folder(one, other), _in_its_folder(other, one)
    except ValueError:  # what lies above the current folder has none in common with what lies below
        mine, its = ([(PurePath(name).name, blob) for name, blob in some.items()] for some in (one, other))
    return sorted(mine) == sorted(its)


def _in_its_folder(files: Mapping[str, str], others: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the files that others do not have as well, as seen from the folder of all of them.

    Raises ValueError if they have none in common.
    """
    apart = {PurePath(name): blob for name, blob in files.items() if others.get(name) != blob}
    folder = os.path.commonpath([path.parent for path in apart])
    return [(path.relative_to(folder).as_posix(), blob) for path, blob in apart.items()]


def changed_since(run: RunInfo) -> list[str]:
    """Return the files that say something else by now than when a run was measured from them, or are gone, or else
    those that are new. Blocks. Raises HarnessError for a config that cannot be read any more.
    """
    then = {path: blob for files in run.inputs.values() for path, blob in files.items()}
    now = {path: blob_id(located(path)) for path in then}
    if found := [path if now[path] else f"{path} (gone)" for path, blob in then.items() if now[path] != blob]:
        return sorted(found)
    new = {path for name in run.inputs for path in _files_now(run, name)} - then.keys()
    return sorted(f"{path} (new)" for path in new)


def _files_now(run: RunInfo, name: str) -> list[str]:
    """Return the files that a hop of a run is configured by now; none of one that only its matrix file knows."""
    hop = Hop("", "") if name == MATRIX else hop_of(name)
    if hop.proxy not in PROXIES:
        return []
    own = {hop_of(mine): located(path) for mine, path in run.own.items()}
    deployed = {hop_of(mine): one for mine, one in run.standing.items()}
    return list(_blobs(_files(adapter(hop, PROXIES, deployed), variant_file(hop, own))))


def located(name: str, folder: Path = Path()) -> Path:
    """Return the path of a file by its name among inputs, as seen from a folder."""
    return configs() / name.removeprefix(SHIPPED) if name.startswith(SHIPPED) else folder / name


def blob_id(path: Path) -> str:
    """Return the id that git has for a file's content, by SHA-1; nothing if it cannot be read."""
    try:
        said = path.read_bytes()
    except OSError:
        return ""
    return hashlib.sha1(b"blob %d\0" % len(said) + said, usedforsecurity=False).hexdigest()


def what_changed(path: Path, was: str, file: ChangedFile) -> ChangedFile:
    """Return a file of a hop with what changed in it since git had it with this id, without secrets, or why git cannot
    tell that. Blocks.
    """
    if not path.exists():
        return replace(file, lacking="it is not here, so that nobody can tell what")
    try:
        told = asked(["git", "cat-file", "blob", was], "install git", cwd=path.absolute().parent)
        if told.returncode:
            return replace(file, lacking=_why_lacking(path))
        before, after = told.stdout, path.read_text(encoding="utf-8")
    except Unavailable as error:
        return replace(file, lacking=str(error))
    except (OSError, ValueError):
        return replace(file, lacking="it cannot be read as text")
    hidden = masker(file.hops[0].partition(":")[0], path.suffix)
    diff = unified(path, hidden(before), hidden(after))
    return replace(file, diff=diff or HIDDEN_ONLY, line=first_changed(before, after), hidden=not diff)


def _why_lacking(path: Path) -> str:
    """Return why git does not have what a file said: a CI system's clone usually has the last commit only."""
    told = asked(["git", "rev-parse", "--is-shallow-repository"], "install git", cwd=path.absolute().parent)
    if told.returncode:
        return (told.stderr.splitlines() or ["git fails"])[0]
    if told.stdout.strip() == "true":
        return SHALLOW
    return "git does not have what: it was not committed as it was measured"


def _files(proxy: Proxy, file: Path) -> list[Path]:
    """Return the files that a hop is configured by: of a config that is deployed all that it includes, if who reads it
    is here. Raises HarnessError if it cannot be read.
    """
    if isinstance(proxy, Deployable):
        with contextlib.suppress(Unavailable):
            return list(proxy.config_files(file))
    return [file]


def _blobs(files: Iterable[Path]) -> dict[str, str]:
    return {shown(file): blob for file in files if (blob := blob_id(file))}


def shown(file: Path) -> str:
    """Return a file's path as people here would write it, and of what is shipped where it lies in the package."""
    path = Path(os.path.abspath(file))
    if path.is_relative_to(configs().absolute()):
        return SHIPPED + path.relative_to(configs().absolute()).as_posix()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
