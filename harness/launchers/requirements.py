"""A program written in Python, with all that it depends on: fetched by pip into the cache, and run with our Python.

Rules: requirements.txt has every package's version and hash, and nothing else is taken; only wheels are, so that no
package runs anything when it is fetched; another Python, or another requirements.txt, is another installation.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.errors import Complaint, InputError
from harness.launchers import sizes
from harness.launchers.base import Fetching, Installed, Source, SourceName
from harness.launchers.installation import Installation, Steps
from harness.launchers.pip import FILES, install_locked


@dataclass(frozen=True, slots=True)
class Requirements(Source):
    """What `file` requires; `package` is the one of them whose version counts."""

    package: str
    file: Path
    folder: Path
    setup: str

    name: ClassVar[SourceName] = "wheel"

    def offers(self) -> Sequence[str]:
        try:
            text = self.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(Complaint(f"cannot be read: {error}", file=str(self.file))) from None
        found = re.search(rf"(?m)^{re.escape(self.package)}(?:\[[^\]]*\])?==(\S+)", text)
        return [found[1]] if found else []

    def installed(self, version: str) -> Installed:
        installation = self._installation(version)
        build = installation.manifest()
        files = installation.folder / FILES
        return Installed(self.name, version, Path(sys.executable), build, {"PYTHONPATH": str(files)}, files)

    def fetch(self, version: str, fetching: Fetching) -> None:
        def make(steps: Steps) -> str:
            wanted = self.file.read_text(encoding="utf-8")
            size = sizes.told(sizes.on_this_machine(sizes.weighed_in(wanted)))
            fetching.progress(f"fetching {self.package} {version} and what it depends on{size}")
            install_locked(steps, wanted)
            return f"{self.package} {version}"

        self._installation(version).ensure(make, fetching.progress)

    def _installation(self, version: str) -> Installation:
        digest = hashlib.sha256(f"{sys.version} {sys.platform}".encode() + self.file.read_bytes()).hexdigest()[:16]
        folder = self.folder / f"requirements-{self.package}-{version}-{digest}"
        return Installation(folder, self.package, f"{self.package} {version}", self.setup, "1 GB")
