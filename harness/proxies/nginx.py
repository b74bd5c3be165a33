"""What no file can say of nginx: how a config of anybody's is made fit to run beside others (nginx_config.py).

Its workers stay root's where it is root that runs it, and modules are looked for where this build has them.
"""

from __future__ import annotations

import grp
import os
import re
from dataclasses import replace
from pathlib import Path

from harness.launchers import commands
from harness.launchers.base import Installed
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.described import Described
from harness.proxies.nginx_config import PATHS, Config, escaped
from harness.proxies.starting import Start


class Nginx(Described):
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`, or any config of a user's."""

    def asks(self, config: Path) -> set[str]:
        return Config(config).placeholders

    def start_of(self, config: Path, installed: Installed, evidence: Path) -> Start:
        start, read = super().start_of(config, installed, evidence), Config(config)
        names = read.names(evidence)
        files = {**read.templates(evidence, _prefix(installed)), PATHS: start.files[str(evidence / Path(PATHS).name)]}
        main, origins = str(names[config]), {str(name): original for original, name in names.items()}
        return replace(
            start,
            files={**files, main: _user() + files[main]},
            tls=read.listens_with_tls,
            complaints=ComplaintPatterns.of(self.said.complaints, origins),
            quote=escaped,
        )


def _prefix(installed: Installed) -> str:
    """Return the folder that an nginx was built for. Blocks."""
    prefix = re.search(r"--prefix=(\S+)", commands.asked([str(installed.program), "-V"], "", installed.env).stderr)
    return prefix[1] if prefix else ""


def _user() -> str:
    """Keep root's workers root: as nobody they could not get to a folder below a TMPDIR that is root's alone."""
    return f"user root {grp.getgrgid(0).gr_name}; " if os.geteuid() == 0 else ""
