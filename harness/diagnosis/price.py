"""What a set of mitigations costs whoever applies it, as something that sorts: the cheapest comes first. Pure.

Rules: what leaves the chain or takes another transport comes after all else, for it mends nothing; then the dearest
part decides, then how many parts there are (each config that is edited is one), then the bytes that are sent
beside the tokens, then the catalogue's order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import get_args

from harness.matrix.mitigations import is_detour
from harness.model import Cost, Format, Mitigation

COSTS: tuple[Cost, ...] = get_args(Cost)
TOKENS = 32
"""How many tokens a padded stream is taken to have: any number ranks paddings alike."""

Price = tuple[bool, int, int, int, list[int]]


def cost(names: Collection[str], catalogue: Mapping[str, Mitigation]) -> Cost:
    """Return what the dearest of some mitigations asks for; what the catalogue lacks is as dear as can be."""
    return COSTS[max(_cost(name, catalogue) for name in names)]


def price(names: Collection[str], catalogue: Mapping[str, Mitigation], told: Format = "sse") -> Price:
    """Return where a set of mitigations of streams in that format stands. No set is empty."""
    order = {name: place for place, name in enumerate(catalogue)}
    known = [catalogue[name] for name in names if name in catalogue]
    return (
        any(is_detour(one, told) for one in known),
        COSTS.index(cost(names, catalogue)),
        sum(len(catalogue[name].edited) or 1 if name in catalogue else 1 for name in names),
        sum(map(_bytes, known)),
        sorted(order.get(name, len(order)) for name in names),
    )


def _cost(name: str, catalogue: Mapping[str, Mitigation]) -> int:
    return COSTS.index(catalogue[name].cost) if name in catalogue else len(COSTS) - 1


def _bytes(one: Mitigation) -> int:
    """Return how many bytes it sends beside the tokens."""
    prelude, padding = one.prelude.bytes if one.prelude else 0, one.padding.bytes if one.padding else 0
    return prelude + TOKENS * padding
