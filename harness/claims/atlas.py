"""The page of proxies: how each streams as it comes, what mends that, in which versions it differs, and why. Pure.

Rules: nothing on it is typed. What it says of streams is computed from the run's cells; the mechanisms are those that
the matrix file gives with its expectations, which the cells met or did not. A mechanism's source is written
`owner/repository@commit:path:line` and becomes a link. Its neighbour is the cell that is most like one of those it is
about and turns out otherwise: there the mechanism ends. `npm/NAME@VERSION:path:line` is a package's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.claims.remedies import fixes, is_pause, lets_go, recipes, whom
from harness.model import AXES, Cell, Chain, Expectation, Hop, Mitigation, Result, RunInfo, streams
from harness.reports import markdown, summary, words
from harness.reports.markup import code, head, row, text, within
from harness.reports.safe import shown
from harness.reports.table import Row, tabulate

INTRO = """\
# The atlas: can I stream through it?

Each proxy as it comes, in its variants and versions, and against whatever may mend it. What streams do was measured,
and `make atlas` measures it again and makes this page; why they do was written by hand, with the source of each, and
stands in the matrix as what is expected (configs/matrices/atlas.yaml). What is *held* comes late, in lumps or at the
end; what is *cut* ends before its time. `request browser, body length` is what is asked as a browser asks, and has a
Content-Length. *Lets go* has what let held tokens go, from the least to the most: so many bytes more, a timer, a pause,
the end. A *layer* is one way to ask: a request, body, format and workload. A fix is the cheapest that was seen to mend
all layers that are held, or else says which; the tables below have all that was tried. That something is held a little
more or less (`reduces`, `harms`) is of this one run: where bytes come together by chance, it may turn out otherwise. A
line of source is of the tag or commit that stands beside it, which may be another than the build that was measured,
where no lines of that were to be had. Each chapter begins with the versions that were measured. What surprises was
[confirmed by hand](confirmed.md), and where that contradicts the atlas."""

SOURCE = re.compile(
    r"\b(?P<repository>[\w.-]+/(?:@[\w.-]+/)?[\w.-]+)@(?P<commit>[\w.-]+):(?P<path>[\w./@+\[\]-]+):(?P<line>\d+)"
)
COMMIT = re.compile(r"[0-9a-f]{40}")
JUDGE_AGAIN = """\
All of it can be judged again: [one file](atlas-run.tar.xz) has the run's records and a trace of every stream, which
`python -m benchmarks.archive docs/atlas-run.tar.xz FOLDER` unpacks for `harness report FOLDER`, `harness show` and all
other commands that read runs. Of compressed bodies of more than 16 KB it has what each read made known, and not their
bytes."""

BY_HAND_OTHERWISE = "<br>[by hand otherwise](confirmed.md#what-contradicts-the-atlas)"
FREES_HEADS = "first-comment"
BY_HAND = dict.fromkeys(("asgi", "wsgi"), "applications.md")
"""Where pages are that are of several."""
JUDGED = ("pass", "fail", "observed")


@dataclass(frozen=True)
class Chapter:
    """What was measured of one proxy: the results of chains in which it stands alone."""

    proxy: str
    results: Sequence[Result]
    catalogue: Mapping[str, Mitigation]

    @cached_property
    def hops(self) -> dict[Hop, list[Row]]:
        """The layers of each variant and version."""
        found: dict[Hop, list[Row]] = {}
        for one in tabulate(self.results, self.catalogue).rows:
            if one.baseline:
                found.setdefault(one.layer.chain[0], []).append(one)
        return found

    @property
    def calm(self) -> list[Hop]:
        """The variants through which everything streams, whatever is asked and however long it is silent."""
        return [hop for hop, rows in self.hops.items() if all(one.streams and not _cuts(one) for one in rows)]

    @cached_property
    def builds(self) -> dict[str, tuple[str, int]]:
        """What ran as each program that was asked for, in its own words, and for how many cells.

        Applications with packages of their own run under one name; all of these packages are told once.
        """
        asked = Counter(result.cell.chain[0].program for result in self.results)
        told = {name: [result.versions[name] for result in self.results if name in result.versions] for name in asked}
        parts = {name: dict.fromkeys(", ".join(versions).split(", ")) for name, versions in told.items()}
        return {name: (", ".join(parts[name]) or "no version told", number) for name, number in asked.items()}


def chapters(run: RunInfo, results: Sequence[Result]) -> list[Chapter]:
    """Return what there is to say of each proxy, by name."""
    found: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result.id):
        if len(result.cell.chain) == 1 and result.outcome in JUDGED:
            found.setdefault(result.cell.chain[0].proxy, []).append(result)
    return [Chapter(proxy, found[proxy], run.mitigations) for proxy in sorted(found)]


def page(run: RunInfo, results: Sequence[Result], contradicted: Container[str] = ()) -> str:
    """Return the page as GitHub Markdown. Of the cells that are `contradicted` something else was seen by hand."""
    found = chapters(run, results)
    layers = [one for chapter in found for rows in chapter.hops.values() for one in rows]
    lines = [
        INTRO,
        "",
        *_summary(found, contradicted),
        *recipes(layers, run.mitigations),
        *(line for chapter in found for line in _chapter(chapter)),
    ]
    lines += ["## How it was measured", "", text(summary.line(run, results)), "", text(_setting(run, results)), ""]
    lines += [JUDGE_AGAIN, ""]
    return shown("\n".join(lines))


def _setting(run: RunInfo, results: Iterable[Result]) -> str:
    """Tell when and where it was measured, and with which clients: the chapters have the versions of all else."""
    programs = {hop.program for result in results for hop in result.cell.chain}
    clients = {name: told for name, told in run.versions.items() if name not in programs}
    return words.setting(replace(run, versions=clients), ())


def _summary(found: Iterable[Chapter], contradicted: Container[str]) -> Iterator[str]:
    yield from head("proxy", "variant", "as it comes", "what it holds or cuts", "lets go", "cheapest fix")
    for chapter in found:
        names = iter([f"**[{text(chapter.proxy)}](#{chapter.proxy})**"])
        if chapter.calm:
            yield row(next(names, ""), "<br>".join(map(_variant, chapter.calm)), "streams", "", "", "")
        for hop, rows in chapter.hops.items():
            if held := [one for one in rows if not one.streams]:
                manners = "<br>".join(dict.fromkeys(text(one.found) for one in held))
                mostly = "streams, but:<br>" if len(held) * 2 < len(rows) else ""
                manners += BY_HAND_OTHERWISE if any(one.layer.id in contradicted for one in held) else ""
                where, by = text(whom(held, rows)), text(lets_go(held))
                fix = fixes(held, chapter.catalogue)
                yield row(next(names, ""), _variant(hop), f"{mostly}{manners}", where, by, fix)
            elif cut := [(one, name) for one in rows for name in _cuts(one)]:
                what = ", ".join(code(name) for name in dict.fromkeys(name for _, name in cut))
                yield row(next(names, ""), _variant(hop), "streams, but is cut", f"with {what}", "", _uncut(cut))
    yield ""


def _cuts(layer: Row) -> list[str]:
    """Return the mitigations that only make a stream last, or pause, with which a layer that streams is cut."""
    return [name for name, one in layer.results.items() if one.verdict == "broken" and is_pause(name)]


def _uncut(cut: Iterable[tuple[Row, str]]) -> str:
    """Return what keeps streams from being cut: what was tried beside the pause and streams."""
    fixes: dict[str, None] = {}
    for layer, name in cut:
        for names, result in layer.results.items():
            more = {*names.split("+")} - {*name.split("+")}
            if name in names.split("+") and more and result.verdict == "streamed":
                fixes |= dict.fromkeys([code("+".join(sorted(more)))])
    return ", ".join(fixes) or "none that was tried"


def _variant(hop: Hop) -> str:
    return code(str(hop).partition(":")[2])


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield f'<a id="{chapter.proxy}"></a>'
    yield ""
    yield f"## {text(chapter.proxy)}"
    yield ""
    yield from _builds(chapter)
    calm = {*chapter.calm}
    if holding := [result for result in chapter.results if result.cell.chain[0] not in calm]:
        tried = {replace(result.cell, mitigations=()) for result in holding if result.cell.mitigations}
        yield from markdown.drawn(tabulate(holding, chapter.catalogue))
        yield ""
        reacting = [result for result in holding if replace(result.cell, mitigations=()) in tried]
        yield from markdown.answered(tabulate(reacting, chapter.catalogue))
    if calm:
        yield f"Stream whatever was asked: {_listed(chapter.calm)}."
        yield ""
    yield from _heads(chapter)
    yield from _versions(chapter)
    yield from _mechanisms(chapter)


def _builds(chapter: Chapter) -> Iterator[str]:
    """Yield how many cells there are, and of which versions: in a line if there is one, else in a table.

    A release of Debian's has one version of each program.
    """
    by_hand = f"By hand: [what is known of it]({BY_HAND.get(chapter.proxy, f'proxies/{chapter.proxy}.md')})."
    cells = words.counted(len(chapter.results), "cell")
    if len(chapter.builds) == 1:
        ((told, _),) = chapter.builds.values()
        only = ", the only one in this release of Debian's" if "(apt " in told else "; no other version was measured"
        yield f"{cells}, all of {text(told)}{only}. {by_hand}"
    else:
        yield f"{cells}. {by_hand}"
        yield ""
        yield from head("asked for", "what ran", "cells")
        for name, (told, number) in sorted(chapter.builds.items()):
            yield row(code(name), text(told), str(number))
    yield ""


def _heads(chapter: Chapter) -> Iterator[str]:
    """Yield through which variants that stream the head waits for the first token, and where a comment frees it."""
    waits = _hops_of(chapter, lambda result: bool(result.facts.head_held) and not result.cell.mitigations)
    freed = _hops_of(chapter, lambda result: result.facts.head_held is False and FREES_HEADS in result.cell.mitigations)
    if waits:
        also = [hop for hop in waits if hop in freed]
        at_once = f" A comment as the first bytes lets it go at once through {_listed(also)}." if also else ""
        yield f"The head waits for the first token, though tokens stream: {_listed(waits)}.{at_once}"
        yield ""


def _hops_of(chapter: Chapter, fits: Callable[[Result], bool]) -> list[Hop]:
    found = (result for result in chapter.results if result.verdict == "streamed" and fits(result))
    return list(dict.fromkeys(result.cell.chain[0] for result in found))


def _listed(hops: Iterable[Hop]) -> str:
    return ", ".join(code(str(hop)) for hop in hops)


# --------------------------------------------------------------------------------------------------------- versions


def _versions(chapter: Chapter) -> Iterator[str]:
    """Yield the cells that turn out otherwise in another version, each with what each version does."""
    asked: dict[Cell, dict[str, str]] = {}
    for result in chapter.results:
        hop = result.cell.chain[0]
        others = tuple(option for option in hop.options if option.kind not in ("source", "pin"))
        bare = replace(result.cell, chain=(replace(hop, version="", options=others),))
        asked.setdefault(bare, {})[_version(result)] = _does(result)
    several = [told for told in asked.values() if len(told) > 1]
    differing = {cell: told for cell, told in asked.items() if len({*told.values()}) > 1}
    if differing:
        yield from head("differs by version", "what each does")
        for cell, told in differing.items():
            yield row(code(cell.id), "<br>".join(f"{text(version)}: {text(does)}" for version, does in told.items()))
        yield ""
    if several:
        alike = len(several) - len(differing)
        asked_of = words.counted(len(several), "cell")
        yield f"{alike} of {asked_of} that several versions were asked came out alike in all."
        yield ""


def _does(result: Result) -> str:
    """Return what a version does, without what is computed from how much of a start it held: that is an upper bound."""
    held = result.facts.start and result.facts.start.held_bytes
    return f"{result.verdict}, holds the start" if held else words.verdict(result)


def _version(result: Result) -> str:
    """Return the version that ran, as its program has it; that which was asked for where it tells none."""
    hop = result.cell.chain[0]
    return re.split(r" \(|, ", result.versions.get(hop.program, ""))[0] or hop.version


# ------------------------------------------------------------------------------------------------------- mechanisms


def _mechanisms(chapter: Chapter) -> Iterator[str]:
    about: dict[str, list[tuple[Expectation, Result]]] = {}
    for result in chapter.results:
        expectation = result.expectation
        if expectation and expectation.cells.startswith(f"{chapter.proxy}:"):
            about.setdefault(expectation.why, []).append((expectation, result))
    if not about:
        return
    detours = {name for name, one in chapter.catalogue.items() if isinstance(one.chain, str)}
    others = [result for result in chapter.results if detours.isdisjoint(result.cell.mitigations)]
    yield "Why, and where it ends:"
    yield ""
    for why, met in about.items():
        results = [result for _, result in met]
        globs = ", ".join(code(one) for one in dict.fromkeys(expectation.cells for expectation, _ in met))
        found = ", ".join(dict.fromkeys(map(words.verdict, results)))
        missed = sum(result.outcome == "fail" for result in results)
        wrong = f" **{missed} of them came out otherwise than that says.**" if missed else ""
        bare = "" if SOURCE.search(why) else " Which line of source does it is not explained."
        yield f"- {globs} ({words.counted(len(met), 'cell')}: {text(found)}): {_linked(why)}{bare}{wrong}"
        of_heads = all(expectation.head_held is not None and _streams(result) for expectation, result in met)
        says = _head if of_heads else words.verdict
        if (
            flip := neighbour(results, list(filter(_streams, others)), _head)
            if of_heads
            else neighbour(results, others)
        ):
            one, other = flip
            axes = " and ".join(axis.noun for axis in AXES.values() if axis.of(one.cell) != axis.of(other.cell))
            yield f"  <br>Another {text(axes)}: {code(one.id)} {text(says(one))},"
            yield f"  {code(other.id)} {text(says(other))}."
    told = {result.cell.chain[0] for met in about.values() for _, result in met}
    if untold := [hop for hop in chapter.hops if hop not in told]:
        yield f"- No mechanism is given here for {_listed(untold)}."
    yield from _unexplained(chapter)
    yield ""


def _streams(result: Result) -> bool:
    return streams(result.verdict, result.shows)


def _head(result: Result) -> str:
    return "has its head held" if result.facts.head_held else "has its head at once"


def _unexplained(chapter: Chapter) -> Iterator[str]:
    """Yield which mitigations did something for which nobody gives a mechanism."""
    found: dict[str, dict[str, None]] = {}
    for result in chapter.results:
        if result.effect in ("defeats", "reduces", "harms") and result.expectation is None:
            does = f"{code('+'.join(result.cell.mitigations))} ({result.effect})"
            found.setdefault(str(result.cell.chain[0].unedited), {})[does] = None
    for hop, effects in found.items():
        yield f"- What these do to {code(hop)} was measured and is not explained: {', '.join(effects)}."


def neighbour(
    met: Iterable[Result], among: Sequence[Result], turns_out: Callable[[Result], object] = _streams
) -> tuple[Result, Result] | None:
    """Return the two cells that are most alike of which one is of `met` and the other turns out otherwise, which is by
    default that it streams where that does not, or the other way round; None if there are none.
    """
    pairs = ((one, other) for one in met for other in among if turns_out(one) != turns_out(other))
    return min(pairs, key=lambda pair: _apart(pair[0].cell, pair[1].cell), default=None)


def _apart(one: Cell, other: Cell) -> tuple[int, bool, int, int]:
    """Tell in how many axes two cells differ; another chain is further off, and one mitigation further than none."""
    differ = sum(axis.of(one) != axis.of(other) for axis in AXES.values())
    return differ, *_hops_apart(one.chain, other.chain), len({*one.mitigations, *other.mitigations})


def _hops_apart(one: Chain, other: Chain) -> tuple[bool, int]:
    """Tell how far two chains of a hop are apart: another variant is further off than another version."""
    (mine,), (its,) = one, other
    options = len({*mine.options} ^ {*its.options})
    return mine.variant != its.variant, (mine.version != its.version) + options


def _linked(why: str) -> str:
    """Return a mechanism in Markdown, with its sources as links."""
    parts: list[str] = []
    at = 0
    for found in SOURCE.finditer(why):
        parts += [within(why[at : found.start()]), _link(**found.groupdict())]
        at = found.end()
    return "".join([*parts, within(why[at:])]).strip()


def _link(repository: str, commit: str, path: str, line: str) -> str:
    short = commit[:12] if COMMIT.fullmatch(commit) else commit
    place = code(path.rpartition("/")[2] + f":{line}")
    where = f"{place} of {text(repository)} {text(short)}"
    owner, _, name = repository.partition("/")
    if owner == "npm":
        return f"[{where}](https://unpkg.com/{name}@{commit}/{path})"
    return f"[{where}](https://github.com/{repository}/blob/{commit}/{path}#L{line})"
