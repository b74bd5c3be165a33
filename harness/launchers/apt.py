"""A program of Debian's or Ubuntu's packages, unpacked into the cache: nothing is installed, no root is needed.

apt says which of the packages that they depend on this machine lacks, fetches them all and checks their hashes against
its signed lists; dpkg unpacks them. It has one version of a package at a time; those fetched before stay on offer.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from harness.errors import Unavailable
from harness.launchers import sizes
from harness.launchers.commands import asked
from harness.launchers.installation import COMPLETE, Installation, Steps
from harness.launchers.sources import Fetching, Installed, SourceName, sole

FILES = "files"
LIBRARIES = "usr/lib/*-linux-gnu"
REMEDY = "apt-get update"


@dataclass(frozen=True, slots=True)
class Apt:
    """What `packages`, of which the first has the version, bring along; `program` is where it lies in them."""

    packages: Sequence[str]
    program: str
    folder: Path
    setup: str

    name: ClassVar[SourceName] = "apt"

    def offers(self) -> Sequence[str]:
        candidate = _candidate(self.packages[0])
        return sorted({*self._fetched(), *([upstream(candidate)] if candidate else [])})

    def unlocked(self) -> Sequence[str]:
        return ()

    def installed(self, version: str) -> Installed:
        installation = self._installation(version)
        build = installation.manifest().splitlines()[0]
        files = installation.folder / FILES
        libraries = sole(files, LIBRARIES, build) if any(files.glob(LIBRARIES)) else None
        env = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
        return Installed(self.name, version, sole(files, self.program, build), build, env, files)

    def fetch(self, version: str, fetching: Fetching) -> None:
        def make(steps: Steps) -> str:
            simulated = steps.run(["apt-get", "install", "--simulate", "--no-install-recommends", *self.packages])
            packages = sorted({*self.packages, *re.findall(r"(?m)^Inst (\S+)", simulated)})
            offered = steps.run(["apt-get", "download", "--print-uris", *packages])
            size = sizes.told(sum(map(int, re.findall(r"(?m)^'\S+' \S+ (\d+)", offered))))
            fetching.progress(f"fetching the packages {', '.join(packages)}{size}")
            steps.run(["apt-get", "download", *packages])
            for package in sorted(steps.folder.glob("*.deb")):
                steps.run(["dpkg", "-x", package.name, FILES])
                package.unlink()
            return f"{self.packages[0]} {_candidate(self.packages[0])}"

        self._installation(version).ensure(make, fetching.progress)

    def fetch_unlocked(self, wanted: str, fetching: Fetching) -> bool:
        return False

    def _fetched(self) -> Iterator[str]:
        for complete in self.folder.glob(f"{self._prefix}*/{COMPLETE}"):
            yield complete.parent.name.removeprefix(self._prefix)

    @property
    def _prefix(self) -> str:
        return f"apt-{self.packages[0]}="

    def _installation(self, version: str) -> Installation:
        folder = self.folder / f"{self._prefix}{version}"
        return Installation(folder, self.packages[0], f"{self.packages[0]} {version}", self.setup, "300 MB")


def upstream(version: str) -> str:
    """Return whose version a package's is, without what the distribution adds: 2.6.12 for 2.6.12-1+deb12u2."""
    return re.sub(r"^\d+:|-[^-]*$|[+~].*$", "", version)


@cache
def _candidate(package: str) -> str:
    """Return the version of a package that apt would install now; nothing if there is none, or no apt. Blocks."""
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg"))):
        return ""
    try:
        said = asked(["apt-cache", "policy", package], REMEDY, {"LC_ALL": "C"}).stdout
    except Unavailable:
        return ""
    found = re.search(r"Candidate: (\S+)", said)
    return "" if found is None or found[1] == "(none)" else found[1]
