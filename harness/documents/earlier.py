"""Makes records that an earlier harness wrote into what today's nouns expect. Pure: plain data in, plain data out.

Rules: what is read is never rewritten on disk; a record is known by its shape, for a line of results.jsonl bears no
version; what an earlier harness did not write down stays unknown.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.documents import hops
from harness.errors import InputError
from harness.model import Hop

Fields = dict[str, Any]


def result(fields: Fields) -> Fields:
    """Return a line of results.jsonl as it would be written today. Raises ValueError if it makes no sense."""
    return _with_hops_apart(fields, "cell", ids=("id", "baseline_id"))


def trace(fields: Fields) -> Fields:
    """Return a trace.json as it would be written today. Raises ValueError if it makes no sense."""
    return _with_hops_apart(fields, "plan", ids=("cell_id",))


def _with_hops_apart(fields: Fields, within: str, ids: tuple[str, ...]) -> Fields:
    """Take hops apart whose `variant` is all that follows the colon: version 1 had `plain@uvloop,PAUSE_S=0`.

    Where it had several words, they were in the proxy's order, which their ids follow no more.
    """
    match fields.get(within) if isinstance(fields, dict) else None:
        case {"chain": list(chain), **rest} if any(map(_is_whole, chain)):
            apart = [asdict(_hop(f"{hop['proxy']}:{hop['variant']}")) if _is_whole(hop) else hop for hop in chain]
            again = {key: _id(fields[key]) for key in ids if isinstance(fields.get(key), str)}
            return {**fields, within: {**rest, "chain": apart}, **again}
    return fields


def _is_whole(hop: Any) -> bool:
    match hop:
        case {"proxy": str(), "variant": str(variant)}:
            return "@" in variant
    return False


def _id(text: str) -> str:
    chain, slash, rest = text.partition("/")
    apart = (str(_hop(hop)) if "@" in hop else hop for hop in chain.split(">"))
    return ">".join(apart) + slash + rest


def _hop(text: str) -> Hop:
    try:
        return hops.read(text)
    except InputError as error:
        raise ValueError(str(error)) from error
