"""The commands that tell whether anything has changed: against a baseline, or from one run to another.

They decide nothing, likewise.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness import cli, session, store
from harness.cli.chain_commands import app
from harness.cli.groups import Fetches, Globs, Needs, Reports, Standing, grouped
from harness.cli.options import Folder, Jobs, Keep, Runs, ShardOption, flag, named_path, path_option
from harness.cli.screen import say
from harness.errors import InputError

__all__ = ["app", "check", "diff", "merge", "watch"]
"""The front, by now with these."""

Strict = Annotated[bool, flag("--strict", told="Let any change fail, one for the better included.")]


@app.command(
    epilog="Examples: `harness check my.yaml --update` (measures, and writes my.baseline.yaml) ·"
    " `harness check my.yaml` (measures again; fails if anything is worse) · `harness check my.yaml --only 'nginx:*'"
    " --strict` · `harness check --against runs/20260101T120000Z-my` (measures nothing: the last run against that one)"
)
@grouped
def check(
    *,
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="A matrix file, or a shipped one; with --against a run folder, by default the last."
        ),
    ] = None,
    update: Annotated[bool, flag("--update", told="Write what is measured as what is expected from now on.")] = False,
    baseline: Annotated[
        Path | None, path_option("--baseline", "The baseline; by default my.baseline.yaml beside my.yaml.", "FILE")
    ] = None,
    strict: Strict = False,
    against: Annotated[
        Path | None, path_option("--against", "Measure nothing: hold a run against this one, as `harness diff`.", "DIR")
    ] = None,
    allow_missing: Annotated[
        bool, flag("--allow-missing", told="With --against: accept that cells of that run are not in this one.")
    ] = False,
    measured: Annotated[
        Path | None, path_option("--measured", "Measure nothing: hold this run of the matrix against it.", "DIR")
    ] = None,
    globs: Globs,
    shard: ShardOption = None,
    standing: Standing,
    jobs: Jobs = session.JOBS,
    needs: Needs,
    fetches: Fetches,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to: Reports,
) -> None:
    """Measure a matrix and hold it against its baseline: what is worse, gone or cannot be measured any more fails."""
    required = needs.required()
    if against is not None:
        beside: dict[str, object] = {
            "--update": update,
            "--baseline": baseline,
            "--measured": measured,
        }
        beside |= {"--shard": shard, "--keep": keep, "--jobs": jobs != session.JOBS}
        beside |= {"--path": standing.path, "--server": standing.server, "--map": standing.targets}
        beside |= {"--offline": fetches.offline, "--locked": fetches.locked}
        if given := [name for name, value in beside.items() if value not in (None, [], False)]:
            raise InputError(f"--against measures nothing: leave out {' and '.join(given)}")
        folder = None if file is None else named_path(file)
        if folder and not folder.is_dir():
            forms = (shlex.join(["harness", "check", *words]) for words in (["--against", str(against)], [str(file)]))
            ways_out = "`{}` holds the last run against that one, `{}` a matrix against its baseline".format(*forms)
            raise InputError(f"{file} is no run folder, and --against measures no matrix: {ways_out}")
        cli.finish_diff(against, folder, globs.both, runs, to.outputs(), required, allow_missing, strict)
    if allow_missing:
        raise InputError("--allow-missing goes with --against: --update makes a baseline forget what is gone")
    if file is None:
        raise InputError("which matrix? Give its file, as `harness check my.yaml`, or a shipped one, as smoke")
    fetching = fetches.fetching()
    chosen = session.Chosen(*globs.both, shard or "")
    deployment = standing.deployment(cli.Typed.of(context))
    job = session.load(file, chosen.only, chosen.skip, deployment=deployment, shard=session.shard(shard))
    path = session.baseline_path(job, baseline)
    if update:
        store.check_writable(path)
    was = session.read_baseline(path, file, chosen if update else None)
    outputs = to.outputs()
    if not measured:
        session.require(needs.names, fetching)
    run = session.measured(job, measured) if measured else cli.measure(session.fetched(job, fetching), runs, jobs, keep)
    compared = session.checked(run, job, was, path, chosen, "none" if update else "any" if strict else "for the worse")
    if update:
        done = session.update(run, job, path, file, chosen)
        for title, cells in (
            ("Forgotten, as they are gone or other cells by now:", done.forgotten),
            ("Expected to be too short to tell from now on (more tokens would do):", done.too_short),
        ):
            if cells:
                say("\n".join([title, *cells]))
        say(f"Nothing was written to {path}: {done.why_not}." if done.why_not else f"Written: {path}. Commit it.")
    meant = [*(["--baseline", str(baseline)] if baseline else []), *standing.typed, *globs.typed]
    meant += [*(["--shard", shard] if shard else []), *(["--measured", str(measured)] if measured else [])]
    again = ["harness", "check", file, *meant, "--update"]
    cli.finish_check(run, outputs, required, compared, "" if update else shlex.join(again), path)


@app.command(epilog="Examples: `harness watch my.yaml` · `harness watch my.yaml --only '*/browser/*'` (Ctrl-C ends it)")
@grouped
def watch(
    *,
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A matrix file, or a shipped one.")],
    globs: Globs,
    standing: Standing,
    jobs: Jobs = session.JOBS,
    fetches: Fetches,
    runs: Runs = session.RUNS,
) -> None:
    """Measure a matrix, and again whatever a saved file touches; tell each cell as it turns."""
    fetching, deployment = fetches.fetching(), standing.deployment(cli.Typed.of(context))

    def load() -> session.Job:
        return session.fetched(session.load(file, *globs.both, deployment=deployment), fetching)

    cli.watch(load, runs, jobs)


@app.command(
    epilog="Examples: `harness diff runs/20260101T120000Z-my` (the last run against that one) ·"
    " `harness diff runs/before runs/after --strict` · `harness diff runs/before --skip 'apache:*'`"
)
@grouped
def diff(
    *,
    earlier: Annotated[Path, typer.Argument(metavar="EARLIER", parser=named_path, help="The run folder held against.")],
    folder: Folder = None,
    globs: Globs,
    strict: Strict = False,
    allow_missing: Annotated[
        bool, flag("--allow-missing", told="Accept that cells of the earlier run are not in this one.")
    ] = False,
    needs: Needs,
    runs: Runs = session.RUNS,
    to: Reports,
) -> None:
    """Tell what changed from one run on disk to another; nothing is measured."""
    required = needs.required()
    cli.finish_diff(earlier, folder, globs.both, runs, to.outputs(), required, allow_missing, strict)


@app.command(
    epilog="Example: `harness matrix my.yaml --shard 1/2` on one machine, `... --shard 2/2` on another, then"
    " `harness merge shards/* --junit out.xml`, or `harness check my.yaml --measured` with the folder that it prints"
)
@grouped
def merge(
    *,
    shards: Annotated[
        list[Path], typer.Argument(metavar="RUN...", parser=named_path, help="The run folder of each shard.")
    ],
    needs: Needs,
    runs: Runs = session.RUNS,
    to: Reports,
) -> None:
    """Put the runs of several machines, a shard each, together as if they were one."""
    required = needs.required()
    outputs = to.outputs()
    cli.finish(session.merged(shards, runs), outputs, required)
