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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from harness import resources
from harness.errors import Complaint, InputError
from harness.launchers import commands
from harness.launchers.base import Installed, ProgramLauncher
from harness.model import Deployment, Edit, Endpoint
from harness.proxies import placeholders
from harness.proxies.base import Running
from harness.proxies.described import Described
from harness.proxies.nginx_config import Config, escaped
from harness.proxies.nginx_deployed import Deployed
from harness.proxies.nginx_edit import PATHS, Edited
from harness.proxies.nginx_mitigated import Mitigated, Texts, mitigated
from harness.proxies.starting import Start

DIFF = "nginx.diff"
CHANGED = "mitigations.diff"


@dataclass(frozen=True)
class Nginx(Described):
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`, or any config of a user's, as `deployment` has it.

    `behind` is what it passes requests on to, `edits` are what mitigations change of the config.
    """

    deployment: Deployment = field(default_factory=Deployment)
    behind: Endpoint = field(default_factory=lambda: Endpoint(1))
    edits: tuple[Edit, ...] = ()

    reads_folders = True

    def deployed(self, deployment: Deployment) -> Nginx:
        return replace(self, deployment=deployment)

    def edited(self, edits: Sequence[Edit]) -> Nginx:
        return replace(self, edits=tuple(edits))

    def changed(self, config: Path) -> str:
        return self._mitigated(config).told()

    def asks(self, config: Path) -> set[str]:
        return placeholders.asked(self._edited(self._mitigated(config)).texts.values())

    def check(self, config: Path) -> None:
        """Raise InputError if a config could not stand in a chain, or nginx has anything against it."""
        try:
            super().check(config)
        except InputError as error:
            raise InputError(*(self._explained(one, config) for one in error.complaints)) from error

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        path = self.deployment.path or upstream.asked
        asked = replace(self, deployment=replace(self.deployment, path=path), behind=upstream)
        try:
            return await super(Nginx, asked).start(config, upstream, evidence, launcher)
        except InputError as error:
            if not self.edits:
                raise
            edited = f"as mitigations edit it ({CHANGED} has how)"
            raise InputError(*(replace(one, message=f"{one.message}, {edited}") for one in error.complaints)) from error

    def start_of(self, config: Path, installed: Installed, evidence: Path) -> Start:
        mitigated = self._mitigated(config)
        deployed, edited = mitigated.deployed, self._edited(mitigated, _prefix(installed))
        files = edited.files(evidence)
        places = {source: str(edited.place(source, evidence)) for source in edited.texts}
        main = places[deployed.config.sources[deployed.config.main]]
        files |= {main: _user() + files[main], PATHS: (self.folder / Path(PATHS).name).read_text("utf-8")}
        start = self._start_of(main, files, installed, {place: source.path for source, place in places.items()})
        is_ours = config.is_relative_to(resources.configs())
        return replace(
            start,
            evidence={} if is_ours else {DIFF: edited.diff(), **({CHANGED: mitigated.diff()} if self.edits else {})},
            tls=deployed.with_tls,
            asked=deployed.path,
            host=deployed.host,
            served_by=None if is_ours else replace(mitigated.was.served_by(), changed=mitigated.told()),
            quote=escaped,
        )

    def diff(self, config: Path) -> str:
        """Return what is changed of a config so that it can stand in a chain, as a unified diff. Raises InputError."""
        return self._edited(self._mitigated(config)).diff()

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
