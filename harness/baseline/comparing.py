"""What became of each cell since a baseline was written, as a change that its result carries into every report. Pure.

    worse, gone, another cell     fail
    not measured                  the run says too little
    better, other, new, another version    are told; `strict` lets them fail, too
    nothing                       passes: it is what was expected

Rules: what a name in an id stands for is compared first, for of another cell no verdict says anything. What may be a
newer harness's doing fails nothing, and that is said: of a cell that rules of another number have judged what is worse,
or too short to tell by now, and beside another version also a definition that is another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.baseline.addresses import cell_of
from harness.baseline.changes import Difference, differences
from harness.baseline.keeping import asked_otherwise, defined_otherwise, platform_of, programs_of, redefined
from harness.documents.document import Document
from harness.judge.rules import RULES
from harness.model import Baseline, Change, Changed, ChangedFile, Result, RunInfo

UNSURE: Change = "not measured"
FAILING: tuple[Change, ...] = ("worse", "gone", "another cell", UNSURE)
KINDS: Sequence[Change] = (*FAILING, "other", "better", "another version", "new")


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that changed: the results, each with its change, those of cells that are gone at the end, or `forgotten`, if
    nobody minds; and what changed of configs.

    Sentences, or nothing: `other_rules`, if cells were judged by rules that are not today's; `other_harness`, if
    another version has other definitions; `new_platform`, if it has no versions of this one; `only_a_part`, if what is
    gone is not looked for.
    """

    was: Baseline
    results: Sequence[Result]
    forgotten: Sequence[Result]
    files: Sequence[ChangedFile]
    other_rules: str = ""
    other_harness: str = ""
    new_platform: str = ""
    only_a_part: str = ""

    def of(self, *kinds: Change) -> list[Result]:
        """Return the results that changed in one of these ways."""
        return [one for one in self.all if one.changed and one.changed.kind in kinds]

    @property
    def all(self) -> list[Result]:
        """The results, and those of cells that are gone."""
        return [*self.results, *self.forgotten]


def compared(
    was: Baseline,
    now: Baseline,
    run: RunInfo,
    results: Sequence[Result],
    here: Collection[str],
    concerns: Callable[[str], bool] = lambda cell_id: True,
    files: Sequence[ChangedFile] = (),
    fails: Sequence[Change] = FAILING,
    unknown: Collection[str] = (),
) -> Comparison:
    """Return what became of the cells of a run, `now` being what is kept of it.

    `here` are the cells that it was to measure: what it lacks of them is not measured, and of others gone, as far as
    `concerns` tells that this run is about them. What `fails` are all of `KINDS` if nothing may change, and none if it
    is to be written anew. Of cells that are `unknown` the baseline has nothing to say, so that they are not new.
    """
    other_rules = {cell: rules for cell in was.cells if (rules := was.rules_of(cell)) != RULES}
    by_id = {one.id: one for one in results}
    told = [by_id[cell] if cell in unknown else _with_change(by_id[cell], was, now, files) for cell in sorted(by_id)]
    gone = (cell for cell in sorted(was.cells) if cell not in by_id and concerns(cell))
    told += [_gone(was, cell, known=cell in here) for cell in gone]
    own = _own_names(run)
    spared = {one.id for one in told if _is_of_harness(one, was, now, own)} if fails == FAILING else set()
    held = [
        _failing(one, one.changed) if one.changed and one.changed.kind in fails and one.id not in spared else one
        for one in told
    ]
    platform = platform_of(run)
    new = f"{was.name} has no versions of {platform}" if was.programs and platform not in was.programs else ""
    gone_well = [one for one in held if one.changed and one.changed.kind == "gone" and not one.changed.fails]
    told = [one for one in held if one not in gone_well]
    redefined_by_it = any(one.id in spared and one.changed and one.changed.kind == "another cell" for one in told)
    other_harness = _other_harness(was, now) if redefined_by_it else ""
    return Comparison(was, told, gone_well, files, _other_rules(was, other_rules), other_harness, new)


def _own_names(run: RunInfo) -> Collection[tuple[str, str]]:
    """Return axis and name of what a run's matrix file defines itself, which no other harness has made another."""
    if not run.matrix_text:
        return ()
    document = Document(run.matrix_text, run.matrix_file)
    sections = {"request": "requests", "mitigations": "mitigations"}
    return {(axis, name) for axis, section in sections.items() for name in document.keys(section)}


def _is_of_harness(result: Result, was: Baseline, now: Baseline, own: Collection[tuple[str, str]]) -> bool:
    """Tell whether a cell may be another than it was as another harness measures, or judges, it."""
    kind = result.changed.kind if result.changed else None
    judged_otherwise = was.rules_of(result.id) != now.rules
    if kind == "another cell":
        is_other = judged_otherwise or was.harness_version != now.harness_version
        mine = any(one in own for one in defined_otherwise(result.cell, was, now))
        return is_other and not mine and not any(asked_otherwise(result.cell, was, now))
    return judged_otherwise and (kind == "worse" or (kind == UNSURE and result.outcome == "too short"))


def _other_harness(was: Baseline, now: Baseline) -> str:
    """Return that another harness has other definitions, as a sentence."""
    versions = f"harness {was.harness_version}, and this is {now.harness_version}"
    if was.harness_version == now.harness_version:
        versions = f"rules {was.rules} of harness {was.harness_version}, and these are {now.rules}"
    return f"{was.name}: written by {versions}, whose mitigations or request profiles are others: that fails nothing"


def _other_rules(was: Baseline, other: Mapping[str, int]) -> str:
    """Return which cells of a baseline other rules have judged, as a sentence; empty if none."""
    if not other:
        return ""
    which = was.name if len(other) == len(was.cells) else f"{len(other)} of {len(was.cells)} cells of {was.name}"
    numbers = " and ".join(map(str, sorted(set(other.values()))))
    return f"{which}: judged by rules {numbers}; these are rules {RULES}"


def _with_change(result: Result, was: Baseline, now: Baseline, files: Sequence[ChangedFile]) -> Result:
    if not result.cell.chain:
        return result
    had, have = was.cells.get(result.id), now.cells.get(result.id)
    if had is None:
        return replace(result, changed=Changed("new", (f"is {result.verdict or 'too short'}",))) if have else result
    is_renewed = (digest := was.renewed.get(result.id)) is not None and digest == now.renewed.get(result.id)
    mine, versions = () if is_renewed else _files_of(result, files), tuple(_versions(result, was, now))
    others = tuple(redefined(result.cell, was, now)) if have else ()
    if others:
        return replace(result, changed=Changed("another cell", others))
    if have is None or (had.verdict and not have.verdict):
        return replace(result, changed=Changed(UNSURE, (f"was {had.verdict or 'too short'}",), mine, versions))
    found = differences(result.id, was.cells, now.cells)
    if not found and not versions:
        return replace(result, outcome="pass") if result.outcome == "observed" else result
    kind = _kind(found) if found else "another version"
    return replace(result, changed=Changed(kind, tuple(map(str, found)), mine, versions))


def _kind(found: Sequence[Difference]) -> Change:
    """Return which way a cell went: worse if anything of it did."""
    turns = {one.turn for one in found}
    return "worse" if "worse" in turns else "better" if "better" in turns else "other"


def _versions(result: Result, was: Baseline, now: Baseline) -> Iterator[str]:
    """Yield the programs of a cell that have another version than they had on this platform."""
    (platform,) = now.programs
    had = was.programs.get(platform, {})
    for program, version in programs_of(result).items():
        if (before := had.get(program)) and version not in before.split(" or "):
            yield f"{program} {version}, was {before}"


def _files_of(result: Result, files: Sequence[ChangedFile]) -> tuple[str, ...]:
    hops_of = {str(hop.unedited) for hop in result.cell.chain}
    return tuple(one.path for one in files if not hops_of.isdisjoint(one.hops))


def _gone(was: Baseline, cell_id: str, known: bool) -> Result:
    """Return what a run comes to that lacks a cell."""
    had = was.cells[cell_id].verdict or "too short"
    changed = Changed(UNSURE if known else "gone", (f"was {had}",))
    why = "the run has not measured it" if known else "this run was not to measure it"
    return Result(cell_id, cell_of(cell_id, was.workloads), "error" if known else "observed", why, changed=changed)


def _failing(result: Result, changed: Changed) -> Result:
    """Return a result that fails for its change. Its own reason stays, as does what says that it is not known."""
    known = result.outcome in ("pass", "fail", "observed")
    return replace(result, changed=replace(changed, fails=True), outcome="fail" if known else result.outcome)
