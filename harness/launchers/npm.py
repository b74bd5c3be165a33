"""A program of npm's packages: a folder with a package.json and its lock, installed whole into the cache.

Rules:
- a version has a folder with a lock of npm's own, which has each package's version and hash: `npm ci` takes nothing
  else; its package.json says how new Node.js has to be (`engines`), and what the download weighs (`downloadBytes`);
- of any other version npm makes the lock when it is fetched, and that is kept with it;
- no package runs a script of its own. Node.js is what is executed, and a script finds packages where they lie: beside
  it, so that `files` lie there, too, and what `build` makes of them.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from harness.errors import Complaint, InputError, Unavailable
from harness.launchers import sizes
from harness.launchers.commands import asked
from harness.launchers.installation import Installation, Steps
from harness.launchers.sources import Fetching, Installed, SourceName, age
from harness.resources import own_folder

PACKAGE, LOCK = "package.json", "package-lock.json"
QUIETLY = ("--ignore-scripts", "--no-audit", "--no-fund")


@dataclass(frozen=True, slots=True)
class Manifests:
    """A package.json and its lock: what lies in `folder` and is to be installed, on a Node.js of `node` or newer.

    `download_bytes` is what comes over the network, by the machine for which it does: `linux-x64`.
    """

    folder: Path
    dependencies: Mapping[str, str]
    node: tuple[int, ...] = ()
    download_bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        return [self.folder / PACKAGE, self.folder / LOCK]


@dataclass(frozen=True, slots=True)
class Npm:
    """What `manifests` install, in each of their versions: that of `package` counts.

    `files` are laid beside the packages, by the path that each has there; then `build` is given the path of Node.js.
    """

    package: str
    manifests: Mapping[str, Manifests]
    folder: Path
    setup: str
    files: Mapping[str, Path] = field(default_factory=dict)
    build: Callable[[Steps, str], None] | None = None

    name: ClassVar[SourceName] = "npm"

    def offers(self) -> Sequence[str]:
        return [*self.manifests, *self._unlocked()]

    def unlocked(self) -> Sequence[str]:
        return [*self._unlocked()]

    def installed(self, version: str) -> Installed:
        node = self._node(version)
        installation = self._unlocked().get(version) or self._locked(version, node)
        build = installation.manifest().splitlines()[0]
        return Installed(self.name, version, Path(node), build, {}, installation.folder)

    def fetch(self, version: str, fetching: Fetching) -> None:
        if version not in self.manifests:
            return
        manifests = self.manifests[version]
        node, npm = self._node(version), npm_of(manifests.node, self.setup)

        def make(steps: Steps) -> str:
            size = sizes.told(sizes.on_this_machine(manifests.download_bytes))
            fetching.progress(f"fetching {self.package} {version} with npm{size}")
            for file in manifests.files:
                shutil.copy(file, steps.folder)
            return self._filled(steps, node, npm)

        self._locked(version, node).ensure(make, fetching.progress)

    def fetch_unlocked(self, wanted: str, fetching: Fetching) -> bool:
        if not wanted or not self.manifests:
            return False
        node, npm = self._node(), npm_of((), self.setup)
        newest = self.manifests[max(self.manifests, key=age)]

        def make(steps: Steps) -> str:
            fetching.progress(f"fetching the newest {self.package} {wanted} with npm, of which no hash is known yet")
            needs = {"private": True, "dependencies": dict(newest.dependencies)}
            (steps.folder / PACKAGE).write_text(json.dumps(needs))
            which = ["--package-lock-only", "--save-exact", "--engine-strict", f"{self.package}@{wanted}"]
            steps.run([npm, "install", *QUIETLY, *which])
            return self._filled(steps, node, npm)

        self._installation(f"{wanted}.x", node).ensure(make, fetching.progress)
        return True

    def _filled(self, steps: Steps, node: str, npm: str) -> str:
        """Install what the manifests in a folder name, and what is to lie beside it; return what that is."""
        steps.run([npm, "ci", *QUIETLY])
        for name, file in self.files.items():
            own_folder((steps.folder / name).parent)
            shutil.copy(file, steps.folder / name)
        if self.build:
            self.build(steps, node)
        version = json.loads((steps.folder / "node_modules" / self.package / PACKAGE).read_text())["version"]
        return f"{self.package} {version} on Node.js {node_version(node, self.setup)}"

    def _node(self, version: str = "") -> str:
        """Return where a Node.js lies that a version runs on; of one without a lock npm knows. Raises Unavailable."""
        at_least = self.manifests[version].node if version in self.manifests else ()
        return node_of(at_least, f"{self.package} {version}", self.setup)

    def _locked(self, version: str, node: str) -> Installation:
        return self._installation(version, node, self.manifests[version].files)

    def _installation(self, name: str, node: str, manifests: Sequence[Path] = ()) -> Installation:
        """Return where it is installed; what it is made of, and the machine that it is made for, are in the name."""
        digest = hashlib.sha256(f"{node_version(node, self.setup)} {sys.platform} {platform.machine()}".encode())
        for where, file in (*((file.name, file) for file in manifests), *self.files.items()):
            content = file.read_bytes()
            digest.update(f"\n{where} {len(content)}\n".encode() + content)
        folder = self.folder / f"npm-{name}-{digest.hexdigest()[:16]}"
        return Installation(folder, self.package, f"{self.package} {name}", self.setup, "500 MB")

    def _unlocked(self) -> dict[str, Installation]:
        """Return what was fetched without a lock of ours and runs on this Node.js, by version."""
        found = {}
        for folder in sorted(self.folder.glob("npm-*.x-*")):
            wanted = folder.name.removeprefix("npm-").rpartition("-")[0]
            try:
                installation = self._installation(wanted, self._node())
                if installation.folder == folder:
                    found[installation.manifest().split()[1]] = installation
            except Unavailable:
                continue
        return {version: one for version, one in found.items() if version not in self.manifests}


def locked_in(folder: Path, package: str) -> dict[str, Manifests]:
    """Return the manifests that lie in a folder and in those in it, by the version of the package that each installs.

    Raises InputError if one of them is no lock of npm's, or no package.json.
    """
    return dict(_read(lock, package) for lock in (folder / LOCK, *sorted(folder.glob(f"*/{LOCK}"))) if lock.is_file())


def _read(lock: Path, package: str) -> tuple[str, Manifests]:
    file = lock
    try:
        version = str(json.loads(lock.read_text(encoding="utf-8"))["packages"][f"node_modules/{package}"]["version"])
        file = lock.with_name(PACKAGE)
        said = json.loads(file.read_text(encoding="utf-8"))
        node = numbers(said.get("engines", {}).get("node", ""))
        return version, Manifests(lock.parent, dict(said["dependencies"]), node, dict(said.get("downloadBytes", {})))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        why = f"is no manifest of npm's that has {package}: {type(error).__name__} {error}"
        raise InputError(Complaint(why, file=str(file))) from None


def numbers(version: str) -> tuple[int, ...]:
    """Return the first version in a text, as >=20.9, as far as it goes; empty if there is none."""
    found = re.search(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def node_of(at_least: tuple[int, ...], what: str, setup: str) -> str:
    """Return where Node.js lies. Raises Unavailable if it is not there, or too old for `what`."""
    node, remedy = shutil.which("node"), _remedy(at_least, setup)
    if node is None:
        raise Unavailable("Node.js is not installed", remedy)
    version = node_version(node, remedy)
    if numbers(version)[: len(at_least)] < at_least:
        raise Unavailable(f"Node.js {version} is too old for {what}", remedy)
    return node


def npm_of(at_least: tuple[int, ...], setup: str) -> str:
    """Return where the npm of such a Node.js lies. Raises Unavailable if it is not there."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed", _remedy(at_least, setup))
    return npm


def _remedy(at_least: tuple[int, ...], setup: str) -> str:
    newer = f"Node.js {'.'.join(map(str, at_least))} or newer" if at_least else "Node.js"
    return f"install {newer} with npm, then: {setup}"


def node_version(node: str, remedy: str) -> str:
    """Return the version of a Node.js, as v20.11.1. Raises Unavailable if it does not run."""
    try:
        there = Path(node).stat()
        return _node_version(node, (there.st_ino, there.st_size, there.st_mtime_ns))
    except OSError as error:
        raise Unavailable(f"Node.js does not run: {error.strerror}", remedy) from error
    except Unavailable as error:
        raise Unavailable(error.reason, remedy) from error


@functools.cache
def _node_version(node: str, which: tuple[int, ...]) -> str:
    """Return the version of the Node.js that lies there, until `which` is another: a session may outlive it. What does
    not run is asked again, as somebody may mend it. Raises Unavailable.
    """
    said = asked([node, "--version"], "")
    if said.returncode:
        raise Unavailable(f"Node.js does not run: {said.stderr.strip() or f'exit status {said.returncode}'}", "")
    return said.stdout.strip()
