"""Runs the real nginx on one native config file, unprivileged-safe, in a folder of its own.

A config is a template of nginx's own language (placeholders.py); what is made of it is in nginx_config.py. Temporary
files go to the private folder, and which versions of HTTP nginx speaks is asked of it.
"""

from __future__ import annotations

import asyncio
import grp
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.errors import Complaint, InputError, Unavailable
from harness.launchers import commands, distribution
from harness.launchers.base import ProgramLauncher
from harness.launchers.ports import reserved_port
from harness.launchers.process import Launcher, until
from harness.model import Endpoint, HopKind
from harness.proxies.base import Running
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.nginx_config import PATHS, Config, escaped
from harness.proxies.starting import Start, started
from harness.resources import configs

READY_S = 10.0
TEST_S = 60.0
INSTALL = "install it: apt-get install nginx, or brew install nginx"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

_COMPLAINT = r"\[(?:emerg|alert)\] (?:\d+#\d+: )?(?P<words>.*)"
COMPLAINTS = (re.compile(rf"{_COMPLAINT} in (?P<file>/.+):(?P<line>\d+)$"), re.compile(_COMPLAINT))


class Nginx:
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`."""

    name = "nginx"
    kind: HopKind = "proxy"
    suffix = ".conf"

    def version(self) -> str:
        return _build(self._program())[0]

    def describe(self, config: Path) -> str:
        first = config.read_text().split("\n", 1)[0]
        return first.removeprefix("#").strip() if first.startswith("#") else config.name

    def check(self, config: Path) -> None:
        """Read it, and have nginx itself test it if it is a user's. Ours have tests of their own, and are many."""
        read = Config(config)
        program = _find()
        if program and config.parent != configs() / self.name:
            commands.apart(_test(program, _build(program)[1], read))

    def install(self, progress: Callable[[str], None]) -> None:
        """Install the distribution's nginx if there is none and we may; the service that comes with it stays off."""
        new = distribution.install("nginx", "nginx", "nginx", find=_find, hint=INSTALL, progress=progress)
        if new and Path("/run/systemd/system").is_dir():
            disable = [*distribution.as_root(), "systemctl", "disable", "--now", "nginx"]
            commands.asked(disable, INSTALL)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        read = Config(config)
        if upstream.path and not read.uses("UPSTREAM") and not read.uses("UPSTREAM_PATH"):
            why = f"the next proxy serves below {upstream.path}; with an upstream block, write"
            raise InputError(Complaint(f"{why} `proxy_pass http://NAME${{UPSTREAM_PATH}}/;`", file=str(config)))
        program = self._program()
        version, prefix = await asyncio.to_thread(_build, program)
        start = _start(program, prefix, read, evidence.resolve())
        running, endpoint = await started(start, upstream, evidence, launcher)
        return Running(self.name, endpoint, running, version)

    def _program(self) -> str:
        program = _find()
        if program is None:
            raise Unavailable("nginx is not installed", INSTALL)
        return program


def _find() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _start(program: str, prefix: str, config: Config, evidence: Path) -> Start:
    """Return how an nginx that was built for the folder `prefix` is started with a config."""
    names = config.names(evidence)
    process = f'daemon off; pid nginx.pid; error_log "{escaped(evidence)}/error.log" notice; {_user()}'
    temporary = "".join(f'{name}_temp_path "${{FOLDER}}/{name}";\n' for name in TEMPORARY)
    return Start(
        name=Nginx.name,
        command=[program, "-p", "${FOLDER}", "-c", str(names[config.main]), "-g", process],
        files={**config.templates(evidence, prefix), PATHS: f"access_log off;\n{temporary}"},
        within_s=READY_S,
        ready="negotiates",
        tls=config.listens_with_tls,
        complaints=ComplaintPatterns(COMPLAINTS, {str(name): original for original, name in names.items()}),
        quote=escaped,
    )


def _build(program: str) -> tuple[str, str]:
    """Return an nginx's version, and the folder that it was built for."""
    banner = commands.asked([program, "-V"], INSTALL).stderr
    prefix = re.search(r"--prefix=(\S+)", banner)
    return banner.split("\n", 1)[0].strip().removeprefix("nginx version: nginx/"), prefix[1] if prefix else ""


async def _test(program: str, prefix: str, config: Config) -> None:
    """Raise InputError with what nginx has against a config."""
    async with Launcher() as launcher:
        folder = launcher.folder(Nginx.name)
        start = _start(program, prefix, config, folder)
        with reserved_port() as port:
            try:
                (_, *arguments), _ = start.write(port, Endpoint(1), folder, folder)
            except Unavailable:
                return  # its cells will say so
            testing = await launcher.launch(Nginx.name, [program, "-t", *arguments], log=folder / "test.log")
            if not await until(testing.death, TEST_S):
                raise InputError(Complaint(f"nginx has not read it within {TEST_S:g} s", file=str(config.main)))
        if testing.returncode:
            said = start.complaints.found(testing.words()) or [Complaint(testing.words())]
            raise InputError(*(one if one.file else replace(one, file=str(config.main)) for one in said))


def _user() -> str:
    """Keep root's workers root: as nobody they could not get to a folder below a TMPDIR that is root's alone."""
    return f"user root {grp.getgrgid(0).gr_name};" if os.geteuid() == 0 else ""
