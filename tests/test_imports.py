"""Who may import whom: the rooms of the house, the arrows between them, and that nothing happens on import.

`python -m tests.test_imports` prints the rooms from the ground up, each with the rooms that it knows.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import harness
from harness.clients import CLIENTS
from harness.model import AXES
from harness.proxies.catalog import PROXIES

PACKAGE = Path(harness.__file__).parent

ROOMS: Mapping[str, str] = {
    "model": "",
    "errors": "",
    "resources": "errors",
    "documents": "errors model",
    "formats": "errors model",
    "launchers": "errors model resources",
    "backends": "errors formats launchers model",
    "clients": "errors launchers model",
    "proxies": "documents errors launchers model resources",
    "judge": "errors formats model",
    "reports": "documents errors model",
    "matrix": "documents errors formats model",
    "diagnosis": "errors matrix model reports",
    "probe": "errors formats model reports",
    "recordings": "errors formats model probe",
    "baseline": "documents errors judge model reports",
    "claims": "diagnosis matrix model reports",
    "store": "documents errors model resources",
    "measure": "backends clients errors formats judge launchers matrix model proxies resources store",
    "session": "backends baseline clients diagnosis errors formats judge launchers matrix measure model probe proxies"
    " recordings resources store",
    "plugin": "diagnosis errors model probe reports resources session",
    "cli": "baseline claims diagnosis errors model probe reports resources session store",
    "__main__": "cli",
    "benchmarks": (
        "backends claims documents errors formats judge launchers matrix measure model reports resources session store"
    ),
}
"""The rooms from the ground up, and whom each knows: rooms below it only. Benchmarks stand outside, and count."""

MOST_ARROWS = 114
"""Half of what they were when the house was one shelf of modules, the seven of the room for diagnoses, the seven of
that for somebody's endpoint, the five of that for answers that are recorded, the seven of that for baselines, one for
tests that watch a stream, one for an emitter elsewhere, one for an engine's address, which may have a password in it,
and the two of an archive that writes bodies anew."""

PURE_ROOMS = (
    "model",
    "errors",
    "documents",
    "formats",
    "matrix",
    "judge",
    "diagnosis",
    "probe",
    "recordings",
    "baseline",
    "claims",
    "reports",
)
PURE_MODULES = (
    "measure.announced",
    "measure.grants",
    "measure.lockstep",
    "proxies.hold",
    "proxies.languages.apache_lines",
    "proxies.languages.caddy_routes",
    "proxies.languages.choice",
    "proxies.languages.envoy_routes",
    "proxies.languages.haproxy_lines",
    "proxies.languages.given_values",
    "proxies.languages.random_words",
    "proxies.languages.secrets",
    "proxies.languages.traefik_rules",
    "proxies.languages.yaml_nodes",
    "proxies.nginx_language",
    "proxies.nginx_moves",
    "proxies.nginx_serving",
    "proxies.nginx_targets",
    "proxies.quoting",
    "proxies.source_text",
    "proxies.application_options",
    "proxies.placeholders",
    "proxies.complaints",
)
IMPURE = {"asyncio", "aiohttp", "socket", "subprocess", "docker", "time", "os"}
KNOW_FORMATS = (
    "harness.judge.metrics",
    "harness.matrix.mitigations",
    "harness.probe.messages",
    "harness.recordings.cutting",
)
"""All others of the pure rooms do without: what a format is stays behind one door."""


@dataclass
class Module:
    """One module of ours, read and not run."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Return its code, parsed where a test asks for it: to collect them all nobody need wait for that."""
        return ast.parse(self.path.read_text())

    @cached_property
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

    @cached_property
    def ours(self) -> set[str]:
        """Return those of the imports that are ours."""
        return {name for name in self.imports if name.split(".")[0] == "harness"}

    @property
    def is_pure(self) -> bool:
        """Whether it is to know neither sockets nor processes nor clocks."""
        return room_of(self.name) in PURE_ROOMS or self.name.removeprefix("harness.") in PURE_MODULES


def name_of(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    """Return the room that a module lies in: its folder, or itself; none of the package as a whole."""
    package, _, rest = name.partition(".")
    return rest.partition(".")[0] if package == "harness" else package


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = {name: Module(name, path) for name, path in FILES.items()}

BENCHMARKS = sorted((PACKAGE.parent / "benchmarks").rglob("*.py"))
WHOLE = MODULES | {name_of(path): Module(name_of(path), path) for path in BENCHMARKS}

PURE = {name: module for name, module in MODULES.items() if module.is_pure}


def known_by(room: str) -> set[str]:
    """Return the rooms that a room's modules import from."""
    imported = {room_of(one) for name, module in WHOLE.items() if room_of(name) == room for one in module.ours}
    return imported - {room, ""}


def picture() -> str:
    """Return the rooms from the ground up, a line each, and how many arrows there are."""
    lines = [f"{room:9} -> {' '.join(sorted(known_by(room))) or 'nothing of ours'}" for room in ROOMS]
    arrows = sum(len(known_by(room)) for room in ROOMS)
    return "\n".join([*lines, f"{arrows} arrows between {len(ROOMS)} rooms"])


def test_every_module_is_in_a_room() -> None:
    assert {room_of(name) for name in WHOLE} - {""} == ROOMS.keys()
    assert {f"harness.{name}" for name in PURE_MODULES} <= MODULES.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_those_of_the_table(room: str) -> None:
    assert known_by(room) == set(ROOMS[room].split())


def test_no_arrow_runs_up_and_there_are_few() -> None:
    print(picture())
    order = list(ROOMS)
    assert [f"{a} -> {b}" for a in order for b in known_by(a) if order.index(b) >= order.index(a)] == []
    assert sum(len(known_by(room)) for room in ROOMS) <= MOST_ARROWS


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({name: module.ours for name, module in MODULES.items()}).prepare()  # raises if there is one


def test_a_pure_module_knows_no_sockets_processes_or_clocks() -> None:
    known = {name: {one.split(".")[0] for one in module.imports} & IMPURE for name, module in PURE.items()}
    assert {name: impure for name, impure in known.items() if impure} == {}


def test_a_pure_module_imports_only_pure_ones() -> None:
    known = {name: module.ours - {"harness"} - PURE.keys() for name, module in PURE.items()}
    assert {name: impure for name, impure in known.items() if impure} == {}


def test_only_metrics_and_mitigations_of_the_pure_part_know_formats() -> None:
    know = {name for name, module in PURE.items() if any(room_of(one) == "formats" for one in module.ours)}
    assert {name for name in know if room_of(name) != "formats"} <= set(KNOW_FORMATS)


STARTS = re.compile(
    r"subprocess|os\.(?:system|popen|fork\w*|exec\w+|posix_?spawn\w*|spawn\w+)|asyncio\.create_subprocess_\w+"
)
BARE = {
    "harness.launchers.janitor": "it is what ends programs",
    "harness.launchers.janitors": "who ends programs is started by nobody else",
    "harness.launchers.commands": "asks for a version: bounded, and it makes and starts nothing",
    "harness.launchers.distribution": "a package manager is better not ended half-way",
}
"""Who starts programs without the janitor, and why that is right; all others do so by a launcher."""


def starting(tree: ast.Module) -> set[str]:
    """Return what starts programs among the names that code has imported or asks a module for."""
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update({f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)})
    return set(filter(STARTS.fullmatch, names))


def test_programs_are_started_by_a_launcher_or_there_is_a_reason() -> None:
    assert {name for name, module in MODULES.items() if starting(module.tree)} == BARE.keys()


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "from os import fork",
        "import asyncio\nasyncio.create_subprocess_exec()",
        "os.execvp('a', b)",
    ],
)
def test_whatever_starts_a_program_is_seen(code: str) -> None:
    assert starting(ast.parse(code))


PLUG_INS = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, (*PROXIES, *CLIENTS)))}|hop-\d+)(?![\w-])")
"""What is plugged in, and the folders of its evidence: names that come and go."""


def test_the_judge_names_nothing_that_is_plugged_in() -> None:
    named = {name: PLUG_INS.findall(path.read_text()) for name, path in FILES.items() if room_of(name) == "judge"}
    assert {name: plug_ins for name, plug_ins in named.items() if plug_ins} == {}


WORDS = {word for axis in AXES.values() for word in axis.words}
"""What the model itself calls something: a request profile is called as the client whose headers it has."""


def named(node: ast.AST) -> set[str]:
    """Return the plug-ins that code names; what only gives a person an example of something does not count."""
    match node:
        case ast.Call(func=ast.Name(id="key")):
            return set()
        case ast.Constant(value=str() as text):
            return {text} & (PROXIES.keys() | CLIENTS.keys()) - WORDS
    return {name for child in ast.iter_child_nodes(node) for name in named(child)}


def test_no_plug_in_is_a_special_case_to_the_matrix_or_the_judge() -> None:
    special = {name: named(MODULES[name].tree) for name in MODULES if room_of(name) in ("matrix", "judge")}
    assert {name: plug_ins for name, plug_ins in special.items() if plug_ins} == {}


@pytest.mark.parametrize("room", [room for room in ROOMS if (PACKAGE / room).is_dir()])
def test_a_room_says_what_comes_in_what_goes_out_and_who_may_enter(room: str) -> None:
    said = ast.get_docstring(MODULES[f"harness.{room}"].tree) or ""
    assert [line.split(":")[0] for line in said.splitlines()[-3:]] == ["In", "Out", "Enter"]


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


def test_a_module_only_defines_names() -> None:
    quiet = {name: module.tree for name, module in MODULES.items() if not name.endswith(".__main__")}
    loud = {name: [ast.unparse(node) for node in tree.body if not is_quiet(node)] for name, tree in quiet.items()}
    assert {name: statements for name, statements in loud.items() if statements} == {}


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


@pytest.mark.proxies
def test_importing_every_module_opens_starts_changes_and_prints_nothing(tmp_path: Path) -> None:
    names = [name for name in MODULES if not name.endswith(".__main__")]
    argv = [sys.executable, "-c", WATCH, json.dumps(names)]
    watched = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert watched.stderr == ""
    assert json.loads(watched.stdout) == [[], True]
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_the_emulator_loads_no_other_proxy() -> None:
    found, todo = set[str](), {"harness.proxies.emulator_server"}
    while todo:
        name = todo.pop()
        found.add(name)
        around = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
        todo |= ({one for one in MODULES[name].ours if one in MODULES} | around) - found
    assert {room_of(name) for name in found} == {"", "model", "proxies"}
    assert {name for name in found if room_of(name) == "proxies"} == {
        "harness.proxies",
        "harness.proxies.emulator_server",
        "harness.proxies.hold",
    }


if __name__ == "__main__":
    print(picture())
