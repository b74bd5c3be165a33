"""The door of `python -m benchmarks.mutants`: what is asked, which files that is, and how the answer is told."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import benchmarks.mutants
from benchmarks.mutants.listed import KINDS, entry, idle, key, listed
from benchmarks.mutants.operators import Mutant, mutants
from benchmarks.mutants.suite import observed
from benchmarks.mutants.trial import survivors
from harness.resources import cores

ROOT = Path(__file__).parents[2]
LISTING = Path(__file__).with_name("listed.yaml")


@dataclass(frozen=True, slots=True)
class Project:
    """What is mutated and what tests it, from its root on.

    `ground` is all that tests may rest on. `warm` are modules of others that are imported once for all.
    """

    root: Path
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    ground: tuple[str, ...]
    warm: tuple[str, ...] = ()
    listing: Path = LISTING


HARNESS = Project(
    ROOT,
    sources=(
        "harness/judge",
        "harness/measure/lockstep.py",
        "harness/measure/guard.py",
        "harness/measure/schedule.py",
        "harness/proxies/hold.py",
        "harness/claims",
        "harness/diagnosis",
        "harness/matrix",
    ),
    tests=(
        "tests/judge",
        "tests/measure",
        "tests/claims",
        "tests/diagnosis",
        "tests/matrix",
        "tests/model",
        "tests/reports",
        "tests/documents",
        "tests/proxies/test_hold.py",
        "tests/test_simulated_hops.py",
    ),
    ground=("harness", "tests", "configs/mitigations.yaml", "pyproject.toml"),
    warm=("aiohttp", "pydantic", "rich.console", "typer", "yaml", "tenacity", "h2.connection", "pytest_asyncio"),
)


def main(arguments: Sequence[str] | None = None, project: Project = HARNESS) -> int:
    """Try mutants, tell which survive, and return the exit status."""
    asked = argparse.ArgumentParser(
        prog="python -m benchmarks.mutants", description=(benchmarks.mutants.__doc__ or "").splitlines()[0]
    )
    asked.add_argument("modules", metavar="MODULE", nargs="*", help="a room or a module of it; default: all")
    asked.add_argument("-n", type=int, default=300, help="how many mutants are drawn (default: 300)")
    asked.add_argument("--seed", type=int, default=0, help="which ones (default: 0)")
    asked.add_argument("--workers", type=int, default=cores(), help="how many are tried at once (default: %(default)s)")
    told = asked.parse_args(arguments)
    os.chdir(project.root)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        known = listed(project.listing)
        files = _chosen(_files(project.sources), told.modules)
    except ValueError as error:
        asked.error(str(error))
    every = [mutant for file in files for mutant in mutants(str(file), file.read_bytes())]
    drawn = random.Random(told.seed).sample(every, min(told.n, len(every)))
    print(f"{len(drawn)} of {len(every)} mutants of {len(files)} modules, seed {told.seed}", flush=True)
    for name in ("pytest", "hypothesis", *project.warm):
        importlib.import_module(name)
    try:
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            left = _tried(drawn, project, Path(folder), told.workers)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the tree is as it was", file=sys.stderr)
        return 130
    unlisted = [mutant for mutant in left if key(mutant) not in known]
    stale = idle(known, every, [mutant for mutant in drawn if mutant not in left])
    for mutant in sorted(unlisted, key=lambda one: (one.path, one.start)):
        print(f"\n{_diff(mutant)}\n{entry(mutant)}", end="")
    for (path, where, was, _), why in stale.items():
        print(f"\nlisted, but {why}: {path}: {where}: {was}")
    kinds = Counter(known[key(mutant)] for mutant in left if key(mutant) in known)
    said = ", ".join(f"{kinds[kind]} listed as {kind}" for kind in KINDS)
    print(f"\n{len(drawn) - len(left)} caught, {said}, {len(unlisted)} survived, {len(stale)} listed in vain")
    return 1 if unlisted or stale else 0


def _tried(drawn: Sequence[Mutant], project: Project, folder: Path, workers: int) -> list[Mutant]:
    """Return the mutants that survive. Raises RuntimeError if tests fail without any."""
    ground = [file for file in _files(project.ground, "*") if not file.name.startswith("test_")]
    sources = [str(file) for file in _files(project.sources)]
    suite = observed(project.tests, sources, ground, folder, workers)
    if suite.failed:
        raise RuntimeError(f"without any mutant these fail: {', '.join(suite.failed)}")
    print(f"{len(suite.seconds)} fast tests, {sum(suite.seconds.values()):.0f} s", flush=True)
    return survivors(drawn, suite, folder, workers, _progress)


def _progress(said: str) -> None:
    if sys.stdout.isatty():
        print(f"\r{said}\x1b[K", end="", flush=True)
    elif said.split()[0].endswith("0"):
        print(said, flush=True)


def _files(names: Iterable[str], pattern: str = "*.py") -> list[Path]:
    """Return the files of some files and folders."""
    paths = (file for name in names for file in (sorted(Path(name).rglob(pattern)) or [Path(name)]))
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


def _chosen(files: Sequence[Path], modules: Sequence[str]) -> list[Path]:
    """Return the files of some modules or rooms. Raises ValueError if there are none."""
    for name in modules:
        if not any(_is_in(file, name) for file in files):
            raise ValueError(f"{name}: no room or module that is looked at; there are: {', '.join(map(str, files))}")
    return [file for file in files if not modules or any(_is_in(file, name) for name in modules)]


def _is_in(file: Path, module: str) -> bool:
    return f".{module}." in f".{'.'.join(file.with_suffix('').parts)}."


def _diff(mutant: Mutant) -> str:
    before, after = mutant.source.decode().splitlines(), mutant.mutated.decode().splitlines()
    place = f"{mutant.path}:{mutant.lines.start}"
    return "\n".join(difflib.unified_diff(before, after, place, mutant.where or "at the top", n=1, lineterm=""))


if __name__ == "__main__":
    sys.exit(main())
