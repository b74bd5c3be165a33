"""Puts the runs of several machines, a shard each, together as if they were one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import InputError
from harness.matrix.shards import Shard
from harness.model import RECORDINGS, Result, RunInfo, versions_met
from harness.session.inputs import are_same
from harness.store.runs import Run

KEPT = ("cells", "proxies", RECORDINGS)
"""Folders of a run that evidence is in, or leads to."""


def merged(folders: Sequence[Path], runs: Path) -> Run:
    """Return a new run in a folder with the results and the evidence of shards: all of one matrix, none missing.

    Of a cell that several have, as controls, the first counts; if they do not agree it is unstable. Raises InputError
    for runs that are no such shards.
    """
    shards = _shards([Run.open(folder) for folder in folders])
    run = Run.create(runs, _head(list(shards.values())))
    for number, shard in shards.items():
        for name in KEPT:
            if (shard.folder / name).is_dir():
                shutil.copytree(shard.folder / name, run.folder / _place(number) / name, symlinks=True)
    for result in _results(shards):
        run.append(result)
    run.finish(max(shard.info.finished_at or "" for shard in shards.values()))
    return run


def _place(number: int) -> str:
    return f"shard-{number}"


def _shards(given: Sequence[Run]) -> Mapping[int, Run]:
    """Return runs by the number of the shard that each is."""
    if not given:
        raise InputError("merge what? Give the run folder of each shard")
    whole = given[0]
    found: dict[int, Run] = {}
    for run in given:
        if not run.info.shard:
            raise InputError(f"{run.folder} is the run of a whole matrix, no shard: `--shard 1/2` measures one")
        if not run.info.finished_at:
            raise InputError(f"{run.folder} did not finish: measure shard {run.info.shard} again")
        shard = Shard.read(run.info.shard)
        if other := next((name for name in SAME if getattr(run.info, name) != getattr(whole.info, name)), None):
            raise InputError(f"{run.folder} is not of the same run as {whole.folder}: {SAME[other]} is another")
        if shard.of != Shard.read(whole.info.shard).of:
            raise InputError(f"{run.folder} is shard {shard}, and {whole.folder} is {whole.info.shard}: of how many?")
        if shard.number in found:
            raise InputError(f"{run.folder} and {found[shard.number].folder} are both shard {shard}")
        found[shard.number] = run
    of = Shard.read(whole.info.shard).of
    if missing := [f"{number}/{of}" for number in range(1, of + 1) if number not in found]:
        raise InputError(f"shard {', '.join(missing)} is missing: give the runs of all")
    _refuse_other_configs(list(found.values()))
    return dict(sorted(found.items()))


def _refuse_other_configs(shards: Sequence[Run]) -> None:
    """Raise InputError if any two shards had other configs of a hop."""
    first: dict[str, Run] = {}
    for shard in shards:
        for hop, files in shard.info.inputs.items():
            known = first.setdefault(hop, shard)
            if not are_same(files, known.info.inputs[hop]):
                raise InputError(f"{shard.folder} and {known.folder} were measured from other configs of {hop}")


SAME: Mapping[str, str] = {
    "name": "the matrix",
    "matrix_text": "what its file says",
    "harness_version": "the harness",
    "standing": "the path, server or map of its configs",
}
"""What of their heads has to be the same, and what that is."""


def _head(runs: Sequence[Run]) -> RunInfo:
    """Return the head of them all."""
    infos = [run.info for run in runs]
    return replace(
        infos[0],
        started_at=min(info.started_at for info in infos),
        platform=" and ".join(dict.fromkeys(info.platform for info in infos)),
        python=" and ".join(dict.fromkeys(info.python for info in infos)),
        cells=len({result.id for run in runs for result in run.results}),
        mitigations={name: one for info in infos for name, one in info.mitigations.items()},
        versions=versions_met([info.versions for info in infos]),
        inputs={hop: files for info in infos for hop, files in info.inputs.items()},
        shard="",
        elsewhere=(),
        finished_at=None,
    )


def _results(shards: Mapping[int, Run]) -> Iterator[Result]:
    """Yield the results of all shards, each with where its evidence is now."""
    told: dict[str, tuple[int, Result]] = {}
    for number, shard in shards.items():
        for result in shard.results:
            evidence = f"{_place(number)}/{result.evidence}" if result.evidence else None
            here = replace(result, evidence=evidence)
            first, known = told.setdefault(result.id, (number, here))
            if known.verdict != here.verdict and first != number:
                told[result.id] = first, _unstable(known, here, first, number)
    yield from (result for _, result in told.values())


def _unstable(one: Result, other: Result, first: int, second: int) -> Result:
    """Return what a cell comes to that two machines do not agree on."""
    was, now = (each.verdict or each.outcome for each in (one, other))
    said = f"{was} in shard {first}, {now} in shard {second}: {other.reason}"
    return replace(one, outcome="unstable", reason=said, verdict=None, effect=None)
