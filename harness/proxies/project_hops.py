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
from harness.launchers.commands import to_its_end
from harness.launchers.npm import node_of, node_version
from harness.launchers.process import until
from harness.model import Deployment, Endpoint, Hop, Option
from harness.proxies.base import Running
from harness.proxies.described import Described
from harness.proxies.projects import QUIET, Project, copies
from harness.proxies.starting import Start, started

OURS = "harness-{}"
BUILD = Option("word", "build")
BUILD_S, RULES_S = 600.0, 60.0
"""How long `next build` may take, and the reading of a config."""
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

    def config_files(self, config: Path) -> Sequence[Path]:
        return self.project(config).deciding if self.takes(config) else [config]

    def config_folders(self, config: Path) -> frozenset[Path]:
        """Return none: what is new in a project decides once a file of it that decides names it."""
        return frozenset()

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
        await asyncio.to_thread(project.check)
        said = replace(self.deployment, wish=self.deployment.wish or upstream.asked)
        server, copy = self.server, launcher.folder(self.name, parent=copies())
        node = await asyncio.to_thread(node_of, (), server.package, "install Node.js")
        await to_its_end(self._lay, project, copy)
        copied = _Copied(project, copy, evidence, launcher)
        env = {**QUIET, **server.env}
        rules = project.rules(await copied.run("rules", [node, *server.rules], env, RULES_S))
        origins, path, served_by = project.led(rules, said)
        await to_its_end(self.lead, project, copy)
        led = {**env, "HARNESS_ORIGINS": json.dumps(origins), "HARNESS_UPSTREAM": upstream.url}
        if self.built:
            await copied.run("build", [node, *server.build], led, BUILD_S)
        start = Start(
            name=self.name,
            command=[node, *server.command],
            within_s=WITHIN_S,
            evidence={project.config.name: project.config},
            env=led if server.announces else {**led, "HARNESS_PORT": "${PORT}"},
            trusts="NODE_EXTRA_CA_CERTS",
            cwd=copy,
            asked=path,
            served_by=served_by,
            announces=re.compile(server.announces) if server.announces else None,
            ready="answers",
        )
        program, endpoint = await started(start, upstream, evidence, launcher)
        version = f"{project.version} (the project's, on Node.js {node_version(node, '')})"
        return Running(self.name, endpoint, program, version, served_by=served_by)

    def _lay(self, project: Project, copy: Path) -> None:
        project.lay(copy)
        for script in self.server.scripts:
            shutil.copy(self.folder / script, copy / OURS.format(Path(script).name))

    def lead(self, project: Project, copy: Path) -> None:
        """Have the config of a copy lead to the next hop, if the command itself does not."""


@dataclass(frozen=True)
class _Copied:
    """The copy of a project in which something is run that ends by itself."""

    project: Project
    folder: Path
    evidence: Path
    launcher: ProgramLauncher

    async def run(self, what: str, argv: Sequence[str], env: Mapping[str, str], within_s: float) -> str:
        """Return what it says. Raises InputError with that, if it does not end well in time."""
        log, temporary = self.evidence / f"{what}.log", str(self.launcher.folder(what))
        given = {**env, "TMPDIR": temporary}
        program = await self.launcher.launch(what, argv, log=log, cwd=self.folder, env=given)
        ended = await until(program.death, within_s)
        await program.stop()
        words = program.words().replace(str(self.folder), str(self.project.folder))
        if ended and program.returncode == 0:
            return words
        why = program.death() if ended else f"{what} did not end within {within_s:g} s"
        told = f"cannot be taken over by {self.project.package} ({why}):\n{self.project.told(words)}"
        raise self.project.refused(told, self.project.config)


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
