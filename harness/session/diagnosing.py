"""A diagnosis: the cells of a chain that a search wants, measured side by side until it wants no more.

Rules: programs start first. What is not known of the chain as it is when streams that stream are, is likely to be held,
and the search goes on with that, for a held stream takes seconds. A cell that a hop turns away is asked for again
slowly: nothing is guessed of it. What is measured and not wanted any more is given up.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Protocol

from harness.diagnosis.price import price
from harness.diagnosis.search import Search, fate
from harness.errors import Complaint, InputError
from harness.matrix.mitigations import is_detour, objections
from harness.matrix.reading import brought
from harness.matrix.references import control_of
from harness.matrix.replacements import replacements
from harness.model import (
    AXES,
    WORKLOAD_KEYS,
    Cell,
    Deployment,
    Hop,
    Mitigation,
    Recording,
    Result,
    chain_text,
    without_query,
)
from harness.session.jobs import Job, load, of_options
from harness.session.shipped import read_text, shipped_matrices
from harness.session.standing import AS_FOUND
from harness.store.runs import Run

REQUESTS = ("curl", "browser")
"""Whose requests are looked at, unless somebody says so."""
CHEAPEST = 3
"""So many cheap mitigations are named to whoever tries by hand."""
GLANCE_S = 1.0
"""What streams has said so by then. Nothing but what is asked for early depends on it."""


class Measuring(Protocol):
    """What measures cells: a runner, or one that plays."""

    async def started(self, cells: Iterable[Cell]) -> None: ...

    def beside_each_other(self, cells: Iterable[Cell]) -> None: ...

    def is_turned_away(self, cell: Cell) -> bool: ...

    async def result(self, cell: Cell) -> Result: ...


def diagnosis(
    axes: Mapping[str, object],
    workload: Mapping[str, object],
    file: str | None = None,
    deployment: Deployment = AS_FOUND,
    recording: Recording | None = None,
) -> Job:
    """Return the job of a chain of which is to be found out what holds, with every mitigation that concerns it.

    `axes` and `workload` are keys of a matrix file, `file` one whose own proxies, configs and fixes may be named;
    `deployment` says how the one config of the user's stands in the chain. With a `recording`, that is replayed.
    Raises InputError as for one cell, and for a chain without a hop.
    """
    own, folder = _own(file) if file else ({}, Path())
    asked = {**axes, "mitigations": ["none", "all"]}
    job = of_options("A diagnosis", asked, workload, "diagnosis", own, folder, deployment, recording)
    chains = {cell.chain for cell in job.cells} - {()}
    if not chains:
        raise InputError(Complaint("direct has no hop that could hold anything", ("axes", "chain")))
    told = chain_text(chains.pop()) if len(chains) == 1 else ""
    return replace(job, diagnosed=told, matrix=replace(job.matrix, title=f"What holds in {told}"))


def diagnosis_of(job: Job, cell: Cell) -> Job:
    """Return the job of a diagnosis of a cell's chain, for its stream and whoever asks for it. Raises InputError."""
    load, file = cell.workload, job.matrix.file if job.matrix.text else None
    usual = REQUESTS[:1] if load.recording and load.recording.coding else REQUESTS
    axes: dict[str, object] = {
        "chain": ">".join(_as_given(hop, job.matrix.own if file else job.own) for hop in cell.chain)
    }
    axes |= {"request": list(dict.fromkeys([*usual, cell.request])), "client": cell.client}
    axes |= {} if load.recording else {"format": cell.format, "body": cell.body}
    workload = {key: getattr(load, key) for key in WORKLOAD_KEYS if key != "exact" and hasattr(load, key)}
    mine = {hop: said for hop in cell.chain if (said := job.deployed.get(hop.bare))}
    targets = [f"{hop.bare}={one}" if len(mine) > 1 else one for hop, said in mine.items() for one in said.map]
    server = [
        f"{hop.bare}={said.server}" if len(mine) > 1 else said.server for hop, said in mine.items() if said.server
    ]
    paths = [said.path or said.wish for said in mine.values()]
    said = Deployment(tuple(targets), "".join(server[:1]), next(filter(None, paths), ""))
    return diagnosis(axes, workload, file, said, load.recording)


def _own(file: str) -> tuple[dict[str, object], Path]:
    """Return what a matrix file brings of its own, configs that only chains name included, and its folder.

    Raises InputError for what is wrong in it.
    """
    matrix = load(file).matrix  # which complains of all that is wrong, with its line
    path = shipped_matrices().get(file, Path(file))
    keys: dict[str, Any] = brought(read_text(path))
    variants = {proxy: dict(named) for proxy, named in keys.get("variants", {}).items()}
    for hop, config in matrix.own.items():
        if hop.proxy not in matrix.proxies and hop.variant not in keys.get("profiles", {}).get(hop.proxy, {}):
            variants.setdefault(hop.proxy, {}).setdefault(hop.variant, str(config))
    return {**keys, "variants": variants}, path.parent


def search_of(job: Job) -> Search:
    """Return the search for what mends a job's chain, which was told nothing yet."""
    layers = [cell for cell in job.cells if cell.chain and not cell.mitigations]
    catalogue, requests = job.matrix.catalogue, job.matrix.requests
    asked = {name for cell in job.cells for name in cell.mitigations}
    names = [name for name, one in catalogue.items() if one.entry in asked and not _is_known_apart(one, layers[0])]
    return Search(layers, catalogue, names, lambda cell: not objections(cell, catalogue, requests))


def _is_known_apart(one: Mitigation, layer: Cell) -> bool:
    """Tell whether all that a mitigation does is to edit several configs, each of which is a mitigation of its own."""
    return len(one.edited) > 1 and not any(replacements(hop, one) for hop in layer.chain)


def to_try(job: Job, cell: Cell, run: Path = Path()) -> tuple[str, str]:
    """Return what to type to have a cell's chain diagnosed, and which mitigations to try by hand: the cheapest ones,
    and those of its hops' own configs. The `run` has what it replays, if it does.
    """
    recorded = cell.workload.recording is not None
    asked = {"client": cell.client} if recorded else {"format": cell.format, "body": cell.body, "client": cell.client}
    asked |= {"request": cell.request} if cell.request not in REQUESTS else {}
    words = ["harness", "diagnose", "--chain", ">".join(_as_given(hop, job.own) for hop in cell.chain)]
    words += [word for name, value in asked.items() if value != AXES[name].default for word in (f"--{name}", value)]
    words += _as_deployed({hop: said for hop in cell.chain if (said := job.deployed.get(hop.bare))})
    words += ["--replay", str(run)] if recorded else []
    command = shlex.join(words)
    catalogue, requests = job.matrix.catalogue, job.matrix.requests
    able = [name for name, one in catalogue.items() if name == one.entry and name not in cell.mitigations]
    able = [name for name in able if not objections(replace(cell, mitigations=(name,)), catalogue, requests)]
    able = [name for name in able if not is_detour(catalogue[name], cell.format)]
    able.sort(key=lambda name: price((name,), catalogue, cell.format))
    chosen = dict.fromkeys([*able[:CHEAPEST], *(name for name in able if catalogue[name].cost == "config")])
    return command, ", ".join(f"-m {name}" for name in chosen)


def _as_given(hop: Hop, own: Mapping[Hop, PurePath]) -> str:
    """Return a hop as a chain names it: one that runs a file of the user's by that file."""
    if not (file := own.get(hop.bare)):
        return str(hop)
    path = str(file) if "/" in str(file) else f"./{file}"
    return str(hop).replace(str(hop.bare), f"{hop.proxy}:{hop.variant}={path}", 1)


def _as_deployed(deployed: Mapping[Hop, Deployment]) -> list[str]:
    """Return the options that say how configs stand in a chain."""
    options = list[tuple[str, str]]()
    for hop, said in deployed.items():
        of = f"{hop.bare}=" if len(deployed) > 1 else ""
        options += [("--map", f"{of}{one}") for one in said.map]
        options += [("--server", f"{of}{said.server}")] if said.server else []
    paths = dict.fromkeys(said.path or said.wish for said in deployed.values())
    options += [("--path", without_query(path)) for path in paths if path]
    return [word for option in options for word in option]


def controls_of(job: Job) -> list[Cell]:
    """Return the cells that must stream for anything else to mean something."""
    return [cell for cell in job.cells if cell == control_of(cell, job.matrix.stand_ins)]


async def diagnose(
    search: Search,
    controls: Sequence[Cell],
    measuring: Measuring,
    run: Run,
    tell: Callable[[Result], object],
    budget_s: float | None = None,
) -> bool:
    """Measure what a search wants until it is over, or its time is; return whether it is over.

    It is told each result before `tell` is.
    """
    try:
        async with asyncio.timeout(budget_s) as limit:
            await _diagnose(search, controls, measuring, run, tell)
    except TimeoutError:
        if not limit.expired():
            raise
    run.expect(len(run.results))
    return not limit.expired()


async def _diagnose(
    search: Search, controls: Sequence[Cell], measuring: Measuring, run: Run, tell: Callable[[Result], object]
) -> None:
    under_way: dict[Cell, asyncio.Task[None]] = {}
    likely: set[Cell] = set()

    async def measure(cell: Cell) -> None:
        result = await measuring.result(cell)
        likely.discard(cell)
        search.told(cell, fate(result))
        tell(result)

    def ask(cells: Iterable[Cell]) -> None:
        fresh = [cell for cell in cells if cell not in under_way]
        measuring.beside_each_other(fresh)
        under_way.update((cell, asyncio.create_task(measure(cell))) for cell in fresh)
        if fresh:
            run.expect(len(under_way))

    try:
        first = [*controls, *search.wanted()]
        await measuring.started(first)
        ask(first)
        await asyncio.wait(under_way.values(), timeout=GLANCE_S)
        late = (cell for cell in first if not under_way[cell].done())
        likely.update(cell for cell in late if not measuring.is_turned_away(cell))
        for cell in likely:
            search.told(cell, "held")
        while True:
            ask(wanted := search.wanted())
            pending = [under_way[cell] for cell in (*first, *wanted) if not under_way[cell].done()]
            if not pending:
                break
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in under_way.values():
            task.cancel()
        await asyncio.gather(*under_way.values(), return_exceptions=True)
        for cell in likely:
            search.forget(cell)
