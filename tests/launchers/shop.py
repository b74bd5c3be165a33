"""A folder with wheels, which is all that pip knows of, and the lock of those in it."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import asdict
from pathlib import Path

from harness.launchers.wheel import LockedFile

PROGRAM = "#!/bin/sh\necho tiny {version}\n"
METADATA = "Metadata-Version: 2.1\nName: tiny-bin\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"


class Shop:
    """It sells `tiny-bin`, whose program is tiny/bin/tiny."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock: dict[str, dict[str, LockedFile]] = {}
        folder.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """What tells pip of it, and of nothing else."""
        return {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.folder)}

    @property
    def as_data(self) -> dict[str, dict[str, dict[str, str | int]]]:
        """What its lock looks like in a file."""
        return {version: {name: asdict(one) for name, one in files.items()} for version, files in self.lock.items()}

    def sells(self, version: str, tag: str = "py3-none-any", content: str = PROGRAM) -> Path:
        """Make a wheel that lock and folder have."""
        path = self.folder / f"tiny_bin-{version}-{tag}.whl"
        info = f"tiny_bin-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as wheel:
            program = zipfile.ZipInfo("tiny/bin/tiny")
            program.external_attr = 0o100755 << 16
            wheel.writestr(program, content.replace("{version}", version))
            for name, text in (("METADATA", METADATA), ("WHEEL", WHEEL)):
                wheel.writestr(f"{info}/{name}", text.format(version=version, tag=tag))
            wheel.writestr(f"{info}/RECORD", "")
        data = path.read_bytes()
        self.lock.setdefault(version, {})[path.name] = LockedFile(hashlib.sha256(data).hexdigest(), len(data))
        return path
