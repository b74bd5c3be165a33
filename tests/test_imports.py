"""Who may import whom, as DESIGN.md has it; and that nothing happens on import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import harness

PACKAGE = Path(harness.__file__).parent
ADAPTERS = ("backends", "proxies", "clients", "launchers")
NOUNS = {"harness", "harness.model", "harness.errors"}
PURE = (
    *("documents/*", "matrix/*", "judge/*", "claims/*", "formats/*", "reports/*"),
    *("measure/lockstep", "proxies/hold", "proxies/asgi_options"),
)
KNOW_FORMATS = ("harness.judge.metrics", "harness.matrix.mitigations")
IMPURE = {"asyncio", "aiohttp", "socket", "subprocess", "docker", "time", "os"}


@dataclass(frozen=True)
class Module:
    """One module of ours, read and not run."""

    name: str
    tree: ast.Module

    def imports(self) -> set[str]:
        """Return the modules that it imports, wherever in it that is said."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: imports are absolute"
                assert node.module
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found.update((inner & MODULES.keys()) or {node.module})
        return found

    def ours(self) -> set[str]:
        """Return those of the imports that are ours."""
        return {name for name in self.imports() if name.split(".")[0] == "harness"}

    def folder(self) -> str | None:
        """Return the adapter folder it lies in."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 and parts[1] in ADAPTERS else None


def name_of(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES: dict[str, Module] = {}
MODULES.update({name: Module(name, ast.parse(path.read_text())) for name, path in FILES.items()})
PURE_NAMES = {name_of(path) for pattern in PURE for path in PACKAGE.glob(f"{pattern}.py")}

pure = pytest.mark.parametrize("name", sorted(PURE_NAMES))
each = pytest.mark.parametrize("name", sorted(MODULES))


def test_the_rules_are_about_modules_that_exist() -> None:
    assert {"harness.model", "harness.formats.sse", "harness.formats", "harness.judge.verdict"} <= MODULES.keys()
    assert {
        "harness.judge.metrics",
        "harness.formats.coding",
        "harness.reports.words",
        "harness.proxies.hold",
    } <= PURE_NAMES


@pytest.mark.parametrize("name", ["harness.model", "harness.errors"])
def test_the_nouns_import_nothing_of_ours(name: str) -> None:
    assert MODULES[name].ours() == set()


@pure
def test_a_pure_module_knows_no_sockets_processes_or_clocks(name: str) -> None:
    assert {imported.split(".")[0] for imported in MODULES[name].imports()} & IMPURE == set()


@pure
def test_a_pure_module_imports_only_pure_ones(name: str) -> None:
    assert MODULES[name].ours() <= NOUNS | PURE_NAMES


@pure
def test_only_metrics_and_mitigations_of_the_pure_part_know_formats(name: str) -> None:
    formats = {imported for imported in MODULES[name].ours() if imported.startswith("harness.formats")}
    assert not formats or name.startswith("harness.formats") or name in KNOW_FORMATS


@each
def test_adapters_do_not_know_each_other_except_for_launchers_and_backends_formats(name: str) -> None:
    folder = MODULES[name].folder()
    if folder is None:
        return
    allowed = {folder, "launchers", "model", "errors", "documents", "resources"}
    allowed |= {"formats"} if folder == "backends" else set()
    rooms = {imported.removeprefix("harness.").split(".")[0] for imported in MODULES[name].ours() - {"harness"}}
    assert rooms <= allowed


@each
def test_only_the_front_of_the_house_imports_the_front(name: str) -> None:
    front = {"session", "cli", "__main__", "plugin"}
    rooms = {imported.split(".")[1] for imported in MODULES[name].ours() - {"harness"}}
    assert not rooms & front or name.split(".")[1] in front


# ---------------------------------------------------------------- nothing happens on import

QUIET = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AnnAssign),
)


def is_quiet(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):  # a docstring
            return True
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.If(body=body, orelse=orelse):
            return all(map(is_quiet, [*body, *orelse]))
    return isinstance(node, QUIET)


@each
def test_a_module_only_defines_names(name: str) -> None:
    if not name.endswith(".__main__"):
        loud = [ast.unparse(node) for node in MODULES[name].tree.body if not is_quiet(node)]
        assert loud == []


WATCH = """
import importlib, json, os, signal, sys, threading
names = json.loads(sys.argv[1])
for name in names: importlib.import_module(name)  # what others do when they are imported is theirs
for name in names: del sys.modules[name]
happened = []
READ = ("r", "rb", None)
def watch(event, arguments):
    if event == "open" and arguments[1] not in READ or event.split(".")[0] in (
        "socket", "subprocess", "shutil", "tempfile", "signal"
    ) or event in ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.system", "os.exec", "os.fork", "os.putenv"):
        happened.append(f"{event} {arguments}")
def state():
    handlers = [str(signal.getsignal(number)) for number in signal.valid_signals()]
    return len(os.listdir("/proc/self/fd")), handlers, threading.active_count(), dict(os.environ), os.getcwd()
before = state()
sys.dont_write_bytecode = True
sys.addaudithook(watch)
for name in names: importlib.import_module(name)
happened = list(happened)
print(json.dumps([happened, before == state()]))
"""


def test_importing_every_module_opens_starts_changes_and_prints_nothing(tmp_path: Path) -> None:
    names = [name for name in MODULES if not name.endswith(".__main__")]
    argv = [sys.executable, "-c", WATCH, json.dumps(names)]
    watched = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert watched.stderr == ""
    assert json.loads(watched.stdout) == [[], True]
    assert list(tmp_path.iterdir()) == []
