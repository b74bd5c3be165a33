"""Jobs: the cells that are asked for, by the name of a matrix, a path, options, or a field report."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from harness.errors import HarnessError, InputError, ProxyError, SelectionError, Unavailable, allowed
from harness.launchers.base import Fetching
from harness.matrix.mitigations import chain
from harness.matrix.reading import Matrix, brought, expand, parse, select
from harness.matrix.references import referenced
from harness.matrix.shards import Shard, part
from harness.matrix.workload_names import name_of
from harness.measure.bench import adapter, variant_file
from harness.model import AT, Cell, Deployment, Expectation, Hop, Pace, Recording
from harness.proxies.base import AsksInHttp10, Deployable, Fetched, Proxy
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described, own
from harness.resources import is_readable
from harness.session.deployment import Site, at_site
from harness.session.shipped import read_text, shipped_matrices
from harness.session.standing import AS_FOUND, deployed_of, knowing

REPORTS = "reports/"
RECORDED = "recorded"
"""What the workload is called, also in ids, that replays what an application has answered."""
STREAMS = ("/dev", "/proc")
"""Where a shell's `<(...)` and /dev/stdin are: no folder that a matrix file could mean by a path in it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A matrix, the cells chosen from it, and where the user's own variants lie.

    `proxies` are all that there are, its own among them; `deployed` says how its own configs stand in a chain;
    `missing` are the hops whose program could not be fetched, and why. `diagnosed` is the chain of which it is to be
    found out what holds; then the cells are those that may be asked for first. `shard` is which part of the matrix it
    is, if it is one, and `elsewhere` are the ids of cells in the others. `site` is where the emitter is deployed, if
    it is not ours.
    """

    matrix: Matrix
    cells: tuple[Cell, ...]
    own: Mapping[Hop, Path]
    proxies: Mapping[str, Proxy] = field(default_factory=lambda: PROXIES)
    missing: Mapping[Hop, HarnessError] = field(default_factory=dict)
    deployed: Mapping[Hop, Deployment] = field(default_factory=dict)
    diagnosed: str = ""
    shard: str = ""
    elsewhere: frozenset[str] = frozenset()
    site: Site | None = None


def load(
    name_or_path: str,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    pace: Pace | None = None,
    deployment: Deployment = AS_FOUND,
    shard: Shard | None = None,
    site: Site | None = None,
) -> Job:
    """Read a shipped matrix by name, or any file, pipe or device by path, and choose cells by globs on their ids.

    `deployment` says how the one config of the user's stands in chains, if the file does not. At a `site` that stands
    in place of all chains. Of a `shard` only its cells are left.

    Raises InputError for what is wrong in the file or in a variant that it uses, SelectionError if no cell is left.
    """
    matrix, folder = matrix_of(name_or_path, deployment)
    try:
        cells = select(every_cell(matrix, pace, site), only, skip)
    except SelectionError as error:
        if site or not any(map(is_afar, only)):
            raise
        raise SelectionError(
            f"{error}; what begins with {AT}: is measured from afar: say where, with --at URL"
        ) from None
    mine = part(cells, shard, matrix.stand_ins) if shard else cells
    elsewhere = frozenset(cell.id for cell in cells) - {cell.id for cell in mine}
    return replace(_job(matrix, folder, mine, deployment, site), shard=str(shard or ""), elsewhere=elsewhere)


def every_cell(matrix: Matrix, pace: Pace | None = None, site: Site | None = None) -> tuple[Cell, ...]:
    """Return all cells of a matrix, at a pace or a site if one is given."""
    every = expand(matrix, pace)
    return at_site(every, site, matrix) if site else every


def matrix_of(name_or_path: str, deployment: Deployment = AS_FOUND) -> tuple[Matrix, Path]:
    """Return what a file says, and the folder its paths start at; its configs are not checked. Raises InputError."""
    path, folder = _found(name_or_path)
    return parse(read_text(path), _shown(path), knowing(folder, deployment)), folder


def is_afar(cell: str) -> bool:
    """Tell whether an id, or a glob on ids, is of what stands in front of an emitter elsewhere."""
    return cell.startswith(f"{AT}:")


def own_of(name_or_path: str) -> tuple[dict[str, object], Path]:
    """Return the keys of a file with what is its own, which may be all that it has, and the folder its paths start at.

    Raises InputError for what is wrong in it.
    """
    path, folder = _found(name_or_path)
    return brought(read_text(path), _shown(path), knowing(folder, AS_FOUND)), folder


def _found(name_or_path: str) -> tuple[Path, Path]:
    """Return where a matrix is, and the folder its paths start at. Raises InputError if it is nowhere."""
    path = shipped_matrices().get(name_or_path, Path(name_or_path))
    if not name_or_path or not is_readable(path):
        fault = f"{path} is a folder" if name_or_path and path.is_dir() else f"there is no matrix {name_or_path!r}"
        raise InputError(f"{fault}: give a path or a shipped matrix; {allowed(name_or_path, shipped_matrices())}")
    return path, Path() if any(map(path.is_relative_to, STREAMS)) else path.parent


def shard(said: str | None) -> Shard | None:
    """Return which part of a matrix is meant, if one is. Raises InputError for what is none."""
    return None if said is None else Shard.read(said)


def one_cell(
    axes: Mapping[str, object],
    workload: Mapping[str, object],
    expected: Sequence[str] = (),
    deployment: Deployment = AS_FOUND,
    recording: Recording | None = None,
    site: Site | None = None,
) -> Job:
    """Return the job of a single cell with its references; relative paths start here. It replays a `recording`, or is
    measured at a `site`.

    `axes` and `workload` are keys of a matrix file, `expected` are verdicts, any of which will do for the cell. Raises
    InputError whose complaints have paths as in a file that has these, and no place.
    """
    expect = _expectation(expected)
    job = of_options("One cell", axes, workload, "run", expect, deployment=deployment, recording=recording, site=site)
    rows = job.matrix.expectations
    return replace(job, matrix=replace(job.matrix, expectations=_of(job.cells[-1].id, rows)))


def expecting(job: Job, cell_id: str, expected: Sequence[str]) -> Job:
    """Return a job that also expects any of these verdicts of one of its cells. Raises InputError likewise."""
    asked = of_options("Direct", {"chain": "direct"}, {"tokens": 1, "token_bytes": 96}, "run", _expectation(expected))
    rows = (*job.matrix.expectations, *_of(cell_id, asked.matrix.expectations))
    return replace(job, matrix=replace(job.matrix, expectations=rows))


def _expectation(expected: Sequence[str]) -> dict[str, object]:
    return {"expect": [{"cells": "*", "why": "--expect says so", "verdict": list(expected)}] if expected else []}


def _of(cell_id: str, rows: Iterable[Expectation]) -> tuple[Expectation, ...]:
    """Return expectations of one cell alone, whatever globs say of its id."""
    return tuple(replace(row, cells=glob.escape(cell_id)) for row in rows)


def of_options(
    title: str,
    axes: Mapping[str, object],
    workload: Mapping[str, object],
    name: str,
    own: Mapping[str, object] = MappingProxyType({}),
    folder: Path = Path(),
    deployment: Deployment = AS_FOUND,
    recording: Recording | None = None,
    called: str = "",
    site: Site | None = None,
) -> Job:
    """Return the job of cells that options ask for; `own` are other keys of a matrix file, one in `folder`. At a `site`
    that stands in place of all chains.

    Of a `recording` the workload is that, and is at most said to be `exact`. It is `called` so, or else `recorded`, or
    after what it is. Raises InputError likewise.
    """
    load = {"recording": RECORDED, "exact": workload.get("exact", False)} if recording else dict(workload)
    loads = {called or (RECORDED if recording else name_of(workload)): load}
    asked = {**own, "title": title, "workloads": loads, "axes": dict(axes)}
    matrix = replace(parse(asked, "", knowing(folder, deployment, recording)), file=name)
    cells = at_site(matrix.cells, site, matrix) if site else matrix.cells
    return _job(matrix, folder, cells, deployment, site)


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
    if name and is_readable(Path(name)):
        return name
    meant = [one for one in shipped if name in (one, one.removeprefix(REPORTS))]
    meant = meant or [one for one in shipped if one.removeprefix(REPORTS).startswith(name)]
    if len(meant) != 1:
        choices = allowed(name, [one.removeprefix(REPORTS) for one in meant or shipped])
        fault = "is a folder" if name and Path(name).is_dir() else "is no field report"
        raise InputError(
            f"{name!r} {'is the start of several field reports' if meant else fault}: give a path or a field report;"
            f" {choices}"
        )
    return meant[0]


def hops_of(job: Job) -> dict[Hop, Path]:
    """Return every hop that a job's cells go through, mitigated or not, with its file."""
    chains = {one for cell in job.cells for one in (cell.chain, chain(cell, job.matrix.catalogue))}
    return {hop: variant_file(hop, job.own, job.proxies) for hop in sorted({hop for one in chains for hop in one})}


def needs_containers(job: Job) -> bool:
    """Tell whether hops of a job run in containers, as far as they run at all: then what emits has to, too."""
    return any(
        option.kind == "source" and option.name == "docker"
        for hop in hops_of(job)
        if hop not in job.missing
        for option in hop.options
    )


def fetched(job: Job, fetching: Fetching) -> Job:
    """Have the programs of a job's hops here, as far as they are fetched by themselves. Blocks, at first for long."""
    proxies = {name: _locked(proxy) for name, proxy in job.proxies.items()} if fetching.locked else job.proxies
    tried: dict[str, HarnessError | None] = {}
    files = hops_of(job)
    hops = {hop: adapter(hop, proxies, job.deployed, job.matrix.catalogue) for hop in files}
    for hop, proxy in hops.items():
        if isinstance(proxy, Fetched) and not proxy.brings_its_program(files[hop]) and hop.program not in tried:
            try:
                proxy.fetch(fetching)
                tried[hop.program] = None
            except (Unavailable, ProxyError) as error:
                tried[hop.program] = error
    return replace(job, proxies=proxies, missing={hop: why for hop in hops if (why := tried.get(hop.program))})


def _locked(proxy: Proxy) -> Proxy:
    return replace(proxy, locked=True) if isinstance(proxy, Described) else proxy


def may_ask_in_http10(job: Job) -> bool:
    """Tell whether a hop may pass requests on in HTTP/1.0."""
    files = hops_of(job)
    proxies = {hop: adapter(hop, job.proxies, job.deployed, job.matrix.catalogue) for hop in files}
    return any(isinstance(one, AsksInHttp10) and one.asks_in_http10(files[hop]) for hop, one in proxies.items())


def diffs(job: Job) -> dict[Hop, str]:
    """Return what is changed of each config of the user's that is taken as it is deployed, as a unified diff."""
    hops = (hop for hop in hops_of(job) if hop.bare in job.own and not hop.edits)
    proxies = {hop: adapter(hop, job.proxies, job.deployed) for hop in hops}
    return {hop: proxy.diff(job.own[hop.bare]) for hop, proxy in proxies.items() if isinstance(proxy, Deployable)}


def in_front_of(url: str, said: Deployment, make: Callable[[Deployment], Job]) -> tuple[Deployment, Job]:
    """Return how a config stands in front of an endpoint: as is said or, where that leaves open what is meant, as the
    URL says, whose host the config may name, and whose path; and what is made of that. Raises what `make` raises of
    what is said.
    """
    try:
        return said, make(said)
    except InputError:
        parts = urlsplit(url)
        host = replace(said, map=said.map or (parts.netloc,))
        for guess in (host, replace(host, path=said.path or parts.path)):
            with contextlib.suppress(InputError):
                if parts.netloc and guess != said:
                    return guess, make(guess)
        raise


def _job(
    matrix: Matrix, folder: Path, cells: Sequence[Cell], said: Deployment = AS_FOUND, site: Site | None = None
) -> Job:
    """Add controls and baselines, and have every variant checked by its proxy; paths start at `folder`."""
    files = {hop: folder / path for hop, path in matrix.own.items()}
    proxies = {
        **PROXIES,
        **{name: own(name, said, folder, matrix.places[name]) for name, said in matrix.proxies.items()},
    }
    if site:
        proxies[AT] = site.proxy
    recorded = any(load.recording for load in matrix.workloads.values())
    deployed = deployed_of(matrix.deployed, files, said, recorded)
    job = Job(matrix, referenced(cells, matrix.stand_ins), files, proxies, deployed=deployed, site=site)
    for hop, file in hops_of(job).items():
        if not hop.edits:  # what is edited is tested when it is measured
            adapter(hop, proxies, deployed).check(file)
    return job


def _shown(path: Path) -> str:
    """Return a path as people here would write it: relative if it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)
