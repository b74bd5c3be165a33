"""A proxy that also runs a web project of the user's, a folder: with its own version, packages and config.

Of each package that is a project's server: where its config lies, and which scripts of ours read that and have it led
to the next hop. They are laid into the copy (projects.py), which is all that runs.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import Complaint, InputError
from harness.launchers.base import ProgramLauncher
from harness.launchers.npm import node_of, node_version
from harness.launchers.process import until
from harness.model import Deployment, Endpoint, Hop, Option
from harness.proxies import placeholders
from harness.proxies.base import Running
from harness.proxies.described import Described
from harness.proxies.projects import QUIET, WORDS, Project, copies
from harness.proxies.starting import Start, started

OURS = "harness-{}"
BUILD = Option("word", "build")
BUILD_S = 600.0
WITHIN_S = 120.0
"""A project may be large, and compiles what is asked for first."""


@dataclass(frozen=True)
class Server:
    """How the server of a project is run.

    `configs` are where its config may lie, `rules` the command that prints where that leads, `build` what makes a
    production build, if that is wanted, `command` what serves; all are Node.js's arguments, in the copy. `scripts` are
    laid there, by where they lie below our own configs.
    """

    package: str
    configs: tuple[str, ...]
    scripts: tuple[str, ...]
    rules: tuple[str, ...]
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    announces: str = ""
    build: tuple[str, ...] = ()


@dataclass(frozen=True)
class OfProjects(Described):
    """A proxy whose variants are configs of ours, or a folder: a project, of which `deployment` says what leads on.

    One that is to be `built` is measured as it is served in production, if its server has a build.
    """

    deployment: Deployment = field(default_factory=Deployment)
    built: bool = False

    reads_folders = True

    @property
    @abstractmethod
    def server(self) -> Server:
        """How a project is run."""

    def deployed(self, deployment: Deployment) -> OfProjects:
        return replace(self, deployment=deployment)

    def takes(self, config: Path) -> bool:
        return config.is_dir()

    def canonical(self, hop: Hop) -> Hop:
        return hop if hop.options == (BUILD,) and not hop.version else super().canonical(hop)

    def with_options(self, hop: Hop) -> Described:
        return replace(self, built=True) if BUILD in hop.options else super().with_options(hop)

    def brings_its_program(self, config: Path) -> bool:
        return self.takes(config)

    def diff(self, config: Path) -> str:
        """Return nothing: of a project no file is changed, its copy has another config in front of its own."""
        return ""

    def describe(self, config: Path) -> str:
        return f"the project {config}" if self.takes(config) else super().describe(config)

    def check(self, config: Path) -> None:
        if self.takes(config):
            self.project(config).check()
            self._check_asked(str(config))
        elif self.deployment or self.built:
            why = "map, server, path and @build are for a project of yours, which is a folder"
            raise InputError(Complaint(why, file=str(config)))
        else:
            super().check(config)

    def _check_asked(self, config: str) -> None:
        """Raise InputError for what is asked of a project that it cannot have."""
        if self.deployment.server:
            raise InputError(Complaint("is a project, which has no servers: leave --server out", file=config))
        if self.wanted or self.only:
            raise InputError(Complaint("is a project, which runs in the version that is installed in it", file=config))
        if self.built and not self.server.build:
            raise InputError(Complaint(f"{self.name} has no production server: leave @build out", file=config))

    def project(self, folder: Path) -> Project:
        return Project(folder, self.server.package, self.server.configs)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        if not self.takes(config):
            return await super().start(config, upstream, evidence, launcher)
        project = self.project(config)
        project.check()
        said = replace(self.deployment, wish=self.deployment.wish or upstream.asked)
        copy = launcher.folder(self.name, parent=copies())
        start = await asyncio.to_thread(self._start_in, copy, project, said)
        if self.built:
            await self._build(start, project, upstream, evidence, launcher)
        program, endpoint = await started(start, upstream, evidence, launcher)
        version = f"{project.version} (the project's, on Node.js {node_version(start.command[0], '')})"
        return Running(self.name, endpoint, program, version, served_by=start.served_by)

    async def _build(
        self, start: Start, project: Project, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher
    ) -> None:
        """Make a production build in the copy, in which its rules lead to `upstream`. Raises InputError if it fails."""
        argv, log = [start.command[0], *self.server.build], evidence / "build.log"
        env = {name: placeholders.filled(value, {"UPSTREAM": upstream.url}) for name, value in start.env.items()}
        build = await launcher.launch(f"{self.name}-build", argv, log=log, cwd=start.cwd, env=env)
        await until(lambda: build.returncode is not None, BUILD_S)
        if build.returncode != 0:
            await build.stop()
            words = build.log_tail(WORDS).replace(str(start.cwd), str(project.folder))
            why = build.death() or f"has not ended for {BUILD_S:g} s"
            raise project.refused(f"cannot be built ({why}):\n{words}")

    def _start_in(self, copy: Path, project: Project, said: Deployment) -> Start:
        """Fill a copy, read its rules, and return how it is started. Raises InputError. Blocks."""
        node, server = node_of((), self.server.package, "install Node.js"), self.server
        project.lay(copy)
        for script in server.scripts:
            shutil.copy(self.folder / script, copy / OURS.format(Path(script).name))
        rules = project.rules([node, *server.rules], copy, server.env)
        origins, path, served_by = project.led(rules, said)
        self.lead(project, copy)
        return Start(
            name=self.name,
            command=[node, *server.command],
            within_s=WITHIN_S,
            evidence={project.config.name: project.config},
            env={**QUIET, **server.env, **_told(origins), **({} if server.announces else {"HARNESS_PORT": "${PORT}"})},
            trusts="NODE_EXTRA_CA_CERTS",
            cwd=copy,
            asked=path,
            served_by=served_by,
            announces=re.compile(server.announces) if server.announces else None,
            ready="answers",
        )

    def lead(self, project: Project, copy: Path) -> None:
        """Have the config of a copy lead to the next hop, if the command itself does not."""


@dataclass(frozen=True)
class Vite(OfProjects):
    """The `vite` proxy: its variants are `configs/vite/*.mjs`, or a project."""

    @property
    def server(self) -> Server:
        return Server(
            package="vite",
            configs=tuple(f"vite.config.{ending}" for ending in ("js", "mjs", "ts", "cjs", "mts", "cts")),
            scripts=("project/serve.mjs",),
            rules=(OURS.format("serve.mjs"),),
            command=(OURS.format("serve.mjs"),),
            env=self.said.env,
        )


def _told(origins: Sequence[str]) -> dict[str, str]:
    """Return which origins the next hop stands for, and where that is, as scripts are told."""
    return {"HARNESS_ORIGINS": json.dumps(origins), "HARNESS_UPSTREAM": "${UPSTREAM}"}
