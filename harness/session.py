"""What both front doors need: a matrix read from a name or path, and a bench set up to run its cells.

job = load("smoke")
async with session(job) as (runner, run):
    await runner.run(job.cells, print)
"""

from __future__ import annotations

import os
import platform
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from harness.clients import CLIENTS
from harness.clients.base import Installing
from harness.errors import InputError, NoRoom, ProxyError, Unavailable, unwritable
from harness.formats import CODECS
from harness.judge.rejudge import rejudge
from harness.launchers.process import Launcher
from harness.matrix import field_reports, mitigations
from harness.matrix.mitigations import plan
from harness.matrix.reading import Known, Matrix, expand, parse, referenced, select
from harness.measure.bench import Bench, adapter, variant_file
from harness.measure.runner import JOBS, Runner
from harness.model import Cell, Hop, Mitigation, Pace, Result, RunInfo
from harness.proxies import PROXIES
from harness.proxies.base import Optioned
from harness.resources import configs, is_file
from harness.store.runs import Run, load_traces, runs_in

RUNS = Path("runs")
ANY = {"tokens": 1, "token_bytes": 256}
REPORTS = "reports/"


def variants(proxy: str) -> dict[str, Path]:
    """Return the shipped variants of a proxy by name."""
    files = (configs() / proxy).glob(f"*{PROXIES[proxy].suffix}")
    return {file.stem: file for file in sorted(files)}


def catalogue() -> dict[str, Mitigation]:
    """Return the shipped mitigations by name."""
    path = configs() / "mitigations.yaml"
    return dict(_parsed(_read(path), str(path)))


@lru_cache(maxsize=1)
def _parsed(text: str, file: str) -> Mapping[str, Mitigation]:
    return mitigations.parse(text, file)


def known() -> Known:
    """Return the names that a matrix file may use without defining them."""
    return Known(
        proxies={name: tuple(variants(name)) for name in PROXIES},
        names={"client": tuple(CLIENTS), "format": tuple(CODECS)},
        mitigations=catalogue(),
        options={name: proxy.canonical for name, proxy in PROXIES.items() if isinstance(proxy, Optioned)},
    )


@dataclass(frozen=True, slots=True)
class Job:
    """A matrix, the cells chosen from it, and where the user's own variants lie."""

    matrix: Matrix
    cells: tuple[Cell, ...]
    own: Mapping[Hop, Path]


def shipped_matrices() -> dict[str, Path]:
    """Return the matrices that come with the package, by name."""
    folder = configs() / "matrices"
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.yaml"))}


def reports(names: Sequence[str]) -> list[Job]:
    """Return the jobs of field reports: shipped ones by name or its start, others by path; with no names all shipped.

    Raises InputError for a name that is none or several, and for a matrix without the key `report`.
    """
    shipped = [name for name in shipped_matrices() if name.startswith(REPORTS)]
    found = [load(_report(name, shipped)) for name in names] if names else [load(name) for name in shipped]
    for job in found:
        if not job.matrix.report:
            raise InputError(
                f"{job.matrix.file} has no key `report`, so it claims nothing: `harness matrix` measures it"
            )
    if not found:
        raise InputError("no field report is shipped: give a matrix file with a key `report`")
    return list(found)


def _report(name: str, shipped: Sequence[str]) -> str:
    """Return what `load` calls the field report that is meant."""
    if is_file(Path(name)):
        return name
    meant = [one for one in shipped if name in (one, one.removeprefix(REPORTS))]
    meant = meant or [one for one in shipped if one.removeprefix(REPORTS).startswith(name)]
    if len(meant) != 1:
        some = ", ".join(one.removeprefix(REPORTS) for one in meant or shipped)
        fault = "is the start of several field reports" if meant else "is no field report"
        raise InputError(f"{name!r} {fault}: give a path, or one of {some}")
    return meant[0]


def stored(folders: Sequence[Path], tell: Callable[[str], object]) -> list[Run]:
    """Return the runs of field reports that these folders are, or that are in them: there the newest of each report.

    `tell` is told how many runs in a folder are left out. Raises InputError for a folder without any such run.
    """
    return [run for given in folders for run in _stored(given, tell)]


def _stored(given: Path, tell: Callable[[str], object]) -> list[Run]:
    runs = [Run.open(folder) for folder in runs_in(given)]
    tested = [run for run in runs if field_reports.of_run(run.info)]
    if not tested and runs[0].folder == given:
        raise InputError(f"{given} tested no field report: its matrix file has no key `report`")
    if not tested:
        raise InputError(f"no run in {given} tested a field report: no matrix file of theirs has a key `report`")
    tested.sort(key=lambda run: (run.info.name, run.info.started_at))
    newest = {run.info.name: run for run in tested}
    without, older = len(runs) - len(tested), len(tested) - len(newest)
    said = [f"{without} of its runs tested no field report"] if without else []
    said += [f"{older} {'is' if older == 1 else 'are'} older than another of the same report"] if older else []
    if said:
        tell(f"{given}: left out: {'; '.join(said)}")
    return list(newest.values())


def load(name_or_path: str, only: Sequence[str] = (), skip: Sequence[str] = (), pace: Pace | None = None) -> Job:
    """Read a shipped matrix by name, or any file by path, and choose cells by globs on their ids.

    Raises InputError for what is wrong in the file or in a variant that it uses, SelectionError if no cell is left.
    """
    path = shipped_matrices().get(name_or_path, Path(name_or_path))
    if not is_file(path):
        raise InputError(f"there is no matrix {name_or_path!r}: give a path, or one of {', '.join(shipped_matrices())}")
    matrix = parse(_read(path), _shown(path), known())
    return _job(matrix, path.parent, select(expand(matrix, pace), only, skip))


def one_cell(axes: Mapping[str, object], workload: Mapping[str, object]) -> Job:
    """Return the job of a single cell with its references; relative paths start here.

    `axes` and `workload` are keys of a matrix file. Raises InputError whose complaints have paths as in a file that has
    these, and no place.
    """
    asked = {"title": "One cell", "workloads": {"options": dict(workload)}, "axes": dict(axes)}
    matrix = replace(parse(asked, "", known()), file="run")
    return _job(matrix, Path(), matrix.cells)


def set_up(names: Sequence[str], progress: Callable[[str], None]) -> None:
    """Install what proxies and clients need, as far as that is possible here; or what one hop, as `asgi:plain`, needs.

    Raises Unavailable for one that is named and cannot be set up; with no names all are tried, and what is missing is
    only told.
    """
    clients = {name: make() for name, make in CLIENTS.items()}
    able: dict[str, Installing] = {**PROXIES}
    able |= {name: client for name, client in clients.items() if isinstance(client, Installing)}
    for name in names or able:
        if ":" in name:
            _prepare(_hops(_one_hop(name)), progress)
            progress(f"{name}: ready")
            continue
        if name not in able:
            raise InputError(f"there is no proxy or client {name!r} to set up; there are {', '.join(able)}")
        try:
            able[name].install(progress)
            if isinstance(PROXIES.get(name), Optioned):
                _prepare(_shipped_hops(name), progress)
            progress(f"{name}: ready, {able[name].version()}")
        except Unavailable as error:
            if names:
                raise
            progress(f"{name}: left out: {error}")


def _one_hop(name: str) -> Job:
    """Return the job of a cell through one hop. Raises InputError, which names keys of files only: it stands alone."""
    try:
        return one_cell({"chain": name}, ANY)
    except InputError as error:
        raise InputError(*(one if one.file else replace(one, path=()) for one in error.complaints)) from error


def _prepare(hops: Mapping[Hop, Path], progress: Callable[[str], None]) -> None:
    """Install what each of these hops needs for itself."""
    for hop, file in hops.items():
        proxy = adapter(hop)
        if isinstance(proxy, Optioned):
            proxy.prepare(file, progress)
        else:
            proxy.install(progress)


def _shipped_hops(proxy: str) -> dict[Hop, Path]:
    """Return the shipped variants of a proxy, and all hops through it that a shipped matrix has."""
    hops = {Hop(proxy, name): path for name, path in variants(proxy).items()}
    for name in shipped_matrices():
        hops |= {hop: file for hop, file in _hops(load(name)).items() if hop.proxy == proxy}
    return hops


def _hops(job: Job) -> dict[Hop, Path]:
    """Return every hop that a job's cells go through, mitigated or not, with its file."""
    chains = {chain for cell in job.cells for chain in (cell.chain, plan(cell, job.matrix.catalogue).chain)}
    return {hop: variant_file(hop, job.own) for hop in sorted({hop for chain in chains for hop in chain})}


def rejudged(run: Run) -> list[Result]:
    """Return a run's results judged again from its traces, with today's rules and the run's own expectations."""
    if run.results and not (run.folder / "cells").is_dir():
        raise InputError(f"{run.folder} has results but no traces, so it cannot be judged again")
    return rejudge(run.results, {r.id: load_traces(run.folder / r.evidence) for r in run.results if r.evidence})


def require(names: Sequence[str], option: str = "--require") -> None:
    """Raise ProxyError if a proxy or client that is named cannot run here, InputError if there is none of that name."""
    for name in names:
        if name not in PROXIES and name not in CLIENTS:
            there = ", ".join((*PROXIES, *CLIENTS))
            raise InputError(f"{option}: there is no proxy or client {name!r}; there are {there}")
        try:
            (PROXIES[name] if name in PROXIES else CLIENTS[name]()).version()
        except Unavailable as error:
            raise ProxyError(f"{name} is required, but cannot run here: {error}") from error


@asynccontextmanager
async def session(
    job: Job,
    root: Path = RUNS,
    *,
    jobs: int = JOBS,
    keep: Callable[[Path], object] | None = None,
    options: Sequence[str] = (),
) -> AsyncIterator[tuple[Runner, Run]]:
    """Set up a run folder and a bench; everything that was started ends with the block.

    `keep` is told of each temporary folder, which then stays.
    """
    run = Run.create(root, _describe(job, options))
    with _room(run):
        async with (
            Launcher(keep=keep) as launcher,
            Bench(launcher, run.folder / "proxies", job.own) as bench,
            Runner(bench, run, job.matrix.catalogue, job.matrix.expectations, jobs) as runner,
        ):
            yield runner, run
        run.finish()


@contextmanager
def _room(run: Run) -> Iterator[None]:
    """Tell of a full disk, whoever met it, and of the results that were kept before."""
    try:
        yield
    except (NoRoom, OSError) as error:
        if isinstance(error, OSError) and unwritable(error) is not NoRoom:
            raise
        kept = f"The {len(run.results)} results before that are kept: `harness report {run.folder}` shows them."
        raise NoRoom(f"no room is left: {error}\n{kept}") from error


def _describe(job: Job, options: Sequence[str]) -> RunInfo:
    used = {name for cell in job.cells for name in cell.mitigations}
    return RunInfo(
        name=job.matrix.name,
        title=job.matrix.title,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        harness_version=version("token-stream-harness"),
        python=platform.python_version(),
        platform=_platform(),
        cells=len(job.cells),
        matrix_file=job.matrix.file,
        matrix_text=job.matrix.text,
        options=tuple(options),
        mitigations={name: one for name, one in job.matrix.catalogue.items() if name in used},
    )


def _platform() -> str:
    """Return system, architecture and cores: what a reader needs to place the figures."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = f"{platform.system()} {platform.release()}"
    return f"{system}, {platform.machine()}, {os.cpu_count()} cores"


def _shown(path: Path) -> str:
    """Return a path as people here would write it: relative if it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)


def _job(matrix: Matrix, folder: Path, cells: Sequence[Cell]) -> Job:
    """Add controls and baselines, and have every variant checked by its proxy; paths start at `folder`."""
    own = {hop: folder / path for hop, path in matrix.own.items()}
    job = Job(matrix, referenced(cells), own)
    for hop, file in _hops(job).items():
        adapter(hop).check(file)
    return job


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
