"""The command line: reads options, calls the session, prints what comes back. It decides nothing.

Exit status: 0 as expected, 1 an expectation failed, 2 wrong input or usage, 3 the harness or a required proxy
failed, 5 nothing selected, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from harness import listing, session
from harness.errors import HarnessError
from harness.metrics import delivery
from harness.model import Pace, Result
from harness.rejudge import held_against
from harness.reports import RENDERERS, summary, terminal
from harness.reports.timeline import Timeline
from harness.runner import JOBS
from harness.store import Run, check_writable, latest, load_traces, write_text

INTERRUPTED = 130
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
T = TypeVar("T")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Find out which mitigation defeats which buffering layer when LLM tokens stream through real proxies.",
    epilog="Start with `harness doctor`, then `harness matrix smoke`.",
)


class Outlet(Console):
    """A console that goes on in silence when nobody reads it any more, as in `harness matrix | head`."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


out = Outlet(soft_wrap=True, highlight=False, emoji=False)
err = Outlet(stderr=True, soft_wrap=True, highlight=False, emoji=False)

Only = Annotated[list[str] | None, typer.Option("--only", metavar="GLOB", help="Run cells whose id matches.")]
Skip = Annotated[list[str] | None, typer.Option("--skip", metavar="GLOB", help="Leave out cells whose id matches.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Cells measured at once.")]
Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        metavar="NAMES",
        envvar="HARNESS_REQUIRE",
        help="Fail if these proxies or clients cannot run here, as nginx,nextjs.",
    ),
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that run folders are made in.")]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the proxies' temporary folders.")]
ToJson = Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Also write JSON.")]
ToMarkdown = Annotated[Path | None, typer.Option("--markdown", metavar="PATH", help="Also write Markdown.")]
ToJunit = Annotated[Path | None, typer.Option("--junit", metavar="PATH", help="Also write JUnit XML.")]
ToHtml = Annotated[Path | None, typer.Option("--html", metavar="PATH", help="Also write one HTML page.")]


class Interrupted(HarnessError):
    """Ctrl-C or SIGTERM."""

    exit_status = INTERRUPTED


@app.command(
    epilog="Examples: `harness matrix smoke` · `harness matrix my.yaml --only 'nginx:*' --json out.json` ·"
    " `harness matrix default --require nginx,nextjs --markdown table.md`"
)
def matrix(
    file: Annotated[
        str, typer.Argument(help="A matrix file, or the name of a shipped one: smoke, default.")
    ] = "default",
    only: Only = None,
    skip: Skip = None,
    pace: Annotated[Pace | None, typer.Option(help="Measure every cell at this pace.")] = None,
    jobs: Jobs = JOBS,
    require: Require = None,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Measure a matrix of cells and print which mitigation defeats which layer."""
    session.require(_names(require))
    job = session.load(file, only or (), skip or (), pace)
    outputs = _outputs(to_json, to_markdown, to_junit, to_html)
    run = _interruptible(_measure(job, runs, jobs, keep))
    _export(run, outputs)
    _finish(run)


@app.command(
    epilog="Examples: `harness run --chain nginx:default` · `harness run --chain 'nextjs:dev>nginx:default'"
    " --mitigation x-accel-buffering --request browser` · `harness run --chain nginx:./my.conf --pace paced`"
)
def run(
    chain: Annotated[
        str, typer.Option(help="Proxies, client side first: direct, nginx:default, nextjs:dev>nginx:default.")
    ],
    mitigation: Annotated[
        list[str] | None, typer.Option("--mitigation", "-m", help="Apply it; may be repeated.")
    ] = None,
    format: Annotated[str, typer.Option(help="sse, ndjson or text.")] = "sse",
    body: Annotated[str, typer.Option(help="How the backend frames the body: chunked, length or close.")] = "chunked",
    request: Annotated[str, typer.Option(help="Request headers of: curl or browser.")] = "curl",
    client: Annotated[str, typer.Option(help="What reads the stream.")] = "aiohttp",
    pace: Annotated[str, typer.Option(help="lockstep or paced.")] = "lockstep",
    tokens: Annotated[int, typer.Option(help="How many tokens.")] = 32,
    token_bytes: Annotated[int, typer.Option(help="Size of one event.")] = 96,
    interval_ms: Annotated[float, typer.Option(help="Time between tokens when paced.")] = 50.0,
    payload: Annotated[str, typer.Option(help="repetitive or random.")] = "repetitive",
    patience_ms: Annotated[float, typer.Option(help="How long lockstep waits before a token counts as held.")] = 300.0,
    runs: Runs = session.RUNS,
    keep: Keep = False,
    to_json: ToJson = None,
) -> None:
    """Measure one cell (with its control and baseline) and draw its timeline."""
    job = session.one_cell(
        axes={
            "chain": chain,
            "mitigations": [list(mitigation or ())],
            "format": format,
            "body": body,
            "request": request,
            "client": client,
            "pace": pace,
        },
        workload={
            "tokens": tokens,
            "token_bytes": token_bytes,
            "interval_ms": interval_ms,
            "payload": payload,
            "patience_ms": patience_ms,
        },
    )
    outputs = _outputs(to_json)
    finished = _interruptible(_measure(job, runs, JOBS, keep))
    by_id = {result.id: result for result in finished.results}
    result = by_id[job.cells[-1].id]
    if result.evidence:
        trace = load_traces(finished.folder / result.evidence)[0]
        arrivals = {arrival.seq: arrival.at_ns for arrival in delivery(trace).arrivals}
        out.print(Timeline(trace, result, arrivals))
    _export(finished, outputs)
    _finish(finished, terminal.single(result, by_id.get(result.baseline_id or "")))


@app.command(name="list", epilog="Examples: `harness list mitigations` · `harness list cells smoke --only 'nginx:*'`")
def list_(
    what: Annotated[listing.What, typer.Argument(help="What to list.")],
    file: Annotated[str, typer.Argument(help="For cells: a matrix file or name.")] = "default",
    only: Only = None,
    skip: Skip = None,
) -> None:
    """List proxies, mitigations, profiles, formats, clients, or the cells of a matrix."""
    if what == "cells":
        for cell in session.load(file, only or (), skip or ()).cells:
            out.print(cell.id, markup=False)
        return
    _print_table(listing.rows(what))


@app.command(epilog="Examples: `harness doctor` · `harness doctor --require nginx,nextjs` (fails if one is missing)")
def doctor(require: Require = None) -> None:
    """Show what can run here, in which version, and what to install."""
    _print_table(listing.health())
    session.require(_names(require))


@app.command(epilog="Examples: `harness setup` · `harness setup nextjs`")
def setup(names: Annotated[list[str] | None, typer.Argument(help="What to set up; by default all.")] = None) -> None:
    """Install what proxies and clients need: nginx, Chromium, npm packages and the production build of Next.js."""
    session.set_up(names or (), lambda line: err.print(line, markup=False))


@app.command(epilog="Examples: `harness report` (the last run) · `harness report runs/2026… --html out.html`")
def report(
    folder: Annotated[Path | None, typer.Argument(help="A run folder; by default the last one.")] = None,
    rejudge: Annotated[bool, typer.Option(help="Judge the stored traces again with today's rules.")] = False,
    runs: Runs = session.RUNS,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Print a run again from what is on disk, even if it was killed."""
    run = Run.open(folder or latest(runs))
    if run.torn:
        err.print("The last line of results.jsonl was cut off when the run was killed; it is left out.")
    if not run.info.finished_at and len(run.results) < run.info.cells:
        err.print(f"Incomplete: the run had {len(run.results)} of {run.info.cells} cells when it ended.", markup=False)
    if rejudge:
        run.results = session.rejudged(run)
    _export(run, _outputs(to_json, to_markdown, to_junit, to_html))
    _finish(run)


@app.command(epilog="Example: `harness check --against runs/20260101T120000Z-default` (the last run against that one)")
def check(
    against: Annotated[Path, typer.Option(help="The run folder whose verdicts are expected.")],
    folder: Annotated[Path | None, typer.Argument(help="A run folder; by default the last one.")] = None,
    runs: Runs = session.RUNS,
    to_json: ToJson = None,
    to_markdown: ToMarkdown = None,
    to_junit: ToJunit = None,
    to_html: ToHtml = None,
) -> None:
    """Hold one run against another: every verdict has to be what it was."""
    run, earlier = Run.open(folder or latest(runs)), Run.open(against)
    run.results = held_against(run.results, earlier.results, str(against))
    if gone := {result.id for result in earlier.results} - {result.id for result in run.results}:
        err.print(f"{len(gone)} of the {len(earlier.results)} cells of {against} are not in this run.", markup=False)
    _export(run, _outputs(to_json, to_markdown, to_junit, to_html))
    _finish(run)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    try:
        app(args=list(argv) if argv is not None else None)
    except Interrupted as error:
        err.print(str(error), markup=False)
        sys.exit(error.exit_status)
    except HarnessError as error:
        err.print("[bold red]harness:[/] ", end="")
        err.print(str(error), markup=False)
        sys.exit(error.exit_status)


async def _measure(job: session.Job, runs: Path, jobs: int, keep: bool) -> Run:
    async with session.session(job, runs, jobs=jobs, keep=keep, options=sys.argv[1:]) as (runner, run):
        with _progress(len(job.cells), run) as tell:
            await runner.run(job.cells, tell)
    return run


@contextlib.contextmanager
def _progress(total: int, run: Run) -> Iterator[Callable[[Result], None]]:
    """A bar on a terminal, else a line per finished cell; if it is interrupted, where the results are."""
    done = 0
    try:
        if err.is_terminal and not os.environ.get("CI"):
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            with Progress(*columns, console=err, transient=True) as bar:
                task = bar.add_task("starting", total=total)

                def advance(result: Result) -> None:
                    nonlocal done
                    done += 1
                    bar.update(task, advance=1, description=f"{result.verdict or result.outcome}  {result.id}")

                yield advance
        else:

            def say(result: Result) -> None:
                nonlocal done
                done += 1
                err.print(terminal.progress(result, done, total))

            yield say
    except asyncio.CancelledError:
        raise Interrupted(
            f"Interrupted: {done} of {total} cells are done. `harness report {run.folder}` shows them."
        ) from None


def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; the first Ctrl-C or SIGTERM cancels it, so that it cleans up. No second one breaks into that."""
    before = {number: signal.getsignal(number) for number in INTERRUPTS}

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task

        def interrupt(*_: object) -> None:
            for number in INTERRUPTS:
                signal.signal(number, signal.SIG_IGN)
            loop.call_soon_threadsafe(task.cancel)

        try:
            for number, handler in before.items():
                if handler != signal.SIG_IGN:  # as a shell starts what it puts in the background
                    signal.signal(number, interrupt)
            return await work
        finally:
            for number, handler in before.items():
                if signal.getsignal(number) is interrupt:
                    signal.signal(number, handler)

    try:
        return asyncio.run(cancellable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted("Interrupted.") from None


def _outputs(*paths: Path | None) -> dict[str, Path]:
    """Return where to write what. Raises InputError for what cannot be written, before anything is measured."""
    outputs = {name: path for name, path in zip(("json", "markdown", "junit", "html"), paths, strict=False) if path}
    for path in outputs.values():
        check_writable(path)
    return outputs


def _export(run: Run, outputs: Mapping[str, Path]) -> None:
    for name, path in outputs.items():
        write_text(path, RENDERERS[name](run.info, run.results))


def _finish(run: Run, told: RenderableType | None = None) -> None:
    status = summary.exit_status(run.results)
    out.print(told or terminal.Report(run.info, run.results, status))
    err.print(f"Results and evidence: {run.folder}", markup=False)
    raise typer.Exit(status)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    head, *body = rows
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in body:
        table.add_row(*row)
    out.print(table, soft_wrap=False)


def _names(options: Sequence[str] | None) -> list[str]:
    return [name for option in options or () for name in option.split(",") if name]
