"""The virtual environments that applications run in, each made once and kept in the cache.

Rules:
- what an app needs stands in its own block `# /// script` (PEP 723), else in the requirements.txt of its interface, as
  `configs/asgi/requirements.txt`;
- a pinned version of a hop takes the place of that; all else has the version that requirements.txt gives it, so that
  two machines measure the same, unless the app's own block says anything of versions: then it is pip that chooses;
- what serves the app is always there; equal needs share an environment, another Python is another one;
- the pip of the Python that runs us installs into it, if it can; else it gets a pip of its own, which takes seconds.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import resources
from harness.errors import Complaint, InputError, Unavailable
from harness.launchers.installation import Installation, Progress, Steps
from harness.proxies.application_options import Interface, package

REQUIREMENTS = "requirements.txt"
PYTHON = Path("bin", "python")
QUIETLY = ("--disable-pip-version-check", "--no-input", "--quiet")
PIP_AT_LEAST = (22, 3)  # installs into another environment (`--python`)

_SCRIPT = re.compile(r"(?m)^# /// script\s*$\n(?P<content>(?:^#(?: .*)?$\n)+?)^# ///\s*$")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(\s*\[[^\]]*\])?")


@dataclass(frozen=True, slots=True)
class Environment:
    """What is `wanted`, as pip takes it, and the versions that all else has. `setup` is the command that makes it.

    `interface` is what the apps in it speak, and where it lies in the cache.
    """

    wanted: tuple[str, ...]
    constraints: tuple[str, ...]
    setup: str
    interface: Interface

    @property
    def python(self) -> Path:
        """Its interpreter. Raises Unavailable if the environment is not there."""
        python = self._installation().folder / PYTHON
        self.frozen()
        if not python.exists():
            raise Unavailable(f"{python} leads nowhere: the Python it was made with is gone", self.setup)
        return python

    def frozen(self) -> str:
        """Return what is installed, as `pip freeze` tells it. Raises Unavailable if the environment is not there."""
        return self._installation().manifest()

    def versions(self) -> Mapping[str, str]:
        """Return the versions of its packages by name. Raises Unavailable if the environment is not there."""
        pinned = (line.partition("==") for line in self.frozen().splitlines())
        return {package(name): version for name, _, version in pinned if version}

    def modules(self) -> set[str]:
        """Return the names of its packages as far as they are known before it is made, as one imports them."""
        return {name.replace("-", "_") for name in _named((*self.wanted, *self.constraints))}

    def install(self, progress: Progress) -> None:
        """Make it, unless it is there. Blocks for some seconds. Raises Unavailable with pip's words."""
        self._installation().ensure(lambda steps: self._make(steps, progress), progress)

    def _make(self, steps: Steps, progress: Progress) -> str:
        progress(f"making {self._installation().subject}")
        for name, lines in (("wanted.txt", self.wanted), ("constraints.txt", self.constraints)):
            (steps.folder / name).write_text("".join(f"{line}\n" for line in lines))
        venv, pip, env = [sys.executable, "-I", "-m", "venv"], [str(PYTHON), "-I", "-m", "pip"], {}
        if _pip() >= PIP_AT_LEAST:
            venv.append("--without-pip")
            # It hands itself to the other Python, but not its options: hence no -I, and what that keeps out.
            pip, env = [sys.executable, "-P", "-m", "pip", "--python", str(PYTHON)], {"PYTHONPATH": ""}
        steps.run([*venv, "."])
        steps.run([*pip, "install", *QUIETLY, "-r", "wanted.txt", "-c", "constraints.txt"], env)
        return steps.run([*pip, "freeze", *QUIETLY], env)

    def _installation(self) -> Installation:
        what = "\n".join((*self.wanted, "", *self.constraints, "", _python()))
        name = self.interface.name
        folder = resources.cache().absolute() / name / hashlib.sha256(what.encode()).hexdigest()[:16]
        return Installation(folder, name, f"the environment with {self._summary()}", self.setup, "100 MB")

    def _summary(self) -> str:
        """Return what of it is worth saying: not what every one of them has."""
        shipped = set(_shipped(self.interface).values())
        others = ", ".join(line for line in self.wanted if line not in shipped)
        return others or f"{self.interface.name}'s {REQUIREMENTS}"


def needed(app: Path, pins: Mapping[str, str], setup: str, interface: Interface) -> Environment:
    """Return the environment of an app. Raises InputError if its block of metadata cannot be read."""
    shipped = _shipped(interface)
    own = _own(app)
    wanted = dict(shipped) if own is None else {name: shipped[name] for name in interface.serving} | own
    constraints = {name: line for name, line in shipped.items() if name not in pins}
    for name, version in pins.items():
        extras = _NAME.match(wanted.get(name, name))
        wanted[name] = f"{name}{(extras and extras[2]) or ''}=={version}"
    if own and any(name != line for name, line in own.items()):
        constraints = {}
    return Environment(_sorted(wanted), _sorted(constraints), setup, interface)


def _shipped(interface: Interface) -> dict[str, str]:
    text = (resources.configs() / interface.name / REQUIREMENTS).read_text()
    return _named(line for line in text.splitlines() if line and not line.startswith("#"))


def _own(app: Path) -> dict[str, str] | None:
    """Return the dependencies that the app itself names, None if it does not."""
    block = _SCRIPT.search(app.read_text(encoding="utf-8"))
    if block is None:
        return None
    content = "".join(line[2:] if line.startswith("# ") else line[1:] for line in block["content"].splitlines(True))
    try:
        dependencies = tomllib.loads(content).get("dependencies", [])
    except tomllib.TOMLDecodeError as error:
        raise InputError(Complaint(f"the block `# /// script` is no TOML: {error}", file=str(app))) from None
    if not isinstance(dependencies, list) or not all(
        isinstance(each, str) and _NAME.match(each) for each in dependencies
    ):
        why = 'dependencies in `# /// script` must be a list such as ["fastapi", "httpx>=0.28"]'
        raise InputError(Complaint(why, file=str(app)))
    return _named(dependencies)


def _named(lines: Iterable[str]) -> dict[str, str]:
    names = ((line.strip(), _NAME.match(line)) for line in lines)
    return {package(name[1]): line if line != name[1] else package(line) for line, name in names if name}


def _sorted(lines: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(line for _, line in sorted(lines.items()))


def _pip() -> tuple[int, ...]:
    """Return the version of the pip that the running Python has, (0, 0) if it has none."""
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return 0, 0
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


@functools.cache
def _python() -> str:
    return f"{sys.version} {sys.platform} {platform.machine()} {sys.base_prefix}"
