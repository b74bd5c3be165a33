"""What mends what a proxy holds, what lets it go, and what a recipe does wherever it was tried. Pure.

Rules: all of it is computed from cells. A fix is told for the layers that it was seen to mend, and for no others: the
cheapest that mends all of them, or else those that together mend the most. What leaves the chain or its transport is
no fix while anything else works.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.matrix.mitigations import is_detour
from harness.model import LABELS, Cost, Hop, Mitigation, Release
from harness.reports import words
from harness.reports.markup import code, head, row, text
from harness.reports.table import COSTS, Column, Row

RECIPES: tuple[Cost, ...] = ("header", "request", "format", "bytes", "latency")
"""What an application or its reader can do, whatever stands between them."""


def fixes(held: Sequence[Row], catalogue: Mapping[str, Mitigation]) -> str:
    """Return in Markdown what mends some held layers, cheapest first, each with whom it mends where that is not all."""
    told = [(code(name), mended) for name, mended in _chosen(held, catalogue, detours=False)]
    left = _without(held, told)
    around = _chosen(left, catalogue, detours=True)
    for name, mended in around:
        others = max(sum(not _is_around(tried, one, catalogue) for tried in one.results) for one in mended)
        tried = ("nothing else was asked", "not the one other that was tried")
        told_of = tried[others] if others < len(tried) else f"none of the {others} others that were tried"
        told.append((f"{told_of}; around it: {code(name)}", mended))
    left = _without(held, told)
    untried = [one for one in left if not one.results]
    if failed := [one for one in left if one.results]:
        most = max(len(one.results) for one in failed)
        told.append(("none that was tried" if most == 1 else f"none of the {most} that were tried", failed))
    if untried:
        told.append(("not asked", untried))
    if len(told) == 1:
        return told[0][0]
    return "<br>".join(f"{what} ({text(whom(layers, held))})" for what, layers in told)


def _without(layers: Iterable[Row], told: Iterable[tuple[str, Sequence[Row]]]) -> list[Row]:
    mended = [one for _, some in told for one in some]
    return [one for one in layers if one not in mended]


def _chosen(
    held: Sequence[Row], catalogue: Mapping[str, Mitigation], *, detours: bool
) -> list[tuple[str, Sequence[Row]]]:
    """Return columns that defeat as many of the layers as can be, and whom each does.

    The one that defeats most comes first, of those that defeat as many the cheapest.
    """
    left = list(held)
    chosen: list[tuple[str, Sequence[Row]]] = []
    while left:
        mended: dict[Column, list[Row]] = {}
        for one in left:
            for column in one.defeats:
                if _is_around(column.name, one, catalogue) == detours:
                    mended.setdefault(column, []).append(one)
        if not mended:
            break
        best = max(mended, key=lambda column: (len(mended[column]), -COSTS.index(column.cost)))
        chosen.append((best.name, mended[best]))
        left = [one for one in left if one not in mended[best]]
    return chosen


def _is_around(names: str, layer: Row, catalogue: Mapping[str, Mitigation]) -> bool:
    parts = (catalogue[name] for name in names.split("+") if name in catalogue)
    return any(is_detour(part, layer.layer.format) for part in parts)


def whom(some: Sequence[Row], rows: Sequence[Row]) -> str:
    """Tell which of some layers these are, by what tells them apart; by their number where nothing does."""
    if len(some) == len(rows):
        return f"all that was asked ({words.counted(len(rows), 'layer')})"

    def met(axes: Mapping[str, set[str]]) -> int:
        return sum(all(one.value(axis) in values for axis, values in axes.items()) for one in rows)

    telling = {axis: {one.value(axis) for one in some} for axis in LABELS}
    if met(telling) > len(some):
        return f"{len(some)} of {words.counted(len(rows), 'layer')}"
    for axis in reversed(LABELS):
        without = {other: values for other, values in telling.items() if other != axis}
        if met(without) == len(some):
            telling = without
    return ", ".join(f"{axis} {' or '.join(sorted(values))}" for axis, values in telling.items())


def lets_go(held: Iterable[Row]) -> str:
    """Return what let tokens of some held layers go, the least and the most of it: `4 to 4.4 kB more, the end`.

    Of bytes the least is what was not enough, or stayed behind, and the most what had been sent. Of a start the least
    is not known: who takes some milliseconds to let go is sent more meanwhile.
    """
    met = [one.baseline for one in held if one.baseline]
    found = [one.release for one in met if one.release]
    told: list[str] = []
    if starts := [one.facts.start.held_bytes for one in met if one.facts.start and one.facts.start.held_bytes]:
        told.append(f"up to {_rounded(max(starts))} at the start")
    if sizes := [(one.after_bytes - one.resolution_bytes, one.after_bytes) for one in found if one.by == "bytes"]:
        least, most = min(least for least, _ in sizes), _rounded(max(most for _, most in sizes))
        told.append(f"{_between(_rounded(least), most) if least else f'up to {most}'} more")
    for idle, kind in ((False, "a timer"), (True, "a pause")):
        if times := sorted(_ms(one) for one in found if one.by == "timer" and one.idle is idle):
            told.append(f"{kind} of {_between(*(words.duration(ms) for ms in (times[0], times[-1])))}")
    told += ["the end"] if any(one.by == "end" for one in found) else []
    told += ["bytes or a timer"] if any(one.by == "unknown" for one in found) else []
    return ", ".join(told)


def _ms(release: Release) -> float:
    return release.wait_ms if release.held_ms is None else release.held_ms


def _rounded(amount_bytes: int) -> str:
    """Return a size with two digits, for it is known to a token or so: `960 B`, `4.4 kB`, `130 kB`."""
    rounded = float(f"{amount_bytes:.2g}")
    return f"{rounded:g} B" if rounded < 1000 else f"{rounded / 1000:g} kB"


def _between(least: str, most: str) -> str:
    if least == most:
        return least
    number, _, unit = least.partition(" ")
    return f"{number} to {most}" if most.endswith(f" {unit}") else f"{least} to {most}"


# ------------------------------------------------------------------------------------------------------- recipes

RECIPES_ARE = """\
What an application or its reader can do, and to how many variants and versions it does what, where it was tried by
itself on something that is held. What it harms held less without it, or nothing; where a hop lets go as chance has it,
that may be chance."""
DOES: Mapping[str, str] = {
    "defeats": "mends",
    "reduces": "helps a little",
    "no effect": "does nothing",
    "harms": "harms",
}


def recipes(rows: Iterable[Row], catalogue: Mapping[str, Mitigation]) -> Iterator[str]:
    """Yield what each recipe does: to how many variants and versions of whom, and whom it harms.

    What does several things to the layers of one counts as each of them.
    """
    hops: dict[str, dict[str, dict[Hop, None]]] = {}
    for layer in rows:
        for name, result in layer.results.items():
            if result.effect and result.effect in DOES and _is_recipe(name, catalogue):
                met = hops.setdefault(name, {}).setdefault(result.effect, {})
                met[layer.layer.chain[0].unedited] = None
    if not hops:
        return
    yield from ("## What the recipes do", "", RECIPES_ARE, "")
    yield from head("recipe", *DOES.values())
    for name in catalogue:
        if name in hops:
            found = hops[name]
            harmed = ", ".join(code(str(hop)) for hop in found.get("harms", ()))
            yield row(code(name), *(_by_proxy(found.get(effect, ())) for effect in DOES if effect != "harms"), harmed)
    yield ""


def _is_recipe(name: str, catalogue: Mapping[str, Mitigation]) -> bool:
    return name in catalogue and catalogue[name].cost in RECIPES and not is_pause(name)


def is_pause(names: str) -> bool:
    """Tell whether mitigations only make a stream last or pause, or that among others: nobody is to hand that on."""
    return "pause-" in names


def _by_proxy(hops: Iterable[Hop]) -> str:
    """Return how many there are, and how many of each proxy: `5: caddy, nginx 4`."""
    counts = Counter(hop.proxy for hop in hops)
    each = ", ".join(f"{text(proxy)} {number}" if number > 1 else text(proxy) for proxy, number in counts.items())
    return f"**{counts.total()}**: {each}" if counts else ""
