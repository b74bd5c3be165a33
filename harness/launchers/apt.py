"""A program of Debian's or Ubuntu's packages, unpacked into the cache: nothing is installed, no root is needed.

apt says which of the packages that they depend on this machine lacks, fetches them all and checks their hashes against
its signed lists; dpkg unpacks them. It has one version of a package at a time; those fetched before stay on offer. Of
one that was rebuilt, as for a mended fault, the build is meant that apt has now: each is an installation of its own.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

from harness import resources
from harness.errors import Unavailable
from harness.launchers import sizes
from harness.launchers.base import Fetching, Installed, Source, SourceName
from harness.launchers.commands import asked
from harness.launchers.installation import COMPLETE, Installation, Steps
from harness.launchers.sources import sole

FILES = "files"
LIBRARIES = ("usr/lib/*-linux-gnu", "lib/*-linux-gnu")
LISTS = "apt/lists"
KEPT = Path("/var/cache/apt/pkgcache.bin")
"""What apt has read of its lists, where it keeps that."""
REMEDY = "apt-get update"
_QUOTED = str.maketrans({":": "%3a", "~": "%7e"})  # no list of folders could have the one, no shell leaves the other


@dataclass(frozen=True, slots=True)
class Apt(Source):
    """What `packages`, of which the first has the version, bring along; `program` is where it lies in them.

    `libraries` is where its own shared libraries lie, beside those of all.
    """

    packages: Sequence[str]
    program: str
    libraries: str
    folder: Path
    setup: str

    name: ClassVar[SourceName] = "apt"

    def offers(self) -> Sequence[str]:
        candidate = self._candidate()
        return sorted({upstream(package) for package in (*self._fetched(), candidate) if package})

    def installed(self, version: str) -> Installed:
        installation = self._installation(version)
        build = installation.manifest().splitlines()[0]
        files = installation.folder / FILES
        own = [sole(files, self.libraries, build)] if self.libraries else []
        libraries = [*own, *(folder for pattern in LIBRARIES for folder in files.glob(pattern))]
        env = {"LD_LIBRARY_PATH": ":".join(map(str, libraries))} if libraries else {}
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
            return f"{self.packages[0]} {self._candidate()}"

        self._installation(version).ensure(make, fetching.progress)

    def _fetched(self) -> list[str]:
        """Return the packages' versions that are here, the one that was fetched last first."""
        found = sorted(self.folder.glob(f"{self._prefix}*/{COMPLETE}"), key=lambda file: file.stat().st_mtime)
        return [unquote(complete.parent.name.removeprefix(self._prefix)) for complete in reversed(found)]

    def _candidate(self) -> str:
        return _candidate(self.packages[0], self.folder.parent / LISTS)

    @property
    def _prefix(self) -> str:
        return f"apt-{self.packages[0]}="

    def _installation(self, version: str) -> Installation:
        candidate = self._candidate()
        meant = [one for one in (candidate, *self._fetched()) if upstream(one) == version]
        folder = self.folder / f"{self._prefix}{(meant[0] if meant else version).translate(_QUOTED)}"
        return Installation(folder, self.packages[0], f"{self.packages[0]} {version}", self.setup, "300 MB")


def upstream(version: str) -> str:
    """Return whose version a package's is, without what the distribution adds: 2.6.12 for 2.6.12-1+deb12u2."""
    return re.sub(r"^\d+:|-[^-]*$|[+~].*$", "", version)


@cache
def _candidate(package: str, lists: Path) -> str:
    """Return the version of a package that apt would install now; nothing if there is none, or no apt. Blocks.

    `lists` is where what apt has read of its lists is kept if nobody else keeps it, as in most containers: reading them
    takes half a second each time.
    """
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg"))):
        return ""
    try:
        said = asked(["apt-cache", *_keeping(lists), "policy", package], REMEDY, {"LC_ALL": "C"}).stdout
    except Unavailable:
        return ""
    found = re.search(r"Candidate: (\S+)", said)
    return "" if found is None or found[1] == "(none)" else found[1]


def _keeping(lists: Path) -> list[str]:
    if KEPT.exists():
        return []
    try:
        resources.own_folder(lists)
    except OSError:  # a cache that cannot be written
        return []
    return ["-o", f"Dir::Cache::pkgcache={lists / KEPT.name}"]
