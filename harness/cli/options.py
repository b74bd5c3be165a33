"""The options that several commands share, and what is read out of them.

Rule: an empty word is a variable that was not set, and never stands for a default.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import model
from harness.errors import InputError, allowed, shortened

STDOUT = Path("-")


FLAG = ""
"""The metavar of an option that takes no value; where it has none, newer typers say `<bool>`."""


def flag(*names: str, told: str, **more: Any) -> Any:
    """Return an option that is there or not."""
    return typer.Option(*names, metavar=FLAG, help=told, **more)


def path_option(name: str, told: str, metavar: str = "PATH") -> Any:
    """Return the option that takes a path."""
    return typer.Option(name, metavar=metavar, parser=named_path, help=told)


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return what reads one of these words. Raises BadParameter for another."""

    def read(given: str) -> str:
        if given not in words:
            raise typer.BadParameter(f"{shortened(given)} is not allowed; {allowed(given, words)}")
        return given

    return read


def named_path(given: str | Path) -> Path:
    """Read a path. Raises BadParameter if none is given: `Path("")` would be the folder that we are in."""
    if given == "":
        raise typer.BadParameter("a path is needed, and this is empty")
    return Path(given)


Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="GLOB",
        help="Take only cells whose id, or a part of it, matches: nginx:default is any version of it, unless there is"
        " one without a version.",
    ),
]
Skip = Annotated[list[str] | None, typer.Option("--skip", metavar="GLOB", help="Leave out cells likewise.")]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="SHARD", help="Measure one of so many parts, as 2/4; `harness merge` joins them."),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", metavar="N", min=1, max=256, help="Cells measured at once, fewer while the machine is too busy."
    ),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        metavar="NAMES",
        envvar="HARNESS_REQUIRE",
        help="Fail if these proxies or clients, as nginx,nextjs, cannot run here, or could not in a stored run.",
    ),
]
Allow = Annotated[
    bool,
    flag(
        "--allow-unavailable",
        told="Where `CI` is set, too, accept that some cells cannot run here.",
        envvar="HARNESS_ALLOW_UNAVAILABLE",
    ),
]
Offline = Annotated[
    bool,
    flag("--offline", told="Fetch no program: what is not here is unavailable.", envvar="HARNESS_OFFLINE"),
]
Locked = Annotated[
    bool,
    flag("--locked", told="Fetch only versions that a lock file has the hashes of.", envvar="HARNESS_LOCKED"),
]
Runs = Annotated[Path, path_option("--runs", "Folder that run folders are made in.")]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="TARGET", help="What your config passes requests on to, as app:8000, is the next hop."
    ),
]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="NAME", help="Which server of your config is asked, as shop.example:443."),
]
AskedPath = Annotated[
    str | None,
    typer.Option("--path", metavar="PATH", help="What your config or your app is asked for, as /api/chat."),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="APP",
        help="What answers instead of our emitter, asked once and replayed: a URL, asgi:./app.py, or"
        " 'command: uvicorn app:app --port ${PORT}'.",
    ),
]
Replay = Annotated[
    Path | None,
    path_option("--replay", "Replay what was recorded: a file, or a run that has one. Nobody is asked.", "FILE"),
]
Method = Annotated[
    list[str] | None, typer.Option("--method", "-X", metavar="METHOD", help="GET or POST; by default POST with a body.")
]
Header = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header, or @FILE with a line for each."),
]
Data = Annotated[str | None, typer.Option("--data", "-d", metavar="BODY", help="What to post, or @FILE.")]
Authority = Annotated[
    Path | None, path_option("--cacert", "Who signed the certificate, as PEM, if the system trusts others.", "FILE")
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="URL", help="Measure what is in front of an emitter that is deployed there."),
]
ControlAt = Annotated[
    str | None,
    typer.Option("--control", metavar="URL", help="Another way in to that emitter: only streams then go by --at."),
]
ShowDiff = Annotated[bool, flag("--show-diff", told="Show what is changed of your config to measure it.")]
Keep = Annotated[bool, flag("--keep", told="Keep the proxies' temporary folders, and say where.")]
ToJson = Annotated[Path | None, path_option("--json", "Also write JSON; - is standard output.")]
ToMarkdown = Annotated[Path | None, path_option("--markdown", "Also write Markdown, likewise.")]
ToJunit = Annotated[Path | None, path_option("--junit", "Also write JUnit XML, likewise.")]
ToHtml = Annotated[Path | None, path_option("--html", "Also write one HTML page, likewise.")]
Folder = Annotated[
    Path | None,
    typer.Argument(metavar="FOLDER", parser=named_path, help="A run folder; by default the last one."),
]


def deployment(targets: Sequence[str] | None, server: str | None, path: str | None) -> model.Deployment:
    """Return how a config of the user's stands in chains. Raises InputError for what cannot be meant."""
    if path is not None and not re.fullmatch(r"/[!-~]*", path):
        raise InputError(f"--path: {path!r} is no path as a request has it: it begins with /, as /api/chat")
    if server is not None and not re.fullmatch(r"(?=.)([^=\s]+=)?[^:\s]*(:[0-9]{1,5})?", server):
        raise InputError(f"--server: {server!r} is no server: it is a name, a port, or both, as shop.example:443")
    if "" in (targets or ()):
        raise InputError("--map names nothing: it is what your config passes requests on to, as app:8000")
    return model.Deployment(tuple(targets or ()), server or "", path or "")


def names_in(options: Sequence[str] | None) -> list[str]:
    """Return the names in options that take several, divided by commas. Raises InputError for one without any."""
    names = [[name for name in option.split(",") if name] for option in options or ()]
    if [] in names:
        raise InputError("--require names nothing: leave it out, or name proxies and clients, as nginx,nextjs")
    return list(itertools.chain(*names))
