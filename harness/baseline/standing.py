"""How a config stands in chains, in words that can be committed. Pure.

Rules: of a query, in which a secret may be, only a digest of 12 bits is told: so little leads back to nothing, and one
change in 4096 goes unseen. A baseline of an earlier harness tells only that there is a query, which is then any.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from harness.model import HIDDEN, Deployment

NOTHING_SAID = "nothing in particular"
DIGITS = 3
_DIGEST = re.compile(r"\?([0-9a-f]*)(?=; |$)")


def told(one: Deployment) -> Deployment:
    """Return how a config stands in chains as it can be written down: each path with a digest in place of its query."""
    return replace(one, path=_without_query(one.path), wish=_without_query(one.wish))


def said(one: Deployment) -> str:
    """Return what is told of that as a sentence has it; empty if nobody said anything."""
    words = {"server": one.server, "path": one.path or one.wish, "map": ", ".join(one.map)}
    return "; ".join(f"{name} {value}" for name, value in words.items() if value)


def _without_query(path: str) -> str:
    plain, sign, query = path.partition("?")
    is_known = query and query != HIDDEN
    return f"{plain}{sign}{hashlib.sha256(path.encode()).hexdigest()[:DIGITS] if is_known else ''}"


def alike(was: str, now: str) -> bool:
    """Tell whether two baselines say the same of a config, as far as both tell the query."""
    queries = [found[1] if (found := _DIGEST.search(one)) else None for one in (was, now)]
    return was == now if all(queries) else _DIGEST.sub("?", was) == _DIGEST.sub("?", now)
