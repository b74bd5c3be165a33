"""Rubbish for every command: words by the grammar of the real options, matrix files by the keys of the real shapes.

Nothing is listed here that the command line or a shape knows: a new option, command or key is covered by itself. No
program starts: who measures, installs or asks for a version is a fake. `python -m benchmarks.rubbish` runs thousands.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import math
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin
from unittest.mock import patch

import typer
import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from harness import session
from harness.cli import commands, screen
from harness.clients import CLIENTS
from harness.errors import EXIT_MEANINGS
from harness.launchers import apt
from harness.model import AXES, Cell, Outcome, Result
from harness.probe.asking import Search
from harness.probe.takes import Take
from harness.proxies.catalog import PROXIES
from harness.reports import summary
from harness.session import jobs
from harness.store.runs import RUN, Run
from tests.reports.samples import cell as sample_cell
from tests.reports.samples import run_info
from tests.rubbish_files import DOCUMENTS_OF_SORTS, EXAMPLES, SMALL, TEXTS, matrices

GROUP = cast(Any, typer.main.get_command(commands.app))
MATRIX = "m.yaml"
OTHER = "other.yaml"
SHIPPED = {
    **dict.fromkeys(("default", "smoke", "reports/000-small"), Path(OTHER)),
    "reports/001-rubbish": Path(MATRIX),
}
"""What is taken for the matrices that come with the package: those take long to read."""
SURROUNDINGS = ("CI", "HARNESS_REQUIRE", "HARNESS_ALLOW_UNAVAILABLE", "HARNESS_TRACEBACK")
OURS = "a fault of the harness's own"


@dataclass(frozen=True)
class Input:
    """One call: its words, the matrix file that lies there, and how each cell that is measured ends.

    `refused` are the options of which a value was taken that their own type refuses.
    """

    argv: tuple[str, ...]
    document: bytes
    outcome: Outcome
    refused: tuple[str, ...] = ()


@dataclass
class Told:
    """What came of it."""

    status: object
    out: str
    err: str
    runs: list[Run] = field(default_factory=list)
    written: frozenset[str] = frozenset()


# ---------------------------------------------------------------- words, by the real parsers


def _kinds(command: Callable[..., object]) -> dict[str, Any]:
    """Return the type of every parameter of a command, apart from that it may be left out or repeated."""
    kinds: dict[str, Any] = {}
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        if parameter.annotation is typer.Context:
            continue  # nobody types that
        kind = get_args(parameter.annotation)[0]
        while get_origin(kind) in (Union, UnionType, list):
            (kind,) = (one for one in get_args(kind) if one is not type(None))
        kinds[name] = kind
    return kinds


COMMANDS = {one.name or cast(Any, one.callback).__name__: one.callback for one in commands.app.registered_commands}
KINDS = {name: _kinds(cast(Any, command)) for name, command in COMMANDS.items()}


ENDLESS = "watch"
"""Ends only by Ctrl-C, and takes no option that others do not."""
BAD_PATH = "a path is needed"
"""What is said of an empty one, be it that of another option."""


@st.composite
def inputs(draw: DrawFn) -> Input:
    """Draw a call of any command: mostly with words that its options take, some of them rubbish."""
    name = draw(st.sampled_from(sorted(set(GROUP.commands) - {ENDLESS})))
    words: list[str] = [name]
    refused, sure = list[str](), True
    wild = draw(st.integers(0, 3)) == 0
    kinds = KINDS[name]
    for param in GROUP.commands[name].params:
        kind = kinds[param.name]
        if param.param_type_name == "argument" or param.required or draw(st.integers(0, 4)) == 0:
            for _ in range(draw(st.integers(0, 2)) if param.nargs == -1 or param.multiple else 1):
                said = draw(_values_of(param, kind, wild))
                if param.param_type_name == "argument":
                    words += [] if said is None else [said]
                    sure = sure and not (said or "").startswith("-")  # then it is an option, or the end of them
                    continue
                option = draw(st.sampled_from(param.opts))
                words += [option] if param.is_flag else [option, said or ""]
                if not param.is_flag and _is_refused(kind, said or ""):
                    refused.append(max(param.opts, key=len))
    if wild and draw(st.booleans()):
        words.insert(draw(st.integers(1, len(words))), draw(TEXTS))
        sure = False  # one word more may have made another of any that follows it
    outcome = draw(st.sampled_from(["observed", "pass", "fail", "unavailable", "unstable"]))
    document = draw(st.one_of(*[matrices()] * 5, DOCUMENTS_OF_SORTS))
    return Input(tuple(words), document, cast(Outcome, outcome), tuple(refused if sure else ()))


def _values_of(param: Any, kind: Any, wild: bool) -> SearchStrategy[str | None]:
    """Return what an option or argument may be given: what is meant, or anything."""
    meant: list[str | None] = [*(get_args(kind) if get_origin(kind) is Literal else ()), *_examples(param.name)]
    if kind in (int, float):
        meant += ["64", "100", "250"]
    if not param.required and param.param_type_name == "argument":
        meant.append(None)
    good: SearchStrategy[str | None] = st.sampled_from(meant or ["random"])
    return st.one_of(good, good, TEXTS) if wild else good


def _examples(name: str) -> Sequence[str]:
    """Return what fits a parameter of that name: words of an axis, names of programs, or else of files and globs."""
    if name in AXES and AXES[name].words:
        return AXES[name].words
    match name:
        case "chain":
            return ["direct", "nginx:default", "cloudrun:report>nginx:gzip"]
        case "client":
            return list(CLIENTS)
        case "mitigations":
            return ["no-cache", "pad-2k", "post-instead-of-get"]
        case "url" | "direct":
            return ["http://127.0.0.1:9/", "https://localhost/a?b=c", "ws://localhost", "http://a:b@localhost/"]
        case "header" | "data":
            return ["Authorization: Bearer abcdef", '{"stream": true}', f"@{MATRIX}", "@nowhere"]
        case "method":
            return ["GET", "POST"]
        case "require":
            return ["nginx", "aiohttp", "nginx,aiohttp"]
        case "names":
            return ["nginx", "asgi:plain", "000", "000", MATRIX]
        case "only" | "skip":
            return ["*", "direct/*", "nginx:*", "*/paced"]
        case "to_json" | "to_markdown" | "to_junit" | "to_html":
            return ["-", "out.txt", "no/out.txt", "."]
        case "runs" | "records":
            return ["runs", "elsewhere/deep"]
        case "shard":
            return ["1/2", "2/2", "3/2", "1"]
        case "baseline":
            return ["b.yaml", "no/b.yaml"]
        case "folder" | "against" | "stored" | "measured" | "earlier" | "shards":
            return ["kept/one", "kept/two", "kept"]
        case "file":
            return [MATRIX, MATRIX, OTHER, "smoke"]
    return []


def _is_refused(kind: Any, word: str) -> bool:
    """Tell whether an option of that type surely does not take a word."""
    if get_origin(kind) is Literal:
        return word not in get_args(kind)
    if kind in (int, float):
        try:
            return kind is int and not math.isfinite(float(word))
        except ValueError:
            return True
    return False


# ---------------------------------------------------------------- calls, on which nothing starts


def called(given: Input) -> Told:
    """Call the command line in a folder of its own, where nothing is measured or installed, and return what it did."""
    with tempfile.TemporaryDirectory() as outer, contextlib.chdir(outer), _harmless(given.outcome) as runs:
        Path("here").mkdir()
        os.chdir("here")
        Path(MATRIX).write_bytes(given.document)
        Path(OTHER).write_text(yaml.safe_dump(SMALL | {"report": EXAMPLES["report"]}))
        before = {path: path.read_bytes() for path in _kept(given.document)}
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2))
        status: object = None
        with patch.object(sys, "stdout", out), patch.object(sys, "stderr", err), _words(given.argv):
            try:
                commands.main(given.argv)
            except SystemExit as ended:
                status = ended.code
        assert screen.out.quiet is False
        for path, content in before.items():
            assert path.read_bytes() == content, f"{path} was changed"
        here = Path.cwd()
        written = {str(path.relative_to(here)) for path in here.rglob("*") if path.is_file()}
        written |= {f"../{name}" for name in os.listdir(outer) if name != "here"}
        return Told(status, _text(out), _text(err), runs, frozenset(written - {MATRIX, OTHER, *map(str, before)}))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return cast(io.BytesIO, stream.buffer).getvalue().decode("utf-8", "replace")


def _kept(document: bytes) -> Iterator[Path]:
    """Keep two runs, of the file that lies there, and yield their files."""
    text = document.decode("utf-8", "replace")
    for name in ("one", "two"):
        run = Run.create(Path("kept"), replace(run_info(), name=name, matrix_file=MATRIX, cells=1))
        run.info = replace(run.info, matrix_text=text)  # as it may have become since
        run.append(_ended(sample_cell(), "observed"))
        run.finish()
        folder = run.folder.rename(Path("kept") / name)
        yield from (folder / RUN, folder / run.results_file.name)


@contextmanager
def _words(argv: Iterable[str]) -> Iterator[None]:
    with patch.object(sys, "argv", ["harness", *argv]), patch.dict(os.environ):
        for name in SURROUNDINGS:
            os.environ.pop(name, None)
        os.environ["HARNESS_CACHE"] = str(Path("cache").absolute())  # `harness clean` empties whichever it is
        yield


@contextmanager
def _harmless(outcome: Outcome) -> Iterator[list[Run]]:
    """Measure and install nothing: every cell ends with `outcome`, every program is there. Yield the runs made."""
    runs: list[Run] = []

    @asynccontextmanager
    async def measured(job: session.Job, root: Path, **about_run: Any) -> AsyncIterator[tuple[_Runner, Run]]:
        about = replace(run_info(), name=job.matrix.name, matrix_file=job.matrix.file, matrix_text=job.matrix.text)
        about = replace(about, cells=len(job.cells), finished_at=None, options=tuple(about_run["options"]))
        run = Run.create(root, about)
        runs.append(run)
        yield _Runner(run, outcome), run
        run.finish()

    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(session, "session", measured))
        stack.enter_context(patch.object(session, "probe", _probed))
        stack.enter_context(patch.object(jobs, "shipped_matrices", lambda: SHIPPED))
        stack.enter_context(patch.object(apt, "_candidate", lambda package, lists: ""))
        for kind in {*map(type, PROXIES.values()), *CLIENTS.values()}:
            for verb, does in (
                ("version", _version),
                ("install", _nothing),
                ("install_for", _nothing),
                ("fetch", _nothing),
            ):
                if hasattr(kind, verb):
                    stack.enter_context(patch.object(kind, verb, does))
        yield runs


async def _probed(endpoint: object, search: Search, say: object, budget_s: float) -> None:
    """Have everything answered at once by a stream, and nobody asked."""
    while asking := search.next():
        search.takes.append(Take(asking, status=200, messages_ms=(0.0, 100.0)))


def _version(_: object) -> str:
    return "1.0"


def _nothing(*_: object) -> None:
    """Install nothing."""


@dataclass(frozen=True)
class _Runner:
    run_: Run
    outcome: Outcome

    async def run(self, cells: Sequence[Cell], tell: Callable[[Result], None]) -> None:
        """End every cell at once."""
        for cell in cells:
            result = _ended(cell, self.outcome)
            self.run_.append(result)
            tell(result)


def _ended(cell: Cell, outcome: Outcome) -> Result:
    return Result(cell.id, cell, outcome, "as the test says", verdict=None if outcome == "unavailable" else "streamed")


# ---------------------------------------------------------------- what has to hold


def check(given: Input) -> tuple[str, object]:
    """Raise AssertionError if a call does what none may; return its command and status, for statistics."""
    told = called(given)
    said = told.out + told.err
    assert "Traceback" not in said, said
    assert OURS not in said, said
    assert told.status in EXIT_MEANINGS, (told.status, said)
    assert told.status != 130
    if told.status in (2, 5):
        assert told.err.strip(), "a refusal without a word"
        assert not told.runs, "refused, but measured"
    if given.refused and "--help" not in given.argv:
        assert told.status == 2, (given.refused, told.status, said)
        assert any(option in said for option in (*given.refused, BAD_PATH)), (given.refused, said)
    if told.runs:
        required = summary.Required()
        if given.argv[0] == "run":
            required = summary.Required({told.runs[0].results[-1].id})
        statuses = [summary.exit_status(run.info, run.results, required) for run in told.runs]
        assert told.status == summary.worst(statuses), (told.status, statuses, said)
    elif told.status not in (0, 2, 5):
        assert given.argv[0] in ("report", "reports", "check", "diff", "merge", "doctor"), (told.status, said)
    made = {str(run.folder) for run in told.runs}
    outputs = {str(Path(word)) for word in given.argv} | {
        str(Path(word.partition("=")[2])) for word in given.argv if "=" in word
    }
    strays = {
        path
        for path in told.written
        if Path(path).name != ".gitignore" and not ("--update" in given.argv and path.endswith(".baseline.yaml"))
        if not any(path == place or path.startswith(f"{place}/") for place in made | outputs - {"."})
    }
    assert not strays, strays
    return given.argv[0], told.status
