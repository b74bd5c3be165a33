"""The built wheel, installed in an environment of its own, far from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from tests.sampling import some_of
from tests.sandbox import Said

pytestmark = pytest.mark.proxies

ROOT = Path(__file__).parent.parent
SHIPPED = ("harness", "configs", "pyproject.toml", "README.md", ".gitignore")
LEFT_OUT = ("__pycache__", "node_modules", ".next", "next-env.d.ts")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, in which somebody has already run `npm ci` and `next build`."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copy(ROOT / name, folder)
    for name in ("node_modules/next/index.js", ".next/BUILD_ID"):
        path = folder / "configs/nextjs" / name
        path.parent.mkdir(parents=True)
        path.touch()
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, sources)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment with the wheel, which borrows its dependencies from ours."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("lib/*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def call(*argv: str | Path, cwd: Path | None = None, status: int = 0) -> Said:
    """Run a program that has to end with this status, with nothing of this checkout in its environment."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HARNESS", "PYTEST"))}
    done = subprocess.run([str(word) for word in argv], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def files(folder: Path) -> set[str]:
    """Return the files below a folder, but for what tools put there."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if not set(path.parts) & set(LEFT_OUT)}


def test_the_wheel_holds_the_package_and_its_configs_and_nothing_that_was_built(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {f"harness/{name}" for name in files(ROOT / "harness")}
    configs = {f"harness/configs/{name}" for name in files(ROOT / "configs")}
    assert names == package | configs


def test_the_installed_program_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = call(installed / "python", "-c", "import harness; print(harness.__file__)", cwd=tmp_path).out
    assert Path(where).is_relative_to(installed.parent)


@some_of("what", ["cells", "proxies", "mitigations", "profiles"], each=4)
def test_the_installed_program_lists_what_the_checkout_lists(installed: Path, tmp_path: Path, what: str) -> None:
    here = call(Path(sys.executable).with_name("harness"), "list", what, cwd=tmp_path)
    there = call(installed / "harness", "list", what, cwd=tmp_path)
    assert there.out == here.out
    assert len(there.out.splitlines()) > 5


def test_the_installed_program_measures_a_shipped_matrix(installed: Path, tmp_path: Path) -> None:
    said = call(installed / "harness", "matrix", "smoke", "--only", "direct/*", cwd=tmp_path)
    assert "Exit status 0" in said.out


@pytest.mark.needs("nginx")
def test_the_installed_program_runs_a_shipped_config_of_nginx(installed: Path, tmp_path: Path) -> None:
    said = call(installed / "harness", "run", "--chain", "nginx:http10", "-m", "x-accel-buffering", cwd=tmp_path)
    assert "x-accel-buffering: defeats (without it: coalesced, shows at the end)" in said.out


def test_the_installed_plugin_gives_tests_their_cells(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_cell(harness_result): pass\n")
    asked = ("--collect-only", "-q", "test_it.py", "--harness-matrix", "smoke")
    shown = call(installed / "python", "-m", "pytest", *asked, cwd=tmp_path)
    assert "test_it.py::test_cell[direct/sse/chunked/curl/aiohttp/short/none/lockstep]" in shown.out
    package = next(installed.parent.glob("lib/*/site-packages/harness"))
    rewritten = {file.relative_to(package) for file in package.rglob("*-pytest-*.pyc")}
    rooms = {file.parts[0] for file in rewritten if len(file.parts) > 2}
    assert rooms == {"plugin"}, "what measures is imported as it is installed"


# ---------------------------------------------------------------- projects of other people


def example(name: str, folder: Path) -> Path:
    """Lay a project of `examples/` far from here."""
    return shutil.copytree(ROOT / "examples" / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT, "runs"))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@dataclass(frozen=True)
class Example:
    """A project of `examples/`: how many tests pass, what to change in it, and what is said then of the tests that are
    asked for, and in which cells the check fails.
    """

    name: str
    passed: int
    change: tuple[str, str, str]
    asked: tuple[str, ...]
    said: str
    config: tuple[str, str, str]


FASTAPI = Example(
    "fastapi",
    4,
    ("chat_api.py", ", headers=STREAM", ""),
    ("another_model", "--harness-budget", "0"),
    "What to try: `harness diagnose --chain nginx:nginx=",
    ("deploy/nginx.conf", "gzip on;", "gzip on; proxy_ignore_headers X-Accel-Buffering;"),
)
NEXTJS = Example(
    "nextjs",
    6,
    ("web/next.config.mjs", "compress: false", "compress: true"),
    ("development and browser",),
    "  no-transform (header): with that, the whole chain streams (curl, browser)",
    ("web/next.config.mjs", "compress: false", "compress: true"),
)


EXAMPLES = (
    pytest.param(FASTAPI, marks=pytest.mark.needs("nginx")),
    pytest.param(NEXTJS, marks=pytest.mark.needs("nextjs")),
)


@some_of("one", EXAMPLES, each=2)
def test_an_example_passes_and_fails_once_it_holds(installed: Path, tmp_path: Path, one: Example) -> None:
    project = example(one.name, tmp_path)
    if one is NEXTJS:
        nextjs = PROXIES["nextjs"]
        assert isinstance(nextjs, Described)
        packages = nextjs.installed().folder
        assert packages
        shutil.copytree(packages / "node_modules", project / "web/node_modules", symlinks=True)
    tests = (installed / "python", "-m", "pytest", "-q", "-W", "error")
    check = (installed / "harness", "check", "streaming.yaml")
    assert f"{one.passed} passed" in call(*tests, cwd=project).out
    assert "4 as they were" in call(*check, cwd=project).out
    change(project / one.config[0], *one.config[1:])
    failed = call(*check, cwd=project, status=1).out
    assert f"{one.config[0]} has changed" in failed
    assert "worse: " in failed
    change(project / one.config[0], *reversed(one.config[1:]))
    change(project / one.change[0], *one.change[1:])
    said = call(*tests, "-k", *one.asked, cwd=project, status=1).out
    assert one.said in said
