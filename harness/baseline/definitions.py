"""What names in ids stand for, as digests: request profiles, and what each mitigation does to each chain. Pure.

Rules: only what is measured counts. No words about it, no cost, no secret; of a mitigation nothing that is for hops
which the chain does not have; and nothing that is as it is by default, so that a newer harness, whose definitions have
more to say, finds the same of what has not changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any

from harness.documents import hops
from harness.model import Cell, Chain, Mitigation, RequestProfile, chain_text, masked_mitigation, shown_value

UNMEASURED = ("name", "claim", "source", "cost", "apply", "edited")
"""What of a definition changes no stream."""


def digests_of(
    cells: Collection[Cell], mitigations: Mapping[str, Mitigation], requests: Mapping[str, RequestProfile]
) -> Mapping[str, Mapping[str, str]]:
    """Return a digest of all that cells name, by axis and key, as far as it is known."""
    asked = {cell.request: requests[cell.request] for cell in cells if cell.request in requests}
    done = {
        key: _done_to(cell.chain, mitigations[name])
        for cell in cells
        for name, key in keys_of(cell)["mitigations"].items()
        if name in mitigations
    }
    return {
        "request": {key: digest(_measured(_masked(one))) for key, one in asked.items()},
        "mitigations": {key: digest(_measured(one)) for key, one in done.items()},
    }


def keys_of(cell: Cell) -> Mapping[str, Mapping[str, str]]:
    """Return the keys of what a cell names, by axis and name: of a mitigation one for each chain."""
    chain = chain_text(cell.chain)
    return {
        "request": {cell.request: cell.request},
        "mitigations": {name: f"{chain}/{name}" for name in cell.mitigations},
    }


def digest(value: object) -> str:
    """Return what stands for plain data: 48 bits, in which the order of keys does not count."""
    said = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _done_to(chain: Chain, one: Mitigation) -> Mitigation:
    """Return a mitigation with only what is for hops of a chain: what a hop is replaced by, or else an edit of it."""
    masked = masked_mitigation(one)
    if one.chain == "direct":
        return replace(masked, edit={})
    bare = {hop.bare for hop in chain}
    replaced = {old: new for old, new in (one.chain or {}).items() if hops.read(old).bare in bare}
    edited = {hop.proxy for hop in bare - {hops.read(old).bare for old in replaced}}
    return replace(masked, chain=replaced or None, edit={key: one.edit[key] for key in edited & one.edit.keys()})


def _masked(one: RequestProfile) -> RequestProfile:
    return replace(one, headers=tuple((name, shown_value(name, value)) for name, value in one.headers))


def _measured(value: Any) -> Any:
    """Return a definition as plain data, without what is as it is by default."""
    if is_dataclass(value):
        told = {one.name: getattr(value, one.name) for one in fields(value) if one.name not in UNMEASURED}
        usual = {one.name: _usual(one) for one in fields(value)}
        return {name: _measured(said) for name, said in told.items() if said != usual[name]}
    if isinstance(value, Mapping):
        return {name: _measured(said) for name, said in value.items()}
    return [_measured(one) for one in value] if isinstance(value, list | tuple) else value


def _usual(one: Field[Any]) -> object:
    return one.default_factory() if one.default_factory is not MISSING else one.default
