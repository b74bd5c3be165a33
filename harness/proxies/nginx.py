"""Runs the real nginx on one native config file, unprivileged-safe, in a folder of its own.

A config is a template of nginx's own language (placeholders.py); what is made of it is in nginx_config.py. Temporary
files go to the private folder, and which versions of HTTP nginx speaks is asked of it.
"""

from __future__ import annotations

import asyncio
import grp
import os
import re
from dataclasses import replace
from pathlib import Path

from harness.errors import Complaint, InputError, Unavailable
from harness.launchers import commands
from harness.launchers.base import ProgramLauncher
from harness.launchers.ports import reserved_port
from harness.launchers.process import Launcher, until
from harness.launchers.sources import Installed
from harness.model import Endpoint
from harness.proxies.base import Running
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.described import Described
from harness.proxies.nginx_config import PATHS, Config, escaped
from harness.proxies.starting import Start, started

READY_S = 10.0
TEST_S = 60.0
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

_COMPLAINT = r"\[(?:emerg|alert)\] (?:\d+#\d+: )?(?P<words>.*)"
COMPLAINTS = (re.compile(rf"(?m){_COMPLAINT} in (?P<file>/.+):(?P<line>\d+)$"), re.compile(_COMPLAINT))


class Nginx(Described):
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`, or any config of a user's."""

    def check(self, config: Path) -> None:
        """Read it, and have nginx itself test it if it is a user's. Ours have tests of their own, and are many."""
        read = Config(config)
        if config.parent == self.folder:
            return
        try:
            installed = self.installed()
        except Unavailable:
            return  # its cells will say so, unless it is fetched for them
        commands.apart(self._test(installed, read))

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        read = Config(config)
        if upstream.path and not read.uses("UPSTREAM") and not read.uses("UPSTREAM_PATH"):
            why = f"the next proxy serves below {upstream.path}; with an upstream block, write"
            raise InputError(Complaint(f"{why} `proxy_pass http://NAME${{UPSTREAM_PATH}}/;`", file=str(config)))
        installed = await asyncio.to_thread(self.installed)
        prefix = await asyncio.to_thread(_prefix, installed)
        start = _start(installed, prefix, read, evidence.resolve())
        running, endpoint = await started(start, upstream, evidence, launcher)
        return Running(self.name, endpoint, running, self.told(installed))

    async def _test(self, installed: Installed, config: Config) -> None:
        """Raise InputError with what nginx has against a config."""
        async with Launcher() as launcher:
            folder = launcher.folder(self.name)
            start = _start(installed, _prefix(installed), config, folder)
            with reserved_port() as port:
                try:
                    (program, *arguments), _ = start.write(port, Endpoint(1), folder, folder)
                except Unavailable:
                    return  # its cells will say so
                command = [program, "-t", *arguments]
                testing = await launcher.launch(self.name, command, log=folder / "test.log", env=installed.env)
                if not await until(testing.death, TEST_S):
                    raise InputError(Complaint(f"nginx has not read it within {TEST_S:g} s", file=str(config.main)))
            if testing.returncode:
                said = start.complaints.found(testing.words()) or [Complaint(testing.words())]
                raise InputError(*(one if one.file else replace(one, file=str(config.main)) for one in said))


def _start(installed: Installed, prefix: str, config: Config, evidence: Path) -> Start:
    """Return how an nginx that was built for the folder `prefix` is started with a config."""
    names = config.names(evidence)
    process = f'daemon off; pid nginx.pid; error_log "{escaped(evidence)}/error.log" notice; {_user()}'
    temporary = "".join(f'{name}_temp_path "${{FOLDER}}/{name}";\n' for name in TEMPORARY)
    return Start(
        name="nginx",
        command=[str(installed.program), "-p", "${FOLDER}", "-c", str(names[config.main]), "-g", process],
        files={**config.templates(evidence, prefix), PATHS: f"access_log off;\n{temporary}"},
        env=installed.env,
        within_s=READY_S,
        negotiates=True,
        tls=config.listens_with_tls,
        complaints=ComplaintPatterns(COMPLAINTS, {str(name): original for original, name in names.items()}),
        quote=escaped,
    )


def _prefix(installed: Installed) -> str:
    """Return the folder that an nginx was built for. Blocks."""
    prefix = re.search(r"--prefix=(\S+)", commands.asked([str(installed.program), "-V"], "", installed.env).stderr)
    return prefix[1] if prefix else ""


def _user() -> str:
    """Keep root's workers root: as nobody they could not get to a folder below a TMPDIR that is root's alone."""
    return f"user root {grp.getgrgid(0).gr_name};" if os.geteuid() == 0 else ""
