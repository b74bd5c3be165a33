"""Makes images on a machine that can pull none, out of the programs that are here, from Debian's packages and wheels.

    python -m tests.stand_in_images

ONLY FOR MACHINES WITHOUT A REGISTRY. Under the tags that compose.yaml lists stand a Python, which is the one that runs
this, and an image with all programs that hops of this machine run (`harness setup proxies` fetches them). The emitter's
image is built on the first, as the Dockerfile says. A program tells the version that it really is, which results have
beside the image's id: never its tag's.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import Unavailable
from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.engine import connected
from harness.launchers.system import which
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from tests.engines import PINNED

ROOT = Path(__file__).parent.parent
WHEELS = "/wheels"
"""Where a build of the emitter's image finds what it installs: it is to need no network."""
THREADS = "libgcc_s.so.1"
"""What the C library loads when a thread ends, and no program names."""
SYSTEM = ("sh", "sed", "wget")
USERS = {"etc/passwd": "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", "etc/group": "nogroup:x:65534:\n"}
MERGED = ("bin", "sbin", "lib", "lib64")
LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "dist-packages", "test", "idlelib", "tkinter", "config-*", "ensurepip"
)


class Tree:
    """A root file system in a folder, in which all lies where it lies here, but for what a cache has."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir()
        for name in (name for name in MERGED if Path("/", name).is_symlink()):
            self._at(f"usr/{name}").mkdir(parents=True)
            (root / name).symlink_to(f"usr/{name}")
        for name, text in USERS.items():
            self._write(name, text)
        self._at("tmp").mkdir()
        self._at("tmp").chmod(0o1777)
        for program in filter(None, map(which, SYSTEM)):
            self._add_system(program)

    def _add_system(self, program: Path) -> None:
        """Add a program of the system's with its libraries."""
        self._copy(program, str(program))
        for library in libraries([program], {}):
            self._copy(library, str(library))

    def add_program(self, command: str, program: Path, env: Mapping[str, str]) -> None:
        """Add a program under the name that it has in images, with libraries of its own if it has any."""
        place = f"/opt/{command}"
        self._copy(program, f"{place}/{command}")
        for library in libraries([program], env):
            is_systems = library.is_relative_to("/usr") or library.is_relative_to("/lib")
            self._copy(library, str(library) if is_systems else f"{place}/lib/{library.name}")
            if (loaded := library.with_name(THREADS)).exists():
                self._copy(loaded, str(loaded))
        self._write(f"usr/local/bin/{command}", f'#!/bin/sh\nLD_LIBRARY_PATH={place}/lib exec {place}/{command} "$@"\n')

    def add_python(self) -> None:
        """Add the Python that runs this, and pip, as the images of Python have them."""
        python, lib = Path(sys._base_executable).resolve(), Path(sysconfig.get_path("stdlib"))  # type: ignore[attr-defined]
        self._add_system(python)
        shutil.copytree(lib, self._at(str(lib)), ignore=LEFT_OUT, dirs_exist_ok=True)
        for library in libraries(sorted((lib / "lib-dynload").glob("*.so")), {}):
            self._copy(library, str(library))
        packages = site.getsitepackages([sys.base_prefix])[0]
        pip = importlib.metadata.distribution("pip")
        for file in pip.files or []:
            if ".." not in file.parts:
                self._copy(Path(str(pip.locate_file(file))), f"{packages}/{file}")
        for name, arguments in (("python3", ""), ("pip", "-m pip ")):
            self._write(f"usr/local/bin/{name}", f'#!/bin/sh\nexec {python} {arguments}"$@"\n')
        wheels = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(self._at(WHEELS)), "aiohttp"]
        subprocess.run(wheels, check=True)

    def packed(self) -> bytes:
        """Return all of it as a tar archive, as root's."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(self._root, ".", filter=lambda entry: entry.replace(uid=0, gid=0, deep=False))
        return packed.getvalue()

    def _at(self, place: str) -> Path:
        return self._root / place.lstrip("/")

    def _copy(self, file: Path, place: str) -> None:
        there = self._at(place)
        if not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, there)

    def _write(self, place: str, text: str) -> None:
        there = self._at(place)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)
        there.chmod(0o755)


def libraries(programs: list[Path], env: Mapping[str, str]) -> Iterator[Path]:
    """Yield the shared libraries of some programs, the loader too; nothing for those that need none."""
    said = subprocess.run(
        ["ldd", *map(str, programs)], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    for found in dict.fromkeys(re.findall(r"(?:=> |^\s*)(/\S+) \(0x", said.stdout, re.MULTILINE)):
        yield Path(found)


def main() -> None:
    """Make the two images, have them under every tag, and build the emitter's on the first."""
    with tempfile.TemporaryDirectory(prefix="harness-stand-in-") as scratch, contextlib.closing(connected()) as engine:
        python, programs = Tree(Path(scratch, "python")), Tree(Path(scratch, "programs"))
        python.add_python()
        made = {"python": python}
        for name, proxy in PROXIES.items():
            if isinstance(proxy, Described) and (image := proxy.said.sources.docker):
                try:
                    installed = proxy.installed()
                except Unavailable as error:
                    print(f"{PINNED[name]}: no stand-in, {error}")
                    continue
                programs.add_program(image.program, installed.program, installed.env)
                made[name] = programs
        settings = [f"ENV PIP_NO_INDEX=1 PIP_FIND_LINKS={WHEELS}"]
        for tree in dict.fromkeys(made.values()):
            engine.client.api.import_image_from_data(tree.packed(), repository="stand-in", changes=settings)
            stand_in = engine.client.images.get("stand-in")
            for tag in (PINNED[name] for name in made if made[name] is tree):
                stand_in.tag(tag)
                print(f"{tag}: a stand-in")
        engine.client.images.build(path=str(ROOT), target="backend", tag=EMITTER_IMAGE, rm=True)
        print(f"{EMITTER_IMAGE}: built on a stand-in")


if __name__ == "__main__":
    main()
