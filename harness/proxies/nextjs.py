"""Runs the real Next.js app of `configs/nextjs` in front of an upstream, under `next dev` or `next start`.

Rules:
- To install it is to lay the app beside the packages of a version, and to make the production build there.
- Every instance has a build folder (`distDir`) of its own, because `next dev` locks its build folder. It lies inside
  the installed app, because Turbopack refuses a node_modules that leads out of its root.
- `next build` writes where the rewrites lead into routes-manifest.json, and `next start` reads that file, not
  next.config.mjs. So the build is made for a placeholder, and every production instance gets a copy (5 MB, 15 ms)
  with its own upstream instead. `compress` and the route handler read the environment when they start.
- Next.js takes a port of the kernel's choice and says on its log which: no port can be lost to somebody else.
- `next dev` does what a developer's browser asks, and asks nobody who that is: it gets no editor that it could start,
  and no inspector that it could open.
- Ready means that one request came back through the chain: compiling on first request never counts as buffering.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness import resources
from harness.documents.document import Document
from harness.documents.programs import FromNpm
from harness.errors import Complaint, InputError, NoRoom, ProxyError, Unavailable, unwritable
from harness.launchers.base import ProgramLauncher
from harness.launchers.commands import to_its_end
from harness.launchers.installation import REMEDY, Steps
from harness.launchers.npm import Npm
from harness.model import Endpoint
from harness.proxies.base import Running
from harness.proxies.project_hops import OURS, OfProjects, Server
from harness.proxies.projects import Project
from harness.proxies.starting import Start, started

LISTEN = ("--hostname", "127.0.0.1", "--port", "0")
PLACEHOLDER = "http://upstream.invalid:1"
BUILD = ".next"
INSTANCES = ".instances"
CONFIG = "next.config.mjs"
NO_INSPECTOR = "no-inspector.cjs"
LED = OURS.format("led.cjs")
APP = ("app", CONFIG, NO_INSPECTOR)
ROUTES = "routes-manifest.json"
NEXT = "node_modules/next/dist/bin/next"
NOT_NEEDED_TO_START = ("cache", "diagnostics", "trace", "trace-build", "types")

QUIET = {"NEXT_TELEMETRY_DISABLED": "1", "NEXT_IGNORE_INCORRECT_LOCKFILE": "1", "NO_COLOR": "1"}
ENDS_AT_ONCE = {"NEXT_MANUAL_SIG_HANDLE": "true"}  # else `next start` waits on SIGTERM until every stream has ended


class Variant(BaseModel):
    """One way to run the app. What is left out is as Next.js has it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    about: str = ""
    mode: Literal["dev", "prod"]
    compress: bool = True
    path: Literal["/api/py", "/api/route"] = "/api/py"


def read_variant(config: Path) -> Variant:
    """Return the variant a file describes. Raises InputError that names the file, the key and what is allowed."""
    try:
        text = config.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Complaint(f"cannot be read: {error}", file=str(config))) from error
    return Document(text, str(config)).shape(Variant)


# ---------------------------------------------------------------- running it


@dataclass(frozen=True)
class NextJs(OfProjects):
    """The `nextjs` proxy: its variants are `configs/nextjs/*.yaml`, or a project, served by `dev` or `start`."""

    @property
    def server(self) -> Server:
        mode = {"NODE_ENV": "production" if self.built else "development"}
        mode |= {} if self.built else _shut(OURS.format(NO_INSPECTOR))
        return Server(
            package="next",
            configs=tuple(f"next.config.{ending}" for ending in ("js", "mjs", "ts", "mts")),
            scripts=("project/rules.cjs", "project/led.cjs", "no-inspector.cjs"),
            rules=(OURS.format("rules.cjs"),),
            command=(NEXT, "start" if self.built else "dev", *LISTEN),
            env={**QUIET, **ENDS_AT_ONCE, **mode},
            announces=self.said.announces or "",
            build=(NEXT, "build"),
        )

    def lead(self, project: Project, copy: Path) -> None:
        """Have a config of ours in front of the project's, in its language: Next.js knows it by its name."""
        name = project.config.name
        ending = Path(name).suffix
        theirs = f"next.config.theirs{ending}"
        (copy / name).rename(copy / theirs)
        ours = name if ending in (".ts", ".mts") else CONFIG
        imported = theirs.removesuffix(".ts") if ending == ".ts" else theirs
        lines = f'import theirs from "./{imported}";', f'import led from "./{LED}";', "export default led(theirs);"
        (copy / ours).write_text("\n".join([*lines, ""]), encoding="utf-8")

    def describe(self, config: Path) -> str:
        if self.takes(config):
            return super().describe(config)
        variant = read_variant(config)
        compress = "on" if variant.compress else "off"
        return variant.about or f"next {variant.mode}, {variant.path}, compress {compress}"

    def check(self, config: Path) -> None:
        if self.takes(config) or self.deployment or self.built:
            super().check(config)
        else:
            read_variant(config)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        if self.takes(config):
            return await super().start(config, upstream, evidence, launcher)
        variant = read_variant(config)
        installed = await asyncio.to_thread(self.installed)
        assert installed.folder, "what npm installs has a folder"
        app, folder = installed.folder, launcher.folder(self.name, parent=instances(installed.folder))
        if variant.mode == "prod":
            await to_its_end(lay_build, app / BUILD, folder, upstream)
        built = {ROUTES: folder / ROUTES} if variant.mode == "prod" else {}
        start = Start(
            name=self.name,
            command=[str(installed.program), NEXT, "dev" if variant.mode == "dev" else "start", *LISTEN],
            within_s=self.said.within_s,
            evidence={"variant.yaml": config, CONFIG: app / CONFIG, **built},
            env=_environment(variant, folder.relative_to(app)),
            trusts="NODE_EXTRA_CA_CERTS",
            cwd=app,
            path=variant.path,
            announces=re.compile(self.said.announces or ""),
            ready=self.said.ready,
        )
        program, endpoint = await started(start, upstream, evidence, launcher)
        return Running(self.name, endpoint, program, installed.told)

    def _npm(self, said: FromNpm, place: Path) -> Npm:
        return replace(super()._npm(said, place), files=dict(self._app()), build=_build)

    def _app(self) -> Iterator[tuple[str, Path]]:
        """Yield the app's files, by the path that each has in it."""
        for part in (self.folder / name for name in APP):
            for file in sorted(part.rglob("*")) if part.is_dir() else [part]:
                if file.is_file():
                    yield str(file.relative_to(self.folder)), file


def instances(folder: Path) -> Path:
    """Return where instances lie beside their packages. Raises Unavailable if nothing can be written there."""
    place = folder / INSTANCES
    try:
        resources.own_folder(place)
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if unwritable(error) is NoRoom:
            raise
        where = f"what has packages runs beside them, in {folder}: {error.strerror}"
        raise Unavailable(where, REMEDY) from error
    return place


def lay_build(build: Path, folder: Path, upstream: Endpoint) -> None:
    """Copy a production build into an instance's folder and lead its rewrites to `upstream`."""
    shutil.copytree(build, folder, dirs_exist_ok=True)
    manifest = folder / ROUTES
    manifest.write_text(lead_to(upstream, manifest.read_text()))


def lead_to(upstream: Endpoint, manifest: str) -> str:
    """Return the text of a routes-manifest.json with the placeholder replaced. Raises ProxyError if it has none."""
    if PLACEHOLDER not in manifest:
        raise ProxyError(f"nextjs: routes-manifest.json has no rewrite to {PLACEHOLDER}, so none can be led elsewhere")
    return manifest.replace(PLACEHOLDER, upstream.url)


def _environment(variant: Variant, dist_dir: Path) -> dict[str, str]:
    return {
        "UPSTREAM": "${UPSTREAM}",
        "COMPRESS": str(variant.compress).lower(),
        "DIST_DIR": str(dist_dir),
        "NODE_ENV": "development" if variant.mode == "dev" else "production",  # the caller's would mislead Next.js
        **(_shut(NO_INSPECTOR) if variant.mode == "dev" else {}),
        **QUIET,
        **ENDS_AT_ONCE,
    }


def _shut(script: str) -> dict[str, str]:
    """Return what keeps `next dev` from starting a program for a stranger: `none` also ends its search among ours."""
    editors = dict.fromkeys(("REACT_EDITOR", "VISUAL", "EDITOR"), "none")
    return {**editors, "NODE_OPTIONS": f"{os.environ.get('NODE_OPTIONS', '')} --require=./{script}".strip()}


# ---------------------------------------------------------------- setting it up


def _build(steps: Steps, node: str) -> None:
    """Make the production build, for an upstream that an instance puts its own in place of."""
    steps.progress("making the production build (next build)")
    steps.run([node, NEXT, "build"], {**QUIET, "NODE_ENV": "production", "UPSTREAM": PLACEHOLDER})
    build = steps.folder / BUILD
    lead_to(Endpoint(1), (build / ROUTES).read_text())
    for name in NOT_NEEDED_TO_START:
        shutil.rmtree(build / name) if (build / name).is_dir() else (build / name).unlink(True)
