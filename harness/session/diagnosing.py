"""A diagnosis: the cells of a chain that a search wants, measured side by side until it wants no more.

Rules: programs start first. What holds takes seconds to be known, and what streams waits for others of its chain; what
both look like is seen at once. So the search goes on with that, and asks early for what it will want if that is so. It
is over when it wants nothing more by what is known for sure. What is measured and not wanted any more is given up; once
a stream was turned away by a limit, so is all that was asked for early, and one cell is measured at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from harness.diagnosis.manner import manner
from harness.diagnosis.price import price
from harness.diagnosis.search import Fate, Search, fate
from harness.errors import Complaint, InputError
from harness.matrix.mitigations import is_detour, may_be_proposed
from harness.matrix.references import control_of
from harness.matrix.replacements import replacements
from harness.measure.sights import Sight
from harness.model import (
    REQUESTS,
    WORKLOAD_KEYS,
    Cell,
    Deployment,
    Mitigation,
    Recording,
    Result,
    chain_text,
    hop_as_given,
    to_diagnose,
)
from harness.resources import configs
from harness.session.jobs import Job, matrix_of, of_options, own_of
from harness.session.standing import AS_FOUND, as_options_say
from harness.store.runs import Run

CHEAPEST = 3
"""So many cheap mitigations are named to whoever tries by hand."""


class Measuring(Protocol):
    """What measures cells: a runner, or one that plays."""

    on_sight: Callable[[Cell, Sight], object]
    slowly: bool

    async def started(self, cells: Iterable[Cell], needed: Cell) -> None: ...

    def beside_each_other(self, cells: Iterable[Cell]) -> None: ...

    def give_up(self, cells: Iterable[Cell]) -> None: ...

    async def result(self, cell: Cell) -> Result: ...


def diagnosis(
    axes: Mapping[str, object],
    workload: Mapping[str, object],
    file: str | None = None,
    deployment: Deployment = AS_FOUND,
    recording: Recording | None = None,
) -> Job:
    """Return the job of a chain of which is to be found out what holds, with every mitigation that concerns it.

    `axes` and `workload` are keys of a matrix file, `file` one whose own proxies, configs and fixes may be named, and
    which may have nothing else; `deployment` says how the one config of the user's stands in the chain. With a
    `recording`, that is replayed.
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
        "chain": ">".join(hop_as_given(hop, job.matrix.own if file else job.own) for hop in cell.chain)
    }
    axes |= {"request": list(dict.fromkeys([*usual, cell.request])), "client": cell.client}
    axes |= {} if load.recording else {"format": cell.format, "body": cell.body}
    workload = {key: getattr(load, key) for key in WORKLOAD_KEYS if key != "exact" and hasattr(load, key)}
    mine = {hop.bare: said for hop in cell.chain if (said := job.deployed.get(hop.bare))}
    return diagnosis(axes, workload, file, as_options_say(mine), load.recording)


def _own(file: str) -> tuple[dict[str, object], Path]:
    """Return what a matrix file brings of its own, configs that only its chains name included, and its folder.

    Raises InputError for what is wrong in that; what it would measure itself, if anything, is not the question.
    """
    keys, folder = own_of(file)
    with contextlib.suppress(InputError):
        (matrix, _), named = matrix_of(file), dict(keys)
        profiles: Any = named.get("profiles", {})
        own: Any = named.get("variants", {})
        variants = {proxy: dict(those) for proxy, those in own.items()}
        for hop, config in matrix.own.items():
            if hop.proxy not in matrix.proxies and hop.variant not in profiles.get(hop.proxy, {}):
                variants.setdefault(hop.proxy, {}).setdefault(hop.variant, str(config))
        return {**keys, "variants": variants}, folder
    return keys, folder


def search_of(job: Job) -> Search:
    """Return the search for what mends a job's chain, which was told nothing yet."""
    layers = [cell for cell in job.cells if cell.chain and not cell.mitigations]
    catalogue, requests = job.matrix.catalogue, job.matrix.requests
    asked = {name for cell in job.cells for name in cell.mitigations}
    names = [name for name, one in catalogue.items() if one.entry in asked and not _is_known_apart(one, layers[0])]
    return Search(layers, catalogue, names, lambda cell: may_be_proposed(cell, catalogue, requests))


def _is_known_apart(one: Mitigation, layer: Cell) -> bool:
    """Tell whether all that a mitigation does is to edit several configs, each of which is a mitigation of its own."""
    return len(one.edited) > 1 and not any(replacements(hop, one) for hop in layer.chain)


def to_try(job: Job, cell: Cell, run: Path = Path()) -> tuple[str, str]:
    """Return what to type to have a cell's chain diagnosed, and which mitigations to try by hand: the cheapest ones,
    and those of its hops' own configs. The `run` has what it replays, if it does.
    """
    named = Path(job.matrix.file) if job.matrix.text else None
    file = str(named) if named and not named.absolute().is_relative_to(configs().absolute()) else ""
    replayed = run / cell.workload.recording.file if cell.workload.recording else None
    declared = job.matrix.deployed if file else {}
    command = shlex.join(to_diagnose(cell, job.own, job.deployed, file, declared, replayed))
    catalogue, requests = job.matrix.catalogue, job.matrix.requests
    able = [name for name, one in catalogue.items() if name == one.entry and name not in cell.mitigations]
    able = [name for name in able if may_be_proposed(replace(cell, mitigations=(name,)), catalogue, requests)]
    able = [name for name in able if not is_detour(catalogue[name], cell.format)]
    able.sort(key=lambda name: price((name,), catalogue, cell.format))
    chosen = dict.fromkeys([*able[:CHEAPEST], *(name for name in able if catalogue[name].cost == "config")])
    return command, ", ".join(f"-m {name}" for name in chosen)


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

    It is told each result before `tell` is, and keeps what it saw of the cells that nobody waited for. Raises
    InputError for what is wrong in a config without which the chain cannot start.
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
    unseen, limited, asked_alone = set[Cell](), set[Cell](), set[Cell]()
    is_proven, turned = False, asyncio.Event()

    def sighted(cell: Cell, sight: Sight) -> None:
        looks: Fate = "refused" if sight == "limited" else sight
        if cell in under_way and not under_way[cell].done():
            unseen.discard(cell)
            if sight == "limited" and not limited:
                turned.set()
            limited.update([cell] if sight == "limited" else [])
            if search.looks.get(cell) != looks and not unseen:  # before that nothing more will be wanted
                turned.set()
            search.looks[cell] = looks

    def is_limited() -> bool:
        """Tell whether requests are: not where a mitigation that all have whom nobody let through yet may be why."""
        return is_proven or bool(
            limited and not frozenset.intersection(*(frozenset(one.mitigations) for one in limited))
        )

    async def measure(cell: Cell) -> None:
        nonlocal is_proven
        result = await measuring.result(cell)
        if away := result.facts.turned_away:
            (limited.add if away.is_by_limit else limited.discard)(cell)
            is_proven |= away.is_by_limit
        search.told(cell, fate(result), manner(result))
        tell(result)

    def ask(cells: Iterable[Cell], alone: bool = False) -> None:
        fresh = [cell for cell in cells if cell not in under_way]
        measuring.beside_each_other(() if alone else fresh)
        under_way.update((cell, asyncio.create_task(measure(cell))) for cell in fresh)
        if fresh:
            run.expect(len(under_way))

    def ask_one(needed: Sequence[Cell]) -> None:
        """Give up what was asked for early, and go on with one cell, when all that is before it is done."""
        pending = [cell for cell, task in under_way.items() if cell not in first and not task.done()]
        given_up = [cell for cell in pending if cell not in asked_alone or cell not in needed]
        for cell in given_up:
            under_way.pop(cell).cancel()
            search.looks.pop(cell, None)
        measuring.give_up(given_up)
        if all(task.done() for task in under_way.values()):
            asked_alone.update(needed[:1])
            ask(needed[:1], alone=True)

    first = [*controls, *search.wanted()]
    measuring.on_sight = sighted
    turning = asyncio.create_task(turned.wait())
    try:
        await measuring.started(first, search.layers[0])
        ask(first)
        while True:
            search.one_by_one = measuring.slowly = is_limited()
            needed, guessed = search.wanted(), list[Cell]()
            if search.one_by_one:
                ask_one(needed)
            else:
                ask(needed)
                ask(guessed := search.wanted(search.looks))
            unseen.clear()
            unseen.update(guessed)
            if all(cell in under_way and under_way[cell].done() for cell in (*first, *needed)):
                break
            pending = {task for task in under_way.values() if not task.done()}
            done, _ = await asyncio.wait({*pending, turning}, return_when=asyncio.FIRST_COMPLETED)
            if turning in done:
                turned.clear()
                turning = asyncio.create_task(turned.wait())
            for task in done & pending:
                task.result()
    finally:
        for task in (turning, *under_way.values()):
            task.cancel()
        await asyncio.gather(turning, *under_way.values(), return_exceptions=True)
