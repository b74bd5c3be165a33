"""The front of the command line: what all commands have in common, and what `harness --help` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import flag
from harness.cli.screen import out
from harness.errors import EXIT_MEANINGS, InputError

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
