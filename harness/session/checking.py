"""The regression check: a baseline beside its matrix, read, held against a run, and written anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

from harness.baseline import text
from harness.baseline.addresses import cell_of
from harness.baseline.comparing import FAILING, KINDS, Comparison, compared
from harness.baseline.keeping import Surroundings, baseline_of, with_what_was
from harness.baseline.standing import NOTHING_SAID, alike, said, told
from harness.errors import MOST_TOLD, Complaint, HarnessError, InputError, SelectionError
from harness.judge.rules import RULES
from harness.matrix.globs import meant
from harness.model import Baseline, Cell, Change, ChangedFile, Deployment, RunInfo, Workload
from harness.resources import configs, is_file
from harness.session.inputs import MATRIX, SHIPPED, are_same, blob_id, changed_since, inputs_of, located, what_changed
from harness.session.jobs import Job, every_cell
from harness.store.runs import Run, write_text
from harness.store.shared import alone_in

SUFFIX = ".baseline.yaml"
Fails = Literal["for the worse", "any", "none"]
FAILS: Mapping[Fails, Sequence[Change]] = {"for the worse": FAILING, "any": KINDS, "none": ()}
"""Which changes fail: usually, strictly, and where the baseline is written anew."""
MOST_CHARS = 20_000_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The cells of a matrix that globs on their ids leave; all, if there are none."""

    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    shard: str = ""

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not (self.only or self.skip or self.shard)

    def of(self, ids: Sequence[str]) -> Callable[[str], bool]:
        """Return what tells whether an id is of one of them, where the matrix has these."""
        taken, left = meant(self.only or ["*"], ids), meant(self.skip, ids)
        return lambda cell_id: taken(cell_id) and not left(cell_id)


def baseline_path(job: Job, given: Path | None = None) -> Path:
    """Return where the baseline of a matrix is: beside its file, and of a shipped one in the current folder."""
    if given:
        return given
    file = Path(job.matrix.file)
    if file.absolute().is_relative_to(configs().absolute()):
        return Path(f"{job.matrix.name}{SUFFIX}")
    if not is_file(file):
        raise InputError(f"{file} is no file that a baseline could lie beside: `--baseline FILE` says where it is")
    return file.with_name(f"{file.stem}{SUFFIX}")


def read_baseline(path: Path, matrix: str, chosen: Chosen | None = None, unmeasured: Sequence[str] = ()) -> Baseline:
    """Return the baseline in a file. If it is to be written anew with what is `chosen`, that is an empty one of a file
    that is not there, or is damaged while nothing of it would be lost: nothing is left out, or `unmeasured`.

    Raises InputError, with the way out, if there is none or it is damaged.
    """
    empty = Baseline(str(path), RULES, "", {})
    if chosen and not path.exists():
        return empty
    try:
        return _read(path, matrix)
    except text.DamagedBaseline as error:
        if chosen is None or not chosen.is_all:
            raise
        if unmeasured:
            why = "what it had of what could not be measured would be lost"
            more = f", and {len(unmeasured) - 1} more" if len(unmeasured) > 1 else ""
            raise InputError(*error.complaints, Complaint(f"{why}: {unmeasured[0]}{more}", file=str(path))) from error
        return empty


def _read(path: Path, matrix: str) -> Baseline:
    try:
        with path.open(encoding="utf-8") as file:
            said = file.read(MOST_CHARS)
    except FileNotFoundError as error:
        way_out = f"`harness check {matrix} --update` measures, and writes what it finds as what is to be"
        raise InputError(f"there is no baseline at {path}: {way_out}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this baseline cannot be read: {error}") from error
    return text.read(said, str(path))


def checked(run: Run, job: Job, was: Baseline, path: Path, chosen: Chosen, fails: Fails) -> Comparison:
    """Return what became of the cells of a baseline, which lies at `path`, that a run was to measure."""
    around = _around(run, job, path.parent)
    now = baseline_of(was.name, run.info, run.results, around)
    files = _changed(was, around, path.parent)
    here = {cell.id for cell in job.cells}
    return compared(was, now, run.info, run.results, here, _concerned(job, chosen), files, FAILS[fails])


def measured(job: Job, folder: Path) -> Run:
    """Return a run that was kept of what a job asks for. Raises InputError if it is of something else, or older."""
    run = Run.open(folder)
    if blob_id(Path(job.matrix.file)) not in run.info.inputs.get(MATRIX, {}).values():
        raise InputError(f"{folder} is no run of {job.matrix.file} as it is: measure it again")
    if run.info.shard != job.shard:
        way_out = "`harness merge` joins shards" if run.info.shard else "leave --shard out"
        raise InputError(f"{folder} is a run of {run.info.shard or 'the whole matrix'}, no other part: {way_out}")
    now = inputs_of(job)
    for hop, files in run.info.inputs.items():
        if hop in now and not are_same(files, now[hop]):
            what = "what the matrix replays" if hop == MATRIX else f"a config of {hop}"
            raise InputError(f"{folder} is older than {what}: measure it again")
    was, here = _stands(run.info.standing), _stands({str(hop): told(one) for hop, one in job.deployed.items()})
    for hop in sorted(was.keys() | here.keys()):
        if not alike(was.get(hop, ""), here.get(hop, "")):
            asked = f"{was.get(hop) or NOTHING_SAID}, and here for {here.get(hop) or NOTHING_SAID}"
            raise InputError(f"{folder} asked {hop} for {asked}: say the same, or measure it again")
    return run


@dataclass(frozen=True, slots=True)
class Updated:
    """What became of a baseline: the cells that it has forgotten, those that it has as `too_short` to tell from now on,
    and why it was not written, if so.
    """

    forgotten: Sequence[str] = ()
    too_short: Sequence[str] = ()
    why_not: str = ""


def update(run: Run, job: Job, path: Path, matrix: str, chosen: Chosen) -> Updated:
    """Write what a run found as what is to be from now on, if that is anything else than it was.

    What could not be measured, or was not chosen, stays as it was, and where nothing was measured the file does. Two
    that write at once do so one after the other. Raises InputError if a damaged file may have more than was measured.
    """
    around = _around(run, job, path.parent)
    now = baseline_of(str(path), run.info, run.results, around)
    here = {cell.id for cell in job.cells}
    reasons = {one.id: one.reason for one in run.results}
    unmeasured = [cell.id for cell in job.cells if cell.chain and cell.id not in now.cells]
    with alone_in(path.parent):
        was = read_baseline(path, matrix, chosen, [f"{cell}: {reasons.get(cell, 'not run')}" for cell in unmeasured])
        if not now.cells:
            return Updated(why_not="nothing could be measured")
        concerns = _concerned(job, chosen)
        stay = [cell for cell in was.cells if cell in here or not concerns(cell)]
        kept = with_what_was(now, was, stay, _with_those_of(stay, around, job, path.parent))
        said = text.text(kept, matrix)
        if path.exists() and _said(path) == said:
            return Updated(why_not="nothing changed")
        write_text(path, said)
    untold = [
        cell for cell, had in was.cells.items() if had.verdict and cell in kept.cells and not kept.cells[cell].verdict
    ]
    return Updated(sorted(was.cells.keys() - kept.cells.keys()), sorted(untold))


def _said(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _concerned(job: Job, chosen: Chosen) -> Callable[[str], bool]:
    """Return what tells whether a cell of a baseline is for a job to measure: of what no shard has the first misses."""
    first = job.shard.startswith("1/") or not job.shard
    here = {cell.id for cell in job.cells}
    has = chosen.of([cell.id for cell in every_cell(job.matrix, site=job.site)])
    return lambda cell: has(cell) and cell not in job.elsewhere and (first or cell in here)


def differed(run: Run, earlier: Run, allow_missing: bool, fails: Fails) -> Comparison:
    """Return what became of the cells of an earlier run in a later one.

    Raises SelectionError if the two have none in common.
    """
    name = str(earlier.folder)
    was = baseline_of(name, earlier.info, earlier.results, _as_told(earlier.info))
    around = _as_told(run.info)
    now = baseline_of(name, run.info, run.results, around)
    here = {result.id for result in run.results}
    if here.isdisjoint(was.cells):
        raise SelectionError(f"{name} has no verdict on any cell of {run.folder}: there is nothing to compare")
    is_known = not run.info.shard or run.info.elsewhere is not None or run.info.shard == earlier.info.shard
    elsewhere = {*(run.info.elsewhere or ())}
    concerns = here.__contains__ if allow_missing or not is_known else lambda cell: cell not in elsewhere
    lacks: Collection[str] = () if run.info.finished_at else was.cells.keys()
    files = _changed(was, around, Path())
    held = compared(
        was, now, run.info, run.results, lacks, concerns, files, FAILS[fails], unknown=earlier.info.elsewhere or ()
    )
    part = f"{run.folder} is shard {run.info.shard}, and does not say what the others have: nothing is told to be gone"
    return replace(held, only_a_part="" if is_known or allow_missing else part)


def refuse_older(run: Run) -> None:
    """Raise InputError if what a run was measured from says something else by now, is gone, or cannot be read."""
    way_out = "measure again, or name the run to take it as it is"
    try:
        changed = changed_since(run.info)
    except HarnessError as error:
        raise InputError(f"{error}\n{run.folder}, the last run, is older than that: {way_out}") from error
    if changed:
        names = ", ".join(changed[:MOST_TOLD])
        raise InputError(f"{run.folder}, the last run, is older than {names}: {way_out}")


def _around(run: Run, job: Job, folder: Path) -> Surroundings:
    """Return what a run was measured in, its files as a baseline in a folder calls them."""
    return replace(_as_told(run.info, folder), requests=job.matrix.requests)


def _with_those_of(stay: Sequence[str], around: Surroundings, job: Job, folder: Path) -> Surroundings:
    """Return surroundings with the configs of cells that a job was not to measure, as far as they are there. Blocks."""
    hops = {hop.unedited for cell in stay for hop in cell_of(cell, {}).chain}
    configs, files = {**around.configs}, {**around.files}
    for hop in sorted(hop for hop in hops if str(hop) not in files):
        try:
            found = inputs_of(replace(job, cells=(Cell((hop,), Workload("any", 1, 1)),))).get(str(hop), {})
        except HarnessError:  # the matrix has it no more
            continue
        named = {_seen_from(folder, path): blob for path, blob in found.items()}
        files[str(hop)] = list(named)
        configs = {**named, **configs}
    return replace(around, configs=configs, files=files)


def _as_told(run: RunInfo, folder: Path | None = None) -> Surroundings:
    """Return what the head of a run says of that."""
    named = {
        hop: {_seen_from(folder, path): blob for path, blob in files.items()}
        for hop, files in run.inputs.items()
        if hop != MATRIX
    }
    blobs = {path: blob for files in named.values() for path, blob in files.items()}
    return Surroundings(_stands(run.standing), configs=blobs, files={hop: list(files) for hop, files in named.items()})


def _stands(standing: Mapping[str, Deployment]) -> Mapping[str, str]:
    """Return how configs stand in chains, as a baseline has it."""
    return {hop: words for hop, one in standing.items() if (words := said(one))}


def _seen_from(folder: Path | None, name: str) -> str:
    """Return a file's name as a baseline in a folder has it: the same on every machine."""
    if folder is None or name.startswith(SHIPPED):
        return name
    return Path(os.path.relpath(name, folder)).as_posix()


def _changed(was: Baseline, around: Surroundings, folder: Path) -> list[ChangedFile]:
    """Return the configs that say something else than they did, or are new, with what changed; those of which only
    hidden values did come last, as these rarely make a stream another. Blocks.
    """
    found = []
    for path, blob in sorted(around.configs.items()):
        hops = tuple(hop for hop, files in around.files.items() if path in files)
        known = any(other in was.configs for hop in hops for other in around.files[hop])
        if known and was.configs.get(path) != blob:
            before = was.configs.get(path)
            file = ChangedFile(path, hops, before is not None)
            found.append(what_changed(located(path, folder), before, file) if before else file)
    folders = {PurePath(path).parent for path in around.configs}
    away = [path for path in was.configs if path not in around.configs and PurePath(path).parent in folders]
    found += [ChangedFile(path) for path in away if not located(path, folder).exists()]  # else only not asked for now
    return sorted(found, key=lambda file: file.hidden)
