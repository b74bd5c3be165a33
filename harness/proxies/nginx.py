"""Runs the real nginx on one native config file, unprivileged-safe, in a folder of its own.

A config is a template of nginx's own language. `${LISTEN}` is the address to listen on, `${UPSTREAM}` the URL to
pass to, `${FOLDER}` a private folder; `include "${FOLDER}/paths.conf";` puts the temporary files there, which an
unprivileged user needs. A server that listens with TLS gets `${CERTIFICATE}` and `${CERTIFICATE_KEY}`, made for it.
Everything else is nginx's, and which versions of HTTP it speaks is asked of it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.errors import InputError, ProxyError, Unavailable
from harness.launchers import distribution
from harness.launchers.process import Launcher, PortTaken, Process, on_free_port, until
from harness.model import Endpoint
from harness.proxies import certificates
from harness.proxies.base import Running
from harness.proxies.negotiation import spoken

READY_S = 10.0
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CERTIFIED = (
    ("${CERTIFICATE}", 'ssl_certificate "${CERTIFICATE}";'),
    ("${CERTIFICATE_KEY}", 'ssl_certificate_key "${CERTIFICATE_KEY}";'),
)
_TLS = re.compile(r"^[^#\n]*\blisten\s+\"?\$\{LISTEN\}[^;#]*\sssl\b", re.MULTILINE)


class Nginx:
    """The `nginx` proxy: its variants are `configs/nginx/*.conf`."""

    name = "nginx"
    emulated = False
    suffix = ".conf"
    setup_hint = "install it: apt-get install nginx, or brew install nginx"

    def version(self) -> str:
        banner = subprocess.run([self._program(), "-v"], capture_output=True, text=True, check=False).stderr
        return banner.strip().removeprefix("nginx version: nginx/")

    def describe(self, config: Path) -> str:
        first = config.read_text().split("\n", 1)[0]
        return first.removeprefix("#").strip() if first.startswith("#") else config.name

    def check(self, config: Path) -> None:
        read_template(config)

    def install(self, progress: Callable[[str], None]) -> None:
        """Install the distribution's nginx if there is none and we may; the service that comes with it stays off."""
        new = distribution.install("nginx", "nginx", "nginx", find=_find, hint=self.setup_hint, progress=progress)
        if new and Path("/run/systemd/system").is_dir():
            disable = [*distribution.as_root(), "systemctl", "disable", "--now", "nginx"]
            subprocess.run(disable, capture_output=True, check=False)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: Launcher) -> Running:
        template = read_template(config)
        return await on_free_port(lambda port: self._start(port, template, upstream, evidence, launcher))

    async def _start(self, port: int, template: str, upstream: Endpoint, evidence: Path, launcher: Launcher) -> Running:
        program, version = self._program(), self.version()
        folder = launcher.folder("nginx")
        rendered = evidence / "nginx.conf"
        rendered.write_text(render(template, f"127.0.0.1:{port}", upstream.url, folder))
        (folder / "paths.conf").write_text(_paths(folder))
        authority = evidence.resolve() / "authority.pem"
        if "${CERTIFICATE" in template:
            await asyncio.to_thread(certificates.issue, folder, authority)
        endpoint = Endpoint(port, authority=str(authority) if _TLS.search(template) else None)
        directives = _process_directives(template, folder, evidence / "error.log")
        process = launcher.launch(
            "nginx",
            [program, "-p", str(folder), "-c", str(rendered.resolve()), "-g", directives],
            log=evidence / "nginx.log",
        )
        try:
            await process.answers(port, within_s=READY_S)
            endpoint = await _serves(process, endpoint)
        except ProxyError as error:
            await launcher.stop(process)
            words = _own_words(process) or str(error)
            fault = PortTaken if f":{port} failed (98: " in words else ProxyError
            raise fault(f"nginx did not start:\n{words}") from None
        return Running(self.name, endpoint, process, version)

    def _program(self) -> str:
        program = _find()
        if program is None:
            raise Unavailable("nginx is not installed", self.setup_hint)
        return program


def _find() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def read_template(config: Path) -> str:
    """Return a config's text. Raises InputError if it cannot serve as a template."""
    try:
        text = config.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{config}: cannot be read: {error}") from error
    for placeholder, use in (("${LISTEN}", "listen ${LISTEN};"), ("${UPSTREAM}", "proxy_pass ${UPSTREAM}/;")):
        if placeholder not in text:
            raise InputError(f"{config}: has no {placeholder}; write `{use}` where the harness has to fill it in")
    for placeholder, use in CERTIFIED:
        if _TLS.search(text) and placeholder not in text:
            raise InputError(
                f"{config}: listens on ${{LISTEN}} with ssl, but has no {placeholder}; write `{use}` "
                "for a certificate that the harness makes and its clients trust"
            )
    return text


def render(template: str, listen: str, upstream: str, folder: Path) -> str:
    """Fill in the placeholders and nothing else: nginx has variables of its own."""
    values = {"LISTEN": listen, "UPSTREAM": upstream, "FOLDER": _escaped(folder)}
    values["CERTIFICATE"] = _escaped(folder / certificates.CERTIFICATE)
    values["CERTIFICATE_KEY"] = _escaped(folder / certificates.KEY)
    return re.sub(rf"\$\{{({'|'.join(values)})\}}", lambda match: values[match[1]], template)


def _paths(folder: Path) -> str:
    return "access_log off;\n" + "".join(f'{name}_temp_path "{_escaped(folder)}/{name}";\n' for name in TEMPORARY)


def _escaped(path: Path) -> str:
    """Return a path as it stands between double quotes in nginx's language."""
    return re.sub(r'(["\\])', r"\\\1", str(path))


def _process_directives(template: str, folder: Path, error_log: Path) -> str:
    """Return what a config need not say, as long as it does not say it itself."""
    ours = {
        "daemon": "daemon off;",
        "pid": f'pid "{_escaped(folder)}/nginx.pid";',
        "error_log": f'error_log "{_escaped(error_log.resolve())}" notice;',
    }
    return " ".join(text for name, text in ours.items() if not re.search(rf"^\s*{name}\s", template, re.MULTILINE))


async def _serves(process: Process, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint, with what it speaks, once it serves. One that cannot have all its ports dies later."""
    try:
        async with asyncio.timeout(READY_S):
            return replace(endpoint, http=await spoken(endpoint))
    except ssl.SSLError as error:
        raise ProxyError(f"nginx does not serve TLS on port {endpoint.port}: {error}") from None
    except (OSError, asyncio.IncompleteReadError):
        await until(process.death, READY_S)
        fault = process.death() or f"nginx accepts on port {endpoint.port}, but does not serve"
        raise ProxyError(f"{fault}:\n{process.log_tail()}") from None


def _own_words(process: Process) -> str:
    """Return nginx's own complaint; what it printed beside it does not help."""
    lines = process.log_tail(40).splitlines()
    return "\n".join(line for line in lines if "[emerg]" in line or "[alert]" in line)
