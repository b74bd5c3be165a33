"""A program of npm's packages: a folder with a package.json and its lock, installed whole into the cache.

The lock is npm's own (package-lock.json): it has each package's version and hash, and `npm ci` takes nothing else. A
version has a folder with a lock of its own; Node.js is what is executed, and scripts look for packages where they lie.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.errors import Unavailable
from harness.launchers.commands import asked
from harness.launchers.installation import Installation, Steps
from harness.launchers.sources import Fetching, Installed, SourceName

MANIFESTS = ("package.json", "package-lock.json")


@dataclass(frozen=True, slots=True)
class Npm:
    """What `manifests`, a folder for each version, install. `package` is the one whose version counts."""

    package: str
    manifests: Mapping[str, Path]
    node_at_least: tuple[int, ...]
    folder: Path
    setup: str

    name: ClassVar[SourceName] = "npm"

    def offers(self) -> Sequence[str]:
        return [*self.manifests]

    def unlocked(self) -> Sequence[str]:
        return ()

    def installed(self, version: str) -> Installed:
        node = node_of(self.node_at_least, self.setup)
        installation = self._installation(version, node)
        build = installation.manifest().splitlines()[0]
        return Installed(self.name, version, Path(node), build, {}, installation.folder)

    def fetch(self, version: str, fetching: Fetching) -> None:
        node, npm = node_of(self.node_at_least, self.setup), npm_of(self.setup)

        def make(steps: Steps) -> str:
            fetching.progress(f"installing {self.package} {version} with npm")
            for name in MANIFESTS:
                shutil.copy(self.manifests[version] / name, steps.folder)
            steps.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            is_there = json.loads((steps.folder / "node_modules" / self.package / "package.json").read_text())[
                "version"
            ]
            return f"{self.package} {is_there} on Node.js {node_version(node, self.setup)}"

        self._installation(version, node).ensure(make, fetching.progress)

    def fetch_unlocked(self, wanted: str, fetching: Fetching) -> bool:
        return False

    def _installation(self, version: str, node: str) -> Installation:
        digest = hashlib.sha256(node_version(node, self.setup).encode())
        for name in MANIFESTS:
            digest.update((self.manifests[version] / name).read_bytes())
        folder = self.folder / f"npm-{version}-{digest.hexdigest()[:16]}"
        return Installation(folder, self.package, f"{self.package} {version}", self.setup, "300 MB")


def node_of(at_least: tuple[int, ...], setup: str) -> str:
    """Return where Node.js lies. Raises Unavailable if it is not there, or too old."""
    remedy = f"install Node.js {'.'.join(map(str, at_least))} or newer with npm, then: {setup}"
    node = shutil.which("node")
    if node is None:
        raise Unavailable("Node.js is not installed", remedy)
    version = node_version(node, remedy)
    if tuple(map(int, re.findall(r"\d+", version)[: len(at_least)])) < at_least:
        raise Unavailable(f"Node.js {version} is too old", remedy)
    return node


def npm_of(setup: str) -> str:
    """Return where npm lies. Raises Unavailable if it is not there."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed", f"install Node.js with npm, then: {setup}")
    return npm


@functools.cache
def node_version(node: str, remedy: str) -> str:
    """Return the version of a Node.js, as v20.11.1. Raises Unavailable if it does not run."""
    said = asked([node, "--version"], remedy)
    if said.returncode:
        raise Unavailable(f"Node.js does not run: {said.stderr.strip() or f'exit status {said.returncode}'}", remedy)
    return said.stdout.strip()
