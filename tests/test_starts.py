"""What each program of ours loads when it starts: held by count, as what it costs is a figure for benchmarks."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from harness import cli, lazily, model, reports, session, store
from harness.backends.local import TRUSTS_NOBODY
from tests.test_imports import FILES

LIBRARIES = (
    *("aiohttp", "asyncio", "brotli", "h2", "importlib.metadata", "pydantic", "rich.console", "rich.markdown", "ssl"),
    *("tenacity", "typer", "yaml", "zstandard"),
)
"""What takes a while to load: nearly all that we depend on, and the like of the standard library."""

FRONT = "cli errors model reports resources session store"
HELP = "rich.console rich.markdown typer"
TELLS = """
import atexit, runpy, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Start:
    """A start that loads these rooms, these nouns and these libraries, and ends with this status."""

    argv: str
    rooms: str
    nouns: str
    libraries: str
    status: int = 0


STARTS = (
    Start("harness --version", FRONT, "asked axes hops recording words", "importlib.metadata rich.console typer"),
    Start("harness --help", FRONT, "asked axes hops recording words", HELP),
    Start("harness matrix --help", FRONT, "asked axes hops recording words", HELP),
    Start("harness run --help", FRONT, "asked axes hops recording words", HELP),
    Start("harness nonsense", FRONT, "asked axes hops recording words", HELP, 2),
    Start("harness run --nonsense", FRONT, "asked axes hops recording words", HELP, 2),
    Start(
        "harness report nowhere",
        f"{FRONT} claims diagnosis documents formats matrix",
        "asked axes commands deployed facts hops judged kept planned recorded recording redaction reported run words",
        "importlib.metadata pydantic rich.console typer yaml",
        2,
    ),
    Start(
        "harness.backends.emitter --help",
        "backends errors formats model",
        "asked hops planned recorded recording words",
        "aiohttp asyncio brotli ssl",
    ),
    Start("harness.proxies.emulator_server --help", "model proxies", "words", "aiohttp asyncio brotli ssl"),
)


@pytest.mark.proxies
@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.argv)
def test_a_start_loads_what_it_needs_and_no_more(start: Start) -> None:
    argv = [sys.executable, "-P", "-c", TELLS, *start.argv.split()]
    env = {name: value for name, value in os.environ.items() if not name.startswith("HARNESS_")}  # as a user has none
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    loaded = done.stderr.splitlines()[-1].split()
    ours = [name.split(".") for name in loaded if name.startswith("harness.")]
    assert done.returncode == start.status, done.stderr
    assert {room for _, room, *_ in ours} == set(start.rooms.split())
    assert {rest[0] for _, room, *rest in ours if room == "model" and rest} == set(start.nouns.split())
    assert {name for name in loaded if name in LIBRARIES} == set(start.libraries.split())


def test_who_trusts_nobody_reads_no_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TRUSTS_NOBODY.items():
        monkeypatch.setenv(name, value)
    assert ssl.create_default_context().get_ca_certs() == []


FRONTS = (cli, model, reports, session, store)
"""The rooms whose names are loaded when they are asked for."""


@pytest.mark.parametrize("front", FRONTS, ids=lambda front: front.__name__)
def test_a_front_has_the_names_that_it_imports_for_type_checkers_and_no_others(front: ModuleType) -> None:
    names, load = lazily(front.__name__)
    assert names == front.__all__
    for name in names:
        assert load(name) is getattr(front, name)
    modules = {path.stem for path in Path(str(front.__file__)).parent.iterdir()}
    assert modules.isdisjoint(names), "whichever of the two is asked for first would stand for both"
    with pytest.raises(AttributeError, match=f"module '{front.__name__}' has no attribute 'nothing'"):
        front.nothing  # noqa: B018


def test_these_are_all_the_fronts() -> None:
    assert {name for name, path in FILES.items() if "lazily(__name__)" in path.read_text()} == {
        front.__name__ for front in FRONTS
    }
