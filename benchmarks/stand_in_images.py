"""Makes images for an engine on a machine that can pull none: out of Debian's packages and PyPI's wheels.

    python -m benchmarks.stand_in_images nginx:1.30-alpine haproxy:3.2

ONLY FOR MACHINES WITHOUT A REGISTRY. One small Debian, made by debootstrap (which wants root), with nginx, HAProxy and
a Python that has what the emitter needs, stands under every tag that is named and under the emitter's. A program in it
reports the version that it really is, which results tell beside the image's id: never its tag's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from harness.launchers.containers import EMITTER_IMAGE

ROOT = Path(__file__).parent.parent
SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = ("nginx-light", "haproxy", "python3")


def main() -> None:
    """Make the root file system once and import it under every tag."""
    with tempfile.TemporaryDirectory(prefix="harness-stand-in-") as scratch:
        root = Path(scratch, "root")
        made = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
        subprocess.run(made, check=True, stdout=sys.stderr)
        wheels = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
        packages = root / "usr/lib/python3/dist-packages"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages)]
        subprocess.run([*pip, "--python-version", PYTHON, "--only-binary=:all:", *wheels], check=True)
        archive = Path(scratch, "root.tar")
        left_out = ["--exclude=./var/cache", "--exclude=./var/lib/apt", "--exclude=./usr/share/doc", "--exclude=./dev"]
        subprocess.run(["tar", *left_out, "-C", str(root), "-cf", str(archive), "."], check=True)
        for tag in dict.fromkeys([EMITTER_IMAGE, *sys.argv[1:]]):
            subprocess.run(["docker", "import", str(archive), tag], check=True, stdout=subprocess.DEVNULL)
            print(f"{tag}: a stand-in")


if __name__ == "__main__":
    main()
