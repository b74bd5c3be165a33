"""What no file can say of nginx: how a config of anybody's, as it is deployed, is made fit to stand in a chain.

    nginx_language.py  the text, read with offsets          nginx_targets.py   where it passes requests on to
    nginx_config.py    a file or folder, and its includes   nginx_deployed.py  what stands for what, and what answers
    nginx_serving.py   who answers, by nginx' rules         nginx_edit.py      the edit, at the token
    nginx_diff.py      what changed of it, as it is told    nginx_mitigated.py what a mitigation changes of it

Its workers stay root's where it is root that runs it, and modules are looked for where this build has them.
"""

from __future__ import annotations

import grp
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from harness.errors import Complaint, InputError
from harness.launchers import commands
from harness.launchers.base import Installed, ProgramLauncher
from harness.model import Edit, Endpoint
from harness.proxies.as_deployed import AsDeployed
from harness.proxies.base import Running
from harness.proxies.languages.base import Fitted
from harness.proxies.nginx_config import Config
from harness.proxies.nginx_deployed import Deployed
from harness.proxies.nginx_edit import PATHS, Edited
from harness.proxies.nginx_mitigated import Mitigated, Texts, in_effect, mitigated
from harness.proxies.starting import Start

CHANGED = "mitigations.diff"


@dataclass(frozen=True)
class Nginx(AsDeployed):
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`, or any config of a user's, as `deployment` has it.

    Its placeholders and what is found beside them go together, so every config is read as one that is deployed. `edits`
    are what mitigations change of it.
    """

    edits: tuple[Edit, ...] = ()

    reads_folders = True

    def takes(self, config: Path) -> bool:
        return True

    def edited(self, edits: Sequence[Edit]) -> Nginx:
        return replace(self, edits=tuple(edits))

    def changed(self, config: Path) -> str:
        return self.meant(config)._mitigated(config).told()

    def asks_in_http10(self, config: Path) -> bool:
        said = in_effect(self.meant(config)._mitigated(config).deployed, "proxy_http_version")
        return said in ([], ["1.0"])  # before 1.29.7 nginx does by itself

    def check(self, config: Path) -> None:
        """Raise InputError if a config could not stand in a chain, or nginx has anything against it."""
        try:
            super().check(config)
        except InputError as error:
            raise InputError(*(self._explained(one, config) for one in error.complaints)) from error

    def fitted(self, config: Path, installed: Callable[[], Installed]) -> Fitted:
        mitigated = self._mitigated(config)
        loads = any(directive.name == "load_module" for directive, _ in mitigated.deployed.config.walk())
        fitted = self._edited(mitigated, _prefix(installed()) if loads else "").fitted()
        return replace(fitted, served_by=replace(mitigated.was.served_by(), changed=mitigated.told()))

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        try:
            return await super().start(config, upstream, evidence, launcher)
        except InputError as error:
            if not self.edits:
                raise
            edited = f"as mitigations edit it ({CHANGED} has how)"
            raise InputError(*(replace(one, message=f"{one.message}, {edited}") for one in error.complaints)) from error

    def start_of(self, config: Path, installed: Installed, evidence: Path) -> Start:
        start = super().start_of(config, installed, evidence)
        main, text = next(iter(start.files.items()))
        ours = {main: _user() + text, PATHS: (self.folder / Path(PATHS).name).read_text("utf-8")}
        kept = {CHANGED: self._mitigated(config).diff()} if self.edits else {}
        return replace(start, files={**start.files, **ours}, evidence={**start.evidence, **kept})

    def _edited(self, mitigated: Mitigated, prefix: str = "") -> Edited:
        return Edited(mitigated.deployed, prefix, "https" if self.behind.authority else "http")

    def _deployed(self, config: Path, texts: Texts = MappingProxyType({})) -> Deployed:
        return Deployed(Config(config, texts), self.deployment, self.behind.knows_streams_only)

    def _mitigated(self, config: Path) -> Mitigated:
        """Return the config with what mitigations change of it, for what is asked and what stands behind it now."""
        return mitigated(self._deployed(config), self.edits, lambda texts: self._deployed(config, texts))

    def _explained(self, complaint: Complaint, config: Path) -> Complaint:
        """Return a complaint with its place, and what it comes of if a module is not here that the config loads."""
        if complaint.line is None:
            return self._placed(complaint, config)
        if "too long path in the unix domain socket" in complaint.message:
            why = "the private folder of the run lies too deep: TMPDIR=FOLDER chooses another"
            return replace(complaint, message=f"{complaint.message}; {why}")
        if not complaint.message.startswith("unknown directive"):
            return complaint
        edited = self._edited(self._mitigated(config), _prefix(self.installed()))
        lacks = [f"{one.shown} ({one.place})" for one in edited.missing_modules]
        if not lacks:
            return complaint
        why = f"this nginx has no such module: {', '.join(lacks)}; install it for the nginx on PATH, or leave both out"
        return replace(complaint, message=f"{complaint.message}; {why}")

    def _placed(self, complaint: Complaint, config: Path) -> Complaint:
        """Return a complaint that has no line with that of the word which it quotes, as a file that is not there."""
        for directive, _ in Config(config).walk():
            if any(f'"{word}"' in complaint.message for word in directive.arguments):
                return replace(complaint, file=str(directive.source.path), line=directive.line)
        return complaint


def _prefix(installed: Installed) -> str:
    """Return the folder that an nginx was built for. Blocks."""
    prefix = re.search(r"--prefix=(\S+)", commands.asked([str(installed.program), "-V"], "", installed.env).stderr)
    return prefix[1] if prefix else ""


def _user() -> str:
    """Keep root's workers root: as nobody they could not get to a folder below a TMPDIR that is root's alone."""
    return f"user root {grp.getgrgid(0).gr_name}; " if os.geteuid() == 0 else ""
