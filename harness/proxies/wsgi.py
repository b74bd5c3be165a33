"""Runs a real WSGI application as a hop, as asgi.py runs an ASGI one: Flask, or Django, whose upstream is "the model".

Rule: gunicorn has one worker, as it comes; if that is `sync`, it serves one request at a time, and the next one waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from harness.proxies.application_options import WSGI, Interface, Serving
from harness.proxies.asgi import GUNICORN, GUNICORN_ENDS, Asgi
from harness.proxies.environments import Environment

THREADS = 4
"""Of a `gthread` worker: one for the stream, and some for whoever asks beside it."""


@dataclass(frozen=True, slots=True)
class Wsgi(Asgi):
    """The `wsgi` proxy: its variants are `configs/wsgi/*.py`, and each can be run with options."""

    options: Serving = field(default_factory=lambda: Serving(WSGI))

    interface: ClassVar[Interface] = WSGI

    def _served_by(self, versions: Mapping[str, str]) -> list[str]:
        server = self.options.of("server")
        return [f"{server} {versions[server]}", *[self.options.of("worker")] * (server == "gunicorn")]

    def _command(self, config: Path, environment: Environment, evidence: Path) -> list[str]:
        python = [str(environment.python), "-m", self.options.of("server")]
        if self.options.of("server") == "gunicorn":
            return [*python, "--config", str(evidence.absolute() / GUNICORN), f"{config.stem}:app"]
        flags = ["--bind", "127.0.0.1:0", "--graceful-timeout", "0"]
        return [*python, *flags, f"wsgi:{config.stem}:app"]

    def _files(self) -> dict[str, str]:
        if self.options.of("server") != "gunicorn":
            return {}
        worker = self.options.of("worker")
        threads = f"threads = {THREADS}\n" if worker == "gthread" else ""
        return {GUNICORN: f'worker_class = "{worker}"\n{threads}{GUNICORN_ENDS}'}
