"""What becomes of a hop for which a mitigation has a replacement, `old: new`. Pure.

Rules, so that what is asked of a program beside its config is not lost with the config:
- it is for every hop of old's proxy and variant that has all that `old` names: `nginx:default` is for any version;
- what `old` names goes, what `new` names comes, what neither names stays: version and options are carried over;
- a version of `new` takes the place of the hop's, a source that of its source, a setting or pin that of the same name,
  and words are added;
- to another proxy nothing is carried over: a version, a word, a package would mean something else there;
- of several that are for one hop, one that names all that another does and more counts instead of it;
- mitigations that make different things of it go together if each has a replacement for what the others make of it, in
  an order that leads to one hop only: compression for few types and a flush, say, to a variant with both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

from harness.documents import hops
from harness.model import Hop, Mitigation, in_order


def replacements(hop: Hop, one: Mitigation) -> set[Hop]:
    """Return what a mitigation makes of a hop: nothing if it stays, several things if it contradicts itself."""
    if not isinstance(one.chain, Mapping):
        return set()
    pairs = {hops.read(old): hops.read(new) for old, new in one.chain.items()}
    meant = [old for old in pairs if _is_for(old, hop)]
    outdone = {old for old in meant for other in meant if old != other and _is_for(old, other)}
    return {_replaced(hop, old, pairs[old]) for old in meant if old not in outdone}


def replaced_by_all(hop: Hop, several: Sequence[Mitigation]) -> set[Hop]:
    """Return what mitigations make of a hop together: nothing if it stays, several things if they contradict."""
    made = [(one, found) for one in several if (found := replacements(hop, one))]
    at_once = set[Hop]().union(*(found for _, found in made))
    if len(at_once) < 2 or any(len(found) > 1 for _, found in made):
        return at_once
    in_turn = {last for order in permutations(one for one, _ in made) if (last := _in_turn(hop, order))}
    return in_turn if len(in_turn) == 1 else at_once


def _in_turn(hop: Hop, order: Sequence[Mitigation]) -> Hop | None:
    """Return what mitigations make of a hop one after the other; None if one has no replacement, or several."""
    for one in order:
        found = replacements(hop, one)
        if len(found) != 1:
            return None
        (hop,) = found
    return hop


def _is_for(old: Hop, hop: Hop) -> bool:
    return old.bare == hop.bare and old.version in ("", hop.version) and set(old.options) <= set(hop.options)


def _replaced(hop: Hop, old: Hop, new: Hop) -> Hop:
    if new.proxy != hop.proxy:
        return new
    stays = {option.decides: option for option in hop.options if option not in old.options}
    comes = {option.decides: option for option in new.options}
    version = new.version or ("" if old.version else hop.version)
    return replace(new, version=version, options=in_order((stays | comes).values()))
