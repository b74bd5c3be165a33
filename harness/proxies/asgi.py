"""Runs a real ASGI application as a hop: an LLM app, whose upstream is "the model".

A variant is a Python file with an ASGI object `app`. It is told the model's base URL as MODEL_URL (and, if that has
TLS, whom to trust as SSL_CERT_FILE), and settings of the hop by their own names; the package `configs/asgi/model` is
there to import. It runs where it lies, as its author runs it, in a virtual environment of its own (environments.py).

Rules:
- An app is no proxy: code that blocks its event loop for one stream blocks it for all. So it is `serial`.
- The servers take a port of the kernel's choice and say on their log which. No socket is handed over to them: uvicorn
  takes one that is for a Unix socket, and asyncio then leaves Nagle's algorithm on.
- They end at once, whatever still streams.
"""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from harness import resources
from harness.errors import InputError, ProxyError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.asgi_options import Options, parse
from harness.proxies.base import Proxy, Running
from harness.proxies.environments import Environment, needed
from harness.proxies.installation import Progress
from harness.proxies.warming import warm_up

READY_S = 60.0
SETUP = "harness setup asgi"
TOLD = ("fastapi", "starlette", "sse-starlette")
USUAL = "plain"
QUIET = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}

_LISTENING = re.compile(r"(?:running on|Listening at:) http://127\.0\.0\.1:(\d+)", re.IGNORECASE)

GUNICORN = """\
from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):
    CONFIG_KWARGS = {{"loop": "{loop}", "http": "{parser}"}}


worker_class = Worker
bind = "127.0.0.1:0"
graceful_timeout = 0
control_socket_disable = True
"""


@dataclass(frozen=True, slots=True)
class Asgi:
    """The `asgi` proxy: its variants are `configs/asgi/*.py`, and each can be run with options."""

    options: Options = field(default_factory=Options)

    name = "asgi"
    emulated = False
    suffix = ".py"

    def version(self) -> str:
        return self._told(self._environment(resources.configs() / self.name / f"{USUAL}{self.suffix}"))

    def describe(self, config: Path) -> str:
        return (ast.get_docstring(_tree(config)) or config.name).strip().split("\n", 1)[0]

    def check(self, config: Path) -> None:
        tree = _tree(config)
        if not re.fullmatch(r"[\w-]+", config.stem):
            raise InputError(f"{config}: a server cannot import {config.stem!r}; rename it to letters, digits, - and _")
        if not any(_defines_app(node) for node in ast.walk(tree)):
            raise InputError(f"{config}: there is no `app`: give the ASGI application that name")
        self._environment(config)

    def canonical(self, options: str) -> str:
        return str(parse(options))

    def with_options(self, options: str) -> Proxy:
        return Asgi(parse(options))

    def install(self, progress: Progress) -> None:
        """Make the environment of the variants that name no dependencies of their own."""
        self.prepare(resources.configs() / self.name / f"{USUAL}{self.suffix}", progress)

    def prepare(self, config: Path, progress: Progress) -> None:
        self._environment(config).install(progress)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: Launcher) -> Running:
        environment = self._environment(config)
        version = self._told(environment)
        argv = self._command(config, environment, evidence)
        env = self._variables(config, upstream)
        await asyncio.to_thread(_keep_evidence, evidence, config, environment, env, argv)

        process = launcher.launch(self.name, argv, log=evidence / "asgi.log", cwd=config.parent, env=env)
        try:
            endpoint = Endpoint(int(await process.announces(_LISTENING, READY_S)))
            await warm_up(process, endpoint, READY_S)
        except ProxyError:
            await launcher.stop(process)
            raise
        note = f"application, not a proxy: {self.describe(config)}"
        return Running(self.name, endpoint, process, version, note, serial=True)

    def _environment(self, config: Path) -> Environment:
        shipped = config.parent == resources.configs() / self.name
        hop = f"asgi:{config.stem if shipped else _as_file(config)}"
        hop += f"@{self.options}" if self.options.pins else ""
        usual = shipped and not self.options.pins
        return needed(config, self.options.pins, SETUP if usual else f"harness setup {shlex.quote(hop)}")

    def _told(self, environment: Environment) -> str:
        """Return what an app ran on: server, loop and frameworks, each with its version."""
        versions = environment.versions()
        server = f"{self.options.server} {versions[self.options.server]}"
        if self.options.server == "gunicorn":
            server += f" with uvicorn {versions['uvicorn']}"
        parser = "h11" if self.options.server == "hypercorn" else self.options.parser
        loop = f"uvloop {versions['uvloop']}" if self.options.loop == "uvloop" else "asyncio"
        named = [f"{name} {versions[name]}" for name in (parser, *TOLD) if name in versions]
        return ", ".join([server, loop, *named])

    def _command(self, config: Path, environment: Environment, evidence: Path) -> list[str]:
        python = [str(environment.python), "-m", self.options.server]
        loop, app = self.options.loop, f"{config.stem}:app"
        match self.options.server:
            case "uvicorn":
                flags = ["--host", "127.0.0.1", "--port", "0", "--loop", loop, "--http", self.options.parser]
                return [*python, *flags, "--no-access-log", "--timeout-graceful-shutdown", "0", app]
            case "hypercorn":
                flags = ["--bind", "127.0.0.1:0", "--worker-class", loop, "--workers", "0"]
                return [*python, *flags, "--graceful-timeout", "0", app]
            case "gunicorn":
                file = evidence.absolute() / "gunicorn.conf.py"
                file.write_text(GUNICORN.format(loop=loop, parser=self.options.parser))
                return [*python, "--config", str(file), app]

    def _variables(self, config: Path, upstream: Endpoint) -> dict[str, str]:
        path = f"{config.parent.absolute()}:{(resources.configs() / self.name).absolute()}"
        trusted = {"SSL_CERT_FILE": upstream.authority} if upstream.authority else {}
        return {**QUIET, "PYTHONPATH": path, "MODEL_URL": upstream.url, **trusted, **self.options.settings}


def _tree(config: Path) -> ast.Module:
    """Return an app, read and not run. Raises InputError with file and line if it is no Python."""
    try:
        return ast.parse(config.read_bytes(), str(config))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{config}: cannot be read: {error}") from error
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise InputError(f"{config}{line}: {error.msg if isinstance(error, SyntaxError) else error}") from None


def _defines_app(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="app", ctx=ast.Store()) | ast.FunctionDef(name="app") | ast.AsyncFunctionDef(name="app"):
            return True
        case ast.ClassDef(name="app"):
            return True
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any("app" in (alias.asname, alias.name) or alias.name == "*" for alias in names)
    return False


def _as_file(config: Path) -> str:
    """Return a path as a hop names a file: with a slash."""
    return str(config) if "/" in str(config) else f"./{config}"


def _keep_evidence(
    evidence: Path, config: Path, environment: Environment, env: dict[str, str], argv: list[str]
) -> None:
    shutil.copyfile(config, evidence / config.name)
    (evidence / "pip-freeze.txt").write_text(f"{environment.frozen()}\n")
    command = shlex.join(["env", *(f"{name}={value}" for name, value in env.items()), *argv])
    (evidence / "command.txt").write_text(f"cd {shlex.quote(str(config.parent.absolute()))} && {command}\n")
