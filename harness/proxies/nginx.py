"""Runs the real nginx on one native config file, unprivileged-safe, in a folder of its own.

A config is a template of nginx's own language. `${LISTEN}` is the address to listen on, `${UPSTREAM}` the URL to pass
to (for an `upstream` block `${UPSTREAM_ADDRESS}` and `${UPSTREAM_PATH}`), `${FOLDER}` a private folder, where the
temporary files go, too; a server that listens with TLS gets `${CERTIFICATE}` and `${CERTIFICATE_KEY}`, made for it.
What it makes of a config is in nginx_config.py; which versions of HTTP nginx speaks is asked of it.
"""

from __future__ import annotations

import asyncio
import grp
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import InputError, ProxyError, Unavailable
from harness.launchers import distribution
from harness.launchers.base import Program, ProgramLauncher
from harness.launchers.ports import PortTaken, on_free_port, reserved_port
from harness.launchers.process import until
from harness.launchers.waiting import accepts
from harness.model import Endpoint
from harness.proxies import certificates
from harness.proxies.base import Running
from harness.proxies.negotiation import spoken
from harness.proxies.nginx_config import Config, escaped
from harness.resources import configs

READY_S = 10.0
TEST_S = 60.0
INSTALL = "install it: apt-get install nginx, or brew install nginx"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`."""

    name = "nginx"
    emulated = False
    suffix = ".conf"

    def version(self) -> str:
        return _build(self._program())[0]

    def describe(self, config: Path) -> str:
        first = config.read_text().split("\n", 1)[0]
        return first.removeprefix("#").strip() if first.startswith("#") else config.name

    def check(self, config: Path) -> None:
        """Read it, and have nginx itself test it if it is a user's. Ours have tests of their own, and are many."""
        read = Config(config)
        program = _find()
        if program and config.parent != configs() / self.name:
            with tempfile.TemporaryDirectory(prefix="harness-nginx-") as folder, reserved_port() as port:
                _test(program, Instance(read, Path(folder), Path(folder)), port)

    def install(self, progress: Callable[[str], None]) -> None:
        """Install the distribution's nginx if there is none and we may; the service that comes with it stays off."""
        new = distribution.install("nginx", "nginx", "nginx", find=_find, hint=INSTALL, progress=progress)
        if new and Path("/run/systemd/system").is_dir():
            disable = [*distribution.as_root(), "systemctl", "disable", "--now", "nginx"]
            subprocess.run(disable, capture_output=True, check=False)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        read = Config(config)
        if upstream.path and not read.uses("UPSTREAM") and not read.uses("UPSTREAM_PATH"):
            raise InputError(
                f"{config}: the next proxy serves below {upstream.path}; with an upstream block, write"
                " `proxy_pass http://NAME${UPSTREAM_PATH}/;`"
            )
        return await on_free_port(lambda port: self._start(port, read, upstream, evidence, launcher))

    async def _start(
        self, port: int, config: Config, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher
    ) -> Running:
        program = self._program()
        version, prefix = await asyncio.to_thread(_build, program)
        instance = Instance(config, launcher.folder("nginx"), evidence.resolve())
        argv = await asyncio.to_thread(instance.written, port, upstream, prefix)
        endpoint = Endpoint(port, authority=str(instance.authority) if config.listens_with_tls else None)
        started = launcher.launch("nginx", [program, *argv], log=evidence / "nginx.log")
        try:
            await accepts(started, port, READY_S)
            endpoint = await _serves(started, endpoint)
        except ProxyError as error:
            await started.stop()
            words = started.log_tail(40)
            placed, others = instance.complaints(words)
            if placed:
                raise InputError("\n".join(placed)) from None
            fault = PortTaken if f":{port} failed (98: " in words else ProxyError
            raise fault("\n".join(["nginx did not start:", *(others or [words or str(error)])])) from None
        return Running(self.name, endpoint, started, version)

    def _program(self) -> str:
        program = _find()
        if program is None:
            raise Unavailable("nginx is not installed", INSTALL)
        return program


def _find() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Instance:
    """One config, written for one nginx: working files to `folder`, what it was given and said to `evidence`."""

    config: Config
    folder: Path
    evidence: Path

    @property
    def authority(self) -> Path:
        """Where the certificate of who signed for this nginx goes, if it has TLS."""
        return self.evidence / "authority.pem"

    def written(self, port: int, upstream: Endpoint, prefix: str) -> list[str]:
        """Write what nginx reads; return its arguments. Raises Unavailable if no certificate can be made for it."""
        values = {
            "LISTEN": f"127.0.0.1:{port}",
            "UPSTREAM": upstream.url,
            "UPSTREAM_ADDRESS": f"{upstream.host}:{upstream.port}",
            "UPSTREAM_PATH": upstream.path,
            "FOLDER": escaped(self.folder),
            "CERTIFICATE": escaped(self.folder / certificates.CERTIFICATE),
            "CERTIFICATE_KEY": escaped(self.folder / certificates.KEY),
        }
        if self.config.uses("CERTIFICATE"):
            certificates.issue(self.folder, self.authority)
        files = self.config.rendered(values, self.evidence, prefix)
        files[self.folder / "paths.conf"] = self._paths()
        for file, text in files.items():
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return ["-p", str(self.folder), "-c", str(next(iter(files))), "-g", self._process_directives()]

    def complaints(self, words: str) -> tuple[list[str], list[str]]:
        """Return what nginx complains of: what has a place, led back to the file it is about, and the rest."""
        said = dict.fromkeys(re.findall(r"\[(?:emerg|alert)\] (?:\d+#\d+: )?(.*)", words))
        placed = {one: self.config.led_back(one, self.evidence) for one in said}
        return list(filter(None, placed.values())), [one for one, place in placed.items() if not place]

    def _paths(self) -> str:
        folder = escaped(self.folder)
        return "access_log off;\n" + "".join(f'{name}_temp_path "{folder}/{name}";\n' for name in TEMPORARY)

    def _process_directives(self) -> str:
        return (
            f'daemon off; pid "{escaped(self.folder)}/nginx.pid"; '
            f'error_log "{escaped(self.evidence)}/error.log" notice; {_user()}'
        )


def _build(program: str) -> tuple[str, str]:
    """Return an nginx's version, and the folder that it was built for."""
    told = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr
    prefix = re.search(r"--prefix=(\S+)", told)
    return told.split("\n", 1)[0].strip().removeprefix("nginx version: nginx/"), prefix[1] if prefix else ""


def _test(program: str, instance: Instance, port: int) -> None:
    """Raise InputError with what nginx has against a config."""
    try:
        argv = instance.written(port, Endpoint(1), _build(program)[1])
        done = subprocess.run([program, "-t", *argv], capture_output=True, text=True, check=False, timeout=TEST_S)
    except Unavailable:
        return  # its cells will say so
    except subprocess.TimeoutExpired:
        raise InputError(f"{instance.config.main}: nginx has not read it within {TEST_S:g} s") from None
    if done.returncode:
        placed, others = instance.complaints(done.stderr)
        raise InputError("\n".join(placed or [f"{instance.config.main}: {one}" for one in others or [done.stderr]]))


def _user() -> str:
    """Keep root's workers root: as nobody they could not get to a folder below a TMPDIR that is root's alone."""
    return f"user root {grp.getgrgid(0).gr_name};" if os.geteuid() == 0 else ""


async def _serves(program: Program, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint, with what it speaks, once it serves. One that cannot have all its ports dies later."""
    try:
        async with asyncio.timeout(READY_S):
            return replace(endpoint, http=await spoken(endpoint))
    except ssl.SSLError as error:
        raise ProxyError(f"nginx does not serve TLS on port {endpoint.port}: {error}") from None
    except (OSError, asyncio.IncompleteReadError):
        await until(program.death, READY_S)
        raise ProxyError(program.death() or f"nginx accepts on port {endpoint.port}, but does not serve") from None
