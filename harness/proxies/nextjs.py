"""Runs the real Next.js app of `configs/nextjs` in front of an upstream, under `next dev` or `next start`.

Rules:
- `install` copies the app into the cache and runs `npm ci` and `next build` there. An app or a Node.js that changed
  is another folder.
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
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness import resources
from harness.documents.document import Document
from harness.errors import Complaint, InputError, NoRoom, ProxyError, Unavailable, unwritable
from harness.launchers.base import ProgramLauncher
from harness.launchers.commands import asked
from harness.launchers.installation import REMEDY, Installation, Progress, Steps
from harness.model import Endpoint, HopKind
from harness.proxies.base import Running
from harness.proxies.starting import Start, started

READY_S = 60.0
NODE_AT_LEAST = (20, 9)
LISTEN = ("--hostname", "127.0.0.1", "--port", "0")
PLACEHOLDER = "http://upstream.invalid:1"
BUILD = ".next"
INSTANCES = ".instances"
CONFIG = "next.config.mjs"
ROUTES = "routes-manifest.json"
NEXT = Path("node_modules", "next")
NOT_THE_APP = {"node_modules", BUILD, INSTANCES}
NOT_NEEDED_TO_START = ("cache", "diagnostics", "trace", "trace-build", "types")
SETUP = "harness setup nextjs"
GET_NODE = f"install Node.js {'.'.join(map(str, NODE_AT_LEAST))} or newer with npm, then: {SETUP}"

QUIET = {"NEXT_TELEMETRY_DISABLED": "1", "NEXT_IGNORE_INCORRECT_LOCKFILE": "1", "NO_COLOR": "1"}
ENDS_AT_ONCE = {"NEXT_MANUAL_SIG_HANDLE": "true"}  # else `next start` waits on SIGTERM until every stream has ended

NO_INSPECTOR = "--require=./no-inspector.cjs"

_LISTENING = re.compile(r"Local:.*?http://127\.0\.0\.1:(\d+)")


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


class NextJs:
    """The `nextjs` proxy: its variants are `configs/nextjs/*.yaml`."""

    name = "nextjs"
    kind: HopKind = "proxy"
    suffix = ".yaml"

    def version(self) -> str:
        return _installation().manifest()

    def describe(self, config: Path) -> str:
        variant = read_variant(config)
        compress = "on" if variant.compress else "off"
        return variant.about or f"next {variant.mode}, {variant.path}, compress {compress}"

    def check(self, config: Path) -> None:
        read_variant(config)

    def install(self, progress: Progress) -> None:
        install(progress)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        variant = read_variant(config)
        app, version = _app_folder(), self.version()
        folder = _instance(app, launcher)
        if variant.mode == "prod":
            await asyncio.to_thread(lay_build, app / BUILD, folder, upstream)
        built = {ROUTES: folder / ROUTES} if variant.mode == "prod" else {}
        start = Start(
            name=self.name,
            command=[_node(), str(NEXT / "dist/bin/next"), "dev" if variant.mode == "dev" else "start", *LISTEN],
            within_s=READY_S,
            evidence={"variant.yaml": config, CONFIG: app / CONFIG, **built},
            env=_environment(variant, folder.relative_to(app)),
            trusts="NODE_EXTRA_CA_CERTS",
            cwd=app,
            path=variant.path,
            announces=_LISTENING,
            ready="answers",
        )
        program, endpoint = await started(start, upstream, evidence, launcher)
        return Running(self.name, endpoint, program, version)


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
        **(_shut() if variant.mode == "dev" else {}),
        **QUIET,
        **ENDS_AT_ONCE,
    }


def _shut() -> dict[str, str]:
    """Return what keeps `next dev` from starting a program for a stranger: `none` also ends its search among ours."""
    editors = dict.fromkeys(("REACT_EDITOR", "VISUAL", "EDITOR"), "none")
    return {**editors, "NODE_OPTIONS": f"{os.environ.get('NODE_OPTIONS', '')} {NO_INSPECTOR}".strip()}


# ---------------------------------------------------------------- setting it up


def install(progress: Progress) -> None:
    """Install the packages and make the production build, unless that is done. Only one process does it at a time.

    Blocks for a quarter of a minute or, on a slow network, minutes; `progress` hears of every step. Raises Unavailable.
    """
    node, npm = _node(), _npm()
    _installation().ensure(lambda steps: _install(node, npm, steps, progress), progress)


def _install(node: str, npm: str, steps: Steps, progress: Progress) -> str:
    app, source = steps.folder, _source()
    for file in _app_files():
        copy = app / file.relative_to(source)
        resources.own_folder(copy.parent)
        shutil.copy(file, copy)
    env = {**QUIET, "NODE_ENV": "production", "UPSTREAM": PLACEHOLDER}
    progress("installing the npm packages (npm ci)")
    steps.run([npm, "ci", "--no-audit", "--no-fund"], env)
    progress("making the production build (next build)")
    steps.run([node, str(NEXT / "dist/bin/next"), "build"], env)
    lead_to(Endpoint(1), (app / BUILD / ROUTES).read_text())
    for name in NOT_NEEDED_TO_START:
        shutil.rmtree(app / BUILD / name) if (app / BUILD / name).is_dir() else (app / BUILD / name).unlink(True)
    version = json.loads((app / NEXT / "package.json").read_text())["version"]
    return f"{version} on Node.js {_node_version(node)}"


# ---------------------------------------------------------------- what is here


def _installation() -> Installation:
    return Installation(_app_folder(), "Next.js", "the Next.js app", SETUP, "500 MB")


def _instance(app: Path, launcher: ProgramLauncher) -> Path:
    """Return a new folder for one instance, inside the app, where Next.js wants it. Raises Unavailable."""
    try:
        resources.own_folder(app / INSTANCES)
        return launcher.folder("nextjs", parent=app / INSTANCES)
    except OSError as error:
        if unwritable(error) is NoRoom:
            raise
        raise Unavailable(f"Next.js writes into its own folder, {app}: {error.strerror}", REMEDY) from error


def _app_folder() -> Path:
    """Return where this app belongs, whether it is there or not."""
    digest = hashlib.sha256(f"{_node_version(_node())} {sys.platform} {platform.machine()}".encode())
    for file in _app_files():
        content = file.read_bytes()
        digest.update(f"\n{file.relative_to(_source())} {len(content)}\n".encode() + content)
    return resources.cache().absolute() / f"nextjs-{digest.hexdigest()[:16]}"


def _app_files() -> Iterator[Path]:
    for entry in sorted(_source().iterdir()):
        if entry.name in NOT_THE_APP or entry.suffix == NextJs.suffix:
            continue
        yield from sorted(path for path in entry.rglob("*") if path.is_file()) if entry.is_dir() else [entry]


def _source() -> Path:
    return resources.configs() / "nextjs"


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise Unavailable("Node.js is not installed", GET_NODE)
    version = _node_version(node)
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < NODE_AT_LEAST:
        raise Unavailable(f"Node.js {version} is too old for Next.js", GET_NODE)
    return node


def _npm() -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed", GET_NODE)
    return npm


@functools.cache
def _node_version(node: str) -> str:
    said = asked([node, "--version"], GET_NODE)
    if said.returncode:
        raise Unavailable(f"Node.js does not run: {said.stderr.strip() or f'exit status {said.returncode}'}", GET_NODE)
    return said.stdout.strip()
