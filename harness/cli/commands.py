"""The command line: reads options, calls the session, prints what comes back. It decides nothing.

What an exit status means stands in `errors.EXIT_MEANINGS`, which `harness --help` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import cli, session, store
from harness.cli import cell_options, screen
from harness.cli.cell_options import with_cell_options, with_diagnosis_options
from harness.cli.endings import breakable, told_with_status
from harness.cli.options import (
    Allow,
    AskedPath,
    Authority,
    Backend,
    Data,
    Folder,
    Header,
    Jobs,
    Keep,
    Locked,
    Map,
    Method,
    Offline,
    Only,
    Replay,
    Require,
    Runs,
    Server,
    ShowDiff,
    Skip,
    ToHtml,
    ToJson,
    ToJunit,
    ToMarkdown,
    deployment,
    flag,
    names_in,
    path_option,
)
from harness.cli.screen import err, out
from harness.errors import EXIT_MEANINGS, InputError, Unavailable
from harness.model import Pace
from harness.session.lists import What

EPILOG = f"""\
Start with `harness doctor`, then `harness matrix smoke`.

Exit status: {"; ".join(f"{status} {meaning}" for status, meaning in EXIT_MEANINGS.items())}.

Environment: `HARNESS_REQUIRE` is the default of `--require`; `HARNESS_OFFLINE` and `HARNESS_LOCKED` are those of
`--offline` and `--locked`. `HARNESS_CACHE` is the folder for what is fetched and built. `CI` turns the progress bar
into a line per cell, and what is unavailable into exit status 3, unless `HARNESS_ALLOW_UNAVAILABLE` is 1; `NO_COLOR`
turns colours off, `COLUMNS` is the width. `HARNESS_TRACEBACK` shows where an error of the harness's own comes from.
`CI` and those that can be 1 are off if they are empty, 0, false, f, no, n or off.
"""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Find out which mitigation defeats which buffering layer when LLM tokens stream through real proxies.",
    epilog=EPILOG,
    context_settings={"default_map": {"help": False}},  # typer converts its None, and loads pydantic for that
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # which takes as long to load as all of this

        out.print(f"harness {version('token-stream-harness')}")
        raise typer.Exit


@app.callback()
def front(
    shown: Annotated[
        bool, flag("--version", told="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Raise InputError if there is no folder to work in."""
    try:
        Path.cwd()
    except OSError as error:
        raise InputError("the folder that harness was started in is gone: change to one that is there") from error


@app.command(
    epilog="Examples: `harness matrix smoke` · `harness matrix my.yaml --only 'nginx:*' --json out.json` ·"
    " `harness matrix default --require nginx,nextjs --markdown table.md`"
)
def matrix(
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="A matrix file, or a shipped one, as smoke or default; `harness list matrices` has them all.",
        ),
    ] = "default",
    only: Only = None,
    skip: Skip = None,
    pace: Annotated[
        Pace | None, typer.Option(metavar="PACE", help="Measure every cell at this pace: lockstep or paced.")
    ] = None,
    targets: Map = None,
    server: Server = None,
    path: AskedPath = None,
    jobs: Jobs = session.JOBS,
    require: Require = None,
    allow_unavailable: Allow = False,
    offline: Offline = False,
    locked: Locked = False,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Measure a matrix of cells and print which mitigation defeats which layer."""
    fetching = session.Fetching(_say, offline, locked)
    job = session.load(file, only or (), skip or (), pace, deployment(targets, server, path))
    outputs = cli.outputs_of(to_json, to_markdown, to_junit, to_html)
    required = cli.required(names_in(require), allow_unavailable)
    session.require(names_in(require), fetching)
    cli.finish(cli.measure(session.fetched(job, fetching), runs, jobs, keep), outputs, required)


@app.command(
    epilog="Examples: `harness reports` · `harness reports 000 my.yaml --markdown page.md` ·"
    " `harness reports --from docs/field-report-runs --markdown page.md` (measures nothing)"
)
def reports(
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
    require: Require = None,
    allow_unavailable: Allow = False,
    offline: Offline = False,
    locked: Locked = False,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    records: Annotated[
        Path | None, path_option("--records", "Also put each run's records there, for --from.", "DIR")
    ] = None,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Put field reports to the test: judge every claim, find the real cause and the cheapest fix."""
    if stored and (names or records):
        raise InputError("--from takes runs as they are: give it without names and without --records")
    fetching = session.Fetching(_say, offline, locked)
    if not stored:
        session.require(names_in(require), fetching)
    todo = [] if stored else session.reports(names or ())
    done = session.stored(stored or (), _say)
    outputs = cli.outputs_of(to_json, to_markdown, to_junit, to_html)
    if len(todo or done) > 1 and (of_one := " and ".join(f"--{name}" for name in outputs if name != "markdown")):
        raise InputError(f"{of_one}: of one field report only; name it, or ask `harness report` for the run of each")
    required = cli.required(names_in(require), allow_unavailable)
    if records:
        store.check_folder(records)
    try:
        cli.measure_all([session.fetched(job, fetching) for job in todo], runs, jobs, keep, done)
    finally:
        cli.tell_reports(done, outputs, required)
    cli.finish_reports(done, records, outputs, required)


@app.command(
    epilog="Examples: `harness run --chain nginx:default` · `harness run --chain 'nextjs:dev>nginx:default'"
    " --mitigation x-accel-buffering --request browser` · `harness run --chain nginx:./my.conf --pace paced` ·"
    " `harness run nginx:gzip/sse/chunked/browser/aiohttp/short/none/lockstep` (a cell of any matrix) ·"
    " `harness run --chain nginx:/etc/nginx --map app:8000 --server shop.example:443 --path /api/chat --show-diff` ·"
    " `harness run --chain haproxy:./haproxy.cfg --map chat` · `harness run --chain nextjs:./web --request browser` ·"
    " `harness run --chain 'nginx:default>http://localhost:8000/chat' -d @question.json -H @headers.txt`"
    " (docs/endpoints.md)"
)
@with_cell_options
def run(
    cell_id: Annotated[
        str | None,
        typer.Argument(metavar="[CELL]", help="A cell's id, as any output has it; or say with options what it is."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect", metavar="VERDICT", help="Fail unless it is this, as streamed; repeated: one of these."
        ),
    ] = None,
    backend: Backend = None,
    replay: Replay = None,
    method: Method = None,
    header: Header = None,
    data: Data = None,
    authority: Authority = None,
    targets: Map = None,
    server: Server = None,
    path: AskedPath = None,
    show_diff: ShowDiff = False,
    require: Require = None,
    offline: Offline = False,
    locked: Locked = False,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
    **cell: Any,
) -> None:
    """Measure one cell (with its control and baseline) and draw its timeline."""
    fetching = session.Fetching(_say, offline, locked)
    outputs = cli.outputs_of(to_json, to_markdown, to_junit, to_html)
    said, deployed = cli.spoken(method or (), header or (), data), deployment(targets, server, path)
    if cell_id is not None:
        if backend or replay or said or authority:
            raise InputError(f"{cell_id} says all of a cell: leave --backend, --replay, -X, -H, -d and --cacert out")
        job = cell_options.by_id(cell_id, cell, expect or (), deployed, runs)
    elif cell["chain"] is None:
        raise InputError("name a cell: by its id, as an output has it, or by its chain with --chain")
    else:
        cell["chain"], last = cli.chain_and_endpoint(cell["chain"])
        answerer = cli.Answerer(backend or "", last, replay, said, path or "", authority)
        make = partial(cell_options.job, cell, expect or ())
        job = cli.job_of(answerer, deployed, make, cell_options.usual(cell), _say)
    cli.tell_diffs(session.diffs(job), show_diff)
    session.require(names_in(require), fetching)
    finished = cli.measure(session.fetched(job, fetching), runs, session.JOBS, keep)
    cli.finish_cell(finished, job, outputs, names_in(require))


@app.command(
    epilog="Examples: `harness diagnose --hop nextjs:dev --hop nginx:default` · `harness diagnose --chain"
    " 'caddy:encode>nginx:./my.conf' --request browser` · `harness diagnose --hop gateway:default --with my.yaml` ·"
    " `harness diagnose --hop nginx:./gateway.conf --hop http://localhost:8000/chat -d @question.json` ·"
    " `harness diagnose --hop nginx:default --backend asgi:./app.py --path /chat -X POST` (docs/endpoints.md)"
)
@with_diagnosis_options
def diagnose(
    hop: Annotated[
        list[str] | None,
        typer.Option("--hop", metavar="HOP", help="A hop of the chain, as nginx:default; repeated, client side first."),
    ] = None,
    chain: Annotated[
        str | None, typer.Option("--chain", metavar="CHAIN", help="The chain in one word: nextjs:dev>nginx:default.")
    ] = None,
    request: Annotated[
        list[str] | None,
        typer.Option(
            "--request", metavar="REQUEST", help="Whose requests have to stream; repeated. By default curl and browser."
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--with", metavar="FILE", help="A matrix file whose own proxies, configs and fixes are known, too."
        ),
    ] = None,
    budget_s: Annotated[
        float | None,
        typer.Option(
            "--budget", metavar="SECONDS", min=0.1, help="Stop after so long, and tell what is known by then."
        ),
    ] = None,
    backend: Backend = None,
    replay: Replay = None,
    method: Method = None,
    header: Header = None,
    data: Data = None,
    authority: Authority = None,
    targets: Map = None,
    server: Server = None,
    path: AskedPath = None,
    show_diff: ShowDiff = False,
    offline: Offline = False,
    locked: Locked = False,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
    **cell: Any,
) -> None:
    """Find out which hop of a chain holds a stream, and the cheapest change that mends it for every request.

    What is to be changed in an nginx config of yours is measured in it and printed as a diff, for `patch -p0`.
    """
    if bool(hop) == bool(chain):
        raise InputError("name the chain, either hop by hop with --hop, or in one word with --chain")
    fetching = session.Fetching(_say, offline, locked)
    outputs = cli.outputs_of(to_json, to_markdown, to_junit, to_html)
    said, deployed = cli.spoken(method or (), header or (), data), deployment(targets, server, path)
    hops, last = cli.chain_and_endpoint(chain) if chain else cli.hops_and_endpoint(hop or ())
    answerer = cli.Answerer(backend or "", last, replay, said, path or "", authority)
    make = partial(cell_options.diagnosis, hops, request or (), file, cell)
    job = cli.job_of(answerer, deployed, make, cell_options.usual(cell), _say)
    cli.tell_diffs(session.diffs(job), show_diff)
    looked: list[cli.Looked] = []
    status = 0
    try:
        cli.diagnose(session.fetched(job, fetching), runs, keep, budget_s, looked)
    finally:
        for one in looked:
            status = cli.finish_diagnosis(one.run, one.diagnosis, outputs)
    raise typer.Exit(status)


@app.command(
    epilog="Examples: `harness probe https://example.org/v1/chat -d @body.json -H @headers.txt` ·"
    " `harness probe http://localhost:3000/api/chat --direct http://localhost:8000/chat` (docs/probe.md)"
)
def probe(
    url: Annotated[str, typer.Argument(metavar="URL", help="What to ask for: http, https, ws or wss.")],
    direct: Annotated[
        str | None, typer.Option("--direct", metavar="URL", help="The same, where the endpoint itself listens.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-X",
            metavar="METHOD",
            help="GET or POST; repeated: each. By default POST with a body, else GET.",
        ),
    ] = None,
    header: Header = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="BODY", help="What to post (or to say first), or @FILE.")
    ] = None,
    requests: Annotated[
        int, typer.Option("--requests", metavar="N", min=1, max=100, help="Ask at most so often.")
    ] = 10,
    authority: Authority = None,
) -> None:
    """Ask an endpoint that runs as curl and browsers do, and tell what arrived how, and which difference matters."""
    raise typer.Exit(cli.probe(url, direct, method or (), header or (), data, requests, authority, _say))


@app.command(
    name="list",
    epilog="Examples: `harness list mitigations` · `harness list schema` · `harness list cells smoke --only 'nginx:*'`",
)
def list_(
    what: Annotated[What, typer.Argument(metavar="WHAT", help="What to list.")],
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="For cells: a matrix file, or a shipped one.")
    ] = None,
    only: Only = None,
    skip: Skip = None,
) -> None:
    """List what a matrix file or `harness run` can name, the cells of a matrix, or the schema of matrix files."""
    if what == "cells":
        for cell in session.load("default" if file is None else file, only or (), skip or ()).cells:
            out.print(cell.id, markup=False)
        return
    ignored = {"FILE": file, "--only": only, "--skip": skip}
    if given := [name for name, value in ignored.items() if value not in (None, [])]:
        raise InputError(f"harness list {what} takes no {' and no '.join(given)}: that is for `harness list cells`")
    if what == "schema":
        screen.write([session.schema()])
    else:
        out.rows(session.rows(what))


@app.command(epilog="Examples: `harness doctor` · `harness doctor --require nginx,nextjs` (fails if one is missing)")
def doctor(require: Require = None, runs: Runs = session.RUNS) -> None:
    """Show what can run here, in which version, what to install, and whether runs and set-ups can be kept."""
    required = names_in(require)
    out.rows(session.health(runs))
    session.require(required)


@app.command(
    epilog="Examples: `harness setup` · `harness setup nextjs` · `harness setup proxies` (all of them) ·"
    " `harness setup caddy@2.10` · `harness setup asgi:./my_app.py@starlette==0.46.2`"
)
def setup(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="What to set up: names, `proxies`, or one hop; by default what the default matrix needs.",
        ),
    ] = None,
    allow_unavailable: Allow = False,
    offline: Offline = False,
    locked: Locked = False,
) -> None:
    """Install what proxies and clients need: nginx, Chromium, Next.js and its build, environments of applications."""
    left_out = session.set_up(names or (), session.Fetching(_say, offline, locked))
    if left_out and screen.in_ci() and not allow_unavailable:
        raise Unavailable(
            f"{', '.join(left_out)} cannot run here", "--allow-unavailable accepts that where `CI` is set"
        )


@app.command(epilog="Examples: `harness report` (the last run) · `harness report runs/2026… --html out.html`")
def report(
    folder: Folder = None,
    rejudge: Annotated[bool, flag("--rejudge", told="Judge the stored traces again with today's rules.")] = False,
    require: Require = None,
    allow_unavailable: Allow = False,
    runs: Runs = session.RUNS,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Print a run again from what is on disk, even if it was killed."""
    required = cli.required(names_in(require), allow_unavailable)
    run = store.Run.open(folder or store.latest(runs))
    if run.torn:
        err.print("The last line of results.jsonl was cut off when the run was killed; it is left out.")
    if rejudge:
        run.results = session.rejudged(run)
    outputs = cli.outputs_of(to_json, to_markdown, to_junit, to_html)
    if run.info.diagnosed:
        raise typer.Exit(cli.finish_diagnosis(run, cli.of_kept(run), outputs))
    cli.finish(run, outputs, required)


@app.command(
    epilog="Examples: `harness show nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep` (of the last run) ·"
    " `harness show 'nginx:gzip/*/no-transform/*' runs/2026…`"
)
def show(
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="A cell's id, as any output has it, or a glob that only one matches.")
    ],
    folder: Folder = None,
    runs: Runs = session.RUNS,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Draw the timeline of one cell of a run again, with all that is known of it."""
    run = store.Run.open(folder or store.latest(runs))
    outputs = cli.outputs_of(to_json, to_markdown, to_junit, to_html)
    cli.finish_kept(run, session.result_of(run, cell), outputs)


@app.command(epilog="Example: `harness check --against runs/20260101T120000Z-default` (the last run against that one)")
def check(
    against: Annotated[Path, path_option("--against", "The run folder whose verdicts are expected.")],
    folder: Folder = None,
    allow_missing: Annotated[
        bool, flag("--allow-missing", told="Accept that cells of that run are not in this one.")
    ] = False,
    require: Require = None,
    allow_unavailable: Allow = False,
    runs: Runs = session.RUNS,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Hold one run against another: every verdict has to be what it was."""
    required = cli.required(names_in(require), allow_unavailable)
    run, earlier = store.Run.open(folder or store.latest(runs)), store.Run.open(against)
    if run.folder.resolve() == earlier.folder.resolve():
        raise InputError(f"{against} cannot be held against itself: name another run, or measure again first")
    if gone := {result.id for result in earlier.results} - {result.id for result in run.results}:
        err.print(f"{len(gone)} of the {len(earlier.results)} cells of {against} are not in this run.", markup=False)
    run.results = session.checked(run, earlier, str(against), allow_missing)
    cli.finish(run, cli.outputs_of(to_json, to_markdown, to_junit, to_html), required)


@app.command(epilog="Examples: `harness clean --dry-run` (only tells) · `harness clean caddy nextjs` · `harness clean`")
def clean(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="What to remove: names; by default all.")
    ] = None,
    dry_run: Annotated[bool, flag("--dry-run", told="Only tell what would be removed.")] = False,
) -> None:
    """Tell what the cache holds, and empty it: programs, packages, builds and environments. No run may be using it."""
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


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    screen.prepare()
    with told_with_status(), breakable():
        app(args=list(argv) if argv is not None else None)


def _say(line: str) -> None:
    err.print(line, markup=False)
