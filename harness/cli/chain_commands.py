"""The commands that look at one chain: one cell of it, what holds in it, or an endpoint that runs.

They decide nothing, likewise.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import typer

from harness import cli, session, store
from harness.cli import cell_options
from harness.cli.app import app
from harness.cli.cell_options import with_cell_options, with_diagnosis_options
from harness.cli.groups import Answers, Fetches, Reports, Standing, There, grouped
from harness.cli.options import (
    At,
    Authority,
    ControlAt,
    Folder,
    Header,
    Keep,
    Require,
    Runs,
    ShowDiff,
    ToJson,
    names_in,
)
from harness.cli.screen import say
from harness.errors import InputError

__all__ = ["app", "diagnose", "probe", "run", "show"]
"""The front, by now with these."""


@app.command(
    epilog="Examples: `harness run --chain nginx:default` · `harness run --chain 'nextjs:dev>nginx:default'"
    " --mitigation x-accel-buffering --request browser` · `harness run --chain nginx:./my.conf --pace paced` ·"
    " `harness run nginx:gzip/sse/chunked/browser/aiohttp/short/none/lockstep` (a cell of any matrix) ·"
    " `harness run at:chat.example/sse/chunked/curl/aiohttp/short/none/lockstep --at https://chat.example` ·"
    " `harness run --chain nginx:/etc/nginx --map app:8000 --server shop.example:443 --path /api/chat --show-diff` ·"
    " `harness run --chain haproxy:./haproxy.cfg --map chat` · `harness run --chain nextjs:./web --request browser` ·"
    " `harness run --chain 'nginx:default>http://localhost:8000/chat' -d @question.json -H @headers.txt`"
    " (docs/endpoints.md)"
)
@with_cell_options
@grouped
def run(
    *,
    context: typer.Context,
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
    answers: Answers,
    at: At = None,
    control: ControlAt = None,
    standing: Standing,
    show_diff: ShowDiff = False,
    require: Require = None,
    fetches: Fetches,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to: Reports,
    **cell: Any,
) -> None:
    """Measure one cell (with its control and baseline) and draw its timeline."""
    fetching = fetches.fetching()
    outputs = to.outputs()
    deployed = standing.deployment(cli.Typed.of(context))
    site = There(at, control, answers.authority if at else None).site()
    if cell_id is not None:
        if (replace(answers, authority=None) if at else answers).are_given:
            raise InputError(f"{cell_id} says all of a cell: leave --backend, --replay, -X, -H, -d and --cacert out")
        job = cell_options.by_id(cell_id, cell, expect or (), deployed, runs, site)
    elif site:
        raise InputError("--at: name a cell that was measured there by its id, or have `harness matrix` measure a file")
    elif cell["chain"] is None:
        raise InputError("name a cell: by its id, as an output has it, or by its chain with --chain")
    else:
        cell["chain"], last = cli.chain_and_endpoint(cell["chain"])
        answerer = answers.answerer(last, standing.path, cli.Typed.of(context))
        make = partial(cell_options.job, cell, expect or ())
        job = cli.job_of(answerer, deployed, make, cell_options.usual(cell), say)
    cli.tell_diffs(session.diffs(job), show_diff)
    session.require(names_in(require), fetching)
    finished = cli.measure(session.fetched(job, fetching), runs, session.JOBS, keep)
    cli.finish_cell(finished, job, outputs, names_in(require))


@app.command(
    epilog="Examples: `harness show nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep` (the newest one) ·"
    " `harness show 'nginx:gzip/*/no-transform/*' runs/2026…`"
)
@grouped
def show(
    *,
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="A cell's id, as any output has it, or a glob that only one matches.")
    ],
    folder: Folder = None,
    runs: Runs = session.RUNS,
    to: Reports,
) -> None:
    """Draw the timeline of one cell of a run again, with all that is known of it."""
    outputs = to.outputs()
    run = store.Run.open(folder) if folder else None
    run, result = (run, session.result_of(run, cell)) if run else session.newest_with(cell, runs)
    cli.finish_kept(run, result, outputs)


@app.command(
    epilog="Examples: `harness diagnose --hop nextjs:dev --hop nginx:default` · `harness diagnose --chain"
    " 'caddy:encode>nginx:./my.conf' --request browser` · `harness diagnose --hop gateway:default --with my.yaml` ·"
    " `harness diagnose --hop nginx:./gateway.conf --hop http://localhost:8000/chat -d @question.json` ·"
    " `harness diagnose --hop nginx:default --backend asgi:./app.py --path /chat -X POST` (docs/endpoints.md)"
)
@with_diagnosis_options
@grouped
def diagnose(
    *,
    context: typer.Context,
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
            "--with",
            metavar="FILE",
            help="A file whose own proxies, configs and fixes are known, too: a matrix, or these alone.",
        ),
    ] = None,
    budget_s: Annotated[
        float | None,
        typer.Option(
            "--budget",
            metavar="SECONDS",
            min=0.1,
            help="Stop so long after the start of the command, and tell what is known by then. What your application"
            " takes to answer and what has to be fetched are left out.",
        ),
    ] = None,
    answers: Answers,
    standing: Standing,
    show_diff: ShowDiff = False,
    fetches: Fetches,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to: Reports,
    **cell: Any,
) -> None:
    """Find out which hop of a chain holds a stream, and the cheapest change that mends it for every request.

    What is to be changed in a config of yours is measured in it and printed as a diff, for `patch -p0`.
    """
    if bool(hop) == bool(chain):
        raise InputError("name the chain, either hop by hop with --hop, or in one word with --chain")
    fetching = fetches.fetching()
    outputs = to.outputs()
    deployed = standing.deployment(cli.Typed.of(context))
    budget = cli.Budget(budget_s, context.obj)
    hops, last = cli.chain_and_endpoint(chain) if chain else cli.hops_and_endpoint(hop or ())
    answerer = answers.answerer(last, standing.path, cli.Typed.of(context))
    make = partial(cell_options.diagnosis, hops, request or (), file, cell)
    with budget.left_out():
        job = cli.job_of(answerer, deployed, make, cell_options.usual(cell), say)
    cli.tell_diffs(session.diffs(job), show_diff)
    with budget.left_out():
        job = session.fetched(job, fetching)
    looked: list[cli.Looked] = []
    status = 0
    try:
        cli.diagnose(job, runs, keep, budget, looked)
    finally:
        for one in looked:
            status = cli.finish_diagnosis(one.run, one.diagnosis, outputs)
    raise typer.Exit(status)


@app.command(
    epilog="Examples: `harness probe https://example.org/v1/chat -d @body.json -H @headers.txt` ·"
    " `harness probe http://localhost:3000/api/chat --direct http://localhost:8000/chat` (docs/probe.md)"
)
def probe(
    context: typer.Context,
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
    budget_s: Annotated[
        float | None,
        typer.Option(
            "--budget",
            metavar="SECONDS",
            min=0.1,
            help="Begin no request that is likely to end later than that after the first began, and cut short what does"
            " (120); each may take 30 s, or less after a stream that did not end.",
        ),
    ] = None,
    authority: Authority = None,
    json: ToJson = None,
) -> None:
    """Ask an endpoint that runs as curl and browsers do, and tell what arrived how, and which difference matters."""
    typed = cli.Typed.of(context)
    asked = typed, url, direct, method or (), header or (), data, requests, budget_s
    raise typer.Exit(cli.probe(*asked, authority, say, json))
