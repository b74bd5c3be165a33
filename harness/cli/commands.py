"""The command line: reads options, calls the session, prints what comes back. It decides nothing.

What an exit status means stands in `errors.EXIT_MEANINGS`, which `harness --help` shows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer

from harness import cli, session, store
from harness.cli import screen
from harness.cli.arguments import refuse_forgotten
from harness.cli.check_commands import app
from harness.cli.endings import breakable, told_with_status
from harness.cli.groups import Fetches, Globs, Needs, Reports, Standing, There, grouped
from harness.cli.options import (
    Allow,
    Folder,
    Jobs,
    Keep,
    Require,
    Runs,
    ShardOption,
    flag,
    names_in,
    one_of,
    path_option,
)
from harness.cli.promised import promised
from harness.cli.screen import err, out, say
from harness.errors import InputError, Unavailable
from harness.model import Pace
from harness.session.lists import What

__all__ = ["app", "main"]


@app.command(
    epilog="Examples: `harness matrix smoke` · `harness matrix my.yaml --only 'nginx:*' --json out.json` ·"
    " `harness matrix default --require nginx,nextjs --markdown table.md` ·"
    " `harness matrix smoke --at https://chat.example` (an emitter that you deployed: docs/deployed.md)"
)
@grouped
def matrix(
    *,
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="A matrix file, or a shipped one, as smoke or default; `harness list matrices` has them all.",
        ),
    ] = "default",
    globs: Globs,
    shard: ShardOption = None,
    pace: Annotated[
        Pace | None,
        typer.Option(
            metavar="PACE", parser=one_of(get_args(Pace)), help="Measure every cell at this pace: lockstep or paced."
        ),
    ] = None,
    standing: Standing,
    there: There,
    jobs: Jobs = session.JOBS,
    needs: Needs,
    fetches: Fetches,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to: Reports,
) -> None:
    """Measure a matrix of cells and print which mitigation defeats which layer."""
    fetching = fetches.fetching()
    deployment = standing.deployment(cli.Typed.of(context))
    job = session.load(file, *globs.both, pace, deployment, session.shard(shard), there.site())
    outputs = to.outputs()
    required = needs.required()
    session.require(needs.names, fetching)
    cli.finish(cli.measure(session.fetched(job, fetching), runs, jobs, keep), outputs, required)


@app.command(
    epilog="Examples: `harness reports` · `harness reports 000 my.yaml --markdown page.md` ·"
    " `harness reports --from docs/field-report-runs --markdown page.md` (measures nothing)"
)
@grouped
def reports(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Field reports by name or its start, or matrix files with a key `report`; by default all.",
        ),
    ] = None,
    stored: Annotated[
        list[Path] | None,
        path_option("--from", "Measure nothing: take this run, or the newest of each report in it.", "DIR"),
    ] = None,
    jobs: Jobs = session.JOBS,
    needs: Needs,
    fetches: Fetches,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    records: Annotated[
        Path | None, path_option("--records", "Also put each run's records there, for --from.", "DIR")
    ] = None,
    to: Reports,
) -> None:
    """Put field reports to the test: judge every claim, find the real cause and the cheapest fix."""
    if stored and (names or records):
        raise InputError("--from takes runs as they are: give it without names and without --records")
    fetching = fetches.fetching()
    if not stored:
        session.require(needs.names, fetching)
    todo = [] if stored else session.reports(names or ())
    done = session.stored(stored or (), say)
    outputs = to.outputs()
    if len(todo or done) > 1 and (of_one := " and ".join(f"--{name}" for name in outputs if name != "markdown")):
        raise InputError(f"{of_one}: of one field report only; name it, or ask `harness report` for the run of each")
    required = needs.required()
    if records:
        store.check_folder(records)
    try:
        cli.measure_all([session.fetched(job, fetching) for job in todo], runs, jobs, keep, done)
    finally:
        cli.tell_reports(done, outputs, required)
    cli.finish_reports(done, records, outputs, required)


@app.command(
    name="list",
    epilog="Examples: `harness list mitigations` · `harness list schema` · `harness list cells smoke --only 'nginx:*'`",
)
@grouped
def list_(
    *,
    what: Annotated[What, typer.Argument(metavar="WHAT", parser=one_of(get_args(What)), help="What to list.")],
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="For cells: a matrix file, or a shipped one.")
    ] = None,
    globs: Globs,
) -> None:
    """List what a matrix file or `harness run` can name, the cells of a matrix, or the schema of matrix files."""
    if what == "cells":
        for cell in session.load("default" if file is None else file, *globs.both).cells:
            out.print(cell.id, markup=False)
        return
    ignored = {"FILE": file, "--only": globs.only, "--skip": globs.skip}
    if given := [name for name, value in ignored.items() if value not in (None, [])]:
        raise InputError(f"harness list {what} takes no {' and no '.join(given)}: that is for `harness list cells`")
    if what == "schema":
        screen.write([session.schema()])
    else:
        out.rows(session.rows(what))


@app.command(epilog="Examples: `harness doctor` · `harness doctor --require nginx,nextjs` (fails if one is missing)")
def doctor(require: Require = None, runs: Runs = session.RUNS) -> None:
    """Show what can run here, in which version, and what to install; which container engine is reached; and whether
    runs and set-ups can be kept.
    """
    required = names_in(require)
    out.rows(session.health(runs))
    session.require(required)


@app.command(
    epilog="Examples: `harness setup` · `harness setup nextjs` · `harness setup proxies` (all of them) ·"
    " `harness setup caddy@2.10` · `harness setup asgi:./my_app.py@starlette==0.46.2`"
)
@grouped
def setup(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="What to set up: names, `proxies`, or one hop; by default what the default matrix needs.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", min=1, max=256, help="Set up at once; default: one a core."),
    ] = None,
    allow_unavailable: Allow = False,
    fetches: Fetches,
) -> None:
    """Install what proxies and clients need: nginx, Chromium, Next.js and its build, environments of applications."""
    left_out = cli.interruptible(session.set_up(names or (), fetches.fetching(), jobs))
    if left_out and screen.in_ci() and not allow_unavailable:
        raise Unavailable(
            f"{', '.join(left_out)} cannot run here", "--allow-unavailable accepts that where `CI` is set"
        )


@app.command(epilog="Examples: `harness report` (the last run) · `harness report runs/2026… --html out.html`")
@grouped
def report(
    *,
    folder: Folder = None,
    rejudge: Annotated[bool, flag("--rejudge", told="Judge the stored traces again with today's rules.")] = False,
    needs: Needs,
    runs: Runs = session.RUNS,
    to: Reports,
) -> None:
    """Print a run again from what is on disk, even if it was killed."""
    required = needs.required()
    run = store.Run.open(folder or store.latest(runs))
    if run.torn:
        err.print("The last line of results.jsonl was cut off when the run was killed; it is left out.")
    if rejudge:
        run.results = session.rejudged(run)
    outputs = to.outputs()
    if run.info.diagnosed:
        raise typer.Exit(cli.finish_diagnosis(run, cli.of_kept(run), outputs))
    cli.finish(run, outputs, required)


@app.command(epilog="Examples: `harness clean --dry-run` (only tells) · `harness clean caddy nextjs` · `harness clean`")
def clean(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="What to remove: names; by default all.")
    ] = None,
    dry_run: Annotated[bool, flag("--dry-run", told="Only tell what would be removed.")] = False,
) -> None:
    """Tell what the cache holds, and empty it: programs, packages, builds and environments. No run may be using it."""
    for what in [] if dry_run else session.reaped():
        out.print(f"{what}: a run that was killed had left it; removed", markup=False, highlight=False, soft_wrap=True)
    kept = session.in_cache()
    total_bytes = 0
    for one in session.chosen(names or (), kept) if dry_run else session.emptied(names or (), kept):
        total_bytes += one.bytes
        out.print(
            f"{one.bytes / 1e6:8.1f} MB  {one.what:12} {one.folder}", markup=False, highlight=False, soft_wrap=True
        )
    if kept:
        out.print(f"{total_bytes / 1e6:8.1f} MB  {'would be removed' if dry_run else 'removed'}", highlight=False)
    else:
        out.print("The cache is empty.")


def main(argv: Sequence[str] | None = None, began: float | None = None, at_last: bool = False) -> None:
    """Run the command line and exit with its status, which is the program's last act if it is `at_last`.

    It `began` then, by the monotonic clock, or begins now.
    """
    began = time.monotonic() if began is None else began
    screen.prepare()
    words = list(sys.argv[1:] if argv is None else argv)
    with promised(words), told_with_status(*words[:1]), breakable(at_last):
        refuse_forgotten(words)
        app(args=words, obj=began)
