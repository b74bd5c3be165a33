"""What no file can say of nginx: how a config of anybody's, as it is deployed, is made fit to stand in a chain.

    nginx_language.py  the text, read with offsets          nginx_targets.py   where it passes requests on to
    nginx_config.py    a file or folder, and its includes   nginx_deployed.py  what stands for what, and what answers
    nginx_serving.py   who answers, by nginx' rules         nginx_edit.py      the edit, at the token
    nginx_moves.py     where a request is moved to          nginx_modules.py   what a build may be without
    nginx_mitigated.py what a mitigation changes of it

Its workers stay root's where it is root that runs it, and modules are looked for where this build has them.
"""

from __future__ import annotations

import contextlib
import grp
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from harness.errors import Complaint, InputError, Unavailable
from harness.launchers import commands
from harness.launchers.base import Installed
from harness.proxies.as_deployed import AsDeployed
from harness.proxies.languages.base import Fitted, Standing
from harness.proxies.nginx_config import Config
from harness.proxies.nginx_deployed import Deployed
from harness.proxies.nginx_edit import PATHS, Edited
from harness.proxies.nginx_mitigated import change, in_effect
from harness.proxies.nginx_modules import is_built_in, may_be, module_of
from harness.proxies.starting import Start


@dataclass(frozen=True)
class Nginx(AsDeployed):
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`, or any config of a user's, as `deployment` has it.

    Its placeholders and what is found beside them go together, so every config is read as one that is deployed.
    """

    reads_folders = True

    def takes(self, config: Path) -> bool:
        return True

    def asks_in_http10(self, config: Path) -> bool:
        meant = self.meant(config)
        after = meant.mitigated(config, meant.installed).after
        deployed = Deployed(Config(config, after), meant.deployment, meant.behind.knows_streams_only)
        said = in_effect(deployed, "proxy_http_version")
        return said in ([], ["1.0"])  # before 1.29.7 nginx does by itself

    def check(self, config: Path) -> None:
        """Raise InputError if a config could not stand in a chain, or nginx has anything against it."""
        try:
            super().check(config)
        except InputError as error:
            raise InputError(*(self._explained(one, config) for one in error.complaints)) from error

    def read(self, config: Path, standing: Standing) -> Fitted:
        deployed = Deployed(Config(config, standing.texts), standing.said, standing.behind.knows_streams_only)
        loads = any(directive.name == "load_module" for directive, _ in deployed.config.walk())
        edited = Edited(deployed, _modules(standing.installed) if loads else "", standing.scheme)
        return replace(edited.fitted(), change=partial(change, deployed))

    def start_of(self, config: Path, installed: Installed, evidence: Path) -> Start:
        start = super().start_of(config, installed, evidence)
        main, text = next(iter(start.files.items()))
        ours = {main: _user() + text, PATHS: (self.folder / Path(PATHS).name).read_text("utf-8")}
        return replace(start, files={**start.files, **ours})

    def _explained(self, complaint: Complaint, config: Path) -> Complaint:
        """Return a complaint with its place, and what it comes of if a module is not here that the config loads."""
        if complaint.line is None:
            return self._placed(complaint, config)
        if "too long path in the unix domain socket" in complaint.message:
            why = "the private folder of the run lies too deep: TMPDIR=FOLDER chooses another"
            return replace(complaint, message=f"{complaint.message}; {why}")
        if not complaint.message.startswith("unknown directive"):
            return complaint
        said = re.match(r'unknown directive "([^"]*)"', complaint.message)
        module = module_of(said[1]) if said else ""
        deployed = Deployed(Config(config), self.meant(config).deployment)
        missing = Edited(deployed, _modules(self.installed)).missing_modules
        if lacks := [f"{one.shown} ({one.place})" for one in missing if may_be(module, one.argument)]:
            named = ", ".join(lacks)
            why = f"this nginx has no such module: {named}; install it for the nginx on PATH, or leave both out"
        elif module:
            why = f"this nginx lacks {module}, which has it: leave it out of a copy, or have an nginx with it on PATH"
            why += self._elsewhere(module)
        else:
            return complaint
        return replace(complaint, message=f"{complaint.message}; {why}")

    def _elsewhere(self, module: str) -> str:
        """Return how to have another nginx that has a module, as far as one is here. Blocks."""
        others = list(self.sources.offers())
        for other in others:
            with contextlib.suppress(Unavailable):
                here = other.installed and not other.installed.image and _configured(other.installed)
                if here and is_built_in(module, here):
                    return f"; `nginx:CONFIG@{other.version}` is {other.source} {other.version}, which has it"
        return "; `harness doctor` tells which others there are" if len(others) > 1 else ""

    def _placed(self, complaint: Complaint, config: Path) -> Complaint:
        """Return a complaint that has no line with that of the word which it quotes, as a file that is not there."""
        for directive, _ in Config(config).walk():
            if any(f'"{word}"' in complaint.message for word in directive.arguments):
                return replace(complaint, file=str(directive.source.path), line=directive.line)
        return complaint


def _modules(installed: Callable[[], Installed]) -> str:
    """Return the folder that an nginx was built for, where its modules lie; nothing if there is none. Blocks."""
    with contextlib.suppress(Unavailable):  # which the start tells
        if (nginx := installed()).image:
            return ""  # it is in the image, as is what its configs say of it
        prefix = re.search(r"--prefix=(\S+)", _configured(nginx))
        return prefix[1] if prefix else ""
    return ""


def _configured(nginx: Installed) -> str:
    """Return how it was built, in its own words. Raises Unavailable if it does not tell. Blocks."""
    return _asked(nginx.program, tuple(nginx.env.items()))


@lru_cache
def _asked(program: Path, env: tuple[tuple[str, str], ...]) -> str:
    return commands.asked([str(program), "-V"], "", dict(env)).stderr


def _user() -> str:
    """Keep root's workers root: as nobody they could not get to a folder below a TMPDIR that is root's alone."""
    return f"user root {grp.getgrgid(0).gr_name}; " if os.geteuid() == 0 else ""
