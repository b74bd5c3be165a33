"""From the results of a run to what is kept of them: verdicts and facts, as coarse as they are known, and no times.

Rules: what was not measured is not kept, and what is unstable is not known; a baseline that is written again keeps what
it had of cells that could not be measured here, and of platforms that this is none of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.baseline.addresses import cell_of, without_mitigations
from harness.baseline.changes import differences, is_unknown_delay
from harness.baseline.definitions import digest, digests_of, keys_of
from harness.baseline.standing import NOTHING_SAID, alike
from harness.judge.rules import ALIKE, ALIKE_MS, HOLD_MS, RULES
from harness.model import (
    AXES,
    WORKLOAD_KEYS,
    Baseline,
    Cell,
    Kept,
    KeptRelease,
    Release,
    RequestProfile,
    Result,
    RunInfo,
    Workload,
    program_name,
    versions_met,
)

ANY_STREAM = "/stream/N"
"""What a config is asked for that leads on whatever is asked."""
MEASURED = ("pass", "fail", "observed", "too short")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run was measured in that its results do not say: how configs stand in chains, by hop; the request profiles
    that there are; the git blob id of each config; which of them a hop is configured by.
    """

    standing: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, RequestProfile] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)


def platform_of(run: RunInfo) -> str:
    """Return the platform that versions of programs are kept for: the system and architecture, not the cores."""
    return ", ".join(run.platform.split(", ")[:2])


def baseline_of(name: str, run: RunInfo, results: Iterable[Result], around: Surroundings) -> Baseline:
    """Return what is kept of a run."""
    known = [one for one in results if one.cell.chain and one.outcome in MEASURED]
    cells = [one.cell for one in known]
    hops = {str(hop) for cell in cells for hop in cell.chain}
    bare = {str(hop.bare) for cell in cells for hop in cell.chain}
    configs = {path for hop in hops for path in around.files.get(hop, ())}
    return Baseline(
        name,
        RULES,
        run.harness_version,
        {one.id: kept(one) for one in known},
        {cell.workload.name: said_of(cell.workload) for cell in cells},
        {
            **dict.fromkeys(bare, ""),
            **_found(known),
            **{hop: said for hop, said in around.standing.items() if hop in bare},
        },
        digests_of(cells, run.mitigations, around.requests),
        {path: blob for path, blob in around.configs.items() if path in configs},
        {cell.id: digest for cell in cells if (digest := _digest_of_configs(cell, around))},
        programs={platform_of(run): versions_met(map(programs_of, known))},
    )


def _found(results: Iterable[Result]) -> Mapping[str, str]:
    """Return what configs are asked for that nobody has said a path of: another config may answer elsewhere."""
    return {
        str(hop.bare): f"path {served.path.partition('?')[0]}"
        for result in results
        for hop in result.cell.chain
        for served in result.facts.served_by
        if served.hop == str(hop) and not served.said and served.path != ANY_STREAM
    }


def with_what_was(now: Baseline, was: Baseline, here: Iterable[str], around: Surroundings = Surroundings()) -> Baseline:
    """Return a baseline with what an earlier one had of the cells `here` that could not be measured now, and of those
    that are what they were: figures that differ by less than they are known to change no line, unless another
    harness wrote it, or the start is better known by now.

    What rests on a name that stands for something else by now is forgotten: it is another cell. What stays was judged
    by the rules that judged it, and a config stays what it was while a cell is left that was measured with that;
    `around` has today's configs of those cells' hops, too.
    """
    kept = {cell: had for cell in here if cell not in now.cells and (had := was.cells.get(cell))}
    stay = {cell: had for cell, had in kept.items() if not redefined(cell_of(cell, was.workloads), was, now)}
    programs = {**was.programs}
    for platform, met in now.programs.items():
        programs[platform] = {**(was.programs.get(platform, {}) if stay else {}), **met}
    standing = {**(was.standing if stay else {}), **now.standing}
    theirs = {cell: _configs_of(cell_of(cell, was.workloads), around) for cell in (*stay, *now.cells)}
    left = {path for cell in stay if not _is_renewed(cell, was, around) for path in _changed(theirs[cell], was)}
    configs = {
        **(was.configs if stay else {}),
        **{path: blob for path, blob in now.configs.items() if path not in left},
    }
    renewed = {**{cell: was.renewed[cell] for cell in stay if cell in was.renewed}, **now.renewed}
    as_written = {cell: digest_of({path: configs.get(path, "") for path in theirs[cell]}) for cell in renewed}
    return replace(
        now,
        cells={**now.cells, **stay, **_alike(was, now)},
        workloads={**(was.workloads if stay else {}), **now.workloads},
        standing={hop: said for hop, said in standing.items() if said},
        digests={axis: {**(was.digests.get(axis, {}) if stay else {}), **now.digests[axis]} for axis in now.digests},
        configs=configs,
        renewed={cell: digest for cell, digest in renewed.items() if digest != as_written[cell]},
        judged={cell: rules for cell in stay if (rules := was.rules_of(cell)) != now.rules},
        programs=programs,
    )


def _configs_of(cell: Cell, around: Surroundings) -> Mapping[str, str]:
    """Return the blob ids of the configs of a cell's hops, as they are now, by file."""
    files = (path for hop in cell.chain for path in around.files.get(str(hop.unedited), ()))
    return {path: around.configs[path] for path in files if path in around.configs}


def _digest_of_configs(cell: Cell, around: Surroundings) -> str:
    """Return what tells whether a cell was measured with the same configs; nothing if it has none."""
    return digest_of(_configs_of(cell, around))


def digest_of(configs: Mapping[str, str]) -> str:
    """Return what stands for configs of these blob ids, by file; nothing if there are none."""
    return digest(sorted(configs.items())) if configs else ""


def _is_renewed(cell_id: str, was: Baseline, around: Surroundings) -> bool:
    """Tell whether a cell was measured with its configs as they are now, and others of the baseline were not."""
    digest = was.renewed.get(cell_id)
    return digest is not None and digest == _digest_of_configs(cell_of(cell_id, was.workloads), around)


def _changed(configs: Mapping[str, str], was: Baseline) -> list[str]:
    """Return the configs of a cell that are others than a baseline has, or new, if it has any of them."""
    is_known = not configs.keys().isdisjoint(was.configs)
    return [path for path, blob in configs.items() if is_known and was.configs.get(path) != blob]


def _alike(was: Baseline, now: Baseline) -> Mapping[str, Kept]:
    """Return the lines that stay. An effect is of two lines, so that where one is another, they all stay or none."""
    again = was.cells.keys() & now.cells.keys()
    anew = {cell for cell in again if _is_another(cell, was, now)}
    moved = {without_mitigations(cell) for cell in again if was.cells[cell].effect != now.cells[cell].effect}
    together = moved & set(map(without_mitigations, anew))
    return {cell: was.cells[cell] for cell in again - anew if without_mitigations(cell) not in together}


def _is_another(cell: str, was: Baseline, now: Baseline) -> bool:
    """Tell whether what is kept of a cell is another line: it differs, or another harness wrote it."""
    had, has = was.cells[cell], now.cells[cell]
    if (was.harness_version, was.rules_of(cell)) != (now.harness_version, now.rules_of(cell)):
        return True
    if bool(had.verdict) != bool(has.verdict) or redefined(cell_of(cell, now.workloads), was, now):
        return True
    return bool(differences(cell, was.cells, now.cells)) or _is_coarser(had, has)


def _is_coarser(was: Kept, now: Kept) -> bool:
    """Tell whether a line lacks what is known by now, as what delays, or whether a timer is an idle one, or knows a
    start half as well: so it comes to rest.
    """
    has_start = now.within_bytes and (not was.within_bytes or 2 * now.within_bytes <= was.within_bytes)
    had, has = was.release, now.release
    has_idle = had and has and had.idle is None and has.idle is not None
    return bool(has_start or has_idle or (is_unknown_delay(was) and not is_unknown_delay(now)))


def redefined(cell: Cell, was: Baseline, now: Baseline) -> list[str]:
    """Return what names in a cell's id stand for that they did not, of what one of the two does not say nothing."""
    others = (f"{AXES[axis].noun} {name}" for axis, name in defined_otherwise(cell, was, now))
    return [*asked_otherwise(cell, was, now), *(f"{one} stands for something else than it did" for one in others)]


def asked_otherwise(cell: Cell, was: Baseline, now: Baseline) -> Iterator[str]:
    """Yield what a matrix or a command says otherwise than it did of a cell's workload, and of how its configs stand.
    How a config stands that is measured now is known, if only that nobody said.
    """
    name = cell.workload.name
    had, has = was.workloads.get(name), now.workloads.get(name)
    if had is not None and has is not None and dict(had) != dict(has):
        yield f"workload {name} is {_worded(has)}, was {_worded(had)}"
    for hop in dict.fromkeys(str(hop.bare) for hop in cell.chain):
        before, said = was.standing.get(hop, ""), now.standing.get(hop)
        if said is not None and not alike(before, said):
            yield f"{hop} is asked for {said or NOTHING_SAID}, was for {before or NOTHING_SAID}"


def defined_otherwise(cell: Cell, was: Baseline, now: Baseline) -> Iterator[tuple[str, str]]:
    """Yield axis and name of the definitions that are not what they were, which may be a newer harness's."""
    for axis, keys in keys_of(cell).items():
        for name, key in keys.items():
            digests = [one.digests.get(axis, {}).get(key) for one in (was, now)]
            if all(digests) and digests[0] != digests[1]:
                yield axis, name


def _worded(said: Mapping[str, object]) -> str:
    """Return a workload as a sentence has it: `8 tokens of 112 B, random`."""
    rest = {name: value for name, value in said.items() if name not in ("tokens", "token_bytes")}
    size = f"{said['tokens']} tokens of {said['token_bytes']} B" if "tokens" in said and "token_bytes" in said else ""
    return ", ".join(filter(None, [size, *(f"{name} {value}" for name, value in rest.items())]))


def said_of(workload: Workload) -> Mapping[str, Any]:
    """Return what a matrix file has to say for a workload; of a recording its digest, whose figures follow from it."""
    if workload.recording:
        return {"recording": workload.recording.digest, **({"exact": True} if workload.exact else {})}
    said = {name: getattr(workload, name) for name in WORKLOAD_KEYS if hasattr(workload, name)}
    return {name: value for name, value in said.items() if value != WORKLOAD_KEYS[name].default}


def kept(result: Result) -> Kept:
    """Return what is kept of a cell."""
    start = result.facts.start
    is_shown = result.shows and not result.shows.seen
    return Kept(
        verdict=result.verdict,
        shows=result.shows.manner if result.shows and is_shown else None,
        effect=result.effect,
        release=_release(result.release) if result.release and result.verdict in ("coalesced", "delayed") else None,
        passed_bytes=start.passed_bytes if start else 0,
        held_bytes=start.held_bytes if start else 0,
        within_bytes=start.resolution_bytes or result.cell.workload.token_bytes if start else 0,
        head_held=result.facts.head_held,
        lag_ms=_lag_ms(result),
    )


def _lag_ms(result: Result) -> int | None:
    """Return how late tokens come that nothing lets go. What is no longer than a hold takes is of its day."""
    if result.verdict != "delayed" or result.release or not result.metrics:
        return None
    return _rounded(max(result.metrics.over_control_ms or 0.0, HOLD_MS), round(HOLD_MS / 10))


def _release(release: Release) -> KeptRelease:
    """Return a release, its figures rounded to what two measurements of one hop may differ by."""
    match release.by:
        case "bytes":
            step = max(release.resolution_bytes, round(release.after_bytes * ALIKE), 1)
            return KeptRelease("bytes", _rounded(release.after_bytes, release.resolution_bytes or 1), step)
        case "timer":
            step = max(round(release.wait_ms * ALIKE), round(ALIKE_MS))
            return KeptRelease("timer", _rounded(release.wait_ms, step), step, release.idle)
    return KeptRelease(release.by)


def _rounded(figure: float, step: int) -> int:
    return round(figure / step) * step


def programs_of(result: Result) -> Mapping[str, str]:
    """Return the programs of a cell's hops, with their versions."""
    hops = {program_name(hop.program) for hop in result.cell.chain}
    return {name: version for name, version in result.versions.items() if program_name(name) in hops}
