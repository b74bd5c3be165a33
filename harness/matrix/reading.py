"""A matrix file, read into cells.

    axes, include   every combination of their values is a cell; a block of `include` takes what it leaves out from
                    `axes`. Without a chain `axes` are no cells of their own, only what the blocks start from.
    exclude         takes cells away again, wherever they came from.
    references      the control (direct, no mitigation) and the baseline (no mitigation) of a cell stand before it, and
                    before each paced one its twin, which is the same cell in lockstep.

Rules: equal cells collapse, the order is that of the file; globs match whole ids, and `*` crosses `/`;
a mitigation that concerns some chains of a block is left out of its others, and one that `all` stands for of whatever
cell cannot have it; a name, glob or combination that cannot be meant is an error here, not a surprise in the run.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath, PurePosixPath
from typing import Any

from pydantic import ValidationError

from harness.documents.document import Document
from harness.documents.programs import OwnProxyShape
from harness.errors import Complaint, InputError, KeyPath, SelectionError, allowed
from harness.matrix import field_reports, mitigations
from harness.matrix.chains import Canonical, Chains, OwnProxy
from harness.matrix.globs import TYPED, matches, matching, meant, near
from harness.matrix.names import Names
from harness.matrix.references import StandIns, baseline_of, referenced
from harness.matrix.requests import Requests
from harness.matrix.shapes import Axes, Exclusion, MatrixShape
from harness.model import (
    AXES,
    Cell,
    Deployment,
    Expectation,
    FieldReport,
    Hop,
    Mitigation,
    Pace,
    Recording,
    Workload,
)

MAX_CELLS = 20_000
OWN = ("mitigations", "variants", "profiles", "requests", "proxies")
CELLS = {"workloads": {"any": {"tokens": 1, "token_bytes": 64}}, "axes": {"chain": "direct"}}
"""What stands in for the cells of a file that only brings what is its own."""
DEFAULTS = Axes.model_validate({name: axis.default for name, axis in AXES.items()})

Edits = Callable[[Mapping[Hop, PurePath], Mapping[Hop, Deployment]], Callable[[Hop, Mitigation], bool]]

Block = tuple[KeyPath, dict[str, tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Known:
    """What a matrix file may name without defining it.

    `proxies` has the variants (or profiles) of each, `names` those of each axis whose names plug-ins provide.
    `suffixes` tells how the files of each proxy end, `stand_ins` which clients have their controls read by another.
    `own_proxy` looks at a proxy of the file's own, by its name, `recording` reads one; they raise InputError.
    `rewriting` are clients that write messages anew. `editable` are the proxies whose configs mitigations can edit;
    `edits` tells, of those of the user's and how they are deployed, which one changes.
    """

    proxies: Mapping[str, Sequence[str]]
    names: Mapping[str, Sequence[str]]
    mitigations: Mapping[str, Mitigation]
    requests: Requests
    canonical: Canonical = field(default_factory=dict)
    suffixes: Mapping[str, str] = field(default_factory=dict)
    stand_ins: StandIns = field(default_factory=dict)
    own_proxy: Callable[[str, OwnProxyShape], OwnProxy] | None = None
    editable: Collection[str] = ()
    edits: Edits | None = None
    recording: Callable[[str], Recording] | None = None
    rewriting: Collection[str] = ()

    def on_axes(
        self, workloads: Collection[str], own_mitigations: Iterable[str], own_requests: Iterable[str]
    ) -> Mapping[str, Collection[str]]:
        """Return what can be named on each axis, in a file that has these of its own."""
        named = list(dict.fromkeys([*self.mitigations, *own_mitigations]))
        requests = list(dict.fromkeys([*self.requests, *own_requests]))
        return {**self.names, "workload": workloads, "mitigations": named, "request": requests}


@dataclass(frozen=True, slots=True)
class Matrix:
    """What a matrix file says. `cells` and `catalogue` are complete: with references, with the file's own entries.
    `asked` are the cells that it asks for itself, `recordings` the paths of those that it replays, as written.

    `own` are the hops that run a config of the user's, with its path as written: relative to the matrix file, and
    `deployed` how they stand in a chain, as far as that is said.
    `proxies` are those of its own, `places` where in it each is, `stand_ins` those that its references were made with.
    """

    file: str
    text: str
    title: str
    cells: tuple[Cell, ...]
    workloads: Mapping[str, Workload]
    catalogue: Mapping[str, Mitigation]
    requests: Requests
    expectations: tuple[Expectation, ...]
    own: Mapping[Hop, PurePath]
    stand_ins: StandIns
    proxies: Mapping[str, OwnProxyShape] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    report: FieldReport | None = None
    deployed: Mapping[Hop, Deployment] = field(default_factory=dict)
    asked: tuple[Cell, ...] = ()
    recordings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the matrix is called for short: the file's name without its ending."""
        return PurePosixPath(self.file).stem


def parse(source: str | Mapping[str, object], file: str, known: Known) -> Matrix:
    """Read the text of a matrix file, or its data where there is no file. Raises InputError with all that is wrong."""
    return _read(Document(source, file), known)


def _read(document: Document, known: Known) -> Matrix:
    try:
        shape = document.shape(MatrixShape)
    except InputError:
        _unknown_names(document, known)
        document.settle()
        raise
    return _Reader(document, shape, known).matrix()


def brought(text: str, file: str, known: Known) -> dict[str, object]:
    """Return the keys of a file with what is its own whatever cells it has: a matrix file, or one with these alone.

    Raises InputError with all that is wrong in it.
    """
    document = Document(text, file)
    keys = document.keys()
    own = {key: document.at(key) for key in OWN if key in keys}
    if isinstance(document.data, dict) and not {*CELLS, "include"} & {*keys}:
        if not own:
            document.reject(tuple(keys[:1]), f"nothing in it is your own; {allowed((keys or [''])[0], OWN)}")
            document.settle()
        document.data = {"title": file, **CELLS, **document.data}
    _read(document, known)
    return own


def title(text: str) -> str:
    """Return the title of a matrix file, which can be read."""
    return str(Document(text).at("title"))


def workload_names(text: str, file: str) -> list[str]:
    """Return what a matrix file calls its workloads. Raises InputError if it has no keys and values."""
    return Document(text, file).keys("workloads")


def expand(matrix: Matrix, pace: Pace | None = None) -> tuple[Cell, ...]:
    """Return all cells, references included; all at `pace` if one is given."""
    cells = (replace(cell, pace=pace) if pace else cell for cell in matrix.cells)
    return referenced(cells, matrix.stand_ins)


def select(cells: Sequence[Cell], only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[Cell, ...]:
    """Return the cells that a glob of `only` means (any cell if there is none) and none of `skip`."""
    ids = [cell.id for cell in cells]
    taken, left = meant(only or ["*"], ids), meant(skip, ids)
    chosen = tuple(cell for cell, one in zip(cells, ids, strict=True) if taken(one) and not left(one))
    if not chosen:
        asked = " ".join([f"--only {glob!r}" for glob in only] + [f"--skip {glob!r}" for glob in skip])
        hint = near([*only, *skip, ""][0], ids, TYPED)
        raise SelectionError(f"none of the {len(cells)} cells is left by {asked or 'the matrix'}{hint}")
    return chosen


def schema() -> dict[str, Any]:
    """Return the JSON schema of a matrix file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **MatrixShape.model_json_schema()}


def _unknown_names(document: Document, known: Known) -> None:
    """Note unknown names in a file whose shape is wrong, so that one round tells both; its own are let pass."""
    own = {proxy: document.keys("variants", proxy) + document.keys("profiles", proxy) for proxy in known.proxies}
    proxies = {proxy: [*names, *own[proxy]] for proxy, names in known.proxies.items()}
    chains = Chains(document, proxies, known.canonical, known.suffixes)
    chains.pass_over(document.keys("proxies"))
    names = Names(document, chains, known.on_axes(*map(document.keys, ("workloads", "mitigations", "requests"))))
    include = document.at("include")
    blocks: list[KeyPath] = [("axes",)]
    blocks += [("include", index) for index in range(len(include) if isinstance(include, list) else 0)]
    for path, axis in itertools.product(blocks, AXES):
        with contextlib.suppress(ValidationError):
            names.values(Axes.model_validate({axis: document.at(*path, axis)}), path)


class _Reader:
    """Makes cells of one file's shape, and notes in its document what cannot be meant."""

    def __init__(self, document: Document, shape: MatrixShape, known: Known) -> None:
        self._document = document
        self._shape = shape
        self._known = known
        self._chains = Chains(document, known.proxies, known.canonical, known.suffixes)
        self._workloads = {
            name: workload.named(name, self._recording(name)) for name, workload in shape.workloads.items()
        }
        self._catalogue = dict(known.mitigations)
        self._requests = dict(known.requests)

    def _recording(self, workload: str) -> Recording | None:
        """Return the recording that a workload names."""
        file = self._shape.workloads[workload].recording
        if file is None:
            return None
        path = ("workloads", workload, "recording")
        if self._known.recording is None:
            self._document.reject(path, "no recordings can be named here")
            return None
        try:
            return self._known.recording(file)
        except InputError as error:
            self._document.reject(path, str(error))
            return None

    @property
    def _applying(self) -> tuple[Mapping[str, Mitigation], Requests]:
        return self._catalogue, self._requests

    def matrix(self) -> Matrix:
        """Return what the file says."""
        self._own_proxies()
        variants = self._shape.variants
        files = {proxy: {name: one.file for name, one in named.items()} for proxy, named in variants.items()}
        self._chains.declare("variants", files)
        self._chains.declare("profiles", self._shape.profiles)
        self._own_mitigations()
        self._own_requests()
        deployed = {
            Hop(proxy, name): one.deployment
            for proxy, named in variants.items()
            for name, one in named.items()
            if one.deployment
        }
        blocks = self._blocks()
        self._document.settle()
        if self._known.edits:
            changes = self._known.edits(self._chains.own, deployed)
            self._catalogue = mitigations.placed(self._catalogue, self._chains.own, changes)
        origins: dict[Cell, KeyPath] = {}
        meant: set[tuple[KeyPath, tuple[str, ...]]] = set()
        for path, block in blocks:
            for values in itertools.product(*(block[axis] for axis in AXES)):
                cell = _as_recorded(Cell(**dict(zip(AXES, values, strict=True))))
                origins.setdefault(cell, path)
                if (path, cell.mitigations) not in meant and mitigations.concerned(cell, *self._applying):
                    meant.add((path, cell.mitigations))
        for index, exclusion in enumerate(self._shape.exclude):
            self._exclude(origins, exclusion, ("exclude", index))
        self._leave_out(origins, meant)
        self._contradictions(origins)
        cells = referenced(origins, self._known.stand_ins)
        expectations = tuple(self._expectations(cells))
        report = field_reports.of_file(self._document, self._shape.report, cells)
        self._document.settle()
        return Matrix(
            file=self._document.file,
            text=self._document.text,
            title=self._shape.title,
            cells=cells,
            workloads=self._workloads,
            catalogue=self._catalogue,
            requests=self._requests,
            expectations=expectations,
            own=self._chains.own,
            deployed=deployed,
            asked=tuple(origins),
            recordings=tuple(load.recording for load in self._shape.workloads.values() if load.recording),
            stand_ins=self._known.stand_ins,
            proxies=self._shape.proxies,
            places={name: str(self._document.place(("proxies", name))) for name in self._shape.proxies},
            report=report,
        )

    def _own_proxies(self) -> None:
        for name, shape in self._shape.proxies.items():
            if self._known.own_proxy is None:
                self._document.reject(("proxies", name), "no proxies of your own can be named here")
                self._chains.pass_over([name])
                continue
            try:
                self._chains.own_proxy(name, self._known.own_proxy(name, shape))
            except InputError as error:
                self._document.reject(("proxies", name), str(error))
                self._chains.pass_over([name])

    def _own_mitigations(self) -> None:
        for name, shape in self._shape.mitigations.items():
            if name in mitigations.RESERVED or name in self._catalogue:
                why = mitigations.RESERVED.get(name, "is in the catalogue already")
                self._document.reject(("mitigations", name), f"this name {why}; choose another")
            else:
                self._catalogue[name] = shape.named(name)
            for proxy in shape.edit:
                if proxy not in self._known.editable:
                    why = f"no config for {proxy!r} can be edited; {allowed(proxy, self._known.editable)}"
                    self._document.reject(("mitigations", name, "edit", proxy), why)

    def _own_requests(self) -> None:
        for name, shape in self._shape.requests.items():
            if name in self._requests:
                self._document.reject(("requests", name), "there is a profile of this name already; choose another")
            else:
                self._requests[name] = shape.named(name)

    def _blocks(self) -> list[Block]:
        """Return what is to be multiplied, with the places in the file that say so."""
        known = self._known.on_axes(self._workloads, self._shape.mitigations, self._shape.requests)
        names = Names(self._document, self._chains, known)
        given = self._shape.axes.model_dump(exclude_none=True)
        start = names.values(DEFAULTS.model_copy(update=given), ("axes",))
        start.setdefault("workload", tuple(self._workloads.values()))
        blocks: list[Block] = [(("axes",), start)] if "chain" in start else []
        for index, axes in enumerate(self._shape.include):
            path = ("include", index)
            block = start | names.values(axes, path)
            if "chain" in block:
                blocks.append((path, block))
            else:
                self._document.reject(path, "no chain, neither here nor in axes")
        if not blocks:
            self._document.reject((), "no cells: give axes.chain, or include blocks with a chain")
        count = sum(math.prod(len(block[axis]) for axis in AXES) for _, block in blocks)
        if count > MAX_CELLS:
            self._document.reject((), f"{count} cells are too many; at most {MAX_CELLS}")
        return blocks

    def _exclude(self, origins: dict[Cell, KeyPath], exclusion: Exclusion, path: KeyPath) -> None:
        excluded = [cell for cell in origins if _excludes(exclusion, cell)]
        if not excluded:
            hint = near(exclusion.cells[0], [cell.id for cell in origins]) if exclusion.cells else ""
            self._document.reject(path, f"excludes nothing: no cell matches{hint}")
        for cell in excluded:
            del origins[cell]

    def _leave_out(self, origins: dict[Cell, KeyPath], meant: Container[tuple[KeyPath, tuple[str, ...]]]) -> None:
        """Take away the cells that a mitigation does not concern, if it concerns others of the block; baselines stay.

        `meant` has what concerns some cell of a block, be that of an earlier one, too, or excluded.

        Of `all` mitigations those are taken away that a cell cannot have, for whatever reason.
        """
        for cell, path in list(origins.items()):
            elsewhere = (path, cell.mitigations) in meant and not mitigations.concerned(cell, *self._applying)
            if elsewhere or (self._is_one_of_all(cell, path) and mitigations.objections(cell, *self._applying)):
                del origins[cell]
                origins.setdefault(baseline_of(cell), path)

    def _is_one_of_all(self, cell: Cell, path: KeyPath) -> bool:
        """Tell whether nobody has named a cell's mitigation, which is one of those that `all` stands for."""
        block = self._document.at(*path, "mitigations") or self._document.at("axes", "mitigations")
        return len(cell.mitigations) == 1 and "all" in (block if isinstance(block, list) else [block])

    def _contradictions(self, origins: Mapping[Cell, KeyPath]) -> None:
        """Note what speaks against cells: at the key that is to blame, in the block that the cells are of."""
        refused: dict[Complaint, list[Cell]] = defaultdict(list)
        asked = ((one, path) for cell, path in origins.items() for one in (baseline_of(cell), cell))
        for cell, path in dict.fromkeys(asked):
            for objection in self._objections(cell):
                section, *key = objection.path
                place = (*path, *key) if section == "axes" else objection.path
                refused[replace(objection, path=place)].append(cell)
        for objection, cells in refused.items():
            more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
            self._document.reject(objection.path, f"cell {cells[0].id}{more}: {objection.message}")

    def _objections(self, cell: Cell) -> list[Complaint]:
        if cell.workload.recording and cell.client in self._known.rewriting:
            why = f"{cell.client} shows messages and no bytes, by which alone what is recorded can be recognised"
            return [Complaint(why, ("axes", "client"))]
        recording = cell.workload.recording
        if recording and recording.coding and self._offers_coding(cell.request):
            why = f"{cell.request} offers codings: the application {recording.compresses}"
            mended = filter(None, (f"{why}, and what is recorded is not compressed", recording.to_mend))
            return [Complaint(": ".join(mended), ("axes", "request"))]
        if objections := mitigations.objections(cell, *self._applying):
            return objections
        chain = tuple(hop.unedited for hop in mitigations.chain(cell, self._catalogue))
        return [Complaint(message, ("axes", "mitigations")) for message in self._chains.objections(chain)]

    def _offers_coding(self, request: str) -> bool:
        offered = {name.lower(): value for name, value in self._requests[request].headers}.get("accept-encoding", "")
        return offered not in ("", "identity")

    def _expectations(self, cells: Sequence[Cell]) -> Iterator[Expectation]:
        by_id = {cell.id: cell for cell in cells}
        for index, row in enumerate(self._shape.expect):
            path = ("expect", index, "cells")
            meant = matching(by_id, [row.cells])
            if not meant:
                self._document.reject(path, f"{row.cells!r} matches no cell{near(row.cells, list(by_id))}")
            elif row.effect and not any(by_id[name].mitigations for name in meant):
                self._document.reject(path, f"{row.cells!r} matches no cell with mitigations, so none has an effect")
            verdict, effect, shows = tuple(row.verdict or ()), tuple(row.effect or ()), tuple(row.shows or ())
            yield Expectation(row.cells, row.why, verdict, effect, shows, row.head_held)


def _as_recorded(cell: Cell) -> Cell:
    """Return a cell with the format and the framing that its recording has, if it replays one."""
    recording = cell.workload.recording
    return replace(cell, format=recording.format, body=recording.body) if recording else cell


def _excludes(exclusion: Exclusion, cell: Cell) -> bool:
    return all(matches(AXES[key].of(cell) if key in AXES else cell.id, globs) for key, globs in exclusion if globs)
