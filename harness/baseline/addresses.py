"""A cell, or a hop, by its name alone, as far as a baseline knows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.documents import hops
from harness.errors import InputError, allowed
from harness.model import AXES, Cell, Hop, Workload, parts_of


def without_mitigations(cell_id: str) -> str:
    """Return the id of the same cell without mitigations."""
    return replace(cell_of(cell_id, {}), mitigations=()).id


def hop_of(name: str) -> Hop:
    """Return the hop that a chain calls so. Raises InputError if that is the name of none."""
    return hops.read(name)


def cell_of(cell_id: str, workloads: Mapping[str, Mapping[str, Any]]) -> Cell:
    """Return the cell that has this id, with the workload of that name. Raises InputError if it is the id of none."""
    if (parts := parts_of(cell_id)) is None:
        raise InputError("is no id of a cell")
    for axis, word in parts.items():
        if (words := AXES[axis].words) and word not in words:
            raise InputError(f"is no id of a cell: {word!r} is no {AXES[axis].noun}; {allowed(word, words)}")
    name, chain, mitigations = (parts.pop(axis) for axis in ("workload", "chain", "mitigations"))
    said = workloads.get(name, {})
    rest: Mapping[str, Any] = parts
    return Cell(
        chain=() if chain == "direct" else tuple(map(hops.read, chain.split(">"))),
        workload=Workload(name, said.get("tokens", 1), said.get("token_bytes", 1)),
        mitigations=() if mitigations == "none" else tuple(mitigations.split("+")),
        **rest,
    )
