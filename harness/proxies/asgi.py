"""Runs a real ASGI application as a hop: an LLM app, whose upstream is "the model".

A variant is a Python file with an ASGI object `app`. It is told the model's base URL as MODEL_URL (and, if that has
TLS, whom to trust as SSL_CERT_FILE), and settings of the hop by their own names; the package `configs/asgi/model` is
there to import. It runs where it lies, as its author runs it, in a virtual environment of its own (environments.py).

Rules:
- An app is no proxy: code that blocks its event loop for one stream blocks it for all. So it is `serial`.
- The servers take a port of the kernel's choice and say on their log which. No socket is handed over to them: uvicorn
  takes one that is for a Unix socket, and asyncio then leaves Nagle's algorithm on.
- They end at once, whatever still streams.
- One that ends by itself before it has answered is the app's fault: its last words are told, not its traceback.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from harness import resources
from harness.documents.programs import Ready
from harness.errors import Complaint, InputError
from harness.launchers.base import Program, ProgramLauncher
from harness.launchers.installation import Progress
from harness.model import Endpoint, Hop, HopKind, in_order
from harness.proxies import certificates
from harness.proxies.application_options import ASGI, Interface, Serving, canonical, serving
from harness.proxies.base import Proxy, Running
from harness.proxies.environments import Environment, needed
from harness.proxies.starting import NotStarted, Start, started
from harness.resources import is_file

READY_S = 60.0
USUAL = "plain"
WORDS_CHARS = 400
QUIET = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}

_LISTENING = re.compile(r"(?:running on|Listening at:) http://127\.0\.0\.1:(\d+)", re.IGNORECASE)
_RAISED = re.compile(r"^[ \t]+\S.*\n(?P<exception>[A-Za-z_][\w.]*(?:: .*)?)$", re.MULTILINE)
_CHATTER = re.compile(r"INFO: |(?:\[[^\]]*\] ){2}\[INFO\]")
_LOGGED = re.compile(r"^(?:\[[^\]]*\] ){3}|^[A-Z]+: +")

GUNICORN = "gunicorn.conf.py"
GUNICORN_ENDS = """\
bind = "127.0.0.1:0"
graceful_timeout = 0
control_socket_disable = True


def child_exit(server, worker):
    raise SystemExit(1)  # there is one worker: without it the app is dead, and is not to be started again and again
"""
GUNICORN_SERVES = """\
from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):
    CONFIG_KWARGS = {}


worker_class = Worker
"""


@dataclass(frozen=True, slots=True)
class Asgi:
    """The `asgi` proxy: its variants are `configs/asgi/*.py`, and each can be run with options."""

    options: Serving = field(default_factory=lambda: Serving(ASGI))

    interface: ClassVar[Interface] = ASGI
    kind: ClassVar[HopKind] = "application"
    suffix = ".py"

    @property
    def name(self) -> str:
        return self.interface.name

    def version(self) -> str:
        return self._versions(self._environment(resources.configs() / self.name / f"{USUAL}{self.suffix}"))

    def describe(self, config: Path) -> str:
        return (ast.get_docstring(_tree(config)) or config.name).strip().split("\n", 1)[0]

    def check(self, config: Path) -> None:
        if why := self._unservable(config):
            raise InputError(Complaint(why, file=str(config)))

    def canonical(self, hop: Hop) -> Hop:
        return canonical(hop, self.interface)

    def with_options(self, hop: Hop) -> Proxy:
        return replace(self, options=serving(hop, self.interface))

    def install(self, progress: Progress) -> None:
        """Make the environment of the variants that name no dependencies of their own."""
        self.install_for(resources.configs() / self.name / f"{USUAL}{self.suffix}", progress)

    def install_for(self, config: Path, progress: Progress) -> None:
        self._environment(config).install(progress)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        version = self._versions(self._environment(config))
        start = self._start(config, evidence, {"MODEL_URL": "${UPSTREAM}"}, ready="answers")
        program, endpoint = await self._started(start, config, upstream, evidence, launcher)
        return Running(self.name, endpoint, program, version, self.describe(config))

    async def serve(self, config: Path, evidence: Path, launcher: ProgramLauncher) -> Endpoint:
        """Start an app that has no model of ours behind it; return where it serves. It has not been asked anything.

        Raises what `start` raises.
        """
        start = replace(self._start(config, evidence, {}, ready="accepts"), is_asked=False)
        _, endpoint = await self._started(start, config, Endpoint(1), evidence, launcher)
        return endpoint

    def _start(self, config: Path, evidence: Path, env: Mapping[str, str], ready: Ready) -> Start:
        environment = self._environment(config)
        return Start(
            name=self.name,
            command=self._command(config, environment, evidence),
            within_s=READY_S,
            files=self._files(),
            evidence={config.name: config, "pip-freeze.txt": f"{environment.frozen()}\n"},
            env={**self._variables(config), **env},
            trusts=certificates.OPENSSL,
            cwd=config.parent,
            announces=_LISTENING,
            ready=ready,
        )

    async def _started(
        self, start: Start, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher
    ) -> tuple[Program, Endpoint]:
        try:
            return await started(start, upstream, evidence, launcher)
        except NotStarted as error:
            if error.ended is None or error.ended < 0:
                raise
            raise InputError(self._unable(config, error.words, error.ended, evidence / f"{self.name}.log")) from error

    def _environment(self, config: Path) -> Environment:
        hop = self._hop(config, bool(self.options.pins))
        usual = self._ships(config) and not self.options.pins
        setup = f"harness setup {self.name if usual else shlex.quote(hop)}"
        return needed(config, self.options.pins, setup, self.interface)

    def _unservable(self, config: Path) -> str | None:
        """Return why no server could serve an app, whatever it does; None if one could."""
        tree = _tree(config)
        if not re.fullmatch(r"[\w-]+", config.stem):
            return f"a server cannot import {config.stem!r}; rename it to letters, digits, - and _"
        if not any(_defines_app(node) for node in ast.walk(tree)):
            return "there is no `app`: give the ASGI application that name"
        if config.stem in sys.stdlib_module_names | self._environment(config).modules():
            return f"Python would take it for the module {config.stem} of that name; rename it"
        for server in self.interface.choices["server"]:
            if is_file(config.with_name(f"{server}.py")):
                return f"{server}.py beside it would run in place of the server {server}; rename that file"
        return None

    def _ships(self, config: Path) -> bool:
        return config.parent == resources.configs() / self.name

    def _hop(self, config: Path, with_options: bool = True) -> str:
        """Return the hop as one writes it."""
        variant = config.stem if self._ships(config) else _as_file(config)
        return str(Hop(self.name, variant, options=in_order(self.options.as_options()) if with_options else ()))

    def _unable(self, config: Path, said: str, status: int, log: Path) -> str:
        """Return why an app's server ended before it answered, in a sentence, and where its log lies."""
        words = last_words(said)
        if not words:
            words = f"its server ended with status {status} and no word: something that it imports ends the program"
        elif words.startswith("ModuleNotFoundError") and not self._ships(config):
            words += "; a package that it needs has to stand in its block `# /// script`"
        return f"{self._hop(config)} cannot be served: {words} (the whole log: {log})"

    def _versions(self, environment: Environment) -> str:
        """Return what an app ran on: server, what of it was chosen, and frameworks, each with its version."""
        versions = environment.versions()
        frameworks = [f"{name} {versions[name]}" for name in self.interface.frameworks if name in versions]
        return ", ".join([*self._served_by(versions), *frameworks])

    def _served_by(self, versions: Mapping[str, str]) -> list[str]:
        chosen, loop = self.options.of("server"), self.options.of("loop")
        server = f"{chosen} {versions[chosen]}"
        if chosen == "gunicorn":
            server += f" with uvicorn {versions['uvicorn']}"
        parser = "h11" if chosen == "hypercorn" else self.options.of("HTTP parser")
        named = [f"{parser} {versions[parser]}"] if parser in versions else []
        return [server, f"uvloop {versions['uvloop']}" if loop == "uvloop" else loop, *named]

    def _command(self, config: Path, environment: Environment, evidence: Path) -> list[str]:
        python = [str(environment.python), "-m", self.options.of("server")]
        loop, app = self.options.of("loop"), f"{config.stem}:app"
        match self.options.of("server"):
            case "uvicorn":
                flags = ["--host", "127.0.0.1", "--port", "0", "--loop", loop, "--http", self.options.of("HTTP parser")]
                return [*python, *flags, "--no-access-log", "--timeout-graceful-shutdown", "0", app]
            case "hypercorn":
                flags = ["--bind", "127.0.0.1:0", "--worker-class", loop, "--workers", "0"]
                return [*python, *flags, "--graceful-timeout", "0", app]
            case _:
                return [*python, "--config", str(evidence.absolute() / GUNICORN), app]

    def _files(self) -> dict[str, str]:
        """Return what its server reads, in the folder for evidence."""
        if self.options.of("server") != "gunicorn":
            return {}
        serving = {"loop": self.options.of("loop"), "http": self.options.of("HTTP parser")}
        return {GUNICORN: GUNICORN_SERVES.format(serving) + GUNICORN_ENDS}

    def _variables(self, config: Path) -> dict[str, str]:
        path = f"{config.parent.absolute()}:{(resources.configs() / self.name).absolute()}"
        return {**QUIET, "PYTHONPATH": path, **self.options.settings}


def last_words(log: str) -> str:
    """Return the last exception that a log tells of, without its traceback, or else its last line of any weight."""
    raised = [found["exception"] for found in _RAISED.finditer(log)]
    lines = [line for line in log.splitlines() if line.strip() and not _CHATTER.match(line)]
    said = [line for line in lines if not line.startswith("[")]  # gunicorn's own come after what the app said
    words = [*lines[-1:], *said[-1:], *raised[-1:]]
    return _LOGGED.sub("", words[-1]).strip()[:WORDS_CHARS] if words else ""


def _tree(config: Path) -> ast.Module:
    """Return an app, read and not run. Raises InputError with file and line if it is no Python."""
    try:
        return ast.parse(config.read_bytes(), str(config))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Complaint(f"cannot be read: {error}", file=str(config))) from error
    except SyntaxError as error:
        raise InputError(Complaint(error.msg, file=str(config), line=error.lineno)) from None
    except ValueError as error:
        raise InputError(Complaint(str(error), file=str(config))) from None


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
