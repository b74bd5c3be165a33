"""A cell by its id, as any output has it: the job that measures it again, and the results that it is the id of."""

from __future__ import annotations

import contextlib
import glob
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.errors import MOST_TOLD, Complaint, HarnessError, InputError, SelectionError
from harness.matrix.globs import TYPED, meant, near
from harness.matrix.reading import workload_names
from harness.matrix.workload_names import workload_of
from harness.model import AXES, THERE, Deployment, Hop, Result, RunInfo, chain_text, hop_as_given, parts_of
from harness.session.deployment import Site
from harness.session.jobs import Job, expecting, is_afar, load, one_cell
from harness.session.shipped import read_text, shipped_matrices
from harness.session.standing import AS_FOUND, as_options_say
from harness.store.runs import Run, newest_first

LOOKED_AT = 50
"""So many runs, the newest first."""


def by_id(
    cell_id: str,
    runs: Path,
    expected: Sequence[str] = (),
    deployment: Deployment = AS_FOUND,
    site: Site | None = None,
) -> Job:
    """Return the job of the cell that has this id: of a matrix that a run in `runs` was of, the newest first, or of a
    shipped one; or the cell itself, if its id says all that it is, beside where a run in `runs` had the configs that it
    names. One that was measured from afar is measured at the `site` that its id names.

    Raises InputError if nothing has it, or for what is wrong with it.
    """
    given = _axes(cell_id)
    _check_place(cell_id, str(given["chain"]), site, runs)
    if site:
        given["chain"] = "direct"
    named = str(given.pop("workload"))
    if workload := workload_of(named):
        try:
            return one_cell(given, workload, expected, deployment, site=site)
        except InputError as error:
            try:
                chain, standing = _as_it_was(cell_id, str(given["chain"]), runs)
            except HarnessError:
                raise InputError(*error.complaints, *_how_it_was(cell_id, runs)) from error
        try:
            return one_cell({**given, "chain": chain}, workload, expected, deployment or standing)
        except InputError as error:  # of what lies there by now
            raise InputError(*error.complaints, *_how_it_was(cell_id, runs)) from error
    faults, nearly = list[Complaint | str](), list[Job]()
    smallest_first = sorted(shipped_matrices().values(), key=lambda path: path.stat().st_size)
    for file in dict.fromkeys([*_measured(runs), *map(str, smallest_first)]):
        try:
            if _has_workload(file, named):
                job = load(file, [glob.escape(cell_id)], deployment=deployment, site=site)
                if any(cell.id == cell_id for cell in job.cells):
                    return expecting(job, cell_id, expected)
                nearly.append(job)
        except SelectionError:
            continue
        except InputError as error:  # a file may have changed since it was measured
            faults += error.complaints
    if nearly:
        job, is_meant = nearly[0], meant([glob.escape(cell_id)], [])
        found = [cell.id for cell in job.cells if is_meant(cell.id)]
        return expecting(job, _only_one(found, cell_id, job.matrix.file), expected)
    nothing = f"no matrix has the cell {cell_id}, neither a shipped one nor one that a run in {runs} was of"
    way_out = "`harness list cells FILE` lists those of a file"
    raise InputError(f"{nothing}; {way_out}", *faults, *_how_it_was(cell_id, runs))


def _check_place(cell_id: str, chain: str, site: Site | None, runs: Path) -> None:
    """Raise InputError, with what to type, unless a cell from afar is asked for at its place, and any other here."""
    if site is None and is_afar(chain):
        there = ["--at", "URL"]
        with contextlib.suppress(InputError, SelectionError):
            there = list(newest_with(cell_id, runs)[0].info.said(THERE)) or there
        again = shlex.join(["harness", "run", cell_id, *there])
        raise InputError(f"{cell_id} was measured from afar, in front of an emitter elsewhere: `{again}`")
    if site and chain != chain_text(site.chain):
        there_too = cell_id.replace(chain, chain_text(site.chain), 1)
        raise InputError(f"--at: {cell_id} is no cell of what stands there; {there_too} is")


def newest_with(cell: str, runs: Path) -> tuple[Run, Result]:
    """Return the newest run in a folder that has the cell which is meant, and its result: of a whole id the newest that
    has that very one, if any has. Raises likewise, as of the newest run of all if none has it.
    """
    fault: HarnessError | None = None
    opened: Iterable[Run] = _opened(newest_first(runs)[:LOOKED_AT])
    if "/" in cell:
        opened = [*opened]
        for run in opened:
            if exact := next((result for result in run.results if result.id == cell), None):
                return run, exact
    for run in opened:
        try:
            return run, result_of(run, cell)
        except SelectionError as error:
            fault = fault or error
    raise fault or InputError(f"there is no run in {runs} yet: start one with `harness matrix`")


def _opened(folders: Iterable[Path]) -> Iterator[Run]:
    """Yield the runs that can be read."""
    for folder in folders:
        with contextlib.suppress(InputError):  # a damaged one has no cell
            yield Run.open(folder)


def result_of(run: Run, cell: str) -> Result:
    """Return the result that is meant by an id, a part of it or a glob.

    Raises SelectionError for none, InputError for several.
    """
    ids = [result.id for result in run.results]
    is_meant = meant([cell], ids)
    found = [result for result in run.results if result.id == cell] or [
        result for result in run.results if is_meant(result.id)
    ]
    if not found:
        raise SelectionError(f"{run.folder} has no cell {cell}{near(cell, ids, TYPED)}")
    _only_one([result.id for result in found], cell, str(run.folder))
    return found[0]


def _only_one(found: Sequence[str], cell: str, of: str) -> str:
    """Return the id that was found for what was typed. Raises InputError if there are several."""
    if len(found) == 1:
        return found[0]
    some = "\n".join(found[:MOST_TOLD])
    more = f"\nand {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    raise InputError(f"{cell} means {len(found)} cells of {of}; give the id of one:\n{some}{more}")


def _has_workload(file: str, name: str) -> bool:
    """Tell whether a matrix file can have a cell with that workload: to make all its cells takes far longer."""
    return name in workload_names(read_text(Path(file)), file)


def _as_it_was(cell_id: str, chain: str, runs: Path) -> tuple[str, Deployment]:
    """Return a cell's chain with the files of the configs that a run had it measured with, or else another cell of as
    many of these configs as possible, and how these stand.

    Raises HarnessError if no run says all of that: a query of a path is not kept.
    """
    parts = [hop.partition("@") for hop in chain.split(">")]
    names = [bare.partition(":") for bare, _, _ in parts]
    hops = [Hop(proxy, variant) for proxy, _, variant in names]
    found: dict[Hop, Path] = {}
    stood: dict[Hop, Deployment] = {}
    for info in _heads_with(cell_id, runs):
        own = {hop: Path(file) for hop in hops if (file := info.own.get(str(hop)))}
        standing = {hop: said for hop in hops if (said := info.standing.get(str(hop)))}
        is_said = not info.matrix_text and not any("?" in said.path + said.wish for said in standing.values())
        if is_said and len(own) > len(found):
            found, stood = own, standing
    if not found:
        raise InputError(f"no run in {runs} says what {chain} is")
    given = (hop_as_given(hop, found) + at + items for hop, (_, at, items) in zip(hops, parts, strict=True))
    return ">".join(given), as_options_say(stood)


def _heads_with(cell_id: str, runs: Path) -> Iterator[RunInfo]:
    """Yield the head of the newest run that has a cell, then those of all others."""
    with contextlib.suppress(InputError, SelectionError):
        run, result = newest_with(cell_id, runs)
        yield from [run.info] if result.id == cell_id else []
    for folder in newest_first(runs)[:LOOKED_AT]:
        with contextlib.suppress(InputError):
            yield Run.head(folder)


def _how_it_was(cell_id: str, runs: Path) -> Iterator[str]:
    """Yield what to type instead of an id that does not say where a config of the user's lies."""
    with contextlib.suppress(InputError, SelectionError):
        run, _ = newest_with(cell_id, runs)
        yield f"{run.folder} has it: `{shlex.join(run.info.typed(cell_id))}` measures it"


def _axes(cell_id: str) -> dict[str, object]:
    """Return what an id says of each axis. Raises InputError if it is none."""
    if (parts := parts_of(cell_id)) is None:
        always = [name for name, axis in AXES.items() if not axis.later]
        raise InputError(f"{cell_id!r} is no id of a cell, which has {len(always)} parts: {'/'.join(always)}")
    return {**parts}


def _measured(runs: Path) -> Iterator[str]:
    """Yield the matrix files that are still there of the runs in a folder, those of the newest run first."""
    for folder in newest_first(runs):
        try:
            info = Run.head(folder)
        except InputError:
            continue
        if info.matrix_text and Path(info.matrix_file).is_file():
            yield info.matrix_file
